//! HDFS. A file is written under another name, synced on its data nodes, closed, and renamed.

use futures::FutureExt;
use futures::future::BoxFuture;
use hdfs_native::client::WriteOptions;
use hdfs_native::{Client, ClientBuilder, HdfsError};
use riverrun_base::{Error, Result};
use riverrun_connect::io_runtime;

use super::{Found, Place, Row, Store, files};
use crate::shell::now_ms;

/// The store.
pub(crate) struct Hdfs {
    url: String,
    user: Option<String>,
    root: String,
    date: String,
    client: Option<Client>,
}

impl Hdfs {
    pub(crate) fn new(namenode: &str, user: Option<&str>, root: &str, date: &str) -> Self {
        let authority = namenode.trim_end_matches('/');
        let url = if authority.contains("://") { authority.to_owned() } else { format!("hdfs://{authority}") };
        let root = format!("/{}", root.trim_start_matches('/'));
        Self { url: format!("{url}/"), user: user.map(str::to_owned), root, date: date.to_owned(), client: None }
    }

    fn client(&mut self) -> Result<Client> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let mut builder = ClientBuilder::new().with_url(&self.url).with_io_runtime(io_runtime()?);
        // Repeating is the keeper's matter.
        builder = builder
            .with_config([("dfs.client.failover.max.attempts", "3"), ("dfs.client.failover.sleep.base.millis", "100")]);
        if let Some(user) = &self.user {
            builder = builder.with_user(user);
        }
        let client = builder.build().map_err(|error| self.failed(&error))?;
        self.client = Some(client.clone());
        Ok(client)
    }

    fn failed(&self, error: &HdfsError) -> Error {
        Error::external(format!("HDFS cannot be written to: {error}")).with("namenode", &self.url).retryable()
    }

    async fn put(&mut self, rows: &[Row]) -> Result<()> {
        let client = self.client()?;
        let (day, name) = files::place(&self.date, now_ms());
        let folder = format!("{}/{day}", self.root);
        let (temporary, target) = (format!("{folder}/.{name}.part"), format!("{folder}/{name}"));
        let written = async {
            client.mkdirs(&folder, 0o755, true).await?;
            write_whole(&client, &temporary, &target, files::lines(rows), false).await
        }
        .await;
        written.map_err(|error| {
            self.client = None;
            self.failed(&error)
        })
    }

    /// The files below the table's folder, `<day>/<name>`, sorted.
    async fn files(&mut self) -> Result<Vec<String>> {
        let client = self.client()?;
        let listed = match client.list_status(&self.root, true).await {
            Err(HdfsError::FileNotFound(_)) => return Ok(Vec::new()),
            listed => listed.map_err(|error| self.failed(&error))?,
        };
        let prefix = format!("{}/", self.root);
        let file = |status: hdfs_native::client::FileStatus| {
            let path = status.path.strip_prefix(&prefix)?.to_owned();
            (!status.isdir && files::is_whole(path.rsplit('/').next()?)).then_some(path)
        };
        let mut all: Vec<String> = listed.into_iter().filter_map(file).collect();
        all.sort();
        Ok(all)
    }

    async fn text(&mut self, file: &str) -> Result<String> {
        let client = self.client()?;
        let read = async {
            let reader = client.read(&format!("{}/{file}", self.root)).await?;
            reader.read_range(0, reader.file_length()).await
        }
        .await;
        let bytes = read.map_err(|error| self.failed(&error))?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Error::data("a file of the failover store is no text").with("file", file))
    }
}

/// A whole, synced file under a temporary name, then renamed.
async fn write_whole(
    client: &Client,
    temporary: &str,
    target: &str,
    bytes: Vec<u8>,
    overwrite: bool,
) -> std::result::Result<(), HdfsError> {
    let mut writer = client.create(temporary, WriteOptions::default().overwrite(true)).await?;
    let synced = async {
        writer.write_bytes(bytes.into()).await?;
        match writer.hsync().await {
            // Files of erasure coding cannot be synced; closing still waits for every data node.
            Err(HdfsError::UnsupportedFeature(_)) => Ok(()),
            synced => synced,
        }
    }
    .await;
    // Closed also after a failure, or it would stay a file that is being written.
    let closed = writer.close().await;
    synced.and(closed)?;
    client.rename(temporary, target, overwrite).await
}

impl Store for Hdfs {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        self.put(rows).boxed()
    }

    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        async move {
            let (mut found, mut last) = (Vec::new(), None);
            for file in self.files().await?.into_iter().filter(|file| after.as_ref().is_none_or(|after| file > after)) {
                found.extend(files::found(&file, &self.text(&file).await?)?);
                last = Some(file);
                if found.len() >= most {
                    break;
                }
            }
            Ok((found, last))
        }
        .boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        async move {
            for (file, lines) in files::by_file(rows) {
                let (client, text) = (self.client()?, self.text(&file).await?);
                let path = format!("{}/{file}", self.root);
                let done = match files::without(&text, &lines) {
                    None => client.delete(&path, false).await.map(drop),
                    Some(rest) => {
                        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
                        write_whole(&client, &format!("{folder}/.{name}.part"), &path, rest.into_bytes(), true).await
                    }
                };
                done.map_err(|error| self.failed(&error))?;
            }
            Ok(behind)
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        async {
            let client = self.client()?;
            client.mkdirs(&self.root, 0o755, true).await.map_err(|error| {
                self.client = None;
                self.failed(&error)
            })
        }
        .boxed()
    }
}
