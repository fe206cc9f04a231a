//! Jobs, checkpoints and state to test with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use riverrun_base::options::OptionReader;
use riverrun_checkpoints::{
    Checkpoint, CheckpointLog, Created, OperatorState, Slot, StateChain, StateFile, Stores, SubtaskState, new_job_id,
};
use riverrun_protocol::CheckpointId;

pub(crate) fn stores_with(options: &[(&str, &str)]) -> Arc<Stores> {
    let options: BTreeMap<_, _> = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut reader = OptionReader::new("stores", options);
    let stores = Stores::new(reader.read().unwrap()).unwrap();
    reader.finish().unwrap();
    Arc::new(stores)
}

pub(crate) fn stores() -> Arc<Stores> {
    stores_with(&[])
}

/// The log of a new job, whose state all goes to files.
pub(crate) fn new_log(stores: &Arc<Stores>, folder: &str) -> CheckpointLog {
    log_of(stores, folder, &new_job_id())
}

pub(crate) fn log_of(stores: &Arc<Stores>, folder: &str, job_id: &str) -> CheckpointLog {
    CheckpointLog::open(stores.clone(), folder, job_id).unwrap().with_inline_below(1)
}

pub(crate) fn id(number: u64) -> CheckpointId {
    CheckpointId(number)
}

pub(crate) fn takeover(attempt: u64, restores: Option<u64>) -> Slot {
    Slot::Takeover { attempt, restores: restores.map(CheckpointId), at_ms: 1000 }
}

/// A checkpoint of one operator, whose state is these files.
pub(crate) fn checkpoint(log: &CheckpointLog, number: u64, attempt: u64, files: &[StateFile]) -> Checkpoint {
    let keyed = vec![StateChain { key_groups: 0..128, files: files.to_vec() }];
    let subtask = SubtaskState { keyed, own: Some(b"own".to_vec()), ..SubtaskState::default() };
    let operator = OperatorState {
        uid: "count".to_owned(),
        kind: "count/1".to_owned(),
        parallelism: 1,
        max_parallelism: 128,
        subtasks: vec![subtask],
        ..OperatorState::default()
    };
    Checkpoint {
        id: CheckpointId(number),
        job_id: log.job_id().to_owned(),
        job_name: "orders".to_owned(),
        attempt,
        triggered_ms: 1000,
        completed_ms: 1000 + i64::try_from(number).unwrap(),
        is_savepoint: false,
        operators: vec![operator],
    }
}

/// Takes over as attempt 1 and completes checkpoints 2 to `last`, each with one file more. Returns the files.
pub(crate) fn fill(log: &CheckpointLog, last: u64) -> Vec<StateFile> {
    assert_eq!(log.write(id(1), &takeover(1, None)).unwrap(), Created::Written);
    let mut files = Vec::new();
    for number in 2..=last {
        files.push(log.store_state(1, "count", format!("state {number}").into_bytes(), 1).unwrap());
        let slot = Slot::Completed(checkpoint(log, number, 1, &files));
        assert_eq!(log.write(id(number), &slot).unwrap(), Created::Written);
    }
    files
}

/// The path behind a `file://` URL.
pub(crate) fn disk(url: &str) -> PathBuf {
    PathBuf::from(url.strip_prefix("file://").unwrap())
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
