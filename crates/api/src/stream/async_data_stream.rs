//! Streams of records that wait for others, many at a time.

use std::time::Duration;

use riverrun_base::Error;

use super::{DataStream, Settings};
use crate::functions::{AsyncFunction, AsyncRetryStrategies, AsyncRetryStrategy};
use crate::operators::{AsyncWait, AsyncWaitOperator};
use crate::{Record, State};

/// Async I/O: each record is looked up elsewhere, and while one waits for its answer others are on their way.
///
/// As many as `capacity` are on their way in a subtask; with more, the stream waits, which counts as backpressured and not as busy. The operator
/// has a thread of its own, away from what is before it. A record that has no results after `timeout`, retries
/// included (zero: no such limit), gets those of [`AsyncFunction::timeout`]. At the end of the stream all are waited for.
///
/// Records on their way are part of a checkpoint, so they are serializable, and are looked up again after a restart; at another parallelism
/// they are dealt out anew.
///
/// ```
/// use std::time::Duration;
///
/// use riverrun::prelude::*;
///
/// let env = StreamExecutionEnvironment::new();
/// let numbers = env.from_sequence(1, 3);
/// let squares = AsyncDataStream::ordered_wait(
///     numbers,
///     |n: i64| async move { Ok(vec![n * n]) },
///     Duration::from_secs(1),
///     100,
/// );
/// assert_eq!(squares.execute_and_collect("squares")?, [1, 4, 9]);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncDataStream;

impl AsyncDataStream {
    /// Results as they come. What comes before a watermark stays before it.
    pub fn unordered_wait<T: State, O: Record>(
        stream: DataStream<T>,
        function: impl AsyncFunction<T, O>,
        timeout: Duration,
        capacity: usize,
    ) -> DataStream<O> {
        Self::unordered_wait_with_retry(stream, function, timeout, capacity, AsyncRetryStrategies::no_retry())
    }

    /// Results in the order of their records.
    pub fn ordered_wait<T: State, O: Record>(
        stream: DataStream<T>,
        function: impl AsyncFunction<T, O>,
        timeout: Duration,
        capacity: usize,
    ) -> DataStream<O> {
        Self::ordered_wait_with_retry(stream, function, timeout, capacity, AsyncRetryStrategies::no_retry())
    }

    /// As [`Self::unordered_wait`]; the function is called again for a record as the strategy says.
    pub fn unordered_wait_with_retry<T: State, O: Record>(
        stream: DataStream<T>,
        function: impl AsyncFunction<T, O>,
        timeout: Duration,
        capacity: usize,
        retry: AsyncRetryStrategy<O>,
    ) -> DataStream<O> {
        Self::wait(stream, function, AsyncWait { is_ordered: false, timeout, capacity, retry })
    }

    /// As [`Self::ordered_wait`]; the function is called again for a record as the strategy says.
    pub fn ordered_wait_with_retry<T: State, O: Record>(
        stream: DataStream<T>,
        function: impl AsyncFunction<T, O>,
        timeout: Duration,
        capacity: usize,
        retry: AsyncRetryStrategy<O>,
    ) -> DataStream<O> {
        Self::wait(stream, function, AsyncWait { is_ordered: true, timeout, capacity, retry })
    }

    fn wait<T: State, O: Record>(
        stream: DataStream<T>,
        function: impl AsyncFunction<T, O>,
        wait: AsyncWait<O>,
    ) -> DataStream<O> {
        if wait.capacity == 0 {
            stream.mistake(Error::user("the capacity of async I/O is 0").hint("let at least one record be on its way"));
        }
        let settings = Settings { starts_chain: true, ..Settings::named("async wait operator") };
        DataStream::<T>::operator_behind(&stream.env, stream.origins, settings, move |context| {
            Ok(Box::new(AsyncWaitOperator::open(function.clone(), wait.clone(), context)?))
        })
    }
}
