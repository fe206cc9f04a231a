//! A trigger that counts.

use super::{Trigger, TriggerContext, TriggerResult};
use crate::window::Window;

/// Fires when so many records have come into a pane since it last fired.
#[derive(Clone, Copy, Debug)]
pub struct CountTrigger {
    most: u64,
}

impl CountTrigger {
    /// Fires with every `count`th record; with every one, for none.
    pub fn of(count: u64) -> Self {
        Self { most: count }
    }
}

impl<T, W: Window> Trigger<T, W> for CountTrigger {
    /// How many have come.
    type State = u64;

    const CAN_MERGE: bool = true;

    #[inline]
    fn on_element(
        &mut self,
        _: &T,
        _: Option<i64>,
        _: &W,
        count: &mut u64,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        *count += 1;
        if *count < self.most {
            return TriggerResult::Continue;
        }
        *count = 0;
        TriggerResult::Fire
    }

    fn merge_states(&mut self, first: u64, second: u64) -> u64 {
        first + second
    }
}
