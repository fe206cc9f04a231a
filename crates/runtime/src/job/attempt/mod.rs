//! One attempt to run a job: its threads, its life, its end.

mod enumerator;
mod execution;
mod handle;
mod shared;

use riverrun_protocol::{CheckpointId, JobStatus};

pub(crate) use enumerator::{Assignments, RestoredSource};
pub(crate) use execution::{AttemptSetup, Execution, TaskHandle, Tell, caught, prepare, start};
pub use handle::{Attempt, AttemptControl};
pub(crate) use shared::Shared;

use crate::state::NodeState;

/// What happens in an attempt, for whoever coordinates its checkpoints. Tasks are told by their index in
/// [`Attempt::tasks`].
#[derive(Debug)]
pub enum AttemptEvent {
    /// A barrier has passed through a task; its state is frozen, and a sink in it has flushed.
    Acknowledged {
        /// The barrier's checkpoint.
        checkpoint: CheckpointId,
        /// The task.
        task: usize,
        /// The index of its subtask.
        subtask: usize,
        /// The states of the task's nodes.
        states: Vec<NodeState>,
    },
    /// A barrier will not pass through a task, as one of a younger checkpoint has overtaken it.
    Declined {
        /// The barrier's checkpoint.
        checkpoint: CheckpointId,
        /// The task.
        task: usize,
    },
    /// A source's task has read all its splits, and waits for the last barrier.
    SourceExhausted {
        /// The task.
        task: usize,
    },
    /// A task has ended in order; it acknowledges nothing any more.
    TaskFinished {
        /// The task.
        task: usize,
    },
    /// The attempt has ended.
    Ended(JobStatus),
}
