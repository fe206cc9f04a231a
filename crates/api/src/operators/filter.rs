//! Leaves records out.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{OperatorContext, Output};

use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{
    BoxError, CheckpointedFunction, FilterFunction, FnResult, RuntimeContext, at_record, function_failed,
};

/// Calls a [`FilterFunction`].
pub(crate) struct FilterOperator<F> {
    function: F,
    subtask: usize,
    seen: u64,
}

impl<F> FilterOperator<F> {
    pub(crate) fn open<T>(mut function: F, context: &OperatorContext) -> Result<WithLists<Self>>
    where
        F: FilterFunction<T>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator = Self { function, subtask: context.subtask, seen: 0 };
        Ok(WithLists::new(operator, context))
    }
}

impl<T: Record, F: FilterFunction<T>> CallsFunction<Records<T>, Records<T>> for FilterOperator<F> {
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

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
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
