//! What a slot of the checkpoint log holds.
//!
//! | word | meaning |
//! |---|---|
//! | slot | a number in a job's log, written exactly once; a checkpoint's number is that of its slot |
//! | attempt | one run of all tasks of a job; a restart, by this process or another, is the next attempt |
//! | takeover | the slot that an attempt writes before it restores, which fences all attempts before it |
//! | chain | the files that together are the state of some key groups: a base, and what changed since |

use std::ops::Range;

use riverrun_base::{Error, Result};
use riverrun_protocol::{CheckpointId, Timestamp};

use crate::codec::{self, Metadata};

/// What a slot holds. See [`crate::CheckpointLog`] for how slots decide between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A completed checkpoint, whose number is the slot's.
    Completed(Checkpoint),
    /// An attempt has begun.
    Takeover {
        /// The number of the attempt that begins.
        attempt: u64,
        /// The checkpoint that it restores; none when it starts with empty state.
        restores: Option<CheckpointId>,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// Nothing: the checkpoint of this number was given up, and nobody else can have it any more. The log writes these itself.
    Skipped {
        /// The attempt that gave it up.
        attempt: u64,
    },
}

impl Slot {
    /// The attempt that wrote the slot.
    pub fn attempt(&self) -> u64 {
        match self {
            Self::Completed(checkpoint) => checkpoint.attempt,
            Self::Takeover { attempt, .. } | Self::Skipped { attempt } => *attempt,
        }
    }
}

/// The state of a whole job at one cut through its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number: that of its slot. A savepoint has the number at which it was taken.
    pub id: CheckpointId,
    /// The job's id, 32 hexadecimal digits.
    pub job_id: String,
    /// The job's name, by which `--resume` finds it.
    pub job_name: String,
    /// The attempt that took it.
    pub attempt: u64,
    /// When its barriers were sent, in milliseconds since 1970.
    pub triggered_ms: i64,
    /// When every task had acknowledged it, in milliseconds since 1970.
    pub completed_ms: i64,
    /// Whether the user asked for it, and owns it.
    pub is_savepoint: bool,
    /// What each operator holds; in the job graph's order.
    pub operators: Vec<OperatorState>,
}

impl Checkpoint {
    /// The checkpoint as the bytes of a savepoint's metadata. What is stored in files is only referred to.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&Metadata::Savepoint(self.clone()), 0)
    }

    /// The inverse of [`Self::to_bytes`].
    ///
    /// # Errors
    /// The bytes are damaged, or those of something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match codec::decode(bytes) {
            Ok(Metadata::Savepoint(checkpoint)) => Ok(checkpoint),
            Ok(Metadata::Slot(_)) => Err(Error::data("a slot of a checkpoint log is no savepoint")),
            Err(damage) => Err(Error::data(format!("a snapshot cannot be read: {damage}"))),
        }
    }

    /// Every stored file that it refers to, in no order; a file may come more than once.
    pub fn stored_files(&self) -> impl Iterator<Item = &StateFile> {
        self.chains().flat_map(|chain| &chain.files).filter(|file| matches!(file.data, StateData::Stored { .. }))
    }

    /// The bytes of its keyed and own state, inline and stored; without its metadata.
    pub fn state_bytes(&self) -> u64 {
        let own = self.subtasks().filter_map(|subtask| subtask.own.as_ref()).map(|own| own.len() as u64);
        let keyed = self.chains().flat_map(|chain| &chain.files).map(StateFile::bytes);
        own.chain(keyed).sum()
    }

    /// The operator of this uid.
    pub fn operator(&self, uid: &str) -> Option<&OperatorState> {
        self.operators.iter().find(|operator| operator.uid == uid)
    }

    pub(crate) fn stored_files_mut(&mut self) -> impl Iterator<Item = &mut StateData> {
        let subtasks = self.operators.iter_mut().flat_map(|operator| &mut operator.subtasks);
        let files = subtasks.flat_map(|subtask| &mut subtask.keyed).flat_map(|chain| &mut chain.files);
        files.map(|file| &mut file.data).filter(|data| matches!(data, StateData::Stored { .. }))
    }

    fn subtasks(&self) -> impl Iterator<Item = &SubtaskState> {
        self.operators.iter().flat_map(|operator| &operator.subtasks)
    }

    fn chains(&self) -> impl Iterator<Item = &StateChain> {
        self.subtasks().flat_map(|subtask| &subtask.keyed)
    }
}

/// What one operator holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorState {
    /// Identifies the operator in the job, also after the job has changed.
    pub uid: String,
    /// The name people know it by.
    pub name: String,
    /// Names the type of the operator and the form of its state. State is only restored where it is the same.
    pub kind: String,
    /// How many subtasks it had.
    pub parallelism: u32,
    /// How many key groups there are.
    pub max_parallelism: u32,
    /// By subtask, ascending.
    pub subtasks: Vec<SubtaskState>,
    /// What belongs to no subtask, such as the splits that a source has found; in the operator's own encoding.
    pub coordinator: Option<Vec<u8>>,
    /// What its committer commits now that the checkpoint is complete, in the connector's own encoding.
    pub committables: Vec<Vec<u8>>,
}

/// What one subtask holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubtaskState {
    /// Its index, from 0.
    pub subtask: u32,
    /// State by key group. Their ranges do not overlap.
    pub keyed: Vec<StateChain>,
    /// State of the subtask itself, such as a source's positions, in the operator's own encoding.
    pub own: Option<Vec<u8>>,
    /// The largest watermark it has seen.
    pub watermark: Option<Timestamp>,
}

/// The state of a range of key groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChain {
    /// The first key group, and that after the last.
    pub key_groups: Range<u32>,
    /// A base and the changes since, oldest first: a later row replaces an earlier one of the same key.
    pub files: Vec<StateFile>,
}

/// One snapshot, full or of what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile {
    /// Where its bytes are.
    pub data: StateData,
    /// How many rows it has, tombstones among them.
    pub rows: u64,
}

impl StateFile {
    /// The length of its bytes.
    pub fn bytes(&self) -> u64 {
        match &self.data {
            StateData::Inline(bytes) => bytes.len() as u64,
            StateData::Stored { bytes, .. } => *bytes,
        }
    }
}

/// The bytes of a [`StateFile`].
#[derive(Clone, PartialEq, Eq)]
pub enum StateData {
    /// In the metadata itself: there are few.
    Inline(Vec<u8>),
    /// In a file.
    Stored {
        /// Relative to the job's folder for a checkpoint of the log, to its own folder for a savepoint; absolute, with a scheme,
        /// for state that a job has taken from elsewhere.
        path: String,
        /// The file's length.
        bytes: u64,
        /// The XXH3 hash of its bytes.
        checksum: u64,
    },
}

impl std::fmt::Debug for StateData {
    /// Without the bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::Stored { path, bytes, checksum } => write!(f, "Stored({path}, {bytes} bytes, {checksum:016x})"),
        }
    }
}
