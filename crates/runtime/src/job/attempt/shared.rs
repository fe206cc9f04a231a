//! What the threads of a job and its handles share: the job's state, and the means to carry its decisions out.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, SplitId};
use riverrun_protocol::job_state::{Action, Ending, Event};
use riverrun_protocol::{CheckpointId, JobState, JobStatus};

use super::AttemptEvent;
use super::Tell;
use super::enumerator::Assignments;
use crate::gate::GateControl;
use crate::metrics::Registry;
use crate::task::{AfterBarrier, Mailbox};
use crate::{Barrier, CheckpointStatistics, MetricsSnapshot};

/// One job, seen from all its threads.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) cancellation: Cancellation,
    pub(crate) gates: Vec<Arc<dyn GateControl>>,
    /// The splits of each source, by node.
    assignments: Vec<(usize, Arc<Assignments>)>,
    pub(crate) registry: Registry,
    pub(crate) started: Instant,
    life: Mutex<Life>,
    changed: Condvar,
    tell: Tell,
}

/// Where the job is, and which threads still run.
struct Life {
    state: JobState,
    error: Option<Error>,
    /// The names of the threads that have not ended.
    threads: BTreeMap<usize, String>,
    /// Since when every thread should be ending.
    ending_since: Option<Instant>,
    ended: Option<Instant>,
}

/// How a job ended.
pub(crate) struct End {
    pub(crate) status: JobStatus,
    pub(crate) error: Option<Error>,
    /// The threads that did not end in time.
    pub(crate) stuck: BTreeMap<usize, String>,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        gates: Vec<Arc<dyn GateControl>>,
        assignments: Vec<(usize, Arc<Assignments>)>,
        registry: Registry,
        tasks: usize,
        tell: Tell,
    ) -> Self {
        let life = Life {
            state: JobState::new(tasks),
            error: None,
            threads: BTreeMap::new(),
            ending_since: None,
            ended: None,
        };
        Self {
            name,
            cancellation: Cancellation::new(),
            gates,
            assignments,
            registry,
            started: Instant::now(),
            life: Mutex::new(life),
            changed: Condvar::new(),
            tell,
        }
    }

    /// Takes an event and carries out what follows from it.
    pub(crate) fn on(&self, event: Event, error: Option<Error>) {
        let actions = {
            let mut life = self.life();
            let actions = life.state.on(event);
            if actions.contains(&Action::AdoptError) {
                life.error = error;
            } else if let Some(error) = error.filter(|error| !error.is_canceled()) {
                tracing::warn!(job = self.name, %error, "failed while the job was ending");
            }
            let ending = |action: &Action| matches!(action, Action::CancelTasks | Action::Ended(_));
            if actions.iter().any(ending) {
                life.ending_since.get_or_insert_with(Instant::now);
            }
            if life.state.status().is_terminal() {
                life.ended.get_or_insert_with(Instant::now);
            }
            actions
        };
        for action in actions {
            match action {
                Action::AdoptError => {}
                Action::StopSources => self.mailboxes().for_each(Mailbox::stop),
                Action::CancelTasks => self.cancel_tasks(),
                Action::Ended(status) => {
                    // What is not a task, the enumerators, ends with the tasks.
                    self.cancellation.cancel();
                    self.tell(AttemptEvent::Ended(status));
                }
            }
        }
        self.changed.notify_all();
    }

    fn cancel_tasks(&self) {
        self.cancellation.cancel();
        self.gates.iter().for_each(|gate| gate.close());
        self.mailboxes().for_each(Mailbox::close);
    }

    /// A task has ended and given back what it held.
    pub(crate) fn task_ended(&self, result: Result<()>) {
        match result {
            Ok(()) => self.on(Event::TaskEnded(Ending::Finished), None),
            Err(error) if error.is_canceled() => self.on(Event::TaskEnded(Ending::Canceled), Some(error)),
            Err(error) => self.on(Event::TaskEnded(Ending::Failed), Some(error)),
        }
    }

    pub(crate) fn thread_started(&self, thread: usize, name: String) {
        self.life().threads.insert(thread, name);
    }

    /// The last thing a thread does.
    pub(crate) fn thread_ended(&self, thread: usize) {
        self.life().threads.remove(&thread);
        self.changed.notify_all();
    }

    /// Waits until every thread has ended, or has had `timeout` for it.
    pub(crate) fn wait(&self, timeout: Duration) -> End {
        let mut life = self.life();
        while !life.threads.is_empty() {
            life = match life.ending_since.map(|since| timeout.saturating_sub(since.elapsed())) {
                None => self.changed.wait(life).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => self.changed.wait_timeout(life, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        End { status: life.state.status(), error: life.error.take(), stuck: life.threads.clone() }
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.life().state.status()
    }

    /// Sends a checkpoint's barrier on its way from every source. Answers which splits each source knows, by node.
    pub(crate) fn trigger_barrier(
        &self,
        checkpoint: CheckpointId,
        after: AfterBarrier,
    ) -> Result<Vec<(usize, Vec<SplitId>)>> {
        let status = self.status();
        if status != JobStatus::Running {
            return Err(Error::user(format!("a job that is {status} takes no checkpoint")).with("job", &self.name));
        }
        let barrier = Barrier { checkpoint };
        Ok(self.assignments.iter().map(|(node, source)| (*node, source.barrier(barrier, after))).collect())
    }

    /// Tells every source that a checkpoint is complete.
    pub(crate) fn checkpoint_completed(&self, checkpoint: CheckpointId) {
        self.mailboxes().for_each(|mailbox| mailbox.completed(checkpoint));
    }

    fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        self.assignments.iter().flat_map(|(_, source)| source.mailboxes()).map(|mailbox| &**mailbox)
    }

    /// Tells whoever coordinates the attempt.
    pub(crate) fn tell(&self, event: AttemptEvent) {
        (self.tell)(event);
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let (status, ended) = {
            let life = self.life();
            (life.state.status(), life.ended)
        };
        let uptime = ended.unwrap_or_else(Instant::now).saturating_duration_since(self.started);
        MetricsSnapshot {
            job: self.name.clone(),
            status,
            uptime,
            restarts: 0,
            checkpoints: CheckpointStatistics::default(),
            tasks: self.registry.snapshot(),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
