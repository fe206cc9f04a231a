//! When an [`AsyncFunction`](super::AsyncFunction) is called again for a record.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::{BoxError, FnResult};

/// Makes retry strategies.
///
/// ```
/// use std::time::Duration;
///
/// use riverrun::functions::{AsyncRetryStrategies, AsyncRetryStrategy, RetryPredicates};
///
/// let strategy: AsyncRetryStrategy<String> =
///     AsyncRetryStrategies::exponential_backoff(5, Duration::from_millis(10), Duration::from_secs(1), 2.0)
///         .if_result(RetryPredicates::empty_result)
///         .if_exception(RetryPredicates::has_exception);
/// # let _ = strategy;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncRetryStrategies;

impl AsyncRetryStrategies {
    /// Calls again `max_attempts` times at most (beyond the first call, as Flink counts), each time after `delay`.
    pub fn fixed_delay<O>(max_attempts: u32, delay: Duration) -> AsyncRetryStrategy<O> {
        Self::exponential_backoff(max_attempts, delay, delay, 1.0)
    }

    /// Calls again `max_attempts` times at most: first after `initial_delay`, then each time after `multiplier` times as long, `max_delay` at
    /// most.
    pub fn exponential_backoff<O>(
        max_attempts: u32,
        initial_delay: Duration,
        max_delay: Duration,
        multiplier: f64,
    ) -> AsyncRetryStrategy<O> {
        AsyncRetryStrategy { max_attempts, initial_delay, max_delay, multiplier, result: None, exception: None }
    }

    /// Never calls again.
    pub fn no_retry<O>() -> AsyncRetryStrategy<O> {
        Self::fixed_delay(0, Duration::ZERO)
    }
}

/// The usual predicates of retry strategies.
#[derive(Clone, Copy, Debug)]
pub struct RetryPredicates;

impl RetryPredicates {
    /// There is no result.
    pub fn empty_result<O>(results: &[O]) -> bool {
        results.is_empty()
    }

    /// The call failed, with whatever error.
    pub fn has_exception(_: &(dyn Error + Send + Sync + 'static)) -> bool {
        true
    }
}

type ResultPredicate<O> = Arc<dyn Fn(&[O]) -> bool + Send + Sync>;
type ExceptionPredicate = Arc<dyn Fn(&(dyn Error + Send + Sync + 'static)) -> bool + Send + Sync>;

/// After which answers, how often and when an async function is called again. Without a predicate it never is.
#[derive(Clone)]
pub struct AsyncRetryStrategy<O> {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
    multiplier: f64,
    result: Option<ResultPredicate<O>>,
    exception: Option<ExceptionPredicate>,
}

impl<O> AsyncRetryStrategy<O> {
    /// Calls again after results of which the predicate says yes.
    #[must_use]
    pub fn if_result(mut self, predicate: impl Fn(&[O]) -> bool + Send + Sync + 'static) -> Self {
        self.result = Some(Arc::new(predicate));
        self
    }

    /// Calls again after errors of which the predicate says yes.
    #[must_use]
    pub fn if_exception(
        mut self,
        predicate: impl Fn(&(dyn Error + Send + Sync + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.exception = Some(Arc::new(predicate));
        self
    }

    /// How long to wait before the next call, if there is to be one after this many calls, the last of which answered so.
    pub(crate) fn next(&self, calls: u32, answer: &FnResult<Vec<O>>) -> Option<Duration> {
        let again = calls <= self.max_attempts
            && match answer {
                Ok(results) => self.result.as_ref().is_some_and(|predicate| predicate(results)),
                Err(error) => self.exception.as_ref().is_some_and(|predicate| predicate(plain(error))),
            };
        again.then(|| self.delay(calls))
    }

    fn delay(&self, calls: u32) -> Duration {
        let factor = self.multiplier.max(0.0).powi(i32::try_from(calls.saturating_sub(1)).unwrap_or(i32::MAX));
        let delay = self.initial_delay.as_secs_f64() * factor;
        Duration::try_from_secs_f64(delay).unwrap_or(self.max_delay).min(self.max_delay)
    }
}

fn plain(error: &BoxError) -> &(dyn Error + Send + Sync + 'static) {
    &**error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_largest_and_end_with_the_attempts() {
        let millis = Duration::from_millis;
        let strategy = AsyncRetryStrategies::exponential_backoff(4, millis(10), millis(30), 2.0)
            .if_result(RetryPredicates::empty_result);
        let empty: FnResult<Vec<u8>> = Ok(Vec::new());
        let delays: Vec<Option<Duration>> = (1..=5).map(|calls| strategy.next(calls, &empty)).collect();
        assert_eq!(delays, [Some(millis(10)), Some(millis(20)), Some(millis(30)), Some(millis(30)), None]);
        assert_eq!(strategy.next(1, &Ok(vec![1])), None);
        assert_eq!(strategy.next(1, &Err("error".into())), None, "no predicate asks for it");
        let strategy =
            AsyncRetryStrategies::fixed_delay::<u8>(1, millis(5)).if_exception(|error| error.to_string() == "again");
        assert_eq!(strategy.next(1, &Err("again".into())), Some(millis(5)));
        assert_eq!(strategy.next(1, &Err("never".into())), None);
        assert_eq!(strategy.next(2, &Err("again".into())), None);
        assert_eq!(AsyncRetryStrategies::no_retry().if_result(|_: &[u8]| true).next(1, &Ok(vec![])), None);
    }
}
