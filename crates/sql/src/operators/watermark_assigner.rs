//! Event time in the middle of a stream: the watermarks of a column in place of those the stream had.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::compute;
use arrow::datatypes::TimestampMillisecondType;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_runtime::{Clock, EventTime, Operator, OperatorContext, Output, Timestamp};

use super::calc::Environment;
use crate::eval::Evaluator;
use crate::expr::Expr;

/// Passes rows on, and says behind each batch how far event time has come by them.
pub(crate) struct WatermarkAssigner {
    strategy: Evaluator,
    /// The column of event time.
    column: usize,
    environment: Environment,
    /// How long nothing may come until the stream is idle, in milliseconds.
    idle_timeout: Option<i64>,
    clock: Clock,
    /// When the last row came, in processing time.
    last: Timestamp,
    is_idle: bool,
    reached: Option<Timestamp>,
    said: VecDeque<EventTime>,
}

impl WatermarkAssigner {
    /// `strategy` is the watermark of a row, over the input's columns.
    ///
    /// # Errors
    /// The expression cannot be compiled.
    pub(crate) fn new(
        strategy: &Expr,
        column: usize,
        idle_timeout: Option<Duration>,
        environment: Environment,
        context: &OperatorContext,
    ) -> Result<Self> {
        let clock = context.clock.clone();
        let last = clock.now();
        Ok(Self {
            strategy: Evaluator::new(strategy)?,
            column,
            environment,
            idle_timeout: idle_timeout.and_then(|timeout| i64::try_from(timeout.as_millis()).ok()),
            clock,
            last,
            is_idle: false,
            reached: None,
            said: VecDeque::new(),
        })
    }
}

impl Operator<Batch> for WatermarkAssigner {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        self.last = self.clock.now();
        if std::mem::take(&mut self.is_idle) {
            self.said.push_back(EventTime::Active);
        }
        if batch.rows().column(self.column).null_count() > 0 {
            return Err(Error::data("RowTime field should not be null, please convert it to a non-null long value.")
                .with("column", batch.schema().field(self.column).name()));
        }
        let context = self.environment.context(batch.num_rows(), None);
        let column = self.strategy.eval_column(batch.rows(), &context)?;
        let times = column
            .as_primitive_opt::<TimestampMillisecondType>()
            .ok_or_else(|| Error::internal("a watermark is not in milliseconds"))?;
        let watermark = compute::max(times).max(self.reached);
        if watermark > self.reached {
            self.reached = watermark;
            self.said.extend(watermark.map(EventTime::Watermark));
        }
        out.emit(batch)
    }

    fn makes_event_time(&self) -> bool {
        true
    }

    fn next_event_time(&mut self) -> Option<EventTime> {
        self.said.pop_front()
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.idle_timeout.filter(|_| !self.is_idle).map(|timeout| self.last.saturating_add(timeout))
    }

    fn on_processing_time(&mut self, _: Timestamp, _: &mut dyn Output<Batch>) -> Result<()> {
        self.is_idle = true;
        self.said.push_back(EventTime::Idle);
        Ok(())
    }
}
