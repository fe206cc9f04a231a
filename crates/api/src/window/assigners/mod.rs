//! To which windows a record belongs.

mod global;
mod session;
mod sliding;
mod tumbling;

#[cfg(test)]
mod tests;

use std::time::Duration;

use riverrun_base::{Error, Result};

pub use global::{GlobalWindows, GlobalWindowsUntilEnd};
pub use session::{
    DynamicEventTimeSessionWindows, DynamicProcessingTimeSessionWindows, EventTimeSessionWindows,
    ProcessingTimeSessionWindows,
};
pub use sliding::{SlidingEventTimeWindows, SlidingProcessingTimeWindows};
pub use tumbling::{TumblingEventTimeWindows, TumblingProcessingTimeWindows};

use super::{Trigger, Window};

/// Says to which windows a record belongs, and which windows merge. Each subtask owns a clone.
///
/// ```
/// use riverrun::window::{AssignerContext, EventTimeTrigger, TimeWindow, WindowAssigner};
///
/// /// Windows of a second for small records, of ten for large ones.
/// #[derive(Clone)]
/// struct BySize;
///
/// impl WindowAssigner<Vec<u8>> for BySize {
///     type Window = TimeWindow;
///     type DefaultTrigger = EventTimeTrigger;
///
///     fn assign_windows(
///         &mut self,
///         value: &Vec<u8>,
///         context: &AssignerContext,
///         windows: &mut Vec<TimeWindow>,
///     ) -> riverrun::Result<()> {
///         let size = if value.len() < 100 { 1_000 } else { 10_000 };
///         let start = TimeWindow::start_with_offset(context.event_time()?, 0, size);
///         windows.push(TimeWindow::new(start, start + size));
///         Ok(())
///     }
///
///     fn default_trigger(&self) -> EventTimeTrigger {
///         EventTimeTrigger
///     }
///
///     fn is_event_time(&self) -> bool {
///         true
///     }
/// }
/// ```
pub trait WindowAssigner<T>: Clone + Send + Sync + 'static {
    /// What its windows are.
    type Window: Window;

    /// The trigger of a stream that says nothing else.
    type DefaultTrigger: Trigger<T, Self::Window>;

    /// Whether windows can [`merge`](Self::merge).
    const MERGES: bool = false;

    /// Adds the windows of a record to `windows`, which is empty.
    ///
    /// # Errors
    /// The job fails with this error.
    fn assign_windows(&mut self, value: &T, context: &AssignerContext, windows: &mut Vec<Self::Window>) -> Result<()>;

    /// The window that takes the place of both, if they are to be one. Asked only where [`Self::MERGES`] says so, of all pairs of a key's
    /// windows among which a new one is.
    fn merge(&self, first: &Self::Window, second: &Self::Window) -> Option<Self::Window> {
        let (_, _) = (first, second);
        None
    }

    /// The trigger of a stream that says nothing else.
    fn default_trigger(&self) -> Self::DefaultTrigger;

    /// Whether windows end by event time; by processing time otherwise.
    fn is_event_time(&self) -> bool;

    /// Asked when the program is built.
    ///
    /// # Errors
    /// The assigner cannot work: the job is refused with this error.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// What an assigner knows besides the record.
#[derive(Clone, Copy, Debug)]
pub struct AssignerContext {
    timestamp: Option<i64>,
    now: i64,
}

impl AssignerContext {
    /// For a record with this event time, at this time of day; both in epoch milliseconds.
    #[inline]
    pub fn new(timestamp: Option<i64>, now: i64) -> Self {
        Self { timestamp, now }
    }

    /// The record's event time, in epoch milliseconds, if it has one.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The record's event time, in epoch milliseconds.
    ///
    /// # Errors
    /// It has none.
    #[inline]
    pub fn event_time(&self) -> Result<i64> {
        match self.timestamp {
            Some(timestamp) if timestamp != i64::MIN => Ok(timestamp),
            _ => Err(without_time()),
        }
    }

    /// The time of day, in epoch milliseconds.
    #[inline]
    pub fn current_processing_time(&self) -> i64 {
        self.now
    }
}

#[cold]
fn without_time() -> Error {
    Error::user("a record without event time comes to a window of event time")
        .hint("give the source a WatermarkStrategy, call assign_timestamps_and_watermarks(), or use windows of processing time")
}

/// Whole milliseconds.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// # Errors
/// What cannot be zero is.
fn check_positive(what: &str, millis: i64) -> Result<()> {
    if millis > 0 { Ok(()) } else { Err(Error::user(format!("{what} of a window is less than a millisecond"))) }
}

fn check_offset(offset: i64, below: i64) -> Result<()> {
    if offset < below {
        return Ok(());
    }
    Err(Error::user(format!("the offset of windows is {offset} ms, and they begin every {below} ms"))
        .hint("an offset is less than that"))
}
