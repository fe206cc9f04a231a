//! A running job: a series of attempts, and the checkpoints that join them.

mod attempt;
mod checkpoints;
mod handle;
mod harness;
mod master;
mod restoration;
mod running;
mod settings;

use std::sync::Arc;
use std::sync::mpsc::channel;

use riverrun_base::Result;
use riverrun_protocol::JobStatus;

pub(crate) use attempt::{Assignments, AttemptSetup, Execution};
pub use attempt::{Attempt, AttemptControl, AttemptEvent};
pub use handle::{JobControl, JobHandle};
pub use harness::Harness;
pub(crate) use harness::{ErasedInput, erase_input};
pub(crate) use master::start;
pub(crate) use restoration::Restoration;
pub use restoration::StoredSplits;
pub use settings::{Checkpointing, Recovery, Retention};

use crate::{JobGraph, MetricsSnapshot};

/// How a job ended that did not fail.
#[derive(Clone, Debug)]
pub struct JobSummary {
    /// [`JobStatus::Finished`]; [`JobStatus::Canceled`] after a cancellation; [`JobStatus::Suspended`] after a stop behind a last
    /// checkpoint.
    pub status: JobStatus,
    /// The last metrics.
    pub metrics: MetricsSnapshot,
}

/// Starts one attempt whose events wait for [`Attempt::next_event`].
pub(crate) fn start_attempt(graph: Arc<JobGraph>) -> Result<Attempt> {
    let (events, received) = channel();
    let tell = Box::new(move |event| {
        // Nobody has to listen.
        let _ = events.send(event);
    });
    let mut attempt = attempt::start(graph, AttemptSetup::default(), tell)?;
    attempt.events = Some(received);
    Ok(attempt)
}
