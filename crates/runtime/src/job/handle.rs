//! What a started job is held by.

use std::ops::Deref;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_protocol::{CheckpointId, JobStatus};

use super::attempt::AttemptControl;
use super::master::Message;
use crate::{CheckpointStatistics, JobSummary, MetricsSnapshot};

/// A started job. Dropped, it cancels the job and waits until its threads have ended.
///
/// It dereferences to a [`JobControl`]; other threads take a clone of that.
pub struct JobHandle {
    control: JobControl,
    master: Option<JoinHandle<Result<JobSummary>>>,
}

/// Steers and watches a job, from any thread. Clones share it.
#[derive(Clone)]
pub struct JobControl {
    pub(super) shared: Arc<JobShared>,
    pub(super) messages: Sender<Message>,
}

/// What the job's master and its handles share.
pub(super) struct JobShared {
    pub(super) name: String,
    pub(super) id: Arc<str>,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    /// Where the job is while no attempt runs.
    status: JobStatus,
    attempt: Option<AttemptControl>,
    /// Of the last attempt that has ended.
    metrics: Option<MetricsSnapshot>,
    restarts: u64,
    checkpoints: CheckpointStatistics,
    ended: Option<Duration>,
}

impl JobShared {
    pub(super) fn new(name: String, id: Arc<str>) -> Self {
        let state = State {
            status: JobStatus::Created,
            attempt: None,
            metrics: None,
            restarts: 0,
            checkpoints: CheckpointStatistics::default(),
            ended: None,
        };
        Self { name, id, started: Instant::now(), state: Mutex::new(state) }
    }

    /// Where the job is until the next attempt runs.
    pub(super) fn set_status(&self, status: JobStatus) {
        let mut state = self.state();
        if let Some(attempt) = state.attempt.take() {
            state.metrics = Some(attempt.metrics());
        }
        state.status = status;
        if status.is_terminal() {
            state.ended = Some(self.started.elapsed());
        }
    }

    pub(super) fn attempt_started(&self, attempt: AttemptControl) {
        self.state().attempt = Some(attempt);
    }

    pub(super) fn restarted(&self) {
        self.state().restarts += 1;
    }

    pub(super) fn checkpoints(&self, change: impl FnOnce(&mut CheckpointStatistics)) {
        change(&mut self.state().checkpoints);
    }

    fn status(&self) -> JobStatus {
        let state = self.state();
        match &state.attempt {
            // An attempt that has ended is not yet the job's end.
            Some(attempt) => match attempt.status() {
                JobStatus::Finished => JobStatus::Finishing,
                JobStatus::Failed => JobStatus::Failing,
                JobStatus::Canceled => JobStatus::Canceling,
                status => status,
            },
            None => state.status,
        }
    }

    pub(super) fn snapshot(&self) -> MetricsSnapshot {
        let status = self.status();
        let state = self.state();
        let tasks = match (&state.attempt, &state.metrics) {
            (Some(attempt), _) => attempt.metrics().tasks,
            (None, Some(last)) => last.tasks.clone(),
            (None, None) => Vec::new(),
        };
        MetricsSnapshot {
            job: self.name.clone(),
            status,
            uptime: state.ended.unwrap_or_else(|| self.started.elapsed()),
            restarts: state.restarts,
            checkpoints: state.checkpoints.clone(),
            tasks,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JobControl {
    /// The job's id, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Where the job is in its life.
    pub fn status(&self) -> JobStatus {
        self.shared.status()
    }

    /// Ends the job in order: sources read no more, what they have read flows out, sinks flush, and the job is
    /// finished. Event time stands still, as in Flink's stop without draining: windows that are open do not fire. It
    /// takes as long as the sinks take. A job that takes checkpoints takes a last one, and commits it.
    pub fn stop(&self) {
        self.send(Message::Stop);
    }

    /// Ends the job at once: rows on their way are dropped and sinks do not flush.
    pub fn cancel(&self) {
        self.send(Message::Cancel);
    }

    /// The job's metrics now.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.snapshot()
    }

    /// Takes a checkpoint now, and waits until it is complete.
    ///
    /// # Errors
    /// The job takes none, does not run, or the checkpoint was given up.
    pub fn checkpoint(&self) -> Result<CheckpointId> {
        self.request(|answer| Message::Checkpoint { answer })
    }

    /// Takes a savepoint, and waits until it is complete. Answers where it is. `directory` is where savepoints go; without it,
    /// the job's `execution.checkpointing.savepoint-dir`.
    ///
    /// # Errors
    /// The job takes no checkpoints, does not run, has no such folder, or the savepoint was given up.
    pub fn savepoint(&self, directory: Option<&str>) -> Result<String> {
        self.request(|answer| Message::Savepoint { directory: directory.map(str::to_owned), stop: None, answer })
    }

    /// As [`Self::savepoint`], and ends the job with it, after all its rows are committed. With `drain` event time comes to its
    /// end before it, so that open windows fire: then the job is not to go on from it.
    ///
    /// # Errors
    /// As [`Self::savepoint`].
    pub fn stop_with_savepoint(&self, directory: Option<&str>, drain: bool) -> Result<String> {
        self.request(|answer| Message::Savepoint { directory: directory.map(str::to_owned), stop: Some(drain), answer })
    }

    fn request<T>(&self, message: impl FnOnce(SyncSender<Result<T>>) -> Message) -> Result<T> {
        let (answer, answered) = sync_channel(1);
        self.send(message(answer));
        let ended = || Error::user("the job has ended").with("job", &self.shared.name);
        answered.recv().unwrap_or_else(|_| Err(ended()))
    }

    fn send(&self, message: Message) {
        // Nobody listens any more when the job has ended.
        let _ = self.messages.send(message);
    }
}

impl Deref for JobHandle {
    type Target = JobControl;

    fn deref(&self) -> &JobControl {
        &self.control
    }
}

impl JobHandle {
    pub(super) fn new(control: JobControl, master: JoinHandle<Result<JobSummary>>) -> Self {
        Self { control, master: Some(master) }
    }

    /// A control for another thread.
    pub fn control(&self) -> JobControl {
        self.control.clone()
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
        let master = self.master.take().ok_or_else(|| Error::internal("a job is waited for twice"))?;
        master.join().unwrap_or_else(|_| Err(Error::internal("the job's master panicked")))
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if self.master.is_none() {
            return;
        }
        self.cancel();
        if let Err(error) = self.join() {
            tracing::warn!(job = self.shared.name, %error, "a job that nobody waited for failed");
        }
    }
}
