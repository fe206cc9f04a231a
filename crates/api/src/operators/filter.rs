//! Leaves records out.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::Record;
use crate::functions::{BoxError, FilterFunction, FnResult, RuntimeContext, at_record, function_failed};
use crate::state::OperatorLists;

/// Calls a [`FilterFunction`].
pub(crate) struct FilterOperator<F> {
    function: F,
    lists: OperatorLists,
    subtask: usize,
    seen: u64,
}

impl<F> FilterOperator<F> {
    pub(crate) fn open<T>(mut function: F, context: &OperatorContext) -> Result<Self>
    where
        F: FilterFunction<T>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self { function, lists: OperatorLists::new(context), subtask: context.subtask, seen: 0 })
    }
}

impl<T: Record, F: FilterFunction<T>> Operator<Records<T>, Records<T>> for FilterOperator<F> {
    fn process(&mut self, mut batch: Records<T>, out: &mut dyn Output<Records<T>>) -> Result<()> {
        let mut failed: Option<(BoxError, u64)> = None;
        let mut seen = self.seen;
        batch.retain(|value| {
            if failed.is_some() {
                return false;
            }
            seen += 1;
            self.function.filter(value).unwrap_or_else(|error| {
                failed = Some((error, seen));
                false
            })
        });
        self.seen = seen;
        if let Some((error, record)) = failed {
            return Err(at_record(error, self.subtask, record, None));
        }
        out.emit(batch)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let own = OperatorLists::snapshot(request, self.function.checkpointed())?;
        Ok(own.map(|own| Snapshot { own: Some(own), ..Snapshot::default() }))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.lists.restore_alone(restored, self.function.checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(self.function.checkpointed())
    }

    fn finish(&mut self, _: &mut dyn Output<Records<T>>) -> Result<()> {
        self.function.close().map_err(function_failed)
    }
}

/// A closure as a [`FilterFunction`].
#[derive(Clone)]
pub(crate) struct FilterClosure<F>(pub(crate) F);

impl<T, F: FnMut(&T) -> bool + Clone + Send + Sync + 'static> FilterFunction<T> for FilterClosure<F> {
    #[inline]
    fn filter(&mut self, value: &T) -> FnResult<bool> {
        Ok((self.0)(value))
    }
}
