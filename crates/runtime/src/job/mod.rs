//! A running job: its threads, its life, its end.

mod enumerator;
mod execution;
mod handle;
mod shared;

use riverrun_protocol::{CheckpointId, JobStatus};

pub(crate) use enumerator::Assignments;
pub(crate) use execution::{Execution, start};
pub use handle::{JobControl, JobHandle, JobSummary};
pub(crate) use shared::Shared;

/// What happens in a job, for whoever coordinates its checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// A barrier has passed through a task; a sink in it has flushed.
    Acknowledged {
        /// The barrier's checkpoint.
        checkpoint: CheckpointId,
        /// The task's name, without its subtask.
        task: String,
        /// The index of the subtask.
        subtask: usize,
    },
    /// A barrier will not pass through a task, as one of a younger checkpoint has overtaken it.
    Declined {
        /// The barrier's checkpoint.
        checkpoint: CheckpointId,
        /// The task's name, without its subtask.
        task: String,
        /// The index of the subtask.
        subtask: usize,
    },
    /// A task has ended in order; it acknowledges nothing any more.
    TaskFinished {
        /// The task's name, without its subtask.
        task: String,
        /// The index of the subtask.
        subtask: usize,
    },
    /// The job has ended.
    Ended(JobStatus),
}
