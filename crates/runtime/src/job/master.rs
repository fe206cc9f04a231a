//! The thread that runs a job: it carries out what [`JobMaster`] decides, attempt after attempt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind, Result};
use riverrun_connect::{Commits, Committable, JobContext};
use riverrun_protocol::checkpoint_log::Own;
use riverrun_protocol::job_master::{Action, EndReason, Event, Failure, JobMaster};
use riverrun_protocol::restart::GiveUp;
use riverrun_protocol::{CheckpointId, JobStatus};

use super::attempt::{AttemptEvent, caught};
use super::checkpoints::{CommitEvent, Committers, Durable, NodeIdentity, StoreEvent, TakenOver, Takeover};
use super::handle::{JobControl, JobHandle, JobShared};
use super::running::{Running, RunningEnd};
use crate::crash::crash_point;
use crate::{JobGraph, JobSummary};

/// What the master is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// By the threads of an attempt, with its number in this process.
    Attempt(u64, AttemptEvent),
    Commit(u64, CommitEvent),
    Store(u64, StoreEvent),
    Stop,
    Cancel,
    Checkpoint {
        answer: SyncSender<Result<CheckpointId>>,
    },
    Savepoint {
        directory: Option<String>,
        /// Whether the job ends with it, and then whether event time does.
        stop: Option<bool>,
        answer: SyncSender<Result<String>>,
    },
}

/// What is the same in all attempts.
pub(crate) struct Job {
    pub(crate) graph: Arc<JobGraph>,
    pub(crate) nodes: Vec<NodeIdentity>,
    /// The sinks that commit, in their order.
    pub(crate) sinks: Vec<usize>,
    pub(crate) durable: Option<Durable>,
    pub(super) shared: Arc<JobShared>,
    pub(crate) messages: Sender<Message>,
    clock: Instant,
}

/// The master of one job.
struct Master {
    job: Job,
    inbox: Receiver<Message>,
    machine: JobMaster,
    /// The number of what runs now, so that news of what has ended are told apart.
    epoch: u64,
    takeover: Option<Takeover>,
    committers: Option<Committers>,
    /// What this process has of the log.
    own: Option<Own>,
    /// Of the last event.
    failure: Option<Error>,
    /// The job's.
    error: Option<Error>,
    /// Whether somebody wants the job to end in order.
    stops: bool,
    /// What hindered a cancellation.
    stuck: Option<Error>,
}

/// Starts a job; see [`JobGraph::start`].
pub(crate) fn start(graph: JobGraph) -> Result<JobHandle> {
    let nodes = NodeIdentity::all(&graph)?;
    let sinks = committing_sinks(&graph)?;
    let durable = Durable::open(&graph)?;
    let id = durable
        .as_ref()
        .map_or_else(|| riverrun_checkpoints::new_job_id().into(), |durable| Arc::clone(&durable.job_id));
    let shared = Arc::new(JobShared::new(graph.name.clone(), id));
    let (messages, inbox) = channel();
    let control = JobControl { shared: Arc::clone(&shared), messages: messages.clone() };
    // One that takes no checkpoints may still go on from one.
    let machine = JobMaster::new(graph.settings.restart.clone(), durable.is_some());
    let name = format!("{} (master)", graph.name);
    let job = Job { graph: Arc::new(graph), nodes, sinks, durable, shared, messages, clock: Instant::now() };
    let master = Master {
        job,
        inbox,
        machine,
        epoch: 0,
        takeover: None,
        committers: None,
        own: None,
        failure: None,
        error: None,
        stops: false,
        stuck: None,
    };
    let run = move || {
        let shared = Arc::clone(&master.job.shared);
        let result = caught(|| master.run());
        if result.is_err() {
            shared.set_status(JobStatus::Failed);
        }
        result
    };
    let thread = std::thread::Builder::new().name(name.replace('\0', " ")).spawn(run);
    let thread = thread.map_err(|error| Error::external("the operating system gives no thread").caused_by(error))?;
    Ok(JobHandle::new(control, thread))
}

/// The sinks whose rows become visible by commits.
fn committing_sinks(graph: &JobGraph) -> Result<Vec<usize>> {
    let takes_checkpoints = graph.settings.checkpointing.is_some();
    let mut sinks = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        match node.body.commits() {
            Commits::Never => {}
            Commits::WithCheckpoints if !takes_checkpoints => {}
            Commits::Always if !takes_checkpoints => {
                return Err(Error::user(format!(
                    "'{}' writes exactly once, and so makes rows visible when a checkpoint is complete, but the job takes none",
                    node.settings.name
                ))
                .hint("SET 'execution.checkpointing.interval' = '10 s', or write at least once"));
            }
            Commits::WithCheckpoints | Commits::Always => sinks.push(index),
        }
    }
    Ok(sinks)
}

impl Job {
    /// Milliseconds since the job was started.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long until a moment of [`Self::now_ms`].
    pub(crate) fn until(&self, deadline_ms: u64) -> Duration {
        Duration::from_millis(deadline_ms).saturating_sub(self.clock.elapsed())
    }

    /// The job as tasks are told of it, without an operator.
    pub(crate) fn context(&self, takeover: Option<&Takeover>) -> JobContext {
        let checkpointing = self.durable.as_ref().and_then(|durable| durable.checkpointing.as_ref());
        JobContext {
            id: Arc::clone(&self.shared.id),
            operator: "".into(),
            attempt: takeover.map_or(1, |takeover| takeover.attempt),
            restored: takeover.and_then(|takeover| takeover.restored),
            checkpoint_interval: checkpointing.map(|checkpointing| checkpointing.interval.unwrap_or(Duration::MAX)),
        }
    }
}

impl Master {
    fn run(mut self) -> Result<JobSummary> {
        let mut events = VecDeque::from([Event::Start]);
        loop {
            let event = match events.pop_front() {
                Some(event) => event,
                None => self.wait(),
            };
            for action in self.machine.on(self.job.now_ms(), event) {
                match action {
                    Action::TakeOver { lost } => {
                        // The former attempt's committers end before others begin.
                        self.committers = None;
                        self.takeover = None;
                        events.push_back(self.take_over(lost));
                    }
                    Action::Recover => events.push_back(self.recover()),
                    Action::Run => events.push_back(self.run_attempt()),
                    Action::AdoptError => {
                        self.error = self.failure.take().or(self.error.take());
                        self.tell_restart();
                    }
                    Action::RefuseStop => events.push_back(Event::Cancel),
                    // An attempt that runs takes these itself.
                    Action::Stop | Action::CancelAttempt => {}
                    Action::Ended { status, reason, settled } => return self.end(status, reason, settled),
                }
            }
            if self.machine.status() == JobStatus::Restarting {
                self.job.shared.set_status(JobStatus::Restarting);
            }
        }
    }

    /// Waits for what changes something while nothing runs.
    fn wait(&mut self) -> Event {
        loop {
            let received = match self.machine.next_deadline() {
                Some(deadline) => match self.inbox.recv_timeout(self.job.until(deadline)) {
                    Err(RecvTimeoutError::Timeout) => return Event::Tick,
                    received => received.ok(),
                },
                None => self.inbox.recv().ok(),
            };
            match received {
                Some(message) => {
                    if let Some(event) = refused_while_idle(message, &self.job.shared.name) {
                        return event;
                    }
                }
                // The job holds a sender itself.
                None => return Event::Cancel,
            }
        }
    }

    /// Tells why there is a restart, and when, if there is one.
    fn tell_restart(&self) {
        if let (Some(error), Some(at)) = (&self.error, self.machine.restarts_at()) {
            let number = self.job.shared.snapshot().restarts + 1;
            let delay = self.job.until(at).as_secs_f64();
            tracing::warn!(job = self.job.shared.name, %error, "failed; restart {number} in {delay:.1} s");
        }
    }

    fn failed(&mut self, error: Error) -> Event {
        let failure = failure_of(&error);
        self.failure = Some(error);
        Event::Failed(failure)
    }

    fn take_over(&mut self, lost: Option<CheckpointId>) -> Event {
        let Some(durable) = &self.job.durable else { return Event::TakenOver };
        let max_parallelism = self.job.graph.settings.max_parallelism;
        match durable.take_over(&self.job.nodes, max_parallelism, &mut self.own, lost) {
            Ok(TakenOver::Begins(takeover)) => {
                self.takeover = Some(*takeover);
                Event::TakenOver
            }
            Ok(TakenOver::NothingBefore(lost)) => Event::NothingBefore(lost),
            Ok(TakenOver::Fenced(error)) => {
                self.failure = Some(error);
                Event::Fenced
            }
            Err(error) => self.failed(error),
        }
    }

    /// Opens the committers and lets them recover, one after another.
    fn recover(&mut self) -> Event {
        crash_point("before-recovery");
        self.epoch += 1;
        let epoch = self.epoch;
        let context = self.job.context(self.takeover.as_ref());
        let sink = |node: &usize| {
            (*node, JobContext { operator: self.job.nodes[*node].uid.as_str().into(), ..context.clone() })
        };
        let sinks: Vec<(usize, JobContext)> = self.job.sinks.iter().map(sink).collect();
        let messages = self.job.messages.clone();
        let report = move |event| {
            // Nobody listens any more when the job has ended.
            let _ = messages.send(Message::Commit(epoch, event));
        };
        let committers = match Committers::start(&self.job.graph, &sinks, &report) {
            Ok(committers) => committers,
            Err(error) => return self.failed(error),
        };
        let mut any_visible = false;
        let mut lost = None;
        self.failure = None;
        for (node, job) in sinks {
            let committables = match self.takeover.as_ref().is_some_and(|takeover| takeover.is_committed) {
                true => Vec::new(),
                false => self.restored_committables(&job.operator),
            };
            let has_rows = !committables.is_empty();
            committers.recover(node, context.restored, committables);
            match self.recovered(&committers) {
                CommitEvent::Lost { checkpoint, visible, error, .. } => {
                    let error = error.with("operator", &self.job.nodes[node].name).with("checkpoint", checkpoint);
                    self.failure.get_or_insert(error);
                    any_visible |= visible;
                    lost.get_or_insert(checkpoint);
                    if !any_visible {
                        break;
                    }
                    // Where some rows are visible, the others still become so.
                }
                CommitEvent::Failed { error } => return self.failed(error),
                CommitEvent::Recovered | CommitEvent::Committed { .. } => any_visible |= has_rows,
            }
        }
        if let Some(checkpoint) = lost {
            return Event::CommitLost { checkpoint, visible: any_visible };
        }
        self.committers = Some(committers);
        Event::Recovered
    }

    fn restored_committables(&self, uid: &str) -> Vec<Committable> {
        let restoration = self.takeover.as_ref().filter(|takeover| takeover.restored.is_some());
        let checkpoint = restoration.and_then(|takeover| takeover.restoration.as_ref()).map(|from| &from.checkpoint);
        let state = checkpoint.and_then(|checkpoint| checkpoint.operator(uid));
        state.map_or_else(Vec::new, |state| state.committables.iter().cloned().map(Committable).collect())
    }

    /// Waits until a committer has recovered.
    fn recovered(&mut self, committers: &Committers) -> CommitEvent {
        loop {
            match self.inbox.recv() {
                Ok(Message::Commit(epoch, event)) if epoch == self.epoch => return event,
                Ok(Message::Cancel) => {
                    self.machine.on(self.job.now_ms(), Event::Cancel);
                    committers.cancel();
                }
                Ok(message) => {
                    if let Some(Event::Stop) = refused_while_idle(message, &self.job.shared.name) {
                        self.machine.on(self.job.now_ms(), Event::Cancel);
                        committers.cancel();
                    }
                }
                Err(_) => return CommitEvent::Failed { error: Error::canceled() },
            }
        }
    }

    fn run_attempt(&mut self) -> Event {
        if self.error.take().is_some() {
            self.job.shared.restarted();
        }
        crash_point("behind-recovery");
        self.epoch += 1;
        let takeover = self.takeover.take();
        let committers = self.committers.take();
        let started = Running::start(&self.job, self.epoch, takeover, committers);
        let RunningEnd { end, error, stuck, last_slot } = match started {
            Ok(running) => running.run(&self.inbox, &mut self.machine, &mut self.stops),
            Err(error) => return self.failed(error),
        };
        if let (Some(own), Some(slot)) = (&mut self.own, last_slot) {
            own.slot = slot;
        }
        if stuck && self.machine.status() == JobStatus::Canceling {
            self.stuck = error;
        } else {
            self.failure = error;
        }
        Event::AttemptEnded(end)
    }

    fn end(mut self, status: JobStatus, reason: Option<EndReason>, settled: bool) -> Result<JobSummary> {
        self.committers = None;
        if let Some(durable) = &self.job.durable {
            let stays = status == JobStatus::Failed || !settled;
            durable.clean_up(stays, status == JobStatus::Finished);
        }
        self.job.shared.set_status(status);
        let summary = JobSummary { status, metrics: self.job.shared.snapshot() };
        if status != JobStatus::Failed {
            return self.stuck.take().map_or(Ok(summary), Err);
        }
        let error = self.error.take().unwrap_or_else(|| Error::internal("the job failed without an error"));
        Err(match reason {
            Some(EndReason::GaveUp(GiveUp::AttemptsSpent { attempts })) => {
                error.with("not restarted", format!("{attempts} restarts are spent"))
            }
            Some(EndReason::GaveUp(GiveUp::TooOften { max_failures, interval_ms })) => {
                error.with("not restarted", format!("more than {max_failures} failures in {} s", interval_ms / 1000))
            }
            Some(EndReason::RowsLost(checkpoint)) => error.with("rows lost of checkpoint", checkpoint),
            Some(EndReason::Fenced) => error.hint("another process runs this job: it goes on there"),
            Some(EndReason::GaveUp(GiveUp::NoStrategy) | EndReason::NotRecoverable) | None => error,
        })
    }
}

/// What the restart strategy is told of an error.
pub(super) fn failure_of(error: &Error) -> Failure {
    // A mistake of the user is the same at the next attempt.
    Failure { recoverable: error.kind() != Kind::User, random: fastrand::f64() }
}

/// Takes a message while no attempt runs: the event that it is, if it is one.
fn refused_while_idle(message: Message, job: &str) -> Option<Event> {
    let not_running = || Error::user("the job does not run: it restarts").with("job", job);
    match message {
        Message::Stop => return Some(Event::Stop),
        Message::Cancel => return Some(Event::Cancel),
        Message::Checkpoint { answer } => drop(answer.try_send(Err(not_running()))),
        Message::Savepoint { answer, .. } => drop(answer.try_send(Err(not_running()))),
        // News of what has ended.
        Message::Attempt(..) | Message::Commit(..) | Message::Store(..) => {}
    }
    None
}
