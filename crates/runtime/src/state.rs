//! The state of operators: how it is frozen at a barrier, and how it comes back.
//!
//! A snapshot stops its task only as long as it takes to freeze what has changed; encoding and writing happen in
//! another thread. An operator hands over *deltas*: what has changed since its last snapshot. The runtime keeps them as
//! a chain of files, and hands the chains of all former subtasks whose key groups overlap back to a restored operator,
//! which takes the rows of its own key groups, later ones in place of earlier ones.

use std::fmt;

use riverrun_base::Result;
use riverrun_connect::{Committable, Split};
use riverrun_protocol::{CheckpointId, Timestamp};

use crate::KeyGroupRange;

/// What an operator is asked at a barrier.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRequest {
    /// The checkpoint that the state is for.
    pub checkpoint: CheckpointId,
    /// Whether all state is wanted, as what was handed over before cannot be counted on.
    pub full: bool,
}

/// Encodes frozen state, in a thread that is not the operator's.
pub type Freeze = Box<dyn FnOnce() -> Result<Delta> + Send>;

/// Encoded state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// In the operator's own encoding. It is stored in checkpoints, so older encodings stay readable.
    pub bytes: Vec<u8>,
    /// How many rows these are, tombstones among them.
    pub rows: u64,
}

/// Encodes state that is not of keys, in a thread that is not the operator's.
pub type FreezeOwn = Box<dyn FnOnce() -> Result<Vec<u8>> + Send>;

/// State, frozen at a barrier.
#[derive(Default)]
pub struct Snapshot {
    /// What has changed since the last snapshot; `None` if nothing has.
    pub delta: Option<Freeze>,
    /// How many of this instance's last deltas, this one included, hold all its state. `None`: all of them are needed, and
    /// what was restored.
    pub suffices: Option<usize>,
    /// Event time as the operator knows it. After a restore each subtask gets the least of all.
    pub watermark: Option<Timestamp>,
    /// State of the subtask that is not of keys, all of it, in the operator's own encoding, whose older forms stay readable. It is part of
    /// the checkpoint's metadata, so it is small.
    pub own: Option<FreezeOwn>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("delta", &self.delta.is_some())
            .field("suffices", &self.suffices)
            .field("watermark", &self.watermark)
            .field("own", &self.own.is_some())
            .finish()
    }
}

/// What an operator is restored from.
#[derive(Debug, Default)]
pub struct Restored {
    /// The chains of deltas of former subtasks. No two have a row of the same key group in common, after each is cut to its own
    /// range.
    pub chains: Vec<RestoredChain>,
    /// The least watermark of the former subtasks, if they knew one.
    pub watermark: Option<Timestamp>,
    /// What the former subtasks had as [`Snapshot::own`]: of all of them, those who had any, in their order. Every subtask gets all of it,
    /// and takes what is its part.
    pub own: Vec<Vec<u8>>,
}

/// Deltas of one former subtask.
#[derive(Debug)]
pub struct RestoredChain {
    /// The key groups whose rows count, those of the restored subtask at most; rows of others are left out.
    pub key_groups: KeyGroupRange,
    /// The deltas as they were encoded, the oldest first.
    pub deltas: Vec<Vec<u8>>,
}

/// What a node of the graph hands over at a barrier.
#[derive(Debug)]
pub struct NodeState {
    /// The node.
    pub(crate) node: usize,
    /// Its state.
    pub(crate) state: Frozen,
}

/// The frozen state of a node's subtask.
#[derive(Debug)]
pub(crate) enum Frozen {
    /// A source's unfinished splits, each with its watermark if it has one.
    Splits(Vec<(Split, Option<Timestamp>)>),
    /// An operator's.
    Operator(Snapshot),
    /// A sink's.
    Sink {
        /// What commits its rows.
        committables: Vec<Committable>,
        /// Rows that it has taken and that are not done.
        entries: Vec<Vec<u8>>,
    },
}
