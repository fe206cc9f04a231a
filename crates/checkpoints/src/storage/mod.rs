//! Where checkpoints are stored: a folder that knows how to create a file once, and how to make it durable.

mod local;
mod location;
mod stores;

#[cfg(feature = "hdfs")]
mod hdfs;
#[cfg(any(feature = "hdfs", feature = "s3"))]
mod network;
#[cfg(feature = "s3")]
mod s3;

use riverrun_base::{Error, Result};

pub use stores::{StoreOptions, Stores};

/// How [`Storage::create`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The file is there, with these bytes, by this call.
    Written,
    /// The file was there before, by another; it is as it was.
    Exists,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// The length of a file; `None` for a folder.
    pub bytes: Option<u64>,
}

/// A folder on a disk or in a distributed store, and the files below it.
///
/// A path is relative to the folder: names joined by `/`. Folders come into being with the first file in them; on an object store there
/// are none, and an empty one is not seen. Calls block the thread, within limits: a network store gives up after some minutes. They must
/// not come from a thread of an async runtime.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// The folder as a user would write it, with a scheme, without a slash at the end.
    fn url(&self) -> &str;

    /// Creates a file that does not exist, whole or not at all, durable on return. Of many that try, in any processes, one is told
    /// [`Created::Written`]. The bytes must be different from what any other writer would put there: where an answer is lost, the file
    /// is read back and compared.
    ///
    /// # Errors
    /// The store cannot be reached or refuses the write. Then the file may or may not be there, or come to be there later.
    fn create(&self, path: &str, bytes: &[u8]) -> Result<Created>;

    /// Writes a file whose name nobody else uses, whole or not at all, durable on return. A file that is there is replaced.
    ///
    /// # Errors
    /// As [`Self::create`].
    fn write(&self, path: &str, bytes: &[u8]) -> Result<()>;

    /// The bytes of a file; `None` when there is none.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>>;

    /// Whether there is a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn exists(&self, path: &str) -> Result<bool>;

    /// What is in a folder (the storage's own is `""`), by name, without what is in its folders; empty when there is none. Temporary
    /// files of writers, running or dead, are among it: [`is_temporary`] tells them.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn list(&self, folder: &str) -> Result<Vec<Entry>>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn delete(&self, path: &str) -> Result<()>;

    /// Removes a folder with all that is in it, if it is there.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn delete_folder(&self, folder: &str) -> Result<()>;
}

/// Whether a name is that of a file being written. It is left behind where its writer is killed.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

/// Checks that checkpoints can be kept in a folder of the storage (`""` for its own): files can be written, read, listed, created once
/// and removed. It leaves nothing behind.
///
/// # Errors
/// They cannot; the message names the folder and the remedy.
pub fn check(storage: &dyn Storage, folder: &str) -> Result<()> {
    let name = format!(".check-{}", unique());
    let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
    let place = |error: Error| error.with("checkpoints in", storage.url());
    let first = storage.create(&path, path.as_bytes()).map_err(place)?;
    let probe = || -> Result<()> {
        let second = storage.create(&path, b"another attempt")?;
        if (first, second) != (Created::Written, Created::Exists) {
            let message = "this store creates a file that is there already: two attempts of a job could both complete a checkpoint";
            let hint = "use a store that honours `If-None-Match: *` on PutObject";
            return Err(Error::external(message).hint(hint));
        }
        let listed = storage.list(folder)?.iter().any(|entry| entry.name == name);
        if storage.read(&path)?.as_deref() != Some(path.as_bytes()) || !listed {
            return Err(Error::external("this store does not show a file that was just written"));
        }
        Ok(())
    };
    let probed = probe();
    let removed = storage.delete(&path);
    probed.and(removed).map_err(place)
}

/// 32 hexadecimal digits that were never given before, in this process or another.
pub(crate) fn unique() -> String {
    format!("{:032x}", random())
}

/// A random number, of which no two are the same in any processes.
pub(crate) fn random() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    // Its keys are the operating system's; each call has other ones.
    let word =
        |salt: u64| u128::from(RandomState::new().hash_one((salt, std::process::id(), std::time::Instant::now())));
    word(0) << 64 | word(1)
}

/// The temporary name of a file being written; see [`is_temporary`].
fn temporary_name(name: &str) -> String {
    format!(".{name}.{}.tmp", unique())
}
