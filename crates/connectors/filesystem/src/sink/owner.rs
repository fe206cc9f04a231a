//! Whose a hidden file is: its name tells the job, the sink and the attempt, so that nobody removes what is another's.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use riverrun_base::Result;
use riverrun_connect::JobContext;
use riverrun_protocol::CheckpointId;

use super::part::uuid;
use crate::path::failed;

const IN_PROGRESS: &str = ".inprogress.";

/// One sink of one job, in one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The job's id, and a hash of the operator's uid: the same in all attempts.
    sink: String,
    attempt: u64,
}

impl Owner {
    pub(super) fn of(job: &JobContext) -> Self {
        Self { sink: format!("{}-{:016x}", job.id, fnv(job.operator.as_bytes())), attempt: job.attempt }
    }

    /// The owner of a hidden part; `None` for any other file.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix(".part-")?;
        let (sink, attempt) = name.rsplit_once(IN_PROGRESS)?.1.rsplit_once('-')?;
        Some(Self { sink: sink.to_owned(), attempt: attempt.parse().ok()? })
    }

    /// The hidden name of a part, which is Flink's up to the last point.
    pub(super) fn hidden(&self, part: &str) -> String {
        format!(".{part}{IN_PROGRESS}{}-{}", self.sink, self.attempt)
    }

    /// Removes the hidden parts of this sink's earlier attempts in a folder. A later attempt may be running, if this one was stopped
    /// for a while and does not know: its parts stay. A folder that is not there has none.
    ///
    /// # Errors
    /// The folder cannot be read, or a file not removed.
    pub(super) fn remove_earlier(&self, folder: &Path) -> Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("cannot read the folder", folder, error)),
        };
        for entry in entries {
            let path = entry.map_err(|error| failed("cannot read the folder", folder, error))?.path();
            if Self::of_file(&path).is_some_and(|owner| owner.sink == self.sink && owner.attempt < self.attempt) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The last checkpoint whose parts all got their names, in whichever attempt; `None` where nothing is known.
    ///
    /// # Errors
    /// The file that says so cannot be read.
    pub(super) fn committed(&self, folder: &Path) -> Result<Option<CheckpointId>> {
        let path = self.committed_file(folder);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.parse().ok().map(CheckpointId)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read the file", &path, error)),
        }
    }

    /// Writes down that all parts of a checkpoint, and of those before, got their names.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn set_committed(&self, folder: &Path, checkpoint: CheckpointId) -> Result<()> {
        let path = self.committed_file(folder);
        let new = folder.join(self.hidden(&format!("part-{}", uuid())));
        fs::write(&new, checkpoint.to_string()).map_err(|error| failed("cannot write the file", &new, error))?;
        fs::rename(&new, &path).map_err(|error| failed("cannot rename to", &path, error))
    }

    /// Nothing is known any more.
    ///
    /// # Errors
    /// The file that says so cannot be removed.
    pub(super) fn forget_committed(&self, folder: &Path) -> Result<()> {
        remove(&self.committed_file(folder))
    }

    fn committed_file(&self, folder: &Path) -> PathBuf {
        folder.join(format!(".committed.{}", self.sink))
    }
}

/// Removes a file that may be gone already.
///
/// # Errors
/// It stays.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("cannot remove the file", path, error)),
        _ => Ok(()),
    }
}

/// The hash FNV-1a, which stays the same for ever, as names on a disk must.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_name_tells_job_operator_and_attempt() {
        let job = JobContext { id: "0f".into(), operator: "a".into(), attempt: 12, ..JobContext::default() };
        let owner = Owner::of(&job);
        let hidden = owner.hidden("part-x-0-1");
        assert_eq!(hidden, ".part-x-0-1.inprogress.0f-af63dc4c8601ec8c-12");
        assert_eq!(Owner::of_file(Path::new(&hidden)), Some(owner.clone()));
        assert_ne!(Owner::of(&JobContext { operator: "b".into(), ..job }).sink, owner.sink);
        for other in ["part-x-0-1", ".part-x-0-1.inprogress.0f", ".committed.0f-af63dc4c8601ec8c-12"] {
            assert_eq!(Owner::of_file(Path::new(other)), None, "{other}");
        }
    }
}
