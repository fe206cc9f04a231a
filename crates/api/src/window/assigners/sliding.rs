//! Windows that overlap.

use std::time::Duration;

use riverrun_base::Result;

use super::{AssignerContext, WindowAssigner, check_offset, check_positive, millis};
use crate::window::{EventTimeTrigger, ProcessingTimeTrigger, TimeWindow};

/// Where sliding windows are.
#[derive(Clone, Copy, Debug)]
struct Slides {
    size: i64,
    slide: i64,
    offset: i64,
}

impl Slides {
    fn new(size: Duration, slide: Duration) -> Self {
        Self { size: millis(size), slide: millis(slide), offset: 0 }
    }

    /// The windows that a time is in, the last first.
    #[inline]
    fn windows(self, time: i64, windows: &mut Vec<TimeWindow>) {
        let mut start = TimeWindow::start_with_offset(time, self.offset, self.slide);
        while start > time.saturating_sub(self.size) {
            windows.push(TimeWindow::new(start, start.saturating_add(self.size)));
            start -= self.slide;
        }
    }

    fn check(self) -> Result<()> {
        check_positive("the size", self.size)?;
        check_positive("the slide", self.slide)?;
        check_offset(self.offset, self.slide)
    }
}

/// Windows of one size of which one begins every `slide`, by event time. A record is in several where they overlap, and in none where they
/// leave gaps.
#[derive(Clone, Debug)]
pub struct SlidingEventTimeWindows(Slides);

impl SlidingEventTimeWindows {
    /// Windows of this size, one every `slide`, both in whole milliseconds; one begins at the epoch.
    pub fn of(size: Duration, slide: Duration) -> Self {
        Self(Slides::new(size, slide))
    }

    /// One begins so long after the epoch; less than the slide.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.0.offset = millis(offset);
        self
    }
}

impl<T> WindowAssigner<T> for SlidingEventTimeWindows {
    type Window = TimeWindow;
    type DefaultTrigger = EventTimeTrigger;

    #[inline]
    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        self.0.windows(context.event_time()?, windows);
        Ok(())
    }

    fn default_trigger(&self) -> EventTimeTrigger {
        EventTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }
}

/// As [`SlidingEventTimeWindows`], by the time of day at which records come.
#[derive(Clone, Debug)]
pub struct SlidingProcessingTimeWindows(Slides);

impl SlidingProcessingTimeWindows {
    /// Windows of this size, one every `slide`, both in whole milliseconds; one begins at the epoch.
    pub fn of(size: Duration, slide: Duration) -> Self {
        Self(Slides::new(size, slide))
    }

    /// One begins so long after the epoch; less than the slide.
    #[must_use]
    pub fn with_offset(mut self, offset: Duration) -> Self {
        self.0.offset = millis(offset);
        self
    }
}

impl<T> WindowAssigner<T> for SlidingProcessingTimeWindows {
    type Window = TimeWindow;
    type DefaultTrigger = ProcessingTimeTrigger;

    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        self.0.windows(context.current_processing_time(), windows);
        Ok(())
    }

    fn default_trigger(&self) -> ProcessingTimeTrigger {
        ProcessingTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }
}
