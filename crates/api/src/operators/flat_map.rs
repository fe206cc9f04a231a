//! Any number of results for each record.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::Record;
use crate::functions::{Collector, FlatMapFunction, FnResult, RuntimeContext, at_record, function_failed};
use crate::state::OperatorLists;

/// Calls a [`FlatMapFunction`].
pub(crate) struct FlatMapOperator<F> {
    function: F,
    lists: OperatorLists,
    subtask: usize,
    seen: u64,
}

impl<F> FlatMapOperator<F> {
    pub(crate) fn open<T, O: Record>(mut function: F, context: &OperatorContext) -> Result<Self>
    where
        F: FlatMapFunction<T, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self { function, lists: OperatorLists::new(context), subtask: context.subtask, seen: 0 })
    }
}

impl<T: Record, O: Record, F: FlatMapFunction<T, O>> Operator<Records<T>, Records<O>> for FlatMapOperator<F> {
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

    fn finish(&mut self, _: &mut dyn Output<Records<O>>) -> Result<()> {
        self.function.close().map_err(function_failed)
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
