//! Windows that last while records come.

use std::time::Duration;

use riverrun_base::{Error, Result};

use super::{AssignerContext, WindowAssigner, check_positive, millis};
use crate::window::{EventTimeTrigger, ProcessingTimeTrigger, TimeWindow};

/// Sessions are one if they overlap or touch.
fn merged(first: &TimeWindow, second: &TimeWindow) -> Option<TimeWindow> {
    first.intersects(second).then(|| first.cover(second))
}

fn session(start: i64, gap: i64) -> TimeWindow {
    TimeWindow::new(start, start.saturating_add(gap))
}

fn dynamic(gap: Duration) -> Result<i64> {
    let gap = millis(gap);
    if gap > 0 {
        return Ok(gap);
    }
    Err(Error::user("the gap of a session is less than a millisecond")
        .hint("let with_dynamic_gap() answer more than that"))
}

/// Sessions by event time: records of a key that are no further apart than a gap.
#[derive(Clone, Debug)]
pub struct EventTimeSessionWindows {
    gap: i64,
}

impl EventTimeSessionWindows {
    /// A session ends so long after its last record, in whole milliseconds.
    pub fn with_gap(gap: Duration) -> Self {
        Self { gap: millis(gap) }
    }

    /// A session ends so long after its last record as the closure says for that.
    pub fn with_dynamic_gap<T, F>(gap: F) -> DynamicEventTimeSessionWindows<F>
    where
        F: Fn(&T) -> Duration + Clone + Send + Sync + 'static,
    {
        DynamicEventTimeSessionWindows { gap }
    }
}

/// [`EventTimeSessionWindows`] whose gap each record says.
#[derive(Clone, Debug)]
pub struct DynamicEventTimeSessionWindows<F> {
    gap: F,
}

/// Sessions by the time of day at which records come.
#[derive(Clone, Debug)]
pub struct ProcessingTimeSessionWindows {
    gap: i64,
}

impl ProcessingTimeSessionWindows {
    /// A session ends so long after its last record, in whole milliseconds.
    pub fn with_gap(gap: Duration) -> Self {
        Self { gap: millis(gap) }
    }

    /// A session ends so long after its last record as the closure says for that.
    pub fn with_dynamic_gap<T, F>(gap: F) -> DynamicProcessingTimeSessionWindows<F>
    where
        F: Fn(&T) -> Duration + Clone + Send + Sync + 'static,
    {
        DynamicProcessingTimeSessionWindows { gap }
    }
}

/// [`ProcessingTimeSessionWindows`] whose gap each record says.
#[derive(Clone, Debug)]
pub struct DynamicProcessingTimeSessionWindows<F> {
    gap: F,
}

impl<T> WindowAssigner<T> for EventTimeSessionWindows {
    type Window = TimeWindow;
    type DefaultTrigger = EventTimeTrigger;

    const MERGES: bool = true;

    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        windows.push(session(context.event_time()?, self.gap));
        Ok(())
    }

    fn merge(&self, first: &TimeWindow, second: &TimeWindow) -> Option<TimeWindow> {
        merged(first, second)
    }

    fn default_trigger(&self) -> EventTimeTrigger {
        EventTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        check_positive("the gap", self.gap)
    }
}

impl<T, F: Fn(&T) -> Duration + Clone + Send + Sync + 'static> WindowAssigner<T> for DynamicEventTimeSessionWindows<F> {
    type Window = TimeWindow;
    type DefaultTrigger = EventTimeTrigger;

    const MERGES: bool = true;

    fn assign_windows(&mut self, value: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        windows.push(session(context.event_time()?, dynamic((self.gap)(value))?));
        Ok(())
    }

    fn merge(&self, first: &TimeWindow, second: &TimeWindow) -> Option<TimeWindow> {
        merged(first, second)
    }

    fn default_trigger(&self) -> EventTimeTrigger {
        EventTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        true
    }
}

impl<T> WindowAssigner<T> for ProcessingTimeSessionWindows {
    type Window = TimeWindow;
    type DefaultTrigger = ProcessingTimeTrigger;

    const MERGES: bool = true;

    fn assign_windows(&mut self, _: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        windows.push(session(context.current_processing_time(), self.gap));
        Ok(())
    }

    fn merge(&self, first: &TimeWindow, second: &TimeWindow) -> Option<TimeWindow> {
        merged(first, second)
    }

    fn default_trigger(&self) -> ProcessingTimeTrigger {
        ProcessingTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }

    fn check(&self) -> Result<()> {
        check_positive("the gap", self.gap)
    }
}

impl<T, F> WindowAssigner<T> for DynamicProcessingTimeSessionWindows<F>
where
    F: Fn(&T) -> Duration + Clone + Send + Sync + 'static,
{
    type Window = TimeWindow;
    type DefaultTrigger = ProcessingTimeTrigger;

    const MERGES: bool = true;

    fn assign_windows(&mut self, value: &T, context: &AssignerContext, windows: &mut Vec<TimeWindow>) -> Result<()> {
        windows.push(session(context.current_processing_time(), dynamic((self.gap)(value))?));
        Ok(())
    }

    fn merge(&self, first: &TimeWindow, second: &TimeWindow) -> Option<TimeWindow> {
        merged(first, second)
    }

    fn default_trigger(&self) -> ProcessingTimeTrigger {
        ProcessingTimeTrigger
    }

    fn is_event_time(&self) -> bool {
        false
    }
}
