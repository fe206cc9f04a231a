//! A folder of this machine, or one that is mounted.
//!
//! A file is written under a temporary name beside its own, synced, and then linked (create) or renamed (write) to its name; the folder
//! is synced last. So a file is whole under its name, and stays after a power failure. A link, unlike a rename, fails where the name is
//! taken, for exactly one of two that try; where there are no links, Linux's rename without replacement does the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::location::{Location, Scheme};
use super::{Created, Entry, Storage, temporary_name};

#[derive(Debug)]
pub(super) struct Local {
    url: String,
    root: PathBuf,
}

impl Local {
    pub(super) fn new(location: &Location) -> Self {
        debug_assert_eq!(location.scheme, Scheme::File);
        let root = if location.path.is_empty() { "/" } else { &location.path };
        Self { url: location.to_string(), root: PathBuf::from(root) }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn failed(&self, what: &str, path: &str, error: io::Error) -> Error {
        explained(what, &format!("{}/{path}", self.url), error)
    }

    /// A synced temporary file beside `target`, in a folder that is made where there is none.
    fn staged(&self, target: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
        let folder = target.parent().unwrap_or(Path::new("/"));
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = folder.join(temporary_name(&name));
        let file = loop {
            make_folder(folder)?;
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                // Somebody has removed the folder, empty as it was.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.parent().is_some_and(Path::exists) => {}
                result => break result?,
            }
        };
        let written = (&file).write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            drop_temporary(&temporary);
        }
        written.map(|()| temporary)
    }
}

impl Storage for Local {
    fn url(&self) -> &str {
        &self.url
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<Created> {
        let target = self.path(path);
        let failed = |error| self.failed("create", path, error);
        let temporary = self.staged(&target, bytes).map_err(failed)?;
        let linked = link_new(&temporary, &target);
        drop_temporary(&temporary);
        // Also the folder's own entry: another may have made it, and not synced it yet.
        let synced = linked.and_then(|()| sync_folder(&target)).and_then(|()| match target.parent() {
            Some(folder) => sync_folder(folder),
            None => Ok(()),
        });
        match synced {
            Ok(()) => Ok(Created::Written),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Over a network, the answer to a link that succeeded may be lost, and the second try fails.
                let ours = self.read(path)?.is_some_and(|found| found == bytes);
                Ok(if ours { Created::Written } else { Created::Exists })
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let target = self.path(path);
        let write = || {
            let temporary = self.staged(&target, bytes)?;
            fs::rename(&temporary, &target).inspect_err(|_| drop_temporary(&temporary))?;
            sync_folder(&target)
        };
        write().map_err(|error| self.failed("write", path, error))
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        absent(fs::read(self.path(path))).map_err(|error| self.failed("read", path, error))
    }

    fn exists(&self, path: &str) -> Result<bool> {
        let found = absent(fs::metadata(self.path(path))).map_err(|error| self.failed("read", path, error))?;
        Ok(found.is_some_and(|data| data.is_file()))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let list = || {
            let mut entries = Vec::new();
            for entry in absent(fs::read_dir(self.path(folder)))?.into_iter().flatten() {
                let entry = entry?;
                // What is removed meanwhile is not there.
                let Some(data) = absent(entry.metadata())? else { continue };
                let bytes = (!data.is_dir()).then_some(data.len());
                entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), bytes });
            }
            entries.sort();
            Ok(entries)
        };
        list().map_err(|error| self.failed("list", folder, error))
    }

    fn delete(&self, path: &str) -> Result<()> {
        absent(fs::remove_file(self.path(path))).map_err(|error| self.failed("delete", path, error))?;
        Ok(())
    }

    fn delete_folder(&self, folder: &str) -> Result<()> {
        absent(fs::remove_dir_all(self.path(folder))).map_err(|error| self.failed("delete", folder, error))?;
        Ok(())
    }
}

/// Makes the folder and those above it, each synced into the one it is in.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        // Another was faster, unless it is a file.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !folder.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        result => result?,
    }
    sync_folder(folder)
}

/// Makes the entry of `path` in its folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Gives a file a second name, unless that is taken.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // What file systems without links answer.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => {
            renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|second| match second {
                rustix::io::Errno::EXIST => second.into(),
                _ => error,
            })
        }
        result => result,
    }
}

/// Best effort: what stays is removed with the leftovers of the attempt.
fn drop_temporary(path: &Path) {
    let _ = fs::remove_file(path);
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a failed operation on a disk tells the user.
fn explained(what: &str, url: &str, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let hint = match error.kind() {
        Io::StorageFull | Io::QuotaExceeded => {
            Some("free space there, or give another folder by execution.checkpointing.dir")
        }
        Io::PermissionDenied | Io::ReadOnlyFilesystem => Some(
            "let the user that Riverrun runs as write there, or give another folder by execution.checkpointing.dir",
        ),
        Io::NotADirectory | Io::NotFound => Some("give a folder that can be made by execution.checkpointing.dir"),
        _ => None,
    };
    let retryable = !matches!(error.kind(), Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotADirectory);
    let told = Error::external(format!("cannot {what} {url}")).caused_by(error);
    let told = if retryable { told.retryable() } else { told };
    match hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_the_remedy() {
        let full = io::Error::from(rustix::io::Errno::NOSPC);
        let text = explained("create", "file:///c/job/chk-7/_metadata", full).to_string();
        let expected = "cannot create file:///c/job/chk-7/_metadata: No space left on device (os error 28); \
                        free space there, or give another folder by execution.checkpointing.dir";
        assert_eq!(text, expected);
    }
}
