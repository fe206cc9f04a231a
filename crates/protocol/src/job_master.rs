//! The life of a job over its attempts.
//!
//! ```text
//!            Start                                         settled, delay over
//! Created ----------> [ settle ] ------------> Running <----------------------- Restarting
//!                     take over the log,        |  |                            [ settle at once,
//!                     committers recover        |  +--- attempt failed -------->  wait for the delay ]
//!                                               |        Failing until its tasks have ended; then, if it is not
//!                     stop: Finishing <---------+        restarted: [ settle ] --> Failed
//!                       |                       |
//!                       v                       +--- cancel: Canceling --> [ settle ] --> Canceled
//!            Finished, Suspended
//! ```
//!
//! *Settling* is a takeover of the log and the recovery of every committer: what completed checkpoints hold becomes visible, and what
//! else was prepared is given up. It is done after each attempt that has not ended in order, at once and not after
//! the delay, also where no other follows: transactions do not outlive their attempt longer than must be.
//!
//! Flink knows `SUSPENDED` as what a job is that another master has; here it is one that was stopped with a savepoint,
//! and may go on from there.

use crate::CheckpointId;
use crate::job_state::JobStatus;
use crate::restart::{GiveUp, Restart, RestartStrategy, Restarts};

/// How an attempt ended, once all its tasks have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttemptEnd {
    /// All input is through; where there are checkpoints, the last one is committed.
    Finished,
    /// Its last checkpoint, a savepoint that somebody asked for, is committed.
    Stopped,
    /// It was canceled.
    Canceled,
    /// It has failed.
    Failed(Failure),
    /// Rows of a complete checkpoint are lost; `visible` says whether others of it are visible.
    CommitLost {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Whether any of its rows are visible.
        visible: bool,
        /// The failure that this is.
        failure: Failure,
    },
    /// Another process has taken over.
    Fenced,
}

/// What the decision about a failure depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failure {
    /// Whether another attempt might go better: the restart strategy is asked.
    pub recoverable: bool,
    /// The chance in the delay: uniform, from 0 up to but without 1.
    pub random: f64,
}

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// It is to run.
    Start,
    /// Time has passed; nothing else. Wanted at [`JobMaster::next_deadline`].
    Tick,
    /// The answer to [`Action::TakeOver`]: the slot is written.
    TakenOver,
    /// The answer to [`Action::TakeOver`]: another process has the job.
    Fenced,
    /// The answer to [`Action::TakeOver`]: it was to go back to the checkpoint before this one, and there is none.
    NothingBefore(CheckpointId),
    /// The answer to [`Action::Recover`]: everything restored is visible.
    Recovered,
    /// The answer to [`Action::Recover`]: rows are lost.
    CommitLost {
        /// The checkpoint that is restored.
        checkpoint: CheckpointId,
        /// Whether any of its rows are, or may become, visible, in any sink.
        visible: bool,
    },
    /// The answer to [`Action::TakeOver`], [`Action::Recover`] or [`Action::Run`]: it could not be done.
    Failed(Failure),
    /// The attempt that [`Action::Run`] started has ended.
    AttemptEnded(AttemptEnd),
    /// The user wants it to end in order, behind a last checkpoint. [`Action::Stop`] or [`Action::RefuseStop`] follows.
    Stop,
    /// The user wants it to end at once.
    Cancel,
}

/// What the owner does, in this order. At most one of `TakeOver`, `Recover` and `Run` is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the log and write a takeover into it, by [`CheckpointLog::takeover`](crate::checkpoint_log::CheckpointLog::takeover) or, where
    /// rows of this checkpoint are lost, [`rollback`](crate::checkpoint_log::CheckpointLog::rollback). A slot that was taken meanwhile, or that
    /// does not [count](crate::checkpoint_log::standing), means to read and decide again.
    TakeOver {
        /// The checkpoint to go back behind.
        lost: Option<CheckpointId>,
    },
    /// Open every committer and let it recover, one after the other in their order, as in [`crate::commit`]. The first that
    /// has lost rows while none are visible ends it; where some are, the others still commit theirs.
    Recover,
    /// Restore and run the tasks; [`Event::AttemptEnded`] follows.
    Run,
    /// Take the last checkpoint.
    Stop,
    /// Say that the job does not run and cannot be stopped in order; it can be canceled.
    RefuseStop,
    /// Wake and stop every task of the attempt.
    CancelAttempt,
    /// The event's error is the job's, in place of a former one.
    AdoptError,
    /// The job has ended.
    Ended {
        /// How: finished, suspended, canceled or failed.
        status: JobStatus,
        /// Why it has failed.
        reason: Option<EndReason>,
        /// Whether what the last complete checkpoint holds is committed, and nothing else prepared. Where it is not, the log must
        /// be kept: the next run commits.
        settled: bool,
    },
}

/// Why a job has failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// By its restart strategy.
    GaveUp(GiveUp),
    /// No other attempt could go better.
    NotRecoverable,
    /// Another process runs it.
    Fenced,
    /// Rows of this checkpoint are lost and others of it are visible, or no checkpoint is before it.
    RowsLost(CheckpointId),
}

/// Drives a job from its start to its end.
///
/// ```
/// use riverrun_protocol::JobStatus;
/// use riverrun_protocol::job_master::{Action, AttemptEnd, Event, Failure, JobMaster};
/// use riverrun_protocol::restart::RestartStrategy;
///
/// let mut master = JobMaster::new(RestartStrategy::FixedDelay { attempts: 3, delay_ms: 10_000 }, true);
/// assert_eq!(master.on(0, Event::Start), [Action::TakeOver { lost: None }]);
/// assert_eq!(master.on(1, Event::TakenOver), [Action::Recover]);
/// assert_eq!(master.on(2, Event::Recovered), [Action::Run]);
///
/// let failure = Failure { recoverable: true, random: 0.5 };
/// let failed = master.on(5000, Event::AttemptEnded(AttemptEnd::Failed(failure)));
/// assert_eq!(failed, [Action::AdoptError, Action::TakeOver { lost: None }], "what is complete is committed at once");
/// assert_eq!(master.on(5001, Event::TakenOver), [Action::Recover]);
/// assert_eq!(master.on(5002, Event::Recovered), []);
/// assert_eq!((master.status(), master.next_deadline()), (JobStatus::Restarting, Some(15_000)));
/// assert_eq!(master.on(15_000, Event::Tick), [Action::Run]);
/// ```
#[derive(Clone, Debug)]
pub struct JobMaster {
    restarts: Restarts,
    /// Whether there is a log to settle.
    has_checkpoints: bool,
    phase: Phase,
    aim: Aim,
    status: JobStatus,
    /// Whether the log is settled since the last attempt ran.
    settled: bool,
    /// The checkpoint to go back behind at the next takeover.
    lost: Option<CheckpointId>,
    /// When the next attempt may run.
    restart_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Created,
    TakingOver,
    Recovering,
    /// For the delay before the next attempt.
    Waiting,
    Running,
    Ended,
}

/// What follows when the log is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Run,
    Cancel,
    Fail(EndReason),
}

impl JobMaster {
    /// A job that has not started. Without checkpoints, taken or to start from, there is no log to take over and nothing to recover.
    pub fn new(strategy: RestartStrategy, has_checkpoints: bool) -> Self {
        Self {
            restarts: Restarts::new(strategy),
            has_checkpoints,
            phase: Phase::Created,
            aim: Aim::Run,
            status: JobStatus::Created,
            settled: !has_checkpoints,
            lost: None,
            restart_ms: 0,
        }
    }

    /// Where the job is.
    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// When the next attempt may run, from the failure of the last one until then.
    pub fn restarts_at(&self) -> Option<u64> {
        (self.status == JobStatus::Restarting).then_some(self.restart_ms)
    }

    /// When it wants an [`Event::Tick`] at the latest; `None` as long as nothing but other events can change anything.
    pub fn next_deadline(&self) -> Option<u64> {
        (self.phase == Phase::Waiting).then_some(self.restart_ms)
    }

    /// Takes an event at this time, which never goes back. After the end nothing changes; a stop is refused.
    pub fn on(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match (self.phase, event) {
            (Phase::Created, Event::Start) => self.proceed(now_ms, &mut actions),
            (Phase::TakingOver, Event::TakenOver) => {
                self.phase = Phase::Recovering;
                self.lost = None;
                actions.push(Action::Recover);
            }
            (Phase::TakingOver, Event::Fenced) => self.fenced(&mut actions),
            (Phase::TakingOver, Event::NothingBefore(checkpoint)) => self.rows_lost(checkpoint, &mut actions),
            (Phase::Recovering, Event::Recovered) => {
                self.settled = true;
                self.proceed(now_ms, &mut actions);
            }
            (Phase::Recovering, Event::CommitLost { checkpoint, visible }) => {
                self.commit_lost(checkpoint, visible, &mut actions);
            }
            (Phase::TakingOver | Phase::Recovering, Event::Failed(failure)) => {
                self.settling_failed(now_ms, failure, &mut actions);
            }
            (Phase::Running, Event::AttemptEnded(end)) => self.attempt_ended(now_ms, end, &mut actions),
            (Phase::Running, Event::Failed(failure)) => {
                self.attempt_ended(now_ms, AttemptEnd::Failed(failure), &mut actions);
            }
            (Phase::Waiting, Event::Tick) if now_ms >= self.restart_ms => self.proceed(now_ms, &mut actions),
            (Phase::Running, Event::Stop) if self.status == JobStatus::Running => {
                self.status = JobStatus::Finishing;
                actions.push(Action::Stop);
            }
            (_, Event::Stop) => actions.push(Action::RefuseStop),
            (_, Event::Cancel) => self.cancel(now_ms, &mut actions),
            _ => {}
        }
        actions
    }
}

impl JobMaster {
    /// Takes the next step towards the aim.
    fn proceed(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if !self.settled {
            self.take_over(actions);
            return;
        }
        match self.aim {
            Aim::Run if now_ms >= self.restart_ms => {
                self.phase = Phase::Running;
                self.status = JobStatus::Running;
                self.settled = !self.has_checkpoints;
                actions.push(Action::Run);
            }
            Aim::Run => self.phase = Phase::Waiting,
            Aim::Cancel => self.end(JobStatus::Canceled, None, actions),
            Aim::Fail(reason) => self.end(JobStatus::Failed, Some(reason), actions),
        }
    }

    fn take_over(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::TakingOver;
        actions.push(Action::TakeOver { lost: self.lost });
    }

    fn attempt_ended(&mut self, now_ms: u64, end: AttemptEnd, actions: &mut Vec<Action>) {
        match end {
            AttemptEnd::Finished => {
                self.settled = true;
                return self.end(JobStatus::Finished, None, actions);
            }
            AttemptEnd::Stopped => {
                self.settled = true;
                return self.end(JobStatus::Suspended, None, actions);
            }
            AttemptEnd::Fenced => return self.fenced(actions),
            AttemptEnd::Canceled => {
                self.aim = Aim::Cancel;
                self.status = JobStatus::Canceling;
            }
            AttemptEnd::CommitLost { checkpoint, visible: true, .. } => {
                actions.push(Action::AdoptError);
                self.fail(EndReason::RowsLost(checkpoint));
            }
            AttemptEnd::CommitLost { checkpoint, visible: false, failure } => {
                self.lost = Some(checkpoint);
                self.attempt_failed(now_ms, failure, actions);
            }
            AttemptEnd::Failed(failure) => self.attempt_failed(now_ms, failure, actions),
        }
        self.proceed(now_ms, actions);
    }

    fn attempt_failed(&mut self, now_ms: u64, failure: Failure, actions: &mut Vec<Action>) {
        if self.aim == Aim::Cancel {
            return;
        }
        actions.push(Action::AdoptError);
        match self.decide(now_ms, failure) {
            Ok(restart_ms) => {
                self.restart_ms = restart_ms;
                self.status = JobStatus::Restarting;
            }
            Err(reason) => self.fail(reason),
        }
    }

    fn settling_failed(&mut self, now_ms: u64, failure: Failure, actions: &mut Vec<Action>) {
        match self.aim {
            Aim::Cancel => self.end(JobStatus::Canceled, None, actions),
            Aim::Fail(reason) => self.end(JobStatus::Failed, Some(reason), actions),
            Aim::Run => {
                actions.push(Action::AdoptError);
                match self.decide(now_ms, failure) {
                    Ok(restart_ms) => {
                        self.restart_ms = restart_ms;
                        self.status = JobStatus::Restarting;
                        self.phase = Phase::Waiting;
                    }
                    Err(reason) => self.end(JobStatus::Failed, Some(reason), actions),
                }
            }
        }
    }

    /// When the next attempt may run, or why there is none.
    fn decide(&mut self, now_ms: u64, failure: Failure) -> Result<u64, EndReason> {
        if !failure.recoverable {
            return Err(EndReason::NotRecoverable);
        }
        match self.restarts.failed(now_ms, failure.random) {
            Restart::After { delay_ms } => Ok(now_ms.saturating_add(delay_ms)),
            Restart::GiveUp(reason) => Err(EndReason::GaveUp(reason)),
        }
    }

    /// Settling has found that rows are lost.
    fn commit_lost(&mut self, checkpoint: CheckpointId, visible: bool, actions: &mut Vec<Action>) {
        if visible {
            self.rows_lost(checkpoint, actions);
        } else {
            self.lost = Some(checkpoint);
            self.take_over(actions);
        }
    }

    fn rows_lost(&mut self, checkpoint: CheckpointId, actions: &mut Vec<Action>) {
        // Also of a job that is canceled or has failed before: a loss is told.
        actions.push(Action::AdoptError);
        self.end(JobStatus::Failed, Some(EndReason::RowsLost(checkpoint)), actions);
    }

    fn fail(&mut self, reason: EndReason) {
        self.aim = Aim::Fail(reason);
        self.status = JobStatus::Failing;
    }

    fn fenced(&mut self, actions: &mut Vec<Action>) {
        actions.push(Action::AdoptError);
        self.end(JobStatus::Failed, Some(EndReason::Fenced), actions);
    }

    fn cancel(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.phase == Phase::Ended || self.aim != Aim::Run {
            return;
        }
        self.aim = Aim::Cancel;
        self.status = JobStatus::Canceling;
        match self.phase {
            Phase::Created => self.end(JobStatus::Canceled, None, actions),
            Phase::Waiting => self.proceed(now_ms, actions),
            Phase::Running => actions.push(Action::CancelAttempt),
            // What is under way is short, and better ended.
            Phase::TakingOver | Phase::Recovering | Phase::Ended => {}
        }
    }

    fn end(&mut self, status: JobStatus, reason: Option<EndReason>, actions: &mut Vec<Action>) {
        self.phase = Phase::Ended;
        self.status = status;
        actions.push(Action::Ended { status, reason, settled: self.settled });
    }
}

#[cfg(test)]
mod tests;
