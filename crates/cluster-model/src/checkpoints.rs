//! The checkpoints of a job.

use serde::{Deserialize, Serialize};

/// What is known of a job's checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoints {
    /// How many there were since the process began.
    pub counts: CheckpointCounts,
    /// The last ones.
    pub latest: LatestCheckpoints,
}

/// How many checkpoints there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointCounts {
    /// All.
    pub total: u64,
    /// Those under way.
    pub in_progress: u64,
    /// Those that are complete.
    pub completed: u64,
    /// Those that were given up.
    pub failed: u64,
}

/// The last checkpoints of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatestCheckpoints {
    /// The last that is complete.
    pub completed: Option<CompletedCheckpoint>,
}

/// A complete checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletedCheckpoint {
    /// Its number.
    pub id: u64,
    /// `COMPLETED`.
    pub status: String,
    /// The bytes of all state that it refers to.
    pub state_size: u64,
    /// Of these, what was written for it.
    pub checkpointed_size: u64,
    /// From its trigger until it was complete, in milliseconds.
    pub end_to_end_duration: u64,
}
