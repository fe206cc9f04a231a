//! One result for each record.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::Record;
use crate::functions::{BoxError, FnResult, MapFunction, RuntimeContext, at_record, function_failed};
use crate::state::OperatorLists;

/// Calls a [`MapFunction`].
pub(crate) struct MapOperator<F> {
    function: F,
    lists: OperatorLists,
    subtask: usize,
    /// How many records came before.
    seen: u64,
}

impl<F> MapOperator<F> {
    pub(crate) fn open<T, O>(mut function: F, context: &OperatorContext) -> Result<Self>
    where
        F: MapFunction<T, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self { function, lists: OperatorLists::new(context), subtask: context.subtask, seen: 0 })
    }
}

impl<T: Record, O: Record, F: MapFunction<T, O>> Operator<Records<T>, Records<O>> for MapOperator<F> {
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let (values, timestamps) = batch.into_parts();
        let mut done = 0;
        let mapped = values.into_iter().map(|value| {
            let result = self.function.map(value);
            done += 1;
            result
        });
        let mapped: Vec<O> = mapped.collect::<Result<_, BoxError>>().map_err(|error| {
            at_record(error, self.subtask, self.seen + done as u64, timestamps.get(done - 1).copied())
        })?;
        self.seen += done as u64;
        out.emit(Records::with_timestamps(mapped, timestamps))
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

/// A closure as a [`MapFunction`].
#[derive(Clone)]
pub(crate) struct MapClosure<F>(pub(crate) F);

impl<T, O, F: FnMut(T) -> O + Clone + Send + Sync + 'static> MapFunction<T, O> for MapClosure<F> {
    #[inline]
    fn map(&mut self, value: T) -> FnResult<O> {
        Ok((self.0)(value))
    }
}

/// A closure that can fail as a [`MapFunction`].
#[derive(Clone)]
pub(crate) struct TryMapClosure<F>(pub(crate) F);

impl<T, O, E, F> MapFunction<T, O> for TryMapClosure<F>
where
    E: Into<BoxError>,
    F: FnMut(T) -> Result<O, E> + Clone + Send + Sync + 'static,
{
    #[inline]
    fn map(&mut self, value: T) -> FnResult<O> {
        (self.0)(value).map_err(Into::into)
    }
}
