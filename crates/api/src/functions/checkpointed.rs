//! Functions with state that is not of keys.

use super::FnResult;
use crate::state::{FunctionInitializationContext, FunctionSnapshotContext};

/// A function that keeps *operator state*: lists, one part of which each of its subtasks has. What it works with are its own fields; they
/// are written into lists at each checkpoint, and read from them when it starts.
///
/// After a restore at the same parallelism each subtask has what it wrote. At another, the elements of all are dealt out evenly, or each
/// subtask gets all of them, as the function asks for them.
///
/// A function of a stream says with `checkpointed` that it is one.
///
/// ```
/// use riverrun::functions::{
///     CheckpointedFunction, Collector, FlatMapFunction, FnResult,
/// };
/// use riverrun::state::{FunctionInitializationContext, FunctionSnapshotContext, ListStateDescriptor};
///
/// /// Passes numbers on in pairs.
/// #[derive(Clone, Default)]
/// struct Pairs {
///     waiting: Vec<u64>,
/// }
///
/// impl CheckpointedFunction for Pairs {
///     fn initialize_state(&mut self, context: &mut FunctionInitializationContext<'_>) -> FnResult {
///         self.waiting = context.list_state(ListStateDescriptor::new("waiting"))?;
///         Ok(())
///     }
///
///     fn snapshot_state(&mut self, context: &mut FunctionSnapshotContext) -> FnResult {
///         Ok(context.set_list_state(ListStateDescriptor::new("waiting"), self.waiting.clone())?)
///     }
/// }
///
/// impl FlatMapFunction<u64, (u64, u64)> for Pairs {
///     fn flat_map(&mut self, value: u64, out: &mut Collector<'_, (u64, u64)>) -> FnResult {
///         self.waiting.push(value);
///         if let [first, second, ..] = self.waiting[..] {
///             out.collect((first, second));
///             self.waiting.drain(..2);
///         }
///         Ok(())
///     }
///
///     fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
///         Some(self)
///     }
/// }
/// ```
pub trait CheckpointedFunction {
    /// Called once, after `open` and before any record: takes on what was restored, if anything was.
    ///
    /// # Errors
    /// The job fails with this error.
    fn initialize_state(&mut self, context: &mut FunctionInitializationContext<'_>) -> FnResult;

    /// Called at each checkpoint, between records: writes what is to be restored. What is not written is not there after a restore.
    ///
    /// # Errors
    /// The job fails with this error.
    fn snapshot_state(&mut self, context: &mut FunctionSnapshotContext) -> FnResult;
}
