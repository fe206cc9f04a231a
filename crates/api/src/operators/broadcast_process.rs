//! A process function on a stream without keys and a broadcast one.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::co_input::CoInput;
use crate::Record;
use crate::functions::{
    BroadcastContext, BroadcastProcessFunction, Collector, ProcessContext, ReadOnlyBroadcastContext, RuntimeContext,
    function_failed,
};
use crate::state::{BroadcastStates, MakeMap, OperatorLists, with_lists, without_lists};
use crate::stream::{Both, SideOutputs, Sided};

/// Calls a [`BroadcastProcessFunction`].
pub(crate) struct BroadcastProcessOperator<F> {
    function: F,
    states: BroadcastStates,
    lists: OperatorLists,
    subtask: usize,
    first: CoInput,
    second: CoInput,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<F> BroadcastProcessOperator<F> {
    pub(crate) fn open<T, B, O: Record>(
        mut function: F,
        maps: &[MakeMap],
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<Self>
    where
        F: BroadcastProcessFunction<T, B, O>,
    {
        let states = BroadcastStates::new(maps);
        function.open(&mut RuntimeContext::new(context, None).with_broadcast(&states)).map_err(function_failed)?;
        Ok(Self {
            function,
            states,
            lists: OperatorLists::new(context),
            subtask: context.subtask,
            first: CoInput::first(context.subtask),
            second: CoInput::second(context.subtask),
            watermark: NO_WATERMARK,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
        })
    }
}

impl<T, B, O, F> Operator<Both<T, B>, Sided<O>> for BroadcastProcessOperator<F>
where
    T: Record,
    B: Record,
    O: Record,
    F: BroadcastProcessFunction<T, B, O>,
{
    fn process(&mut self, batch: Both<T, B>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let (now, watermark) = (self.clock.now(), self.watermark);
        match batch {
            Both::Left(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.first.seen += 1;
                    collector.set_timestamp(timestamp);
                    let record = ProcessContext { timestamp, watermark, now, sides: &mut self.sides };
                    let mut context = ReadOnlyBroadcastContext { record, states: &self.states };
                    let done = self.function.process_element(value, &mut context, &mut collector);
                    done.map_err(|error| self.first.failed(error, timestamp))?;
                }
                collector.finish()?;
            }
            Both::Right(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.second.seen += 1;
                    collector.set_timestamp(timestamp);
                    let record = ProcessContext { timestamp, watermark, now, sides: &mut self.sides };
                    let mut context = BroadcastContext { record, states: &mut self.states };
                    let done = self.function.process_broadcast_element(value, &mut context, &mut collector);
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
        let lists = OperatorLists::snapshot(request, self.function.checkpointed())?;
        Ok(Some(Snapshot { own: Some(with_lists(self.states.freeze(), lists)), ..Snapshot::default() }))
    }

    fn restore(&mut self, mut restored: Restored) -> Result<()> {
        self.states.restore(&without_lists(&mut restored)?, self.subtask)?;
        self.lists.restore_alone(restored, self.function.checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(self.function.checkpointed())
    }

    fn finish(&mut self, _: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.function.close().map_err(function_failed)
    }
}
