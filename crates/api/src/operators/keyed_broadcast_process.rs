//! A process function on a keyed stream and a broadcast one, with state of both kinds and timers.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::co_input::CoInput;
use crate::functions::{
    Collector, KeySelector, KeyedBroadcastContext, KeyedBroadcastProcessFunction, KeyedContext,
    KeyedReadOnlyBroadcastContext, ProcessContext, RuntimeContext, function_failed,
};
use crate::state::{Backend, BroadcastStates, MakeMap, OperatorLists, with_lists, without_lists};
use crate::stream::{Both, SideOutputs, Sided};
use crate::{Key, Record};

/// Calls a [`KeyedBroadcastProcessFunction`].
pub(crate) struct KeyedBroadcastProcessOperator<K, S, F> {
    selector: S,
    function: F,
    backend: Backend<K>,
    states: BroadcastStates,
    lists: OperatorLists,
    subtask: usize,
    first: CoInput,
    second: CoInput,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<K: Key, S, F> KeyedBroadcastProcessOperator<K, S, F> {
    pub(crate) fn open<T, B, O: Record>(
        selector: S,
        mut function: F,
        maps: &[MakeMap],
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<Self>
    where
        F: KeyedBroadcastProcessFunction<K, T, B, O>,
    {
        let states = BroadcastStates::new(maps);
        let mut backend = Backend::new(context);
        let mut runtime = RuntimeContext::new(context, Some(&mut backend.state)).with_broadcast(&states);
        function.open(&mut runtime).map_err(function_failed)?;
        backend.close_declarations();
        Ok(Self {
            selector,
            function,
            backend,
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

impl<K, T, B, O, S, F> Operator<Both<T, B>, Sided<O>> for KeyedBroadcastProcessOperator<K, S, F>
where
    K: Key,
    T: Record,
    B: Record,
    O: Record,
    S: KeySelector<T, K>,
    F: KeyedBroadcastProcessFunction<K, T, B, O>,
{
    fn process(&mut self, batch: Both<T, B>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let (now, watermark) = (self.clock.now(), self.watermark);
        match batch {
            Both::Left(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.first.seen += 1;
                    self.backend.select(self.selector.select(&value))?;
                    let (key, state) = self.backend.current()?;
                    collector.set_timestamp(timestamp);
                    let record = KeyedContext { key, timestamp, watermark, now, state, sides: &mut self.sides };
                    let mut context = KeyedReadOnlyBroadcastContext { record, states: &self.states };
                    let done = self.function.process_element(value, &mut context, &mut collector);
                    done.map_err(|error| self.first.failed(error, timestamp).with("key", format!("{key:?}")))?;
                }
                collector.finish()?;
            }
            Both::Right(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.second.seen += 1;
                    collector.set_timestamp(timestamp);
                    let record = ProcessContext { timestamp, watermark, now, sides: &mut self.sides };
                    let mut context =
                        KeyedBroadcastContext { record, states: &mut self.states, backend: &mut self.backend };
                    let done = self.function.process_broadcast_element(value, &mut context, &mut collector);
                    done.map_err(|error| self.second.failed(error, timestamp))?;
                }
                collector.finish()?;
            }
        }
        self.sides.flush(out)
    }

    fn watermark(&mut self, watermark: i64, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.watermark = watermark;
        let now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        let (function, sides, states) = (&mut self.function, &mut self.sides, &self.states);
        self.backend.fire_event_timers(watermark, |time, key, state| {
            collector.set_timestamp(Some(time));
            let record = KeyedContext { key, timestamp: Some(time), watermark, now, state, sides };
            on_timer(function, time, KeyedReadOnlyBroadcastContext { record, states }, &mut collector)
        })?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn deadline(&self) -> Option<i64> {
        self.backend.next_processing_timer()
    }

    fn on_processing_time(&mut self, now: i64, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let watermark = self.watermark;
        let mut collector = Collector::new(&mut out, 0);
        let (function, sides, states) = (&mut self.function, &mut self.sides, &self.states);
        self.backend.fire_processing_timers(now, |time, key, state| {
            let record = KeyedContext { key, timestamp: None, watermark, now, state, sides };
            on_timer(function, time, KeyedReadOnlyBroadcastContext { record, states }, &mut collector)
        })?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let mut snapshot = self.backend.snapshot(request);
        snapshot.watermark = Some(self.watermark).filter(|watermark| *watermark != NO_WATERMARK);
        let lists = OperatorLists::snapshot(request, self.function.checkpointed())?;
        snapshot.own = Some(with_lists(self.states.freeze(), lists));
        Ok(Some(snapshot))
    }

    fn restore(&mut self, mut restored: Restored) -> Result<()> {
        self.watermark = restored.watermark.unwrap_or(NO_WATERMARK);
        self.states.restore(&without_lists(&mut restored)?, self.subtask)?;
        self.backend.restore(&restored)?;
        self.lists.restore(restored, self.function.checkpointed())
    }

    fn begin(&mut self) -> Result<()> {
        self.lists.begin(self.function.checkpointed())
    }

    fn finish(&mut self, _: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.function.close().map_err(function_failed)
    }
}

fn on_timer<K: Key, T, B, O: Record, F: KeyedBroadcastProcessFunction<K, T, B, O>>(
    function: &mut F,
    time: i64,
    mut context: KeyedReadOnlyBroadcastContext<'_, K>,
    collector: &mut Collector<'_, O>,
) -> Result<()> {
    let done = function.on_timer(time, &mut context, collector);
    done.map_err(|error| function_failed(error).with("timer", time).with("key", format!("{:?}", context.current_key())))
}
