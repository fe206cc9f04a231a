//! One operation, tried until it is done, refused, or its time is up.

use std::time::Duration;

use riverrun_base::{Error, Result, format_duration};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::failure::{Failure, Passing};

/// The first pause is drawn from zero to this; the bound doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// From here on failures are told in the log: the first ones are mostly regions that moved.
const TOLD_FROM: u32 = 4;

/// The attempts of one operation.
#[derive(Debug)]
pub(crate) struct Tries {
    /// What is attempted, for errors: "read a row".
    what: &'static str,
    limit: Duration,
    deadline: Instant,
    failed: u32,
    last: Option<Passing>,
    is_open: bool,
}

impl Tries {
    /// The time runs from now on.
    pub(crate) fn new(what: &'static str, limit: Duration) -> Self {
        Self { what, limit, deadline: Instant::now() + limit, failed: 0, last: None, is_open: false }
    }

    /// One attempt, cut off when the time is up. `None` after a failure that may pass, and the pause that it asks for.
    ///
    /// # Errors
    /// It was refused, or the time is up.
    pub(crate) async fn attempt<T>(&mut self, attempt: impl Future<Output = Result<T, Failure>>) -> Result<Option<T>> {
        match timeout_at(self.deadline, attempt).await {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(Failure::Refused(refusal))) => Err(refusal.error()),
            Ok(Err(Failure::Passing(passing))) => self.pause(passing).await.map(|()| None),
            Err(_) => Err(self.given_up()),
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The time is up before there could be one.
    pub(crate) async fn pause(&mut self, passing: Passing) -> Result<()> {
        let pause = pause(self.failed, fastrand::f64());
        self.failed += 1;
        if self.failed >= TOLD_FROM {
            tracing::warn!("HBase does not {} yet, again in {}: {}", self.what, format_duration(pause), passing.reason);
        }
        self.is_open |= passing.is_open;
        self.last = Some(passing);
        let next = Instant::now() + pause;
        if next >= self.deadline {
            return Err(self.given_up());
        }
        sleep_until(next).await;
        Ok(())
    }

    /// Whether an attempt may have been carried out although it failed.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Why there are no more attempts.
    fn given_up(&self) -> Error {
        let reason = self.last.as_ref().map_or("no answer", |passing| &passing.reason);
        let error = Error::external(format!("cannot {} within {}: {reason}", self.what, format_duration(self.limit)));
        error.hint("is HBase running, and are the ZooKeeper quorum and its parent node right?").retryable()
    }
}

/// How long to wait after so many failures: full jitter, so that clients that failed together do not come back together.
fn pause(failed: u32, jitter: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failed)).min(LONGEST_PAUSE).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::failure::Stale;

    fn in_a_runtime<T>(test: impl Future<Output = T>) -> T {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses: Vec<u128> = (0..9).map(|failed| pause(failed, 1.0).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
        assert_eq!(pause(u32::MAX, 0.5), LONGEST_PAUSE / 2);
    }

    #[test]
    fn what_never_passes_ends_with_the_last_reason_when_the_time_is_up() {
        in_a_runtime(async {
            let begin = Instant::now();
            let mut tries = Tries::new("read a row", Duration::from_millis(100));
            let error = loop {
                let failure = Failure::passing(Stale::Region, "region r is not online").open();
                match tries.attempt(async { Err::<(), _>(failure) }).await {
                    Ok(done) => assert_eq!(done, None),
                    Err(error) => break error,
                }
            };
            assert!(begin.elapsed() <= Duration::from_secs(5), "{:?}", begin.elapsed());
            assert!(
                error.to_string().starts_with("cannot read a row within 100 ms: region r is not online"),
                "{error}"
            );
            assert!(error.is_retryable() && tries.is_open());
        });
    }

    #[test]
    fn an_attempt_that_hangs_is_cut_off() {
        in_a_runtime(async {
            let mut tries = Tries::new("read a row", Duration::from_millis(30));
            let error = tries.attempt(std::future::pending::<Result<(), Failure>>()).await.unwrap_err();
            assert!(error.to_string().contains("no answer"), "{error}");
        });
    }
}
