//! A process function on two streams that are keyed alike, with state and timers.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_runtime::{Clock, NO_WATERMARK, Operator, OperatorContext, Output, Restored, Snapshot, SnapshotRequest};

use super::co_input::CoInput;
use crate::functions::{Collector, KeySelector, KeyedCoProcessFunction, KeyedContext, RuntimeContext, function_failed};
use crate::state::{Backend, OperatorLists};
use crate::stream::{Both, SideOutputs, Sided};
use crate::{Key, Record};

/// Calls a [`KeyedCoProcessFunction`] for each record, and for each timer that has come.
pub(crate) struct KeyedCoProcessOperator<K, S, R, F> {
    selectors: (S, R),
    function: F,
    backend: Backend<K>,
    lists: OperatorLists,
    first: CoInput,
    second: CoInput,
    watermark: i64,
    clock: Clock,
    sides: SideOutputs,
}

impl<K: Key, S, R, F> KeyedCoProcessOperator<K, S, R, F> {
    pub(crate) fn open<A, B, O: Record>(
        selectors: (S, R),
        mut function: F,
        context: &OperatorContext,
        read: Arc<[Arc<str>]>,
    ) -> Result<Self>
    where
        F: KeyedCoProcessFunction<K, A, B, O>,
    {
        let mut backend = Backend::new(context);
        function.open(&mut RuntimeContext::new(context, Some(&mut backend.state))).map_err(function_failed)?;
        backend.close_declarations();
        Ok(Self {
            selectors,
            function,
            backend,
            lists: OperatorLists::new(context),
            first: CoInput::first(context.subtask),
            second: CoInput::second(context.subtask),
            watermark: NO_WATERMARK,
            clock: context.clock.clone(),
            sides: SideOutputs::new(read),
        })
    }
}

impl<K, A, B, O, S, R, F> Operator<Both<A, B>, Sided<O>> for KeyedCoProcessOperator<K, S, R, F>
where
    K: Key,
    A: Record,
    B: Record,
    O: Record,
    S: KeySelector<A, K>,
    R: KeySelector<B, K>,
    F: KeyedCoProcessFunction<K, A, B, O>,
{
    fn process(&mut self, batch: Both<A, B>, mut out: &mut dyn Output<Sided<O>>) -> Result<()> {
        let (now, watermark) = (self.clock.now(), self.watermark);
        match batch {
            Both::Left(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.first.seen += 1;
                    self.backend.select(self.selectors.0.select(&value))?;
                    let (key, state) = self.backend.current()?;
                    collector.set_timestamp(timestamp);
                    let sides = &mut self.sides;
                    let mut context = KeyedContext { key, timestamp, watermark, now, state, sides };
                    let done = self.function.process_element1(value, &mut context, &mut collector);
                    done.map_err(|error| self.first.failed(error, timestamp).with("key", format!("{key:?}")))?;
                }
                collector.finish()?;
            }
            Both::Right(records) => {
                let mut collector = Collector::new(&mut out, records.len());
                for (value, timestamp) in records {
                    self.second.seen += 1;
                    self.backend.select(self.selectors.1.select(&value))?;
                    let (key, state) = self.backend.current()?;
                    collector.set_timestamp(timestamp);
                    let sides = &mut self.sides;
                    let mut context = KeyedContext { key, timestamp, watermark, now, state, sides };
                    let done = self.function.process_element2(value, &mut context, &mut collector);
                    done.map_err(|error| self.second.failed(error, timestamp).with("key", format!("{key:?}")))?;
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

fn on_timer<K: Key, A, B, O: Record, F: KeyedCoProcessFunction<K, A, B, O>>(
    function: &mut F,
    time: i64,
    context: &mut KeyedContext<'_, K>,
    collector: &mut Collector<'_, O>,
) -> Result<()> {
    function
        .on_timer(time, context, collector)
        .map_err(|error| function_failed(error).with("timer", time).with("key", format!("{:?}", context.key)))
}
