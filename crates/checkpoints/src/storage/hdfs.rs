//! HDFS, by its own protocol.
//!
//! A file is written under a temporary name, synced on its data nodes, closed, and renamed. The name node renames atomically, and
//! without overwriting when told so (`rename2`); creating the file under its own name would show it before it is whole.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use hdfs_native::client::{FileStatus, WriteOptions};
use hdfs_native::{ClientBuilder, HdfsError};
use riverrun_base::{Error, Result};

use super::location::Location;
use super::network::{Failure, Pieces, Remote, runtime};
use super::{Entry, StoreOptions, temporary_name};

/// What is set unless the user says otherwise: repeating is this crate's matter, not the client's.
const SETTINGS: &[(&str, &str)] = &[
    ("dfs.client.failover.max.attempts", "3"),
    ("dfs.client.failover.sleep.base.millis", "100"),
    ("dfs.client.failover.sleep.max.millis", "1000"),
];

/// A connection to a name node, or to the name nodes of a name service.
#[derive(Debug)]
pub(super) struct Client(hdfs_native::Client);

impl Client {
    /// `authority` is empty where `HADOOP_CONF_DIR` names the file system (`fs.defaultFS`).
    pub(super) fn new(authority: &str, options: &StoreOptions) -> Result<Self> {
        let defaults = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings = defaults.filter(|(key, _)| !options.hadoop.contains_key(key)).chain(options.hadoop.clone());
        let url = format!("hdfs://{authority}/");
        let client = ClientBuilder::new().with_url(&url).with_config(settings).with_io_runtime(runtime()?).build();
        client.map(Self).map_err(|error| {
            let hint = "write hdfs://host:port/folder; a name service or hdfs:///folder needs HADOOP_CONF_DIR";
            Error::user(format!("cannot open {url}")).caused_by(error).hint(hint)
        })
    }
}

/// A folder of HDFS.
#[derive(Debug)]
pub(super) struct Hdfs {
    client: Arc<Client>,
    url: String,
    root: String,
}

impl Hdfs {
    pub(super) fn new(client: Arc<Client>, location: &Location) -> Self {
        Self { client, url: location.to_string(), root: location.path.clone() }
    }

    fn path(&self, path: &str) -> String {
        match (self.root.as_str(), path) {
            ("", "") => "/".to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        }
    }

    /// A whole, synced file under a temporary name beside `target`, then renamed.
    async fn put_renamed(&self, target: &str, bytes: &[u8], overwrite: bool) -> Result<(), Failure> {
        let (folder, name) = target.rsplit_once('/').unwrap_or(("", target));
        let temporary = format!("{folder}/{}", temporary_name(name));
        let client = &self.client.0;
        let put = async {
            let mut writer = client.create(&temporary, WriteOptions::default()).await?;
            let written = async {
                writer.write_bytes(bytes.to_vec().into()).await?;
                match writer.hsync().await {
                    // Files of erasure coding cannot be synced; closing still waits for every data node.
                    Err(HdfsError::UnsupportedFeature(_)) => Ok(()),
                    synced => synced,
                }
            }
            .await;
            // Closed also after a failure, or it would be renewed for ever as a file being written.
            let closed = writer.close().await;
            written.and(closed)?;
            client.rename(&temporary, target, overwrite).await
        };
        let outcome = put.await.map_err(classified);
        if outcome.is_err() {
            // Best effort: what stays is removed with the leftovers of the attempt.
            let _ = client.delete(&temporary, false).await;
        }
        match outcome {
            // The temporary file, or the folder: somebody removed them, or the rename was done and its answer lost.
            Err(Failure::Absent) => Err(Failure::Passing("the file was removed while it was written".to_owned())),
            outcome => outcome,
        }
    }
}

impl Remote for Hdfs {
    fn url(&self) -> &str {
        &self.url
    }

    fn unreachable(&self) -> &'static str {
        "is this the address of HDFS's name node (fs.defaultFS), and are its data nodes running and reachable from here?"
    }

    async fn put_new(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let target = self.path(path);
        // Cheaper than writing a file that cannot get its name; the rename decides all the same.
        match self.client.0.get_file_info(&target).await.map_err(classified) {
            Ok(_) => Err(Failure::Taken),
            Err(Failure::Absent) => self.put_renamed(&target, bytes, false).await,
            Err(failure) => Err(failure),
        }
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put_renamed(&self.path(path), bytes, true).await
    }

    async fn get(&self, path: &str) -> Result<Pieces<'_>, Failure> {
        let reader = self.client.0.read(&self.path(path)).await.map_err(classified)?;
        Ok(reader.read_range_stream(0, reader.file_length()).map_err(classified).boxed())
    }

    async fn head(&self, path: &str) -> Result<(), Failure> {
        match self.client.0.get_file_info(&self.path(path)).await.map_err(classified)? {
            FileStatus { isdir: false, .. } => Ok(()),
            _ => Err(Failure::Absent),
        }
    }

    async fn entries(&self, folder: &str) -> Result<Vec<Entry>, Failure> {
        let listed = self.client.0.list_status(&self.path(folder), false).await.map_err(classified)?;
        let entry = |status: FileStatus| Entry {
            name: status.path.rsplit('/').next().unwrap_or_default().to_owned(),
            bytes: (!status.isdir).then_some(status.length as u64),
        };
        Ok(listed.into_iter().map(entry).collect())
    }

    async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.client.0.delete(&self.path(path), false).await.map(drop).map_err(classified)
    }

    async fn remove_folder(&self, folder: &str) -> Result<(), Failure> {
        self.client.0.delete(&self.path(folder), true).await.map(drop).map_err(classified)
    }
}

/// What an answer of HDFS means for a try.
fn classified(error: HdfsError) -> Failure {
    const PERMISSION: &str =
        "let the user that Riverrun runs as (or HADOOP_USER_NAME) write there, or give another folder";
    // The rest is the server's stack.
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default().to_owned();
    match &error {
        HdfsError::FileNotFound(_) => Failure::Absent,
        HdfsError::AlreadyExists(_) => Failure::Taken,
        HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => {
            match class.rsplit('.').next().unwrap_or_default() {
                "FileNotFoundException" => Failure::Absent,
                "AccessControlException" => Failure::Refused(text, Some(PERMISSION)),
                "NSQuotaExceededException" | "DSQuotaExceededException" | "QuotaByStorageTypeExceededException" => {
                    Failure::Refused(text, Some("free space there, raise the folder's quota, or give another folder"))
                }
                "ParentNotDirectoryException"
                | "InvalidPathException"
                | "FSLimitException"
                | "RpcNoSuchMethodException" => Failure::Refused(text, None),
                _ => Failure::Passing(text),
            }
        }
        HdfsError::InvalidPath(_)
        | HdfsError::InvalidArgument(_)
        | HdfsError::UrlParseError(_)
        | HdfsError::IsADirectoryError(_)
        | HdfsError::UnsupportedErasureCodingPolicy(_)
        | HdfsError::UnsupportedFeature(_)
        | HdfsError::SASLError(_)
        | HdfsError::GSSAPIError(..)
        | HdfsError::NoSASLMechanism => Failure::Refused(text, None),
        _ => Failure::Passing(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hdfs_answers_is_classified() {
        let answer = |class: &str| classified(HdfsError::RPCError(class.to_owned(), "text\n\tat a.b.C".to_owned()));
        assert!(matches!(answer("java.io.FileNotFoundException"), Failure::Absent));
        assert!(matches!(answer("org.apache.hadoop.hdfs.server.namenode.SafeModeException"), Failure::Passing(_)));
        let refused = answer("org.apache.hadoop.security.AccessControlException");
        let Failure::Refused(text, Some(hint)) = refused else { panic!("{refused:?}") };
        assert_eq!(text, "RPC error: org.apache.hadoop.security.AccessControlException text");
        assert!(hint.contains("HADOOP_USER_NAME"));
        assert!(matches!(classified(HdfsError::AlreadyExists(String::new())), Failure::Taken));
    }
}
