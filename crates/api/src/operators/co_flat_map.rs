//! Any number of results for each record of two streams.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{OperatorContext, Output};

use super::co_input::CoInput;
use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{CheckpointedFunction, CoFlatMapFunction, Collector, FnResult, RuntimeContext, function_failed};
use crate::stream::Both;

/// Calls a [`CoFlatMapFunction`].
pub(crate) struct CoFlatMapOperator<F> {
    function: F,
    first: CoInput,
    second: CoInput,
}

impl<F> CoFlatMapOperator<F> {
    pub(crate) fn open<A, B, O: Record>(mut function: F, context: &OperatorContext) -> Result<WithLists<Self>>
    where
        F: CoFlatMapFunction<A, B, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator =
            Self { function, first: CoInput::first(context.subtask), second: CoInput::second(context.subtask) };
        Ok(WithLists::new(operator, context))
    }
}

impl<A, B, O, F> CallsFunction<Both<A, B>, Records<O>> for CoFlatMapOperator<F>
where
    A: Record,
    B: Record,
    O: Record,
    F: CoFlatMapFunction<A, B, O>,
{
    fn process(&mut self, batch: Both<A, B>, mut out: &mut dyn Output<Records<O>>) -> Result<()> {
        match batch {
            Both::Left(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.first.seen += 1;
                    collector.set_timestamp(timestamp);
                    let done = self.function.flat_map1(value, &mut collector);
                    done.map_err(|error| self.first.failed(error, timestamp))?;
                }
                collector.finish()
            }
            Both::Right(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.second.seen += 1;
                    collector.set_timestamp(timestamp);
                    let done = self.function.flat_map2(value, &mut collector);
                    done.map_err(|error| self.second.failed(error, timestamp))?;
                }
                collector.finish()
            }
        }
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }
}

/// Two closures as a [`CoFlatMapFunction`].
#[derive(Clone)]
pub(crate) struct CoFlatMapClosures<F, G>(pub(crate) F, pub(crate) G);

impl<A, B, O, F, G> CoFlatMapFunction<A, B, O> for CoFlatMapClosures<F, G>
where
    O: Record,
    F: FnMut(A, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    G: FnMut(B, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
{
    #[inline]
    fn flat_map1(&mut self, value: A, out: &mut Collector<'_, O>) -> FnResult {
        (self.0)(value, out);
        Ok(())
    }

    #[inline]
    fn flat_map2(&mut self, value: B, out: &mut Collector<'_, O>) -> FnResult {
        (self.1)(value, out);
        Ok(())
    }
}
