//! What an operator implements.

use std::fmt;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Counters, JobContext, SplitId, TaskContext};
use riverrun_protocol::Timestamp;

use crate::gate::GateControl;
use crate::metrics::{TaskMetrics, Waiting};
use crate::{Barrier, Clock, KeyGroupRange, Restored, Snapshot, SnapshotRequest};

/// Where an operator puts its results: the next operator of the chain, an exchange, or several of them.
pub trait Output<B> {
    /// Passes a batch on, and waits while the way is full. An empty batch is dropped.
    ///
    /// # Errors
    /// An operator further on fails, or the job stops. The caller returns the error at once: the job is ending.
    fn emit(&mut self, batch: B) -> Result<()>;
}

/// Turns a stream of `I` into a stream of `O`. One thread owns it and calls it, one call at a time; it may block, which
/// slows its input down.
///
/// Its state belongs to it alone. A factory makes one for each subtask, in the thread that will own it.
pub trait Operator<I, O = I>: Send {
    /// Takes a batch, which is never empty.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process(&mut self, batch: I, out: &mut dyn Output<O>) -> Result<()>;

    /// Event time has come to `watermark`, which only rises; [`MAX_WATERMARK`](crate::MAX_WATERMARK) when the input is
    /// exhausted. The runtime passes the watermark on after the call.
    ///
    /// # Errors
    /// The job fails with this error.
    fn watermark(&mut self, watermark: Timestamp, out: &mut dyn Output<O>) -> Result<()> {
        let (_, _) = (watermark, out);
        Ok(())
    }

    /// Whether the operator makes event time of its own ([`Self::next_event_time`]); its input's watermarks then end here, but for
    /// the last. Asked once.
    fn makes_event_time(&self) -> bool {
        false
    }

    /// The input is idle, or goes on: told to one that [makes event time](Self::makes_event_time), where it ends; elsewhere the runtime
    /// passes it on.
    fn input_status(&mut self, idle: bool) {
        let _ = idle;
    }

    /// What the operator has to say about event time since the last call, asked after each call of another function until there is
    /// nothing; only of one that [makes event time](Self::makes_event_time).
    fn next_event_time(&mut self) -> Option<EventTime> {
        None
    }

    /// The next processing time (epoch milliseconds) at which [`Self::on_processing_time`] wants to be called. It is
    /// asked after each element, so it is cheap.
    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// Called at or after [`Self::deadline`], between elements, with the processing time now (epoch milliseconds).
    ///
    /// # Errors
    /// The job fails with this error.
    fn on_processing_time(&mut self, now: Timestamp, out: &mut dyn Output<O>) -> Result<()> {
        let (_, _) = (now, out);
        Ok(())
    }

    /// A checkpoint cuts the stream here: rows held back for speed (not state) are emitted now, before the barrier goes
    /// on.
    ///
    /// # Errors
    /// The job fails with this error.
    fn barrier(&mut self, barrier: Barrier, out: &mut dyn Output<O>) -> Result<()> {
        let (_, _) = (barrier, out);
        Ok(())
    }

    /// Freezes the state as it is after [`Self::barrier`]. `None` says that the operator has no state at all.
    ///
    /// It is quick: it copies what has changed and leaves the encoding to [`Snapshot::delta`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let _ = request;
        Ok(None)
    }

    /// Takes state on, before anything else, in place of an empty one.
    ///
    /// # Errors
    /// The state is another operator's, or cannot be read.
    fn restore(&mut self, state: Restored) -> Result<()> {
        let _ = state;
        Err(Error::user("a checkpoint holds state for an operator that has none").hint(
            "the program has changed: give its operators the uids they had, or start with '--allow-non-restored-state'",
        ))
    }

    /// Called once, before the first batch: what [`Self::restore`] brings, if there is anything to restore, is here.
    ///
    /// # Errors
    /// The job fails with this error.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// The last call: nothing follows. Rows held back are emitted. Results that wait for event time have come out with
    /// [`MAX_WATERMARK`](crate::MAX_WATERMARK) before it; after an orderly stop there was none, and they stay in.
    ///
    /// # Errors
    /// The job fails with this error.
    fn finish(&mut self, out: &mut dyn Output<O>) -> Result<()> {
        let _ = out;
        Ok(())
    }
}

/// What an operator says about the event time that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// No row at or before this time follows. Only what is later than what was said before counts.
    Watermark(Timestamp),
    /// Nothing comes for now: do not wait for this stream.
    Idle,
    /// The stream goes on.
    Active,
}

/// Works in the source's task on the batches of each split, before splits are mixed: computed columns, and event time.
pub trait SplitOperator<I, O = I>: Send {
    /// The batch to pass on, and the watermark that it allows for its split: the largest over its rows. Without one the
    /// split has no event time.
    ///
    /// # Errors
    /// The job fails with this error.
    fn apply(&mut self, split: &SplitId, batch: I) -> Result<(O, Option<Timestamp>)>;

    /// Whether the source is to wait: its event time is too far ahead of other sources'. Asked before each poll; the answer is asked for
    /// again after some milliseconds.
    fn waits(&mut self) -> bool {
        false
    }
}

/// Passes batches on, without event time.
impl<B> SplitOperator<B> for () {
    fn apply(&mut self, _: &SplitId, batch: B) -> Result<(B, Option<Timestamp>)> {
        Ok((batch, None))
    }
}

/// What a subtask of an operator knows about its place.
#[derive(Clone, Debug)]
pub struct OperatorContext {
    /// The operator's name.
    pub name: String,
    /// The index of the subtask, from 0.
    pub subtask: usize,
    /// How many subtasks there are.
    pub parallelism: usize,
    /// The number of key groups.
    pub max_parallelism: usize,
    /// The key groups whose rows a hash exchange sends here.
    pub key_groups: KeyGroupRange,
    /// Says when the job stops; whatever waits in an operator waits on it.
    pub cancellation: Cancellation,
    /// Where it counts what it does, for the metrics: `numLateRecordsDropped`.
    pub counters: Counters,
    /// The job, and the operator's uid.
    pub job: JobContext,
    /// The time of day.
    pub clock: Clock,
    /// The task that the operator runs in.
    pub task: TaskHandle,
}

/// What is said to a task by one of its operators, and by threads that work for it. The default stands for none.
#[derive(Clone, Default)]
pub struct TaskHandle {
    metrics: Option<Arc<TaskMetrics>>,
    gate: Option<Arc<dyn GateControl>>,
}

impl TaskHandle {
    pub(crate) fn new(metrics: Arc<TaskMetrics>, gate: Option<Arc<dyn GateControl>>) -> Self {
        Self { metrics: Some(metrics), gate }
    }

    /// Lets the task ask for [`Operator::deadline`] again, from any thread, should it wait for rows. A task that reads from a source looks by
    /// itself, after some milliseconds.
    pub fn wake(&self) {
        if let Some(gate) = &self.gate {
            gate.wake();
        }
    }

    /// Waits, in a call of an operator, for room to go on. The time counts as backpressured, not as busy.
    pub fn wait_for_room<R>(&self, wait: impl FnOnce() -> R) -> R {
        let _waiting = self.metrics.as_ref().map(|metrics| metrics.wait(Waiting::ForOutput));
        wait()
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").finish_non_exhaustive()
    }
}

impl OperatorContext {
    /// The same, as connectors know it.
    pub fn task_context(&self) -> TaskContext {
        TaskContext {
            task: self.name.clone(),
            subtask: self.subtask,
            parallelism: self.parallelism,
            cancellation: self.cancellation.clone(),
            counters: self.counters.clone(),
            job: self.job.clone(),
        }
    }
}
