//! Windows that follow each other.

use std::time::Duration;

use riverrun_base::Result;

use super::{AssignerContext, WindowAssigner, check_offset, check_positive, millis};
use crate::window::{EventTimeTrigger, ProcessingTimeTrigger, TimeWindow};

/// Windows of one size that follow each other, by event time: a record is in one.
///
/// ```
/// use std::time::Duration;
/// use riverrun::window::TumblingEventTimeWindows;
///
/// // Days of a country whose clocks are eight hours ahead: midnight is 16:00 UTC.
/// let days = TumblingEventTimeWindows::of(Duration::from_hours(24)).with_offset(Duration::from_hours(16));
/// ```
#[derive(Clone, Debug)]
pub struct TumblingEventTimeWindows {
    size: i64,
    offset: i64,
    /// The last window, in which the next record mostly is too.
    last: TimeWindow,
}

impl TumblingEventTimeWindows {
    /// Windows of this size, in whole milliseconds; one begins at the epoch.
    pub fn of(size: Duration) -> Self {
        Self { size: millis(size), offset: 0, last: TimeWindow::new(0, 0) }
    }

    /// One begins so long after the epoch. It is less than the size; where Flink takes a negative offset, take the size less that.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.offset = millis(offset);
        self
    }
}

impl<T> WindowAssigner<T> for TumblingEventTimeWindows {
    type Window = TimeWindow;
    type DefaultTrigger = EventTimeTrigger;

    #[inline]
    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        let time = context.event_time()?;
        if time < self.last.start() || time >= self.last.end() {
            let start = TimeWindow::start_with_offset(time, self.offset, self.size);
            self.last = TimeWindow::new(start, start.saturating_add(self.size));
        }
        windows.push(self.last);
        Ok(())
    }

    fn default_trigger(&self) -> EventTimeTrigger {
        EventTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        check_positive("the size", self.size)?;
        check_offset(self.offset, self.size)
    }
}

/// As [`TumblingEventTimeWindows`], by the time of day at which records come.
#[derive(Clone, Debug)]
pub struct TumblingProcessingTimeWindows {
    size: i64,
    offset: i64,
}

impl TumblingProcessingTimeWindows {
    /// Windows of this size, in whole milliseconds; one begins at the epoch.
    pub fn of(size: Duration) -> Self {
        Self { size: millis(size), offset: 0 }
    }

    /// One begins so long after the epoch; less than the size.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.offset = millis(offset);
        self
    }
}

impl<T> WindowAssigner<T> for TumblingProcessingTimeWindows {
    type Window = TimeWindow;
    type DefaultTrigger = ProcessingTimeTrigger;

    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        let start = TimeWindow::start_with_offset(context.current_processing_time(), self.offset, self.size);
        windows.push(TimeWindow::new(start, start.saturating_add(self.size)));
        Ok(())
    }

    fn default_trigger(&self) -> ProcessingTimeTrigger {
        ProcessingTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_positive("the size", self.size)?;
        check_offset(self.offset, self.size)
    }
}
