//! One result for each record.

use riverrun_base::Result;
use riverrun_data::{NO_TIMESTAMP, Records};
use riverrun_runtime::{OperatorContext, Output};

use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{
    BoxError, CheckpointedFunction, FnResult, MapFunction, RuntimeContext, at_record, function_failed,
};

/// Calls a [`MapFunction`].
pub(crate) struct MapOperator<F> {
    function: F,
    subtask: usize,
    /// How many records came before.
    seen: u64,
}

impl<F> MapOperator<F> {
    pub(crate) fn open<T, O>(mut function: F, context: &OperatorContext) -> Result<WithLists<Self>>
    where
        F: MapFunction<T, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator = Self { function, subtask: context.subtask, seen: 0 };
        Ok(WithLists::new(operator, context))
    }
}

impl<T: Record, O: Record, F: MapFunction<T, O>> CallsFunction<Records<T>, Records<O>> for MapOperator<F> {
    fn process(&mut self, batch: Records<T>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let (values, timestamps) = batch.into_parts();
        let mut done = 0;
        let mapped = values.into_iter().map(|value| {
            let result = self.function.map(value);
            done += 1;
            result
        });
        let mapped: Vec<O> = mapped.collect::<Result<_, BoxError>>().map_err(|error| {
            at_record(
                error,
                self.subtask,
                self.seen + done as u64,
                timestamps.get(done - 1).copied().filter(|time| *time != NO_TIMESTAMP),
            )
        })?;
        self.seen += done as u64;
        out.emit(Records::with_timestamps(mapped, timestamps))
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
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
