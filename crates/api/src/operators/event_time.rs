//! Event time in the middle of a stream: timestamps and watermarks in place of those the stream had.

use std::collections::VecDeque;

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::{Clock, EventTime, Operator, OperatorContext, Output};

use crate::Record;
use crate::watermark::{TimestampAssigner, WatermarkGenerator, WatermarkOutput};

/// Assigns timestamps, and makes watermarks of them.
pub(crate) struct EventTimeOperator<G, A> {
    generator: G,
    assigner: A,
    /// How long nothing may come until the stream is idle, in milliseconds.
    idle_timeout: Option<i64>,
    clock: Clock,
    /// When the last record came, in processing time.
    last: i64,
    is_idle: bool,
    said: VecDeque<EventTime>,
}

impl<G, A> EventTimeOperator<G, A> {
    pub(crate) fn new(generator: G, assigner: A, idle_timeout: Option<i64>, context: &OperatorContext) -> Self {
        let clock = context.clock.clone();
        let last = clock.now();
        Self { generator, assigner, idle_timeout, clock, last, is_idle: false, said: VecDeque::new() }
    }
}

impl<T, G, A> Operator<Records<T>, Records<T>> for EventTimeOperator<G, A>
where
    T: Record,
    G: WatermarkGenerator<T>,
    A: TimestampAssigner<T>,
{
    fn process(&mut self, mut batch: Records<T>, out: &mut dyn Output<Records<T>>) -> Result<()> {
        self.last = self.clock.now();
        if std::mem::take(&mut self.is_idle) {
            self.said.push_back(EventTime::Active);
        }
        let mut said = WatermarkOutput::default();
        let timestamps = self.assigner.assign_all(&batch);
        batch.set_timestamps(timestamps);
        for (value, timestamp) in batch.values().iter().zip(batch.timestamps()) {
            self.generator.on_event(value, *timestamp, &mut said);
        }
        self.generator.on_periodic_emit(&mut said);
        self.said.extend(said.watermark.map(EventTime::Watermark));
        out.emit(batch)
    }

    fn makes_event_time(&self) -> bool {
        true
    }

    fn next_event_time(&mut self) -> Option<EventTime> {
        self.said.pop_front()
    }

    fn deadline(&self) -> Option<i64> {
        self.idle_timeout.filter(|_| !self.is_idle).map(|timeout| self.last.saturating_add(timeout))
    }

    fn on_processing_time(&mut self, _: i64, _: &mut dyn Output<Records<T>>) -> Result<()> {
        self.is_idle = true;
        self.said.push_back(EventTime::Idle);
        Ok(())
    }
}
