//! One attempt while it runs: its tasks, and the checkpoints that the coordinator decides on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_protocol::checkpoint::{Action, CheckpointKind, Decline, Event, RequestId, RequestKind, SlotOutcome};
use riverrun_protocol::job_master::{self, AttemptEnd, JobMaster};
use riverrun_protocol::{CheckpointId, JobStatus, job_state};

use super::attempt::{self, Attempt, AttemptEvent, AttemptSetup};
use super::checkpoints::{Answer, Building, CommitEvent, Committers, Ongoing, Request, StoreEvent, Takeover};
use super::master::{Job, Message, failure_of};
use crate::task::AfterBarrier;

/// How long the end of an attempt is looked for, where nothing tells it.
const LOOK: Duration = Duration::from_millis(500);

/// How an attempt ended.
pub(super) struct RunningEnd {
    pub(super) end: AttemptEnd,
    pub(super) error: Option<Error>,
    /// Whether a task did not end, as the error says.
    pub(super) stuck: bool,
    /// The last slot that counts.
    pub(super) last_slot: Option<CheckpointId>,
}

/// An attempt that runs.
pub(super) struct Running<'a> {
    job: &'a Job,
    epoch: u64,
    attempt: Attempt,
    checkpoints: Option<Ongoing<'a>>,
    /// Why it ends, where that is not an error of a task.
    cause: Option<Cause>,
    ending_since: Option<Instant>,
    sources: BTreeSet<usize>,
}

pub(super) enum Cause {
    Failed(Error),
    Lost { checkpoint: CheckpointId, visible: bool, error: Error },
    Fenced(Error),
    Finished(CheckpointKind),
}

impl<'a> Running<'a> {
    /// Starts the tasks.
    ///
    /// # Errors
    /// A thread cannot be had.
    pub(super) fn start(
        job: &'a Job,
        epoch: u64,
        takeover: Option<Takeover>,
        committers: Option<Committers>,
    ) -> Result<Self> {
        let durable = job.durable.as_ref().filter(|durable| durable.checkpointing.is_some());
        let setup = AttemptSetup {
            job: job.context(takeover.as_ref()),
            restoration: takeover.as_ref().and_then(|takeover| takeover.restoration.clone()),
            waits_for_last_barrier: durable.is_some(),
            clock: crate::Clock::System,
        };
        let checkpoints = match (durable, takeover) {
            (Some(durable), Some(takeover)) => Some((durable, takeover)),
            _ => None,
        };
        let messages = job.messages.clone();
        let tell = move |event| {
            // Nobody listens any more when the job has ended.
            let _ = messages.send(Message::Attempt(epoch, event));
        };
        let attempt = attempt::start(Arc::clone(&job.graph), setup, Box::new(tell))?;
        job.shared.attempt_started(attempt.control());
        let checkpoints =
            checkpoints.map(|(durable, takeover)| Ongoing::new(job, epoch, durable, takeover, committers, &attempt));
        let sources = attempt.source_tasks();
        Ok(Self {
            job,
            epoch,
            checkpoints: checkpoints.transpose()?,
            attempt,
            cause: None,
            ending_since: None,
            sources,
        })
    }

    /// Runs it to its end.
    ///
    /// `stops` says that somebody wants the job to end in order; a stop that a failure cut short is tried again.
    pub(super) fn run(mut self, inbox: &Receiver<Message>, machine: &mut JobMaster, stops: &mut bool) -> RunningEnd {
        if *stops {
            self.take(Message::Stop, machine);
        }
        loop {
            if self.has_ended() {
                return self.end();
            }
            let deadline = self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.coordinator.next_deadline());
            let wait = deadline.map_or(LOOK, |deadline| self.job.until(deadline)).min(LOOK);
            match inbox.recv_timeout(wait) {
                Ok(message) => {
                    *stops |= matches!(message, Message::Stop);
                    self.take(message, machine);
                }
                Err(RecvTimeoutError::Timeout) => self.coordinate(Event::Tick),
                Err(RecvTimeoutError::Disconnected) => self.attempt.cancel(),
            }
        }
    }

    /// Whether no task runs, and nothing is waited for behind them.
    fn has_ended(&mut self) -> bool {
        let status = self.attempt.status();
        if matches!(status, JobStatus::Failing | JobStatus::Canceling) {
            // A task that does not react never tells its end.
            let since = self.ending_since.get_or_insert_with(Instant::now);
            return since.elapsed() > self.job.graph.settings.cancellation_timeout + LOOK;
        }
        if !status.is_terminal() {
            return false;
        }
        // The last checkpoint's commit may come after the last task's end.
        let waits_for_commit = status == JobStatus::Finished && self.checkpoints.is_some() && self.cause.is_none();
        !waits_for_commit
    }

    fn end(self) -> RunningEnd {
        let Self { attempt, checkpoints, cause, job, .. } = self;
        let control = attempt.control();
        let ended = attempt.wait();
        let stuck = !control.status().is_terminal();
        let last_slot = checkpoints.as_ref().map(|checkpoints| checkpoints.coordinator.last_slot());
        if let Some(mut checkpoints) = checkpoints {
            checkpoints.refuse_all("the job has ended");
        }
        job.shared.checkpoints(|statistics| statistics.in_progress = 0);
        let (end, error) = match (cause, ended) {
            (Some(Cause::Fenced(error)), _) => (AttemptEnd::Fenced, Some(error)),
            (Some(Cause::Lost { checkpoint, visible, error }), _) => {
                (AttemptEnd::CommitLost { checkpoint, visible, failure: failure_of(&error) }, Some(error))
            }
            (Some(Cause::Failed(error)), _) | (_, Err(error)) => (AttemptEnd::Failed(failure_of(&error)), Some(error)),
            (Some(Cause::Finished(kind)), Ok(_)) if kind.is_savepoint() => (AttemptEnd::Stopped, None),
            (_, Ok(summary)) if summary.status == JobStatus::Canceled => (AttemptEnd::Canceled, None),
            (_, Ok(_)) => (AttemptEnd::Finished, None),
        };
        RunningEnd { end, error, stuck, last_slot }
    }

    fn take(&mut self, message: Message, machine: &mut JobMaster) {
        match message {
            Message::Attempt(epoch, event) if epoch == self.epoch => self.attempt_event(event),
            Message::Store(epoch, event) if epoch == self.epoch => self.store_event(event),
            // Committers are older than the attempt: they recovered before it.
            Message::Commit(_, event) => self.commit_event(event),
            Message::Attempt(..) | Message::Store(..) => {}
            Message::Stop => {
                let actions = machine.on(self.job.now_ms(), job_master::Event::Stop);
                if actions.contains(&job_master::Action::Stop) {
                    self.stop();
                }
            }
            Message::Cancel => {
                machine.on(self.job.now_ms(), job_master::Event::Cancel);
                self.attempt.cancel();
            }
            Message::Checkpoint { answer } => {
                self.request(RequestKind::Checkpoint, Answer::Checkpoint(answer), None);
            }
            Message::Savepoint { directory, stop, answer } => {
                let kind = stop.map_or(RequestKind::Savepoint, |drain| RequestKind::StopWithSavepoint { drain });
                let configured = self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.savepoint_directory());
                match directory.or(configured) {
                    None if self.checkpoints.is_some() => {
                        let error = Error::user("no folder for the savepoint")
                            .hint("name one, or SET 'execution.checkpointing.savepoint-dir'");
                        drop(answer.try_send(Err(error)));
                    }
                    directory => match directory.as_deref().map_or(Ok(()), |directory| self.is_folder(directory)) {
                        Ok(()) => self.request(kind, Answer::Savepoint(answer), directory),
                        Err(error) => drop(answer.try_send(Err(error))),
                    },
                }
            }
        }
    }

    /// Whether savepoints can go there, as far as its name tells.
    fn is_folder(&self, directory: &str) -> Result<()> {
        match self.job.graph.settings.stores.as_ref() {
            Some(stores) => stores.open(directory).map(drop),
            None => Ok(()),
        }
    }

    /// Ends the job in order.
    fn stop(&mut self) {
        if self.checkpoints.is_some() {
            self.request(RequestKind::StopWithSavepoint { drain: false }, Answer::Nobody, None);
        } else {
            self.attempt.stop();
        }
    }

    fn request(&mut self, kind: RequestKind, answer: Answer, directory: Option<String>) {
        let Some(checkpoints) = &mut self.checkpoints else {
            let error = Error::user("the job takes no checkpoints").with("job", &self.job.graph.name);
            return answer.give_error(error.hint("SET 'execution.checkpointing.interval' = '10 s'"));
        };
        let request = RequestId(checkpoints.next_request);
        checkpoints.next_request += 1;
        checkpoints.requests.insert(request, Request { answer, directory, path: None });
        self.coordinate(Event::Requested { request, kind });
    }

    fn attempt_event(&mut self, event: AttemptEvent) {
        match event {
            AttemptEvent::Acknowledged { checkpoint, task, subtask, states } => {
                if let (Some(checkpoints), Some(handle)) = (&self.checkpoints, self.attempt.task(task)) {
                    checkpoints.storing.store(checkpoint, task, subtask, states, &handle.wants_full);
                }
            }
            AttemptEvent::Declined { checkpoint, task } => {
                self.coordinate(Event::Declined { checkpoint, task, reason: Decline::Overtaken });
            }
            AttemptEvent::SourceExhausted { task } => {
                self.sources.remove(&task);
                if self.sources.is_empty() {
                    self.coordinate(Event::SourcesExhausted);
                }
            }
            AttemptEvent::TaskFinished { .. } | AttemptEvent::Ended(_) => {}
        }
    }

    fn store_event(&mut self, event: StoreEvent) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        match event {
            StoreEvent::Stored { checkpoint, task, mut states } => {
                checkpoints.prepared.add(checkpoint, &mut states);
                if let Some(building) = checkpoints.building.get_mut(&checkpoint) {
                    building.add(states);
                }
                self.coordinate(Event::Acknowledged { checkpoint, task });
            }
            StoreEvent::NotStored { checkpoint, task, error } => {
                tracing::warn!(job = self.job.graph.name, %checkpoint, %error, "state could not be stored");
                checkpoints.last_error = Some(error);
                self.coordinate(Event::Declined { checkpoint, task, reason: Decline::Failed });
            }
            StoreEvent::SavepointWritten { checkpoint, path } => match path {
                Ok(path) => {
                    for request in checkpoints.requests.values_mut().filter(|request| request.directory.is_some()) {
                        request.path.get_or_insert_with(|| path.clone());
                    }
                    if let Some((assembled, _)) = checkpoints.assembled.remove(&checkpoint) {
                        checkpoints.storing.write_slot(assembled);
                    }
                }
                Err(error) => self.savepoint_failed(checkpoint, error),
            },
            StoreEvent::SlotWritten { checkpoint, written } => match written {
                Ok(true) => self.coordinate(Event::SlotWritten { checkpoint, outcome: SlotOutcome::Written }),
                Ok(false) => self.coordinate(Event::SlotWritten { checkpoint, outcome: SlotOutcome::Taken }),
                // Whether it is complete, the next attempt finds out.
                Err(error) => self.fail(error.with("checkpoint", checkpoint)),
            },
        }
    }

    /// The files of a savepoint could not be written. It is a checkpoint all the same, and the job goes on; where it was to end with it,
    /// its tasks have ended already, and it restarts.
    fn savepoint_failed(&mut self, checkpoint: CheckpointId, error: Error) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let told = error.to_string();
        let failed = || Error::external(format!("the savepoint could not be written: {told}"));
        let waiting: Vec<RequestId> =
            checkpoints.requests.iter().filter(|(_, request)| request.directory.is_some()).map(|(id, _)| *id).collect();
        for request in waiting.iter().filter_map(|id| checkpoints.requests.remove(id)) {
            request.answer.give_error(failed());
        }
        match checkpoints.assembled.remove(&checkpoint) {
            Some((mut assembled, CheckpointKind::Savepoint)) => {
                assembled.is_savepoint = false;
                checkpoints.storing.write_slot(assembled);
            }
            _ => self.fail(failed().with("savepoint", checkpoint)),
        }
    }

    fn commit_event(&mut self, event: CommitEvent) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let index = |node: usize| self.job.sinks.iter().position(|sink| *sink == node).unwrap_or(usize::MAX);
        match event {
            CommitEvent::Committed { node, checkpoint } => {
                let visible = !checkpoints.prepared.of(checkpoint, node).is_empty();
                checkpoints.prepared.committed(checkpoint, node);
                self.coordinate(Event::Committed { checkpoint, sink: index(node), visible });
            }
            CommitEvent::Lost { node, checkpoint, visible, error } => {
                checkpoints.lost = Some(error.with("operator", &self.job.nodes[node].name));
                self.coordinate(Event::CommitLost { checkpoint, sink: index(node), visible });
            }
            CommitEvent::Failed { error } if error.is_canceled() => {}
            CommitEvent::Failed { error } => self.fail(error),
            CommitEvent::Recovered => {}
        }
    }

    /// Ends the attempt with an error.
    fn fail(&mut self, error: Error) {
        self.end_by(Cause::Failed(error));
    }

    fn end_by(&mut self, cause: Cause) {
        if self.cause.is_none() {
            self.cause = Some(cause);
            let error = Error::canceled();
            self.attempt.control().0.on(job_state::Event::Failed, Some(error));
        }
    }

    /// Lets the coordinator decide, and does what it says.
    fn coordinate(&mut self, event: Event) {
        let now = self.job.now_ms();
        let Some(checkpoints) = &mut self.checkpoints else { return };
        if self.cause.is_some() {
            return;
        }
        for action in checkpoints.coordinator.on(now, event) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let job = self.job;
        match action {
            Action::TriggerBarriers { checkpoint, kind } => {
                let after = match kind {
                    CheckpointKind::Checkpoint | CheckpointKind::Savepoint => AfterBarrier::Rows,
                    CheckpointKind::StopWithSavepoint { drain } => AfterBarrier::End { drain },
                    CheckpointKind::Last => AfterBarrier::End { drain: false },
                };
                checkpoints.kinds.insert(checkpoint, kind);
                checkpoints.triggered.insert(checkpoint, Instant::now());
                // A job that ends meanwhile acknowledges nothing.
                if let Ok(known) = self.attempt.control().0.trigger_barrier(checkpoint, after) {
                    checkpoints.building.insert(checkpoint, Building::new(super::checkpoints::now_ms(), known));
                }
                job.shared.checkpoints(|statistics| statistics.in_progress += 1);
            }
            Action::WriteSlot { checkpoint, .. } => checkpoints.write(job, checkpoint),
            Action::Abort(checkpoint) => {
                checkpoints.building.remove(&checkpoint);
                checkpoints.triggered.remove(&checkpoint);
                tracing::warn!(job = job.graph.name, %checkpoint, "a checkpoint was given up");
                job.shared.checkpoints(|statistics| {
                    statistics.in_progress = statistics.in_progress.saturating_sub(1);
                    statistics.failed += 1;
                });
            }
            Action::NotifyCompleted(checkpoint) => {
                if std::mem::take(&mut checkpoints.starts_full) {
                    self.attempt.task_handles().for_each(|task| task.wants_full.store(false, Ordering::Release));
                }
                let duration = checkpoints.triggered.remove(&checkpoint).map_or(Duration::ZERO, |at| at.elapsed());
                job.shared.checkpoints(|statistics| {
                    statistics.in_progress = statistics.in_progress.saturating_sub(1);
                    statistics.completed += 1;
                    statistics.last = Some(checkpoint);
                    statistics.last_duration = duration;
                });
                self.attempt.control().0.checkpoint_completed(checkpoint);
            }
            Action::Commit { checkpoint, sink } => {
                if let (Some(node), Some(committers)) = (job.sinks.get(sink), &checkpoints.committers) {
                    committers.commit(*node, checkpoint, checkpoints.prepared.of(checkpoint, *node));
                }
            }
            Action::Remove(_) => {
                if let Some(oldest) = checkpoints.coordinator.kept().next() {
                    checkpoints.storing.remove_before(oldest);
                }
            }
            Action::Answer { request, result } => checkpoints.answer(request, result),
            Action::FailJob(reason) => {
                let cause = checkpoints.cause_of(reason);
                self.end_by(cause);
            }
            Action::Fenced { slot } => {
                let error = checkpoints.durable.taken().with("slot", slot);
                self.end_by(Cause::Fenced(error));
            }
            Action::Finished { kind, .. } => self.cause = Some(Cause::Finished(kind)),
        }
    }
}
