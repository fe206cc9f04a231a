//! A trigger that forgets.

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::Window;

/// Fires when another trigger does, and then forgets the pane's records.
#[derive(Clone, Copy, Debug)]
pub struct PurgingTrigger<Tr> {
    nested: Tr,
}

impl<Tr> PurgingTrigger<Tr> {
    /// In place of a trigger.
    pub fn of(nested: Tr) -> Self {
        Self { nested }
    }
}

fn purging(result: TriggerResult) -> TriggerResult {
    if result.is_fire() { TriggerResult::FireAndPurge } else { result }
}

impl<T, W: Window, Tr: Trigger<T, W>> Trigger<T, W> for PurgingTrigger<Tr> {
    type State = Tr::State;

    const CAN_MERGE: bool = Tr::CAN_MERGE;

    #[inline]
    fn on_element(
        &mut self,
        value: &T,
        timestamp: Option<i64>,
        window: &W,
        state: &mut Tr::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.nested.on_element(value, timestamp, window, state, context))
    }

    fn on_event_time(
        &mut self,
        time: i64,
        window: &W,
        state: &mut Tr::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.nested.on_event_time(time, window, state, context))
    }

    fn on_processing_time(
        &mut self,
        time: i64,
        window: &W,
        state: &mut Tr::State,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.nested.on_processing_time(time, window, state, context))
    }

    fn merge_states(&mut self, first: Tr::State, second: Tr::State) -> Tr::State {
        self.nested.merge_states(first, second)
    }

    fn on_merge(&mut self, window: &W, state: &mut Tr::State, context: &mut TriggerContext<'_>) {
        self.nested.on_merge(window, state, context);
    }
}
