//! What an attempt is restored from: a checkpoint, and the files with its state.

use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::{Checkpoint, OperatorState, StateFile};
use riverrun_connect::{Split, SplitId};
use riverrun_protocol::Timestamp;

use crate::job::attempt::RestoredSource;
use crate::task::AssignedSplit;
use crate::{KeyGroupRange, Restored, RestoredChain};

/// Reads a state file as a whole.
pub(crate) type OpenState = Box<dyn Fn(&StateFile) -> Result<Vec<u8>> + Send + Sync>;

/// A checkpoint that is being restored.
pub(crate) struct Restoration {
    pub(crate) checkpoint: Arc<Checkpoint>,
    pub(crate) open: OpenState,
}

impl std::fmt::Debug for Restoration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restoration").field("checkpoint", &self.checkpoint.id).finish_non_exhaustive()
    }
}

impl Restoration {
    /// What the checkpoint has of the source with this uid: nothing, if it does not know it.
    pub(crate) fn source(&self, uid: &str) -> Result<RestoredSource> {
        let Some(state) = self.checkpoint.operator(uid) else { return Ok(RestoredSource::default()) };
        let StoredSplits { unfinished, known } = StoredSplits::of(state)?;
        let assigned = |(split, watermark)| AssignedSplit { split, watermark };
        Ok(RestoredSource { unfinished: unfinished.into_iter().map(assigned).collect(), known })
    }

    /// What the checkpoint has of the operator with this uid, for a subtask with these key groups; `None` if it does not know it.
    pub(crate) fn operator(&self, uid: &str, key_groups: KeyGroupRange) -> Result<Option<Restored>> {
        let Some(state) = self.checkpoint.operator(uid) else { return Ok(None) };
        let watermark = state.subtasks.iter().map(|subtask| subtask.watermark).min().flatten();
        let mut chains = Vec::new();
        for (range, files) in overlapping(state, key_groups) {
            let deltas = files.iter().map(|file| (self.open)(file)).collect::<Result<_>>();
            let deltas = deltas.map_err(|error| error.with("operator", state.name.clone()))?;
            chains.push(RestoredChain { key_groups: range, deltas });
        }
        let own = state.subtasks.iter().filter_map(|subtask| subtask.own.clone()).collect();
        Ok(Some(Restored { chains, watermark, own }))
    }

    /// What the checkpoint has of the sink with this uid for one of `parallelism` subtasks: its own rows where it had as many subtasks,
    /// every `parallelism`th of all otherwise.
    pub(crate) fn sink(&self, uid: &str, subtask: usize, parallelism: usize) -> Result<Vec<Vec<u8>>> {
        let Some(state) = self.checkpoint.operator(uid) else { return Ok(Vec::new()) };
        entries_of(state, subtask, parallelism)
    }
}

fn entries_of(state: &OperatorState, subtask: usize, parallelism: usize) -> Result<Vec<Vec<u8>>> {
    let same = state.parallelism as usize == parallelism;
    let mut entries = Vec::new();
    for stored in state.subtasks.iter().filter(|stored| !same || stored.subtask as usize == subtask) {
        entries.extend(decode_entries(stored.own.as_deref().unwrap_or_default(), &state.uid)?);
    }
    if same {
        return Ok(entries);
    }
    Ok(entries.into_iter().skip(subtask).step_by(parallelism.max(1)).collect())
}

/// The splits of a source, as a checkpoint holds them.
#[derive(Clone, Debug, Default)]
pub struct StoredSplits {
    /// Those that are not read to their end: each at its position, with its watermark.
    pub unfinished: Vec<(Split, Option<Timestamp>)>,
    /// The names of all that were ever found, sorted.
    pub known: Vec<SplitId>,
}

impl StoredSplits {
    /// Reads the state of a source.
    ///
    /// # Errors
    /// It is not that of a source, or it is damaged.
    pub fn of(state: &OperatorState) -> Result<Self> {
        let mut splits = Self::default();
        for subtask in &state.subtasks {
            splits.unfinished.extend(decode_splits(subtask.own.as_deref().unwrap_or_default(), &state.uid)?);
        }
        splits.known = decode_known(state.coordinator.as_deref().unwrap_or_default(), &state.uid)?;
        splits.known.extend(splits.unfinished.iter().map(|(split, _)| Arc::clone(&split.id)));
        splits.known.sort();
        splits.known.dedup();
        Ok(splits)
    }
}

/// The chains of an operator that have key groups of a range, each with the groups in common.
pub(crate) fn overlapping(state: &OperatorState, wanted: KeyGroupRange) -> Vec<(KeyGroupRange, &[StateFile])> {
    let chains = state.subtasks.iter().flat_map(|subtask| &subtask.keyed);
    let common = chains.filter_map(|chain| {
        let start = chain.key_groups.start.max(wanted.start);
        let end = chain.key_groups.end.min(wanted.end + 1);
        (start < end).then(|| (KeyGroupRange { start, end: end - 1 }, chain.files.as_slice()))
    });
    common.collect()
}

/// Splits as a checkpoint stores them: of each its id, its position, and its watermark if it has one.
pub(crate) fn encode_splits(splits: &[(Split, Option<Timestamp>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (split, watermark) in splits {
        put(&mut bytes, split.id.as_bytes());
        put(&mut bytes, &split.position);
        bytes.push(u8::from(watermark.is_some()));
        bytes.extend(watermark.unwrap_or_default().to_le_bytes());
    }
    bytes
}

/// The inverse of [`encode_splits`].
fn decode_splits(mut bytes: &[u8], uid: &str) -> Result<Vec<(Split, Option<Timestamp>)>> {
    let mut splits = Vec::new();
    while !bytes.is_empty() {
        let decoded = (|| {
            let id = Arc::from(std::str::from_utf8(get(&mut bytes)?).ok()?);
            let position = get(&mut bytes)?.to_vec();
            let (known, rest) = bytes.split_first()?;
            let (watermark, rest) = rest.split_first_chunk()?;
            bytes = rest;
            Some((Split { id, position }, (*known == 1).then(|| Timestamp::from_le_bytes(*watermark))))
        })();
        splits.push(decoded.ok_or_else(|| damaged(uid))?);
    }
    Ok(splits)
}

/// Rows of a sink as a checkpoint stores them.
pub(crate) fn encode_entries(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.len() + size_of::<u64>()).sum());
    entries.iter().for_each(|entry| put(&mut bytes, entry));
    bytes
}

/// The inverse of [`encode_entries`].
fn decode_entries(mut bytes: &[u8], uid: &str) -> Result<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let entry = get(&mut bytes)
            .ok_or_else(|| Error::data("the rows of a sink in a checkpoint cannot be read").with("operator", uid))?;
        entries.push(entry.to_vec());
    }
    Ok(entries)
}

/// Names of splits as a checkpoint stores them.
pub(crate) fn encode_known(splits: &[SplitId]) -> Vec<u8> {
    let mut bytes = Vec::new();
    splits.iter().for_each(|id| put(&mut bytes, id.as_bytes()));
    bytes
}

/// The inverse of [`encode_known`].
fn decode_known(mut bytes: &[u8], uid: &str) -> Result<Vec<SplitId>> {
    let mut splits = Vec::new();
    while !bytes.is_empty() {
        let id = get(&mut bytes).and_then(|id| std::str::from_utf8(id).ok());
        splits.push(Arc::from(id.ok_or_else(|| damaged(uid))?));
    }
    Ok(splits)
}

/// A length, and that many bytes.
fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_le_bytes());
    bytes.extend(part);
}

fn get<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(part)
}

fn damaged(uid: &str) -> Error {
    Error::data("the splits of a source in a checkpoint cannot be read").with("operator", uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_as_they_were_written() {
        let split = |id: &str, position: &[u8]| Split { id: id.into(), position: position.to_vec() };
        let splits =
            vec![(split("t-0", b""), None), (split("", b"17"), Some(-5)), (split("ü", &[0, 255]), Some(i64::MAX))];
        assert_eq!(decode_splits(&encode_splits(&splits), "s").unwrap(), splits);
        let bytes = encode_splits(&splits);
        for end in 1..bytes.len() {
            let read = decode_splits(&bytes[..end], "s");
            assert!(read.is_err() || read.is_ok_and(|read| read.len() < splits.len() && splits.starts_with(&read)));
        }
        let known: Vec<SplitId> = vec!["a".into(), "".into(), "bc".into()];
        assert_eq!(decode_known(&encode_known(&known), "s").unwrap(), known);
        assert!(decode_known(&encode_known(&known)[1..], "s").is_err());
    }

    #[test]
    fn rows_of_a_sink_stay_with_their_subtask_and_are_spread_when_it_is_rescaled() {
        let subtask = |subtask: u32, rows: &[u8]| riverrun_checkpoints::SubtaskState {
            subtask,
            own: Some(encode_entries(&rows.iter().map(|row| vec![*row]).collect::<Vec<_>>())),
            ..Default::default()
        };
        let subtasks = vec![subtask(0, &[1, 2, 3]), subtask(2, &[4])];
        let state = OperatorState { uid: "s".into(), parallelism: 3, subtasks, ..OperatorState::default() };
        let of = |number, parallelism| entries_of(&state, number, parallelism).unwrap().concat();
        assert_eq!([of(0, 3), of(1, 3), of(2, 3)], [vec![1, 2, 3], vec![], vec![4]]);
        assert_eq!([of(0, 2), of(1, 2)], [vec![1, 3], vec![2, 4]]);
        assert_eq!(of(0, 1), [1, 2, 3, 4]);
        let damaged = &encode_entries(&[vec![1, 2]])[..5];
        assert!(decode_entries(damaged, "s").is_err());
    }
}
