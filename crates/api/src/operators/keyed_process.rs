//! A process function on a keyed stream, with state and timers.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use crate::functions::{
    Collector, KeySelector, KeyedContext, KeyedProcessFunction, RuntimeContext, at_record, function_failed,
};
use crate::state::{Backend, OperatorLists};
use crate::stream::{SideOutputs, Sided};
use crate::{Key, Record};

/// Calls a [`KeyedProcessFunction`] for each record, and for each timer that has come.
pub(crate) struct KeyedProcessOperator<K, S, F> {
    selector: S,
    function: F,
    backend: Backend<K>,
    lists: OperatorLists,
    subtask: usize,
    seen: u64,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<K: Key, S, F> KeyedProcessOperator<K, S, F> {
    pub(crate) fn open<T, O: Record>(
        selector: S,
        mut function: F,
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<Self>
    where
        F: KeyedProcessFunction<K, T, O>,
    {
        let mut backend = Backend::new(context);
        function.open(&mut RuntimeContext::new(context, Some(&mut backend.state))).map_err(function_failed)?;
        backend.close_declarations();
        Ok(Self {
            selector,
            function,
            backend,
            lists: OperatorLists::new(context),
            subtask: context.subtask,
            seen: 0,
            watermark: NO_WATERMARK,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
        })
    }
}

impl<K, T, O, S, F> Operator<Records<T>, Sided<O>> for KeyedProcessOperator<K, S, F>
where
    K: Key,
    T: Record,
    O: Record,
    S: KeySelector<T, K>,
    F: KeyedProcessFunction<K, T, O>,
{
    fn process(&mut self, batch: Records<T>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let now = self.clock.now();
        let mut collector = Collector::new(&mut out, batch.len());
        for (value, timestamp) in batch {
            self.seen += 1;
            self.backend.select(self.selector.select(&value))?;
            let (key, state) = self.backend.current()?;
            collector.set_timestamp(timestamp);
            let sides = &mut self.sides;
            let mut context = KeyedContext { key, timestamp, watermark: self.watermark, now, state, sides };
            self.function.process_element(value, &mut context, &mut collector).map_err(|error| {
                at_record(error, self.subtask, self.seen, timestamp).with("key", format!("{key:?}"))
            })?;
        }
        collector.finish()?;
        self.sides.flush(out)
    }

    fn watermark(&mut self, watermark: i64, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        self.watermark = watermark;
        let now = self.clock.now();
        let mut collector = Collector::new(&mut out, 0);
        let (function, sides) = (&mut self.function, &mut self.sides);
        self.backend.fire_event_timers(watermark, |time, key, state| {
            collector.set_timestamp(Some(time));
            let mut context = KeyedContext { key, timestamp: Some(time), watermark, now, state, sides };
            on_timer(function, time, &mut context, &mut collector)
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
        let (function, sides) = (&mut self.function, &mut self.sides);
        self.backend.fire_processing_timers(now, |time, key, state| {
            let mut context = KeyedContext { key, timestamp: None, watermark, now, state, sides };
            on_timer(function, time, &mut context, &mut collector)
        })?;
        collector.finish()?;
        self.sides.flush(out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let mut snapshot = self.backend.snapshot(request);
        snapshot.watermark = Some(self.watermark).filter(|watermark| *watermark != NO_WATERMARK);
        snapshot.own = OperatorLists::snapshot(request, self.function.checkpointed())?;
        Ok(Some(snapshot))
    }

    fn restore(&mut self, restored: Restored) -> Result<()> {
        self.watermark = restored.watermark.unwrap_or(NO_WATERMARK);
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

fn on_timer<K: Key, T, O: Record, F: KeyedProcessFunction<K, T, O>>(
    function: &mut F,
    time: i64,
    context: &mut KeyedContext<'_, K>,
    collector: &mut Collector<'_, O>,
) -> Result<()> {
    function
        .on_timer(time, context, collector)
        .map_err(|error| function_failed(error).with("timer", time).with("key", format!("{:?}", context.key)))
}
