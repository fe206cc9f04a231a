//! Functions of one record, without state.

use super::{CheckpointedFunction, Collector, FnResult, RuntimeContext};
use crate::Record;

/// One result for each record, with something to set up or tear down; without, give [`map`](crate::DataStream::map) a closure.
///
/// ```
/// use riverrun::functions::{FnResult, MapFunction, RuntimeContext};
///
/// /// Writes the subtask's number before each line.
/// #[derive(Clone, Default)]
/// struct Numbered {
///     subtask: usize,
/// }
///
/// impl MapFunction<String, String> for Numbered {
///     fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
///         self.subtask = context.index_of_this_subtask();
///         Ok(())
///     }
///
///     fn map(&mut self, line: String) -> FnResult<String> {
///         Ok(format!("{}> {line}", self.subtask))
///     }
/// }
/// ```
pub trait MapFunction<T, O>: Clone + Send + Sync + 'static {
    /// Called once, before any record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// The result for a record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn map(&mut self, value: T) -> FnResult<O>;

    /// Called once, after the last record; not after a failure, where the function is dropped.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`](super::CheckpointedFunction).
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// Any number of results for each record.
pub trait FlatMapFunction<T, O: Record>: Clone + Send + Sync + 'static {
    /// As [`MapFunction::open`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Collects the results for a record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn flat_map(&mut self, value: T, out: &mut Collector<'_, O>) -> FnResult;

    /// As [`MapFunction::close`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`](super::CheckpointedFunction).
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// Says which records stay.
pub trait FilterFunction<T>: Clone + Send + Sync + 'static {
    /// As [`MapFunction::open`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Whether a record stays.
    ///
    /// # Errors
    /// The job fails with this error.
    fn filter(&mut self, value: &T) -> FnResult<bool>;

    /// As [`MapFunction::close`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`](super::CheckpointedFunction).
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}
