//! The life cycle of one attempt to run a job.
//!
//! ```text
//!             start             all tasks ended
//! Created ----------> Running ------------------> Finished
//!                      |  | stop                    ^
//!                      |  +-------> Finishing ------+
//!        error, panic  |               |
//!                      +-------+-------+---- cancel ----> Canceling ----> Canceled
//!                              v
//!                           Failing ----> Failed
//! ```
//!
//! The first error is the job's, except that the consequence of a stop ([`Ending::Canceled`]) gives way to the first
//! real cause. What fails while the job is being canceled does not change that it was canceled.

use std::fmt;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Nothing runs yet.
    Created,
    /// Tasks run.
    Running,
    /// The sources were told to end; what they have read flows out.
    Finishing,
    /// A task has failed; the others are being stopped.
    Failing,
    /// The user wants it to end at once; the tasks are being stopped.
    Canceling,
    /// Every task has ended in order.
    Finished,
    /// It has ended with an error.
    Failed,
    /// It has ended because the user wanted it to, without flushing.
    Canceled,
    /// An attempt has failed, and another will run. Not the status of an attempt, but of a [job](crate::job_master).
    Restarting,
    /// It was stopped with a savepoint, from which it can go on. Not the status of an attempt either.
    Suspended,
}

impl JobStatus {
    /// Whether no task runs any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Canceled | Self::Suspended)
    }
}

impl fmt::Display for JobStatus {
    /// As Flink writes it: `RUNNING`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Finishing => "FINISHING",
            Self::Failing => "FAILING",
            Self::Canceling => "CANCELLING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Restarting => "RESTARTING",
            Self::Suspended => "SUSPENDED",
        })
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its input has ended and its results are out.
    Finished,
    /// With an error that is a cause.
    Failed,
    /// With an error that only says that it was stopped.
    Canceled,
}

/// What happens to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its tasks start.
    Start,
    /// A task has ended, and gives back what it held.
    TaskEnded(Ending),
    /// Something that is not a task has failed: an enumerator, a thread that could not start.
    Failed,
    /// The user wants it to end in order.
    Stop,
    /// The user wants it to end at once.
    Cancel,
}

/// What the owner of the job does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The event's error is the job's, in place of a former one.
    AdoptError,
    /// Tell the sources to end.
    StopSources,
    /// Wake and stop every task.
    CancelTasks,
    /// The job has ended in this status; whatever is not a task ends too.
    Ended(JobStatus),
}

/// The state of one attempt.
///
/// ```
/// use riverrun_protocol::job_state::{Action, Ending, Event, JobState, JobStatus};
///
/// let mut job = JobState::new(2);
/// job.on(Event::Start);
/// assert_eq!(job.on(Event::TaskEnded(Ending::Failed)), [Action::AdoptError, Action::CancelTasks]);
/// assert_eq!(job.on(Event::TaskEnded(Ending::Canceled)), [Action::Ended(JobStatus::Failed)]);
/// ```
#[derive(Clone, Debug)]
pub struct JobState {
    status: JobStatus,
    running: usize,
    /// Whether the adopted error is a cause.
    has_cause: bool,
}

impl JobState {
    /// A job of this many tasks.
    pub fn new(tasks: usize) -> Self {
        Self { status: JobStatus::Created, running: tasks, has_cause: false }
    }

    /// Where it is.
    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// How many tasks have not ended.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Takes an event. After the end, nothing changes any more.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.status.is_terminal() {
            return actions;
        }
        match event {
            Event::Start if self.status == JobStatus::Created => self.status = JobStatus::Running,
            Event::Start => {}
            Event::TaskEnded(ending) => {
                self.running = self.running.saturating_sub(1);
                match ending {
                    Ending::Finished => {}
                    Ending::Failed => self.fail(true, &mut actions),
                    Ending::Canceled => self.fail(false, &mut actions),
                }
            }
            Event::Failed => self.fail(true, &mut actions),
            Event::Stop if self.status == JobStatus::Running => {
                self.status = JobStatus::Finishing;
                actions.push(Action::StopSources);
            }
            Event::Stop => {}
            Event::Cancel if matches!(self.status, JobStatus::Failing | JobStatus::Canceling) => {}
            Event::Cancel => {
                self.status = JobStatus::Canceling;
                actions.push(Action::CancelTasks);
            }
        }
        if self.running == 0 && self.status != JobStatus::Created {
            self.status = match self.status {
                JobStatus::Failing => JobStatus::Failed,
                JobStatus::Canceling => JobStatus::Canceled,
                _ => JobStatus::Finished,
            };
            actions.push(Action::Ended(self.status));
        }
        actions
    }

    fn fail(&mut self, is_cause: bool, actions: &mut Vec<Action>) {
        match self.status {
            JobStatus::Created | JobStatus::Running | JobStatus::Finishing => {
                self.status = JobStatus::Failing;
                self.has_cause = is_cause;
                actions.extend([Action::AdoptError, Action::CancelTasks]);
            }
            JobStatus::Failing if is_cause && !self.has_cause => {
                self.has_cause = true;
                actions.push(Action::AdoptError);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Random;

    fn running(tasks: usize) -> JobState {
        let mut job = JobState::new(tasks);
        assert_eq!(job.on(Event::Start), []);
        job
    }

    #[test]
    fn a_job_whose_tasks_all_finish_is_finished() {
        let mut job = running(2);
        assert_eq!(job.on(Event::TaskEnded(Ending::Finished)), []);
        assert_eq!(job.on(Event::TaskEnded(Ending::Finished)), [Action::Ended(JobStatus::Finished)]);
    }

    #[test]
    fn the_first_cause_wins_over_an_earlier_consequence_and_a_later_cause() {
        let mut job = running(4);
        assert_eq!(job.on(Event::TaskEnded(Ending::Canceled)), [Action::AdoptError, Action::CancelTasks]);
        assert_eq!(job.on(Event::TaskEnded(Ending::Failed)), [Action::AdoptError]);
        assert_eq!(job.on(Event::TaskEnded(Ending::Failed)), []);
        assert_eq!(job.on(Event::TaskEnded(Ending::Canceled)), [Action::Ended(JobStatus::Failed)]);
    }

    #[test]
    fn a_stop_lets_what_was_read_flow_out_and_a_cancel_after_it_does_not() {
        let mut job = running(1);
        assert_eq!(job.on(Event::Stop), [Action::StopSources]);
        assert_eq!(job.on(Event::Stop), []);
        assert_eq!(job.clone().on(Event::TaskEnded(Ending::Finished)), [Action::Ended(JobStatus::Finished)]);
        assert_eq!(job.on(Event::Cancel), [Action::CancelTasks]);
        assert_eq!(job.on(Event::TaskEnded(Ending::Failed)), [Action::Ended(JobStatus::Canceled)]);
        assert_eq!(job.on(Event::Cancel), []);
    }

    #[test]
    fn what_fails_before_the_start_fails_the_job() {
        let mut job = JobState::new(1);
        assert_eq!(job.on(Event::Failed), [Action::AdoptError, Action::CancelTasks]);
        assert_eq!(job.on(Event::TaskEnded(Ending::Canceled)), [Action::Ended(JobStatus::Failed)]);
    }

    /// Any order of events: the end is announced once, when the last task has ended; a failed job has an error and it
    /// is a cause if there was one before the end; tasks are canceled once.
    #[test]
    fn random_lives_end_once_and_with_a_cause() {
        let legal = |from, to| {
            use JobStatus::{Canceled, Canceling, Created, Failed, Failing, Finished, Finishing, Running};
            from == to
                || matches!(
                    (from, to),
                    (Created, Running | Failing | Canceling | Failed | Canceled)
                        | (Running, Finishing | Failing | Canceling | Finished | Failed)
                        | (Finishing, Failing | Canceling | Finished | Failed)
                        | (Failing, Failed)
                        | (Canceling, Canceled)
                )
        };
        for seed in 0..2000 {
            let mut random = Random::new(seed);
            let mut left = 1 + random.below(5);
            let mut job = JobState::new(left);
            let (mut adopted, mut canceled, mut ended) = (None, 0, 0);
            job.on(Event::Start);
            while left > 0 {
                let event = match random.below(12) {
                    0 => Event::Stop,
                    1 => Event::Cancel,
                    2 => Event::Failed,
                    3 => Event::TaskEnded(Ending::Failed),
                    4 | 5 => Event::TaskEnded(Ending::Canceled),
                    _ => Event::TaskEnded(Ending::Finished),
                };
                left -= usize::from(matches!(event, Event::TaskEnded(_)));
                let before = job.status();
                let actions = job.on(event);
                assert!(legal(before, job.status()), "seed {seed}: {before} to {} on {event:?}", job.status());
                for action in actions {
                    match action {
                        Action::AdoptError => {
                            let is_cause = matches!(event, Event::Failed | Event::TaskEnded(Ending::Failed));
                            assert!(adopted.is_none() || (adopted == Some(false) && is_cause), "seed {seed}");
                            adopted = Some(is_cause);
                        }
                        Action::CancelTasks => canceled += 1,
                        Action::StopSources => assert_eq!(canceled, 0, "seed {seed}"),
                        Action::Ended(status) => {
                            ended += 1;
                            assert_eq!((left, status), (0, job.status()), "seed {seed}");
                        }
                    }
                }
            }
            assert_eq!(ended, 1, "seed {seed}");
            assert!(canceled <= 1, "seed {seed}");
            assert!(job.status() != JobStatus::Failed || adopted.is_some(), "seed {seed}");
            assert!(job.status() != JobStatus::Finished || adopted.is_none(), "seed {seed}");
        }
    }
}
