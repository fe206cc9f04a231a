//! What the operators of functions without keyed state have in common: the operator state of the function, and its end.

use riverrun_base::Result;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::functions::{CheckpointedFunction, FnResult, function_failed};
use crate::state::OperatorLists;

/// Calls a function whose only state can be [operator state](CheckpointedFunction).
pub(crate) trait CallsFunction<I, O>: Send {
    /// As [`Operator::process`].
    fn process(&mut self, batch: I, out: &mut dyn Output<O>) -> Result<()>;

    /// As [`Operator::watermark`].
    fn watermark(&mut self, watermark: i64) {
        let _ = watermark;
    }

    /// The function's operator state, if it has any.
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction>;

    /// Closes the function.
    fn close(&mut self) -> FnResult;
}

/// An operator that [calls a function](CallsFunction), with the function's state.
pub(crate) struct WithLists<Op> {
    operator: Op,
    lists: OperatorLists,
}

impl<Op> WithLists<Op> {
    pub(super) fn new(operator: Op, context: &OperatorContext) -> Self {
        Self { operator, lists: OperatorLists::new(context) }
    }
}

impl<I, O, Op: CallsFunction<I, O>> Operator<I, O> for WithLists<Op> {
    fn process(&mut self, batch: I, out: &mut dyn Output<O>) -> Result<()> {
        self.operator.process(batch, out)
    }

    fn watermark(&mut self, watermark: i64, _: &mut dyn Output<O>) -> Result<()> {
        self.operator.watermark(watermark);
        Ok(())
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let own = OperatorLists::snapshot(request, self.operator.checkpointed())?;
        Ok(own.map(|own| Snapshot { own: Some(own), ..Snapshot::default() }))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.lists.restore_alone(restored, self.operator.checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(self.operator.checkpointed())
    }

    fn finish(&mut self, _: &mut dyn Output<O>) -> Result<()> {
        self.operator.close().map_err(function_failed)
    }
}
