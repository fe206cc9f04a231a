//! Any number of results for each record.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{OperatorContext, Output};

use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{
    CheckpointedFunction, Collector, FlatMapFunction, FnResult, RuntimeContext, at_record, function_failed,
};

/// Calls a [`FlatMapFunction`].
pub(crate) struct FlatMapOperator<F> {
    function: F,
    subtask: usize,
    seen: u64,
}

impl<F> FlatMapOperator<F> {
    pub(crate) fn open<T, O: Record>(mut function: F, context: &OperatorContext) -> Result<WithLists<Self>>
    where
        F: FlatMapFunction<T, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator = Self { function, subtask: context.subtask, seen: 0 };
        Ok(WithLists::new(operator, context))
    }
}

impl<T: Record, O: Record, F: FlatMapFunction<T, O>> CallsFunction<Records<T>, Records<O>> for FlatMapOperator<F> {
    fn process(&mut self, batch: Records<T>, mut out: &mut dyn Output<Records<O>>) -> Result<()> {
        let mut collector = Collector::new(&mut out, batch.len());
        for (value, timestamp) in batch {
            self.seen += 1;
            collector.set_timestamp(timestamp);
            self.function
                .flat_map(value, &mut collector)
                .map_err(|error| at_record(error, self.subtask, self.seen, timestamp))?;
        }
        collector.finish()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }
}

/// A closure as a [`FlatMapFunction`].
#[derive(Clone)]
pub(crate) struct FlatMapClosure<F>(pub(crate) F);

impl<T, O, F> FlatMapFunction<T, O> for FlatMapClosure<F>
where
    O: Record,
    F: FnMut(T, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
{
    #[inline]
    fn flat_map(&mut self, value: T, out: &mut Collector<'_, O>) -> FnResult {
        (self.0)(value, out);
        Ok(())
    }
}
