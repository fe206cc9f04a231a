//! A process function on two streams without keys.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::co_input::CoInput;
use crate::Record;
use crate::functions::{CoProcessFunction, Collector, ProcessContext, RuntimeContext, function_failed};
use crate::state::OperatorLists;
use crate::stream::{Both, SideOutputs, Sided};

/// Calls a [`CoProcessFunction`].
pub(crate) struct CoProcessOperator<F> {
    function: F,
    lists: OperatorLists,
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
    ) -> Result<Self>
    where
        F: CoProcessFunction<A, B, O>,
    {
        function.open(&mut RuntimeContext::new(context, None)).map_err(function_failed)?;
        Ok(Self {
            function,
            lists: OperatorLists::new(context),
            first: CoInput::first(context.subtask),
            second: CoInput::second(context.subtask),
            watermark: NO_WATERMARK,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
        })
    }
}

impl<A, B, O, F> Operator<Both<A, B>, Sided<O>> for CoProcessOperator<F>
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

    fn watermark(&mut self, watermark: i64, _: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.watermark = watermark;
        Ok(())
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

    fn finish(&mut self, _: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.function.close().map_err(function_failed)
    }
}
