//! A folder of this machine. A file appears under its name when it and its name are on the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;
use riverrun_base::{Error, Result};

use super::{Found, Place, Row, Store, files};
use crate::shell::now_ms;

/// The store.
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &str, table: &str) -> Self {
        Self { root: Path::new(path).join(table) }
    }

    /// Runs `work` where it may wait for the disk.
    fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let root = self.root.clone();
        async move {
            let shown = root.display().to_string();
            let done = tokio::task::spawn_blocking(move || work(&root)).await;
            let done = done.map_err(|error| Error::internal("working on files panicked").caused_by(error))?;
            done.map_err(|error| {
                Error::external("the failover store's files cannot be worked on")
                    .caused_by(error)
                    .with("folder", shown)
                    .retryable()
            })
        }
        .boxed()
    }
}

impl Store for Folder {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        let (bytes, (day, name)) = (files::lines(rows), files::place("%Y-%m-%d", now_ms()));
        self.on_disk(move |root| put(root, &day, &name, &bytes))
    }

    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        async move {
            let files = self.on_disk(all_files).await?;
            let mut found = Vec::new();
            let mut last = None;
            for file in files.into_iter().filter(|file| after.as_ref().is_none_or(|after| file > after)) {
                let path = file.clone();
                let text = self.on_disk(move |root| fs::read_to_string(root.join(path))).await?;
                found.extend(files::found(&file, &text)?);
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
                self.on_disk(move |root| {
                    let text = fs::read_to_string(root.join(&file))?;
                    match files::without(&text, &lines) {
                        None => fs::remove_file(root.join(&file)),
                        Some(rest) => {
                            let (day, name) = file.split_once('/').unwrap_or(("", &file));
                            put(root, day, name, rest.as_bytes())
                        }
                    }
                })
                .await?;
            }
            Ok(behind)
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        let name = format!(".probe-{:016x}", fastrand::u64(..));
        self.on_disk(move |root| {
            fs::create_dir_all(root)?;
            let file = root.join(name);
            File::create(&file)?;
            fs::remove_file(file)
        })
    }
}

/// The files below the table's folder, `<day>/<name>`, sorted.
fn all_files(root: &Path) -> io::Result<Vec<String>> {
    let mut all = Vec::new();
    let days = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        days => days?,
    };
    for day in days {
        let day = day?;
        if !day.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(day.path())? {
            let name = file?.file_name();
            if files::is_whole(&name.to_string_lossy()) {
                all.push(format!("{}/{}", day.file_name().to_string_lossy(), name.to_string_lossy()));
            }
        }
    }
    all.sort();
    Ok(all)
}

fn put(root: &Path, day: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = root.join(day);
    make(&folder)?;
    let temporary = folder.join(format!(".{name}.part"));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, folder.join(name))?;
        File::open(&folder)?.sync_all()
    })();
    if written.is_err() {
        // The first error tells more.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes a folder so that it is still there after a crash.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        return File::open(parent)?.sync_all();
    }
    fs::create_dir_all(folder)
}
