//! One result for each record of two streams.

use riverrun_base::Result;
use riverrun_data::{NO_TIMESTAMP, Records};
use riverrun_runtime::{OperatorContext, Output};

use super::co_input::CoInput;
use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{BoxError, CheckpointedFunction, CoMapFunction, FnResult, RuntimeContext, function_failed};
use crate::stream::Both;

/// Calls a [`CoMapFunction`].
pub(crate) struct CoMapOperator<F> {
    function: F,
    first: CoInput,
    second: CoInput,
}

impl<F> CoMapOperator<F> {
    pub(crate) fn open<A, B, O>(mut function: F, context: &OperatorContext) -> Result<WithLists<Self>>
    where
        F: CoMapFunction<A, B, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator =
            Self { function, first: CoInput::first(context.subtask), second: CoInput::second(context.subtask) };
        Ok(WithLists::new(operator, context))
    }
}

impl<A, B, O, F> CallsFunction<Both<A, B>, Records<O>> for CoMapOperator<F>
where
    A: Record,
    B: Record,
    O: Record,
    F: CoMapFunction<A, B, O>,
{
    fn process(&mut self, batch: Both<A, B>, out: &mut dyn Output<Records<O>>) -> Result<()> {
        let function = &mut self.function;
        out.emit(match batch {
            Both::Left(records) => map(records, &mut self.first, |value| function.map1(value))?,
            Both::Right(records) => map(records, &mut self.second, |value| function.map2(value))?,
        })
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }
}

fn map<T, O>(
    records: Records<T>,
    input: &mut CoInput,
    mut function: impl FnMut(T) -> FnResult<O>,
) -> Result<Records<O>> {
    let (values, timestamps) = records.into_parts();
    let mut done = 0;
    let mapped = values.into_iter().map(|value| {
        done += 1;
        function(value)
    });
    let mapped: Result<Vec<O>, BoxError> = mapped.collect();
    input.seen += done as u64;
    let mapped = mapped
        .map_err(|error| input.failed(error, timestamps.get(done - 1).copied().filter(|time| *time != NO_TIMESTAMP)))?;
    Ok(Records::with_timestamps(mapped, timestamps))
}

/// Two closures as a [`CoMapFunction`].
#[derive(Clone)]
pub(crate) struct CoMapClosures<F, G>(pub(crate) F, pub(crate) G);

impl<A, B, O, F, G> CoMapFunction<A, B, O> for CoMapClosures<F, G>
where
    F: FnMut(A) -> O + Clone + Send + Sync + 'static,
    G: FnMut(B) -> O + Clone + Send + Sync + 'static,
{
    #[inline]
    fn map1(&mut self, value: A) -> FnResult<O> {
        Ok((self.0)(value))
    }

    #[inline]
    fn map2(&mut self, value: B) -> FnResult<O> {
        Ok((self.1)(value))
    }
}
