//! When a failed write is tried again: a pure decision, without a clock ([`Failures`]), and the loop that follows it
//! ([`Retrying`]).
//!
//! Two kinds of failures may pass. A *statement* that failed (a deadlock, a lock that was not given) is tried again
//! `sink.max-retries` times, soon at first: most deadlocks are over by then. A *connection* that was lost, or cannot
//! be made, is made again for as long as `connection.max-retry-timeout` allows, counted from the first failure: a
//! database that restarts, or a network that breaks, for less than that costs no row and no job. Flink instead counts
//! both kinds with `sink.max-retries`, and so gives up after six seconds by default. Everything else is final.

use std::time::{Duration, Instant};

use riverrun_base::Error;
use riverrun_connect::{Cancellation, Counter, TaskContext};

use crate::options::Table;

/// The first pause before a connection is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause before a statement is tried again; the first is [`FIRST_PAUSE`], and each is four times the one
/// before.
const LONGEST_STATEMENT_PAUSE: Duration = Duration::from_secs(10);

/// Why an operation failed, and whether it may succeed later.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) error: Error,
}

/// What can be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The connection is lost or cannot be made: a new one is needed.
    Connection,
    /// The statement failed, was undone, and may succeed on the same connection.
    Statement,
    /// It fails again and again, or the job stops.
    Final,
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn connection(error: Error) -> Self {
        Self { kind: FailureKind::Connection, error: error.retryable() }
    }

    pub(crate) fn statement(error: Error) -> Self {
        Self { kind: FailureKind::Statement, error: error.retryable() }
    }
}

impl From<Error> for Failure {
    /// A failure for good.
    fn from(error: Error) -> Self {
        Self { kind: FailureKind::Final, error }
    }
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// How often a failed statement is tried again.
    pub(crate) statement_retries: u32,
    /// How long the connection may be away.
    pub(crate) outage: Duration,
}

/// The failures since the last success.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures {
    statements: u32,
    outages: u32,
    outage_since: Option<Instant>,
}

impl Failures {
    /// Notes a failure at `now`, and says how long to wait before the next attempt; `None` gives up.
    ///
    /// `jitter` is from 0 to 1: several writers that failed together shall not come back together.
    pub(crate) fn note(
        &mut self,
        kind: FailureKind,
        now: Instant,
        jitter: f64,
        policy: RetryPolicy,
    ) -> Option<Duration> {
        match kind {
            FailureKind::Final => None,
            FailureKind::Statement => {
                self.statements += 1;
                let pause =
                    FIRST_PAUSE.saturating_mul(4u32.saturating_pow(self.statements - 1)).min(LONGEST_STATEMENT_PAUSE);
                (self.statements <= policy.statement_retries).then(|| pause.mul_f64(0.5 + jitter / 2.0))
            }
            FailureKind::Connection => {
                let since = *self.outage_since.get_or_insert(now);
                let left =
                    policy.outage.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())?;
                let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(self.outages)).min(LONGEST_PAUSE);
                self.outages += 1;
                Some(pause.mul_f64(0.5 + jitter / 2.0).min(left))
            }
        }
    }
}

/// Tries again what failed, as long as that is allowed and the job runs.
pub(crate) struct Retrying {
    table: String,
    policy: RetryPolicy,
    cancellation: Cancellation,
    retries: Counter,
}

impl Retrying {
    pub(crate) fn new(table: &Table, context: &TaskContext) -> Self {
        Self {
            table: table.context.name.clone(),
            policy: RetryPolicy {
                statement_retries: table.options.sink_max_retries,
                outage: table.options.max_retry_timeout,
            },
            cancellation: context.cancellation.clone(),
            retries: context.counters.counter("numSendRetries"),
        }
    }

    /// Runs `attempt` until it succeeds. `what` is done, for the log: "3 rows are written".
    ///
    /// # Errors
    /// The last failure, with what was allowed, and the table; or the job stops.
    pub(crate) fn run<T>(&self, what: &str, mut attempt: impl FnMut() -> Outcome<T>) -> riverrun_base::Result<T> {
        let mut failures = Failures::default();
        loop {
            self.cancellation.check()?;
            let failure = match attempt() {
                Ok(value) => return Ok(value),
                Err(failure) if failure.error.is_canceled() => return Err(failure.error),
                Err(failure) => failure,
            };
            let Some(pause) = failures.note(failure.kind, Instant::now(), fastrand::f64(), self.policy) else {
                return Err(self.given_up(failure));
            };
            tracing::warn!(table = %self.table, "{what} again in {pause:?}: {}", failure.error);
            self.retries.add(1);
            self.cancellation.sleep(pause)?;
        }
    }

    fn given_up(&self, Failure { kind, error }: Failure) -> Error {
        let error = match kind {
            FailureKind::Connection => error.hint(format!(
                "it was tried again for 'connection.max-retry-timeout' = {}",
                riverrun_base::format_duration(self.policy.outage)
            )),
            FailureKind::Statement => {
                error.hint(format!("it was tried again 'sink.max-retries' = {} times", self.policy.statement_retries))
            }
            FailureKind::Final => error,
        };
        error.with("table", &self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { statement_retries: 3, outage: Duration::from_secs(60) };

    #[test]
    fn statements_are_tried_as_often_as_asked_with_growing_pauses() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let pauses: Vec<_> = (0..4).map(|_| failures.note(FailureKind::Statement, now, 1.0, POLICY)).collect();
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [millis(100), millis(400), millis(1_600), None]);
        let never = RetryPolicy { statement_retries: 0, ..POLICY };
        assert_eq!(Failures::default().note(FailureKind::Statement, now, 0.0, never), None);
    }

    #[test]
    fn a_connection_is_tried_until_the_time_is_up_and_never_with_a_long_pause() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        let mut now = start;
        let mut attempts = 0;
        while let Some(pause) = failures.note(FailureKind::Connection, now, 1.0, POLICY) {
            assert!(pause <= LONGEST_PAUSE && !pause.is_zero());
            now += pause;
            attempts += 1;
        }
        assert_eq!(now - start, Duration::from_secs(60));
        assert!((30..40).contains(&attempts), "{attempts}");
    }

    #[test]
    fn what_is_final_is_not_tried_again() {
        assert_eq!(Failures::default().note(FailureKind::Final, Instant::now(), 0.0, POLICY), None);
    }
}
