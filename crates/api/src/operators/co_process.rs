//! A process function on two streams without keys.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_runtime::{Clock, NO_WATERMARK, OperatorContext, Output};

use super::co_input::CoInput;
use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{
    CheckpointedFunction, CoProcessFunction, Collector, FnResult, ProcessContext, RuntimeContext, function_failed,
};
use crate::stream::{Both, SideOutputs, Sided};

/// Calls a [`CoProcessFunction`].
pub(crate) struct CoProcessOperator<F> {
    function: F,
    first: CoInput,
    second: CoInput,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<F> CoProcessOperator<F> {
    pub(crate) fn open<A, B, O: Record>(
        mut function: F,
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<WithLists<Self>>
    where
        F: CoProcessFunction<A, B, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let operator = Self {
            function,
            first: CoInput::first(context.subtask),
            second: CoInput::second(context.subtask),
            watermark: NO_WATERMARK,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
        };
        Ok(WithLists::new(operator, context))
    }
}

impl<A, B, O, F> CallsFunction<Both<A, B>, Sided<O>> for CoProcessOperator<F>
where
    A: Record,
    B: Record,
    O: Record,
    F: CoProcessFunction<A, B, O>,
{
    fn process(&mut self, batch: Both<A, B>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let (now, watermark) = (self.clock.now(), self.watermark);
        match batch {
            Both::Left(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.first.seen += 1;
                    collector.set_timestamp(timestamp);
                    let mut context = ProcessContext { timestamp, watermark, now, sides: &mut self.sides };
                    let done = self.function.process_element1(value, &mut context, &mut collector);
                    done.map_err(|error| self.first.failed(error, timestamp))?;
                }
                collector.finish()?;
            }
            Both::Right(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.second.seen += 1;
                    collector.set_timestamp(timestamp);
                    let mut context = ProcessContext { timestamp, watermark, now, sides: &mut self.sides };
                    let done = self.function.process_element2(value, &mut context, &mut collector);
                    done.map_err(|error| self.second.failed(error, timestamp))?;
                }
                collector.finish()?;
            }
        }
        self.sides.flush(out)
    }

    fn watermark(&mut self, watermark: i64) {
        self.watermark = watermark;
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }
}
