//! One result for each record of two streams.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::co_input::CoInput;
use crate::Record;
use crate::functions::{BoxError, CoMapFunction, FnResult, RuntimeContext, function_failed};
use crate::state::OperatorLists;
use crate::stream::Both;

/// Calls a [`CoMapFunction`].
pub(crate) struct CoMapOperator<F> {
    function: F,
    lists: OperatorLists,
    first: CoInput,
    second: CoInput,
}

impl<F> CoMapOperator<F> {
    pub(crate) fn open<A, B, O>(mut function: F, context: &OperatorContext) -> Result<Self>
    where
        F: CoMapFunction<A, B, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let lists = OperatorLists::new(context);
        Ok(Self { function, lists, first: CoInput::first(context.subtask), second: CoInput::second(context.subtask) })
    }
}

impl<A, B, O, F> Operator<Both<A, B>, Records<O>> for CoMapOperator<F>
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
    let mapped = mapped.map_err(|error| input.failed(error, timestamps.get(done - 1).copied()))?;
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
