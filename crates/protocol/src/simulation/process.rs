//! A process that runs the job: its master, and one attempt at a time. It may fall asleep and wake when another has taken over.

use super::attempt::{Attempt, CommitCall, Committed, Shape, failure};
use super::systems::{Content, Environment, Mutation, Slot};
use crate::CheckpointId;
use crate::checkpoint_log::{LogEntry, LogError, Own, Takeover};
use crate::job_master::{Action, EndReason, Event, JobMaster};
use crate::job_state::JobStatus;
use crate::restart::RestartStrategy;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    Finished,
    /// It has told that rows are lost.
    RowsLost,
    /// Another run is needed.
    Other,
}

enum Work {
    Read { lost: Option<CheckpointId> },
    Write(Takeover),
    Confirm(Takeover),
    Recover(Recovery),
}

/// The committers of all sinks, one after the other.
struct Recovery {
    sink: usize,
    call: CommitCall,
    visible: bool,
    lost: bool,
}

pub(super) struct Process {
    master: JobMaster,
    shape: Shape,
    work: Option<Work>,
    own: Option<Own>,
    /// What the takeover that is being written goes back behind.
    lost: Option<CheckpointId>,
    takeover: Option<Takeover>,
    restored: Option<Content>,
    pub(super) attempt: Option<Attempt>,
    keep_from: Option<CheckpointId>,
    /// Committers of attempts that are over, which have not been told.
    orphans: Vec<CommitCall>,
    /// Until when it sleeps, in steps of the world.
    pub(super) asleep_until: u64,
    pub(super) end: Option<ProcessEnd>,
}

impl Process {
    pub(super) fn new(shape: &Shape, strategy: RestartStrategy, env: &mut Environment) -> Self {
        let mut process = Self {
            master: JobMaster::new(strategy, true),
            shape: shape.clone(),
            work: None,
            own: None,
            lost: None,
            takeover: None,
            restored: None,
            attempt: None,
            keep_from: None,
            orphans: Vec::new(),
            asleep_until: 0,
            end: None,
        };
        process.take(env, Event::Start);
        process
    }

    /// The process is killed: what it has sent may still arrive.
    pub(super) fn kill(&mut self, env: &mut Environment) {
        if let Some(attempt) = &mut self.attempt {
            attempt.abandon_write(env);
        }
        if let Some(Work::Write(takeover)) = &self.work
            && env.random.below(2) == 0
        {
            env.delayed.push((takeover.slot, held(takeover)));
        }
        self.end = Some(ProcessEnd::Other);
    }

    /// Takes one step of those that can be taken; `false` if none could.
    pub(super) fn step(&mut self, env: &mut Environment) -> bool {
        if env.fault(1500) {
            self.take(env, Event::Stop);
            return true;
        }
        if env.fault(4000) {
            self.take(env, Event::Cancel);
            return true;
        }
        if self.work.is_some() && env.random.below(3) > 0 {
            self.work(env);
            return true;
        }
        if env.random.below(8) == 0 && self.in_the_background(env) {
            return true;
        }
        if self.master.next_deadline().is_some_and(|due| due <= env.now_ms) {
            self.take(env, Event::Tick);
            return true;
        }
        let Some(attempt) = &mut self.attempt else { return false };
        let stepped = attempt.step(env);
        self.keep_from = attempt.keep_from.take().or(self.keep_from);
        if std::mem::take(&mut attempt.falls_asleep) {
            self.asleep_until = env.steps + 2000;
        }
        if let Some(end) = attempt.end {
            self.own = Some(Own { attempt: attempt.number, slot: attempt.last_slot() });
            self.orphans.extend(attempt.abandon(env));
            self.attempt = None;
            self.take(env, Event::AttemptEnded(end));
        }
        stepped
    }

    fn in_the_background(&mut self, env: &mut Environment) -> bool {
        if let Some(mut orphan) = self.orphans.pop() {
            env.saw("commit by an attempt that is over");
            if orphan.step(env).is_none() {
                self.orphans.push(orphan);
            }
            return true;
        }
        let removed = self.keep_from.is_some_and(|keep_from| env.remove_one_before(keep_from));
        if !removed {
            self.keep_from = None;
        }
        removed
    }

    fn work(&mut self, env: &mut Environment) {
        match self.work.take() {
            Some(Work::Read { lost }) => self.read(env, lost),
            Some(Work::Write(takeover)) => self.write(env, takeover),
            Some(Work::Confirm(takeover)) => self.confirm(env, takeover),
            Some(Work::Recover(recovery)) => self.recover(env, recovery),
            None => {}
        }
    }

    fn read(&mut self, env: &mut Environment, lost: Option<CheckpointId>) {
        if env.removed && self.own.is_none_or(|own| own.slot.0 == 0) {
            // Who begins now begins the job anew, which is as it should be.
            self.end = Some(ProcessEnd::Other);
            return;
        }
        if env.fault(40) {
            let failure = failure(env);
            return self.take(env, Event::Failed(failure));
        }
        let log = env.read_log();
        let decided = match lost {
            Some(lost) => log.rollback(self.own, lost),
            None => log.takeover(self.own),
        };
        match decided {
            Ok(takeover) => self.work = Some(Work::Write(takeover)),
            Err(LogError::Fenced { .. } | LogError::Removed) => {
                env.saw("fenced at a restart");
                self.take(env, Event::Fenced);
            }
            // Another that is too late has just made a slot: an error is as good an end as any.
            Err(LogError::Missing(_)) if env.removed => self.end = Some(ProcessEnd::Other),
            Err(error) => {
                env.violated(format!("nothing to restore: {error:?}"));
                self.end = Some(ProcessEnd::Other);
            }
        }
        self.lost = lost;
    }

    fn write(&mut self, env: &mut Environment, takeover: Takeover) {
        if env.fault(30) {
            self.asleep_until = env.steps + 2000;
            self.work = Some(Work::Write(takeover));
            return;
        }
        let known = self.own.map_or(CheckpointId(0), |own| own.slot);
        self.own = Some(Own { attempt: takeover.attempt, slot: known });
        let taken = held(&takeover);
        if env.fault(40) {
            if env.random.below(2) == 0 {
                env.delayed.push((takeover.slot, taken));
            }
            let failure = failure(env);
            return self.take(env, Event::Failed(failure));
        }
        // Two that begin at once write the same: only who creates the slot has it.
        let free = env.is_free(takeover.slot);
        env.create(takeover.slot, taken);
        if !free {
            self.work = Some(Work::Read { lost: self.lost });
            return;
        }
        if env.fault(40) {
            let failure = failure(env);
            return self.take(env, Event::Failed(failure));
        }
        self.work = Some(Work::Confirm(takeover));
    }

    fn confirm(&mut self, env: &mut Environment, takeover: Takeover) {
        if env.removed && self.own.is_none_or(|own| own.slot.0 == 0) {
            env.forget(takeover.slot);
            self.end = Some(ProcessEnd::Other);
            return;
        }
        if !env.counts(CheckpointId(takeover.slot.0 - 1), takeover.slot) {
            env.saw("takeover does not count");
            self.work = Some(Work::Read { lost: self.lost });
            return;
        }
        self.own = Some(Own { attempt: takeover.attempt, slot: takeover.slot });
        self.restored = takeover.restores.and_then(|restores| env.content(restores));
        if takeover.restores.is_some() && self.restored.is_none() {
            env.violated(format!("{:?} is gone", takeover.restores));
        }
        env.saw("takeover");
        if takeover.is_committed {
            env.saw("restores what is committed");
        }
        self.takeover = Some(takeover);
        self.take(env, Event::TakenOver);
    }

    fn recover(&mut self, env: &mut Environment, mut recovery: Recovery) {
        let Some(takeover) = &self.takeover else { return };
        let attempt = takeover.attempt;
        let Some(outcome) = recovery.call.step(env) else {
            self.work = Some(Work::Recover(recovery));
            return;
        };
        match outcome {
            Committed::Done { visible } => recovery.visible |= visible,
            Committed::Lost { visible } => {
                recovery.visible |= visible;
                recovery.lost = true;
            }
            Committed::Unreachable => {
                let failure = failure(env);
                return self.take(env, Event::Failed(failure));
            }
        }
        env.abort_left(recovery.sink, attempt);
        recovery.sink += 1;
        let ends_here = recovery.lost && !recovery.visible;
        if recovery.sink < self.shape.sinks && !ends_here {
            recovery.call = self.recovery_call(env, recovery.sink);
            self.work = Some(Work::Recover(recovery));
            return;
        }
        match takeover.restores {
            Some(checkpoint) if recovery.lost => {
                let visible = recovery.visible && env.mutation != Mutation::RollBackVisible;
                env.saw(if visible { "rows lost" } else { "gone back" });
                self.take(env, Event::CommitLost { checkpoint, visible });
            }
            _ => self.take(env, Event::Recovered),
        }
    }

    fn recovery_call(&self, env: &Environment, sink: usize) -> CommitCall {
        let is_committed = self.takeover.as_ref().is_some_and(|takeover| takeover.is_committed);
        match &self.restored {
            Some(content) if !is_committed && env.mutation != Mutation::SkipRecovery => {
                CommitCall::new(content.committables[sink].clone())
            }
            _ => CommitCall::new(Vec::new()),
        }
    }

    fn take(&mut self, env: &mut Environment, event: Event) {
        for action in self.master.on(env.now_ms, event) {
            match action {
                Action::TakeOver { lost } => self.work = Some(Work::Read { lost }),
                Action::Recover => {
                    let call = self.recovery_call(env, 0);
                    self.work = Some(Work::Recover(Recovery { sink: 0, call, visible: false, lost: false }));
                }
                Action::Run => {
                    if let Some(takeover) = &self.takeover {
                        self.attempt = Some(Attempt::new(takeover, self.restored.as_ref(), &self.shape, env));
                    }
                }
                Action::Stop => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.stop(env);
                    }
                }
                Action::CancelAttempt => {
                    if let Some(attempt) = &mut self.attempt {
                        attempt.end.get_or_insert(crate::job_master::AttemptEnd::Canceled);
                    }
                }
                Action::RefuseStop | Action::AdoptError => {}
                Action::Ended { status, reason, .. } => {
                    self.end = Some(match (status, reason) {
                        (JobStatus::Finished, _) => {
                            if env.random.below(2) == 0 {
                                env.remove_all();
                            }
                            ProcessEnd::Finished
                        }
                        (_, Some(EndReason::RowsLost(_))) => ProcessEnd::RowsLost,
                        _ => ProcessEnd::Other,
                    });
                }
            }
        }
    }
}

fn held(takeover: &Takeover) -> Slot {
    let entry = LogEntry::Takeover { attempt: takeover.attempt, restores: takeover.restores };
    Slot { entry, content: None }
}
