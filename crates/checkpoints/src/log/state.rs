//! State files: written once under a new name, read with their checksum.

use std::borrow::Cow;
use std::collections::BTreeMap;

use riverrun_base::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::{CheckpointLog, SHARED, is_absolute, offered};
use crate::storage::{Storage, is_temporary, unique};
use crate::{Checkpoint, StateData, StateFile};

impl CheckpointLog {
    /// Stores state: in what is returned when it is small, else in a file of the job that nobody else writes. `hint` is for people who
    /// look into the folder: an operator's name. It is durable on return, and removed with the last checkpoint that refers to it; where
    /// none ever does, by [`Self::remove_leftovers`] of a later attempt.
    ///
    /// # Errors
    /// The store cannot be reached or refuses.
    pub fn store_state(&self, attempt: u64, hint: &str, bytes: Vec<u8>, rows: u64) -> Result<StateFile> {
        if bytes.len() < self.inline_below {
            return Ok(StateFile { data: StateData::Inline(bytes), rows });
        }
        let hint: String = hint.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let path = format!("{SHARED}/{attempt}-{hint}-{}", unique());
        self.storage.write(&path, &bytes)?;
        let data = StateData::Stored { path, bytes: bytes.len() as u64, checksum: xxh3_64(&bytes) };
        Ok(StateFile { data, rows })
    }

    /// The bytes of a state file of this log, or of a snapshot that [`crate::resolve`] has found.
    ///
    /// # Errors
    /// The file is missing, truncated or altered: the error names it, and a checkpoint that does not need it. Or the store cannot be
    /// reached.
    pub fn open_state<'a>(&self, file: &'a StateFile) -> Result<Cow<'a, [u8]>> {
        let (path, length, checksum) = match &file.data {
            StateData::Inline(bytes) => return Ok(Cow::Borrowed(bytes)),
            StateData::Stored { path, bytes, checksum } => (path, *bytes, *checksum),
        };
        let (storage, path) = match path.rsplit_once("/shared/") {
            _ if !is_absolute(path) => (self.storage.clone(), path.clone()),
            Some((job, name)) => (self.stores.open(job)?, format!("{SHARED}/{name}")),
            None => self.stores.open_parent(path)?,
        };
        let found = storage.read(&path)?;
        let reason = match &found {
            None => "it is missing".to_owned(),
            Some(bytes) if bytes.len() as u64 != length => wrong_length(bytes.len() as u64, length),
            Some(bytes) if xxh3_64(bytes) != checksum => {
                "it is altered: its checksum is not that of its bytes".to_owned()
            }
            Some(_) => return Ok(Cow::Owned(found.unwrap_or_default())),
        };
        let error = Error::external(format!("a state file is damaged: {reason}"));
        let error = error.with("file", format!("{}/{path}", storage.url()));
        Err(offered(error, &*storage, u64::MAX, Some(&path)))
    }
}

/// The first state file of a checkpoint that is not in `folder` of its storage, or not with its length, and why.
pub(crate) fn missing(
    storage: &dyn Storage,
    folder: &str,
    checkpoint: &Checkpoint,
) -> Result<Option<(String, String)>> {
    let mut found: Option<BTreeMap<String, u64>> = None;
    for file in checkpoint.stored_files() {
        let StateData::Stored { path, bytes, .. } = &file.data else { continue };
        if is_absolute(path) {
            continue;
        }
        if found.is_none() {
            let entries = storage.list(folder)?.into_iter().filter(|entry| !is_temporary(&entry.name));
            let path = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
            found = Some(entries.filter_map(|entry| Some((path(entry.name), entry.bytes?))).collect());
        }
        match found.as_ref().and_then(|found| found.get(path)) {
            None => return Ok(Some((path.clone(), "a state file is missing".to_owned()))),
            Some(length) if length != bytes => {
                return Ok(Some((path.clone(), format!("a state file is damaged: {}", wrong_length(*length, *bytes)))));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

fn wrong_length(found: u64, expected: u64) -> String {
    let what = if found < expected { "truncated" } else { "altered" };
    format!("it is {what}: {found} bytes long and should be {expected}")
}
