//! Functions that wait for others: a database, a service.

use std::sync::Arc;

use riverrun_base::Error;

use super::{CheckpointedFunction, FnResult, RuntimeContext};
use crate::Record;

/// Any number of results for each record, each of which is waited for while others are on their way:
/// [`AsyncDataStream`](crate::AsyncDataStream).
///
/// Futures run on the shared I/O runtime, which has few threads: they wait with `.await`, and hand what computes for long, or blocks, to
/// threads of their own (`spawn_blocking`). A closure `Fn(T) -> impl Future<Output = FnResult<Vec<O>>>` is one too.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use riverrun::functions::AsyncFunction;
/// use riverrun::prelude::*;
///
/// /// Looks names up.
/// #[derive(Clone, Default)]
/// struct Lookup {
///     names: HashMap<u32, String>,
/// }
///
/// impl AsyncFunction<u32, String> for Lookup {
///     fn open(&mut self, _context: &mut RuntimeContext<'_>) -> FnResult {
///         self.names.insert(1, "one".to_owned());
///         Ok(())
///     }
///
///     async fn async_invoke(self: Arc<Self>, number: u32) -> FnResult<Vec<String>> {
///         Ok(self.names.get(&number).cloned().into_iter().collect())
///     }
/// }
///
/// let env = StreamExecutionEnvironment::new();
/// let numbers = env.from_collection([1u32, 2]);
/// let names = AsyncDataStream::unordered_wait(numbers, Lookup::default(), Duration::from_secs(10), 100);
/// assert_eq!(names.execute_and_collect("names")?, ["one"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub trait AsyncFunction<T, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record. What connects with `.await` does so in
    /// [`io_runtime`](riverrun_connect::io_runtime)`()?.block_on(...)`.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// The results for a record, which have its event time. It may be called again for the same record: for a retry, and after a restart for
    /// those records that were on their way at the checkpoint. It is given up, which drops the future, when its time is over or the job stops.
    ///
    /// # Errors
    /// The job fails with this error, unless the retry strategy tries again.
    fn async_invoke(self: Arc<Self>, value: T) -> impl Future<Output = FnResult<Vec<O>>> + Send + 'static;

    /// The results for a record whose time is over. By default the job fails.
    ///
    /// # Errors
    /// The job fails with this error.
    fn timeout(&self, value: T) -> FnResult<Vec<O>> {
        let _ = value;
        Err(Error::external("the async function has not answered in time")
            .hint("give it more time, or answer something in timeout()")
            .into())
    }

    /// Called once, when the last record is done; not after a failure.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`]. Calls are on their way when it is
    /// written, so it is asked of a clone, and lies behind an `Arc`, which clones share.
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

impl<T, O, F, R> AsyncFunction<T, O> for F
where
    O: Record,
    F: Fn(T) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = FnResult<Vec<O>>> + Send + 'static,
{
    fn async_invoke(self: Arc<Self>, value: T) -> impl Future<Output = FnResult<Vec<O>>> + Send + 'static {
        self(value)
    }
}
