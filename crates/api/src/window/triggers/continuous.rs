//! Triggers that fire again and again until the window's end.

use std::time::Duration;

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::Window;

/// Whole milliseconds, at least one.
fn interval_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// The last multiple of an interval up to a time.
fn floor(time: i64, interval: i64) -> i64 {
    time - time % interval
}

fn earlier(first: Option<i64>, second: Option<i64>) -> Option<i64> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (first, second) => first.or(second),
    }
}

/// Fires at every multiple of an interval of event time from a pane's first record on, and at the window's end.
#[derive(Clone, Copy, Debug)]
pub struct ContinuousEventTimeTrigger {
    interval: i64,
}

impl ContinuousEventTimeTrigger {
    /// Fires at multiples of this interval, in whole milliseconds, at least one.
    pub fn of(interval: Duration) -> Self {
        Self { interval: interval_of(interval) }
    }

    fn set_next<W: Window>(self, from: i64, window: &W, next: &mut Option<i64>, context: &mut TriggerContext<'_>) {
        let time = from.saturating_add(self.interval).min(window.max_timestamp());
        *next = earlier(*next, Some(time));
        context.register_event_time_timer(time);
    }
}

impl<T, W: Window> Trigger<T, W> for ContinuousEventTimeTrigger {
    /// When it fires next.
    type State = Option<i64>;

    const CAN_MERGE: bool = true;

    fn on_element(
        &mut self,
        _: &T,
        timestamp: Option<i64>,
        window: &W,
        next: &mut Option<i64>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let end = window.max_timestamp();
        if end <= context.current_watermark() {
            return TriggerResult::Fire;
        }
        context.register_event_time_timer(end);
        if next.is_none() {
            let timestamp = timestamp.unwrap_or(i64::MIN);
            self.set_next(floor(timestamp, self.interval), window, next, context);
        }
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        time: i64,
        window: &W,
        next: &mut Option<i64>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if time == window.max_timestamp() {
            return TriggerResult::Fire;
        }
        if *next != Some(time) {
            return TriggerResult::Continue;
        }
        *next = None;
        self.set_next(time, window, next, context);
        TriggerResult::Fire
    }

    fn merge_states(&mut self, first: Option<i64>, second: Option<i64>) -> Option<i64> {
        earlier(first, second)
    }

    fn on_merge(&mut self, _: &W, next: &mut Option<i64>, context: &mut TriggerContext<'_>) {
        if let Some(next) = next {
            context.register_event_time_timer(*next);
        }
    }
}

/// Fires at every multiple of an interval of the time of day, from a pane's first record on until the window's end.
#[derive(Clone, Copy, Debug)]
pub struct ContinuousProcessingTimeTrigger {
    interval: i64,
}

impl ContinuousProcessingTimeTrigger {
    /// Fires at multiples of this interval, in whole milliseconds, at least one.
    pub fn of(interval: Duration) -> Self {
        Self { interval: interval_of(interval) }
    }

    fn set_next<W: Window>(self, from: i64, window: &W, next: &mut Option<i64>, context: &mut TriggerContext<'_>) {
        let time = from.saturating_add(self.interval).min(window.max_timestamp());
        *next = earlier(*next, Some(time));
        context.register_processing_time_timer(time);
    }
}

impl<T, W: Window> Trigger<T, W> for ContinuousProcessingTimeTrigger {
    /// When it fires next.
    type State = Option<i64>;

    const CAN_MERGE: bool = true;

    fn on_element(
        &mut self,
        _: &T,
        _: Option<i64>,
        window: &W,
        next: &mut Option<i64>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if next.is_none() {
            self.set_next(floor(context.current_processing_time(), self.interval), window, next, context);
        }
        TriggerResult::Continue
    }

    fn on_processing_time(
        &mut self,
        time: i64,
        window: &W,
        next: &mut Option<i64>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if *next != Some(time) {
            return TriggerResult::Continue;
        }
        *next = None;
        // At the window's end there is no later time to fire at.
        if time < window.max_timestamp() {
            self.set_next(time, window, next, context);
        }
        TriggerResult::Fire
    }

    fn merge_states(&mut self, first: Option<i64>, second: Option<i64>) -> Option<i64> {
        earlier(first, second)
    }

    fn on_merge(&mut self, _: &W, next: &mut Option<i64>, context: &mut TriggerContext<'_>) {
        if let Some(next) = next {
            context.register_processing_time_timer(*next);
        }
    }
}
