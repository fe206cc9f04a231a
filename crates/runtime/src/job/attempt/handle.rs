//! What a started attempt is held by.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_protocol::job_state::Event;
use riverrun_protocol::{CheckpointId, JobStatus};

use super::{AttemptEvent, Shared, TaskHandle};
use crate::task::AfterBarrier;
use crate::{JobSummary, MetricsSnapshot};

/// One attempt to run a job, whose checkpoints someone else coordinates: without them, and without restarts, all of the job.
/// Dropped, it cancels the attempt and waits until its threads have ended.
///
/// It dereferences to an [`AttemptControl`]; other threads take a clone of that.
pub struct Attempt {
    control: AttemptControl,
    /// Only where nobody else listens.
    pub(crate) events: Option<Receiver<AttemptEvent>>,
    tasks: Vec<TaskHandle>,
    threads: Vec<(usize, JoinHandle<()>)>,
    cancellation_timeout: Duration,
}

/// Steers and watches an attempt, from any thread. Clones share it.
#[derive(Clone)]
pub struct AttemptControl(pub(crate) Arc<Shared>);

impl AttemptControl {
    /// Where the job is in its life.
    pub fn status(&self) -> JobStatus {
        self.0.status()
    }

    /// Ends the job in order: sources read no more, what they have read flows out, sinks flush, and the job is
    /// finished. Event time stands still, as in Flink's stop without draining: windows that are open do not fire. It
    /// takes as long as the sinks take.
    pub fn stop(&self) {
        self.0.on(Event::Stop, None);
    }

    /// Ends the job at once: rows on their way are dropped and sinks do not flush.
    pub fn cancel(&self) {
        self.0.on(Event::Cancel, None);
    }

    /// The job's metrics now.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.0.snapshot()
    }

    /// Lets every source send a barrier; [`Attempt::next_event`] tells which tasks it has passed.
    ///
    /// # Errors
    /// The job does not run.
    pub fn trigger_barrier(&self, checkpoint: CheckpointId) -> Result<()> {
        self.0.trigger_barrier(checkpoint, AfterBarrier::Rows).map(|_| ())
    }
}

impl Deref for Attempt {
    type Target = AttemptControl;

    fn deref(&self) -> &AttemptControl {
        &self.control
    }
}

impl Attempt {
    pub(crate) fn new(
        shared: Arc<Shared>,
        tasks: Vec<TaskHandle>,
        threads: Vec<(usize, JoinHandle<()>)>,
        cancellation_timeout: Duration,
    ) -> Self {
        Self { control: AttemptControl(shared), events: None, tasks, threads, cancellation_timeout }
    }

    /// A control for another thread.
    pub fn control(&self) -> AttemptControl {
        self.control.clone()
    }

    /// The names of the tasks, each with its subtask's index.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = (&str, usize)> {
        self.tasks.iter().map(|task| (task.name.as_str(), task.subtask))
    }

    /// A task.
    pub(crate) fn task(&self, task: usize) -> Option<&TaskHandle> {
        self.tasks.get(task)
    }

    pub(crate) fn task_handles(&self) -> impl Iterator<Item = &TaskHandle> {
        self.tasks.iter()
    }

    /// The indices of the tasks that read sources.
    pub(crate) fn source_tasks(&self) -> BTreeSet<usize> {
        self.tasks.iter().enumerate().filter(|(_, task)| task.is_source).map(|(index, _)| index).collect()
    }

    /// The next thing that happens in the job; `None` if nothing does within `timeout`.
    pub fn next_event(&self, timeout: Duration) -> Option<AttemptEvent> {
        self.events.as_ref()?.recv_timeout(timeout).ok()
    }

    /// Waits until the job has ended and its threads with it.
    ///
    /// # Errors
    /// What the job failed with: the first cause, with the operator and subtask where it happened. Or a task did not
    /// end within `task.cancellation.timeout` of being told to; the error names it, and its thread is left behind.
    pub fn wait(mut self) -> Result<JobSummary> {
        self.join()
    }

    fn join(&mut self) -> Result<JobSummary> {
        let end = self.control.0.wait(self.cancellation_timeout);
        for (thread, handle) in self.threads.drain(..) {
            // A thread reports its panics itself, before it ends.
            if !end.stuck.contains_key(&thread) && handle.join().is_err() {
                tracing::error!(job = self.control.0.name, "a thread panicked while it ended");
            }
        }
        let stuck: Vec<String> = end.stuck.into_values().collect();
        let error = match (end.error, end.status) {
            (Some(error), _) if error.is_canceled() => {
                Some(Error::internal("a task says that it was canceled, but nobody canceled the job").caused_by(error))
            }
            (Some(error), _) => Some(error),
            (None, JobStatus::Failed) => Some(Error::internal("the job failed without an error")),
            (None, _) => None,
        };
        match error {
            Some(error) if stuck.is_empty() => Err(error),
            Some(error) => Err(error.with("did not end", stuck.join(", "))),
            None if stuck.is_empty() => Ok(JobSummary { status: end.status, metrics: self.metrics() }),
            None => Err(Error::internal("a task did not end in the time that 'task.cancellation.timeout' gives it")
                .with("task", stuck.join(", "))),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        self.cancel();
        if let Err(error) = self.join() {
            tracing::warn!(job = self.control.0.name, %error, "a job that nobody waited for failed");
        }
    }
}
