//! Triggers that fire at a window's end, or never.

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::Window;

/// Fires when the watermark has passed the window's end, and for each record that comes after that and is not late.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventTimeTrigger;

impl<T, W: Window> Trigger<T, W> for EventTimeTrigger {
    type State = ();

    const CAN_MERGE: bool = true;

    #[inline]
    fn on_element(
        &mut self,
        _: &T,
        _: Option<i64>,
        window: &W,
        (): &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let end = window.max_timestamp();
        if end <= context.current_watermark() {
            return TriggerResult::Fire;
        }
        context.register_event_time_timer(end);
        TriggerResult::Continue
    }

    fn on_event_time(&mut self, time: i64, window: &W, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        if time == window.max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn on_merge(&mut self, window: &W, (): &mut (), context: &mut TriggerContext<'_>) {
        let end = window.max_timestamp();
        if end > context.current_watermark() {
            context.register_event_time_timer(end);
        }
    }
}

/// Fires when the time of day has passed the window's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessingTimeTrigger;

impl<T, W: Window> Trigger<T, W> for ProcessingTimeTrigger {
    type State = ();

    const CAN_MERGE: bool = true;

    #[inline]
    fn on_element(
        &mut self,
        _: &T,
        _: Option<i64>,
        window: &W,
        (): &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        context.register_processing_time_timer(window.max_timestamp());
        TriggerResult::Continue
    }

    fn on_processing_time(&mut self, _: i64, _: &W, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        TriggerResult::Fire
    }

    fn on_merge(&mut self, window: &W, (): &mut (), context: &mut TriggerContext<'_>) {
        let end = window.max_timestamp();
        if end > context.current_processing_time() {
            context.register_processing_time_timer(end);
        }
    }
}

/// Never fires: what [`GlobalWindows`](crate::window::GlobalWindows) have where nothing else is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverTrigger;

impl<T, W: Window> Trigger<T, W> for NeverTrigger {
    type State = ();

    const CAN_MERGE: bool = true;

    fn on_element(&mut self, _: &T, _: Option<i64>, _: &W, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        TriggerResult::Continue
    }
}

/// Fires at the end of bounded input.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndOfStreamTrigger;

impl<T, W: Window> Trigger<T, W> for EndOfStreamTrigger {
    type State = ();

    const CAN_MERGE: bool = true;

    #[inline]
    fn on_element(
        &mut self,
        _: &T,
        _: Option<i64>,
        _: &W,
        (): &mut (),
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        context.register_event_time_timer(i64::MAX);
        TriggerResult::Continue
    }

    fn on_event_time(&mut self, time: i64, _: &W, (): &mut (), _: &mut TriggerContext<'_>) -> TriggerResult {
        if time == i64::MAX { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn on_merge(&mut self, _: &W, (): &mut (), context: &mut TriggerContext<'_>) {
        context.register_event_time_timer(i64::MAX);
    }
}
