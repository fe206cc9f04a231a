//! When the result of a window comes.

mod continuous;
mod count;
mod delta;
mod once;
mod purging;

pub use continuous::{ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger};
pub use count::CountTrigger;
pub use delta::DeltaTrigger;
pub use once::{EndOfStreamTrigger, EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger};
pub use purging::PurgingTrigger;

use super::Window;
use super::pane::{Clocks, PaneTimers, Time};
use crate::State;

/// What is to be done with a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// Its result comes out.
    Fire,
    /// Its records are forgotten. The pane goes on, without them.
    Purge,
    /// Its result comes out, and then its records are forgotten.
    FireAndPurge,
}

impl TriggerResult {
    /// Whether a result comes out.
    pub fn is_fire(self) -> bool {
        matches!(self, Self::Fire | Self::FireAndPurge)
    }

    /// Whether records are forgotten.
    pub fn is_purge(self) -> bool {
        matches!(self, Self::Purge | Self::FireAndPurge)
    }
}

/// Says when the result of a window comes. Each subtask owns a clone.
///
/// What it remembers of a pane is its [`State`](Self::State), which comes and goes with the pane; so do its timers, which are of the pane
/// alone. So there is nothing to clear, where Flink's trigger has a `clear()`.
///
/// ```
/// use riverrun::window::{TimeWindow, Trigger, TriggerContext, TriggerResult, Window};
///
/// /// Fires for each record above a limit, and at the end of the window.
/// #[derive(Clone)]
/// struct Above(u64);
///
/// impl Trigger<u64, TimeWindow> for Above {
///     type State = ();
///
///     fn on_element(
///         &mut self,
///         value: &u64,
///         _timestamp: Option<i64>,
///         window: &TimeWindow,
///         _state: &mut (),
///         context: &mut TriggerContext<'_>,
///     ) -> TriggerResult {
///         context.register_event_time_timer(window.max_timestamp());
///         if *value > self.0 { TriggerResult::Fire } else { TriggerResult::Continue }
///     }
///
///     fn on_event_time(&mut self, _: i64, _: &TimeWindow, _: &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
///         TriggerResult::Fire
///     }
/// }
/// ```
pub trait Trigger<T, W: Window>: Clone + Send + Sync + 'static {
    /// What is remembered of each pane; the default is nothing.
    type State: State + Default + PartialEq;

    /// Whether it works on windows that merge. If so, [`Self::merge_states`] and [`Self::on_merge`] do what that needs.
    const CAN_MERGE: bool = false;

    /// A record comes into a pane; it is in it when the result comes out.
    fn on_element(
        &mut self,
        value: &T,
        timestamp: Option<i64>,
        window: &W,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult;

    /// Event time has come to `time`, for which a timer was set, or at which the pane ends.
    fn on_event_time(
        &mut self,
        time: i64,
        window: &W,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let (_, _, _, _) = (time, window, state, context);
        TriggerResult::Continue
    }

    /// The time of day has come to `time`, for which a timer was set, or at which the pane ends.
    fn on_processing_time(
        &mut self,
        time: i64,
        window: &W,
        state: &mut Self::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let (_, _, _, _) = (time, window, state, context);
        TriggerResult::Continue
    }

    /// What is remembered of two panes that become one.
    fn merge_states(&mut self, first: Self::State, second: Self::State) -> Self::State {
        let _ = second;
        first
    }

    /// Panes have become one, of `window`, which has none of their timers: the place to set those that it needs.
    fn on_merge(&mut self, window: &W, state: &mut Self::State, context: &mut TriggerContext<'_>) {
        let (_, _, _) = (window, state, context);
    }
}

/// The clocks, and the timers of one pane. A timer for a time is kept once, however often it is set.
pub struct TriggerContext<'a> {
    pub(super) watermark: i64,
    pub(super) now: i64,
    /// The window's last time.
    pub(super) end: i64,
    pub(super) timers: &'a mut PaneTimers,
    pub(super) clocks: &'a mut Clocks,
    pub(super) slot: u32,
}

impl TriggerContext<'_> {
    /// The event time to which the stream has come; `i64::MIN` before the first watermark.
    pub fn current_watermark(&self) -> i64 {
        self.watermark
    }

    /// The time of day, in epoch milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.now
    }

    /// Calls [`Trigger::on_event_time`] when event time has come to `time` (epoch milliseconds); with the next watermark, if it has already.
    #[inline]
    pub fn register_event_time_timer(&mut self, time: i64) {
        if self.timers.add(Time::Event, time, self.end) {
            self.clocks.wake(Time::Event, self.timers, time, self.slot);
        }
    }

    /// Calls [`Trigger::on_processing_time`] when the time of day is `time` (epoch milliseconds).
    #[inline]
    pub fn register_processing_time_timer(&mut self, time: i64) {
        if self.timers.add(Time::Processing, time, self.end) {
            self.clocks.wake(Time::Processing, self.timers, time, self.slot);
        }
    }

    /// Forgets the timer for this event time, if there is one.
    pub fn delete_event_time_timer(&mut self, time: i64) {
        self.timers.remove(Time::Event, time, self.end);
    }

    /// Forgets the timer for this time of day, if there is one.
    pub fn delete_processing_time_timer(&mut self, time: i64) {
        self.timers.remove(Time::Processing, time, self.end);
    }
}
