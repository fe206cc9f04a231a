//! Checkpoints and savepoints outside a running job: writing a savepoint, and finding what a user names.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;

use crate::codec::{self, Metadata};
use crate::log::{METADATA, is_absolute, is_job_id, load, missing, offered, slot_number, slots};
use crate::storage::{Created, Storage, Stores, random, unique};
use crate::{Checkpoint, CheckpointLog, Slot, StateData};

/// A checkpoint or savepoint that a job can start from.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it holds. Its files are absolute URLs, so that any [`CheckpointLog`] opens them, and any job's checkpoint may refer to them.
    pub checkpoint: Checkpoint,
    /// The folder that its metadata is in.
    pub url: String,
    /// The folder of the job in whose log it is; none for a savepoint.
    pub job_folder: Option<String>,
}

/// A job whose log is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundJob {
    /// Its id, for [`CheckpointLog::open`].
    pub job_id: String,
    /// Its name.
    pub job_name: String,
    /// Its newest completed checkpoint.
    pub checkpoint: CheckpointId,
    /// When that was completed, in milliseconds since 1970.
    pub completed_ms: i64,
    /// The folder of that checkpoint.
    pub url: String,
}

impl CheckpointLog {
    /// Writes a savepoint: a new folder in the one that `savepoints` names, that holds copies of all files of the checkpoint and can be
    /// moved. Returns its URL. It is whole once its metadata is there, which is written last.
    ///
    /// # Errors
    /// The store cannot be reached or refuses, or a state file is damaged. Then nothing is left behind, as far as that is possible.
    pub fn write_savepoint(&self, savepoints: &str, checkpoint: &Checkpoint) -> Result<String> {
        let name = format!("savepoint-{}-{}", &self.job_id()[..6], &unique()[..12]);
        let storage = self.stores().open(&format!("{savepoints}/{name}"))?;
        let written = self.copy_to(&*storage, checkpoint);
        if written.is_err() {
            // The first error tells more than one of this.
            let _ = storage.delete_folder("");
        }
        written.map(|()| storage.url().to_owned())
    }

    fn copy_to(&self, storage: &dyn Storage, checkpoint: &Checkpoint) -> Result<()> {
        let mut copied = BTreeMap::new();
        for file in checkpoint.stored_files() {
            let StateData::Stored { path, .. } = &file.data else { continue };
            let name = path.rsplit('/').next().unwrap_or(path);
            if copied.insert(path.clone(), name.to_owned()).is_none() {
                storage.write(name, &self.open_state(file)?)?;
            }
        }
        let mut savepoint = checkpoint.clone();
        savepoint.is_savepoint = true;
        for data in savepoint.stored_files_mut() {
            if let StateData::Stored { path, .. } = data
                && let Some(name) = copied.get(path)
            {
                path.clone_from(name);
            }
        }
        match storage.create(METADATA, &codec::encode(&Metadata::Savepoint(savepoint), random()))? {
            Created::Written => Ok(()),
            Created::Exists => {
                Err(Error::internal("a new savepoint's folder was taken").with("savepoint", storage.url()))
            }
        }
    }
}

/// What a user names for a job to start from: the folder of a checkpoint or savepoint, or the `_metadata` in it.
///
/// # Errors
/// There is none, or it is damaged; for the folder of a job, the error lists the checkpoints in it, newest first.
pub fn resolve(stores: &Stores, path: &str) -> Result<Snapshot> {
    let storage = match stores.open_parent(path) {
        Ok((folder, name)) if name == METADATA => folder,
        _ => stores.open(path)?,
    };
    let Some(bytes) = storage.read(METADATA)? else { return Err(no_checkpoint(&*storage)) };
    let file = format!("{}/{METADATA}", storage.url());
    let in_log = stores.open_parent(storage.url()).ok().and_then(|(job, name)| Some((job, slot_number(&name)?)));
    let (mut checkpoint, base) = match (codec::decode(&bytes), &in_log) {
        (Ok(Metadata::Savepoint(savepoint)), _) => {
            if let Some((path, reason)) = missing(&*storage, "", &savepoint)? {
                let error = Error::external(format!("the savepoint is damaged: {reason}"));
                return Err(error.with("file", format!("{}/{path}", storage.url())));
            }
            (savepoint, storage.url())
        }
        // Read once more, with everything that can be wrong with it.
        (_, Some((job, number))) => (load(&**job, *number)?, job.url()),
        (Ok(Metadata::Slot(_)), None) => {
            let error = Error::user("this is a checkpoint outside its job's folder, where its state files are");
            return Err(error
                .with("file", file)
                .hint("move it back; a savepoint can be moved, and a checkpoint cannot"));
        }
        (Err(damage), None) => {
            return Err(Error::external(format!("the savepoint is damaged: {damage}")).with("file", file));
        }
    };
    for data in checkpoint.stored_files_mut() {
        if let StateData::Stored { path, .. } = data
            && !is_absolute(path)
        {
            *path = format!("{base}/{path}");
        }
    }
    let job_folder = (base != storage.url()).then(|| base.to_owned());
    Ok(Snapshot { checkpoint, url: storage.url().to_owned(), job_folder })
}

/// The jobs of this name whose logs are in a folder and hold a completed checkpoint: that with the newest checkpoint first.
///
/// # Errors
/// The store cannot be reached, or there is none of this name, and a log whose job cannot be told, because it is damaged.
pub fn find_jobs(stores: &Stores, checkpoints: &str, job_name: &str) -> Result<Vec<FoundJob>> {
    let folder = stores.open(checkpoints)?;
    let mut found = Vec::new();
    let mut damaged = None;
    for job_id in folder.list("")?.into_iter().filter(|entry| entry.bytes.is_none() && is_job_id(&entry.name)) {
        let job_id = job_id.name;
        let storage = stores.open(&format!("{checkpoints}/{job_id}"))?;
        let slots = slots(&*storage)?;
        let newest = slots.iter().rev().find_map(|(number, slot)| match slot {
            Ok(Slot::Completed(checkpoint)) => Some((*number, checkpoint)),
            _ => None,
        });
        match newest {
            Some((number, checkpoint)) if checkpoint.job_name == job_name => found.push(FoundJob {
                job_id,
                job_name: checkpoint.job_name.clone(),
                checkpoint: CheckpointId(number),
                completed_ms: checkpoint.completed_ms,
                url: format!("{}/chk-{number}", storage.url()),
            }),
            Some(_) => {}
            None if slots.iter().any(|(_, slot)| slot.is_err()) => damaged = Some(storage),
            None => {}
        }
    }
    found.sort_by_key(|job| std::cmp::Reverse((job.completed_ms, job.checkpoint)));
    match damaged {
        Some(storage) if found.is_empty() => {
            let message =
                format!("no checkpoint of job '{job_name}' was found, and the checkpoints of one job are damaged");
            let hint = "if it is another job's, remove that folder; if not, start anew without --resume";
            Err(Error::external(message).with("folder", storage.url()).hint(hint))
        }
        _ => Ok(found),
    }
}

/// Why there is no checkpoint where the user said, and what there is instead.
fn no_checkpoint(storage: &dyn Storage) -> Error {
    let listed = match storage.list("") {
        Ok(listed) => listed,
        Err(error) => return error,
    };
    let folders = || listed.iter().filter(|entry| entry.bytes.is_none()).map(|entry| entry.name.as_str());
    if folders().any(|name| slot_number(name).is_some()) {
        return a_job(storage);
    }
    let url = storage.url();
    let inside: Vec<&str> = folders().filter(|name| is_job_id(name) || name.starts_with("savepoint-")).collect();
    if !inside.is_empty() {
        let shown: Vec<String> = inside.iter().take(20).map(|name| format!("{url}/{name}")).collect();
        return Error::user(format!("{url} is no checkpoint, but a folder of jobs or savepoints"))
            .hint(format!("name one of: {}", shown.join(", ")));
    }
    let what = if listed.is_empty() { "it is empty, or not there" } else { "it holds no `_metadata`" };
    let hint =
        "a checkpoint is a folder chk-<number> in the job's folder, a savepoint a folder savepoint-<job>-<random>";
    Error::user(format!("{url} is no checkpoint: {what}")).hint(hint)
}

fn a_job(storage: &dyn Storage) -> Error {
    let error = Error::user(format!("{} is no checkpoint, but the folder of a job", storage.url()));
    let found = match slots(storage) {
        Ok(found) => found,
        Err(error) => return error,
    };
    let whole = found.into_iter().rev().filter_map(|(number, slot)| match slot {
        Ok(Slot::Completed(checkpoint)) => Some(format!("{}/chk-{number}{}", storage.url(), note(&checkpoint))),
        _ => None,
    });
    let listed: Vec<String> = whole.collect();
    if listed.is_empty() {
        return offered(error, storage, 0, None);
    }
    error.hint(format!("name one of its checkpoints, newest first: {}", listed.join(", ")))
}

fn note(checkpoint: &Checkpoint) -> &'static str {
    if checkpoint.is_savepoint { " (a savepoint)" } else { "" }
}
