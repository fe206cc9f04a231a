//! A process function on a stream without keys.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Clock, NO_WATERMARK, OperatorContext, Output};

use super::with_lists::{CallsFunction, WithLists};
use crate::Record;
use crate::functions::{
    CheckpointedFunction, Collector, FnResult, ProcessContext, ProcessFunction, RuntimeContext, at_record,
    function_failed,
};
use crate::stream::{SideOutputs, Sided};

/// Calls a [`ProcessFunction`].
pub(crate) struct ProcessOperator<F> {
    function: F,
    subtask: usize,
    seen: u64,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<F> ProcessOperator<F> {
    pub(crate) fn open<T, O: Record>(
        mut function: F,
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<WithLists<Self>>
    where
        F: ProcessFunction<T, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        let (subtask, clock) = (context.subtask, context.clock.clone());
        let operator =
            Self { function, subtask, seen: 0, watermark: NO_WATERMARK, clock, sides: SideOutputs::new(read) };
        Ok(WithLists::new(operator, context))
    }
}

impl<T: Record, O: Record, F: ProcessFunction<T, O>> CallsFunction<Records<T>, Sided<O>> for ProcessOperator<F> {
    fn process(&mut self, batch: Records<T>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let now = self.clock.now();
        let mut collector = Collector::new(&mut out, batch.len());
        for (value, timestamp) in batch {
            self.seen += 1;
            collector.set_timestamp(timestamp);
            let mut context = ProcessContext { timestamp, watermark: self.watermark, now, sides: &mut self.sides };
            self.function
                .process_element(value, &mut context, &mut collector)
                .map_err(|error| at_record(error, self.subtask, self.seen, timestamp))?;
        }
        collector.finish()?;
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
