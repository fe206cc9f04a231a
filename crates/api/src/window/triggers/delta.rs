//! A trigger that fires when records have moved away from the one it fired for last.

use super::{Trigger, TriggerContext, TriggerResult};
use crate::State;
use crate::window::Window;

/// Fires for a record whose distance from the last one that it fired for, as a function measures it, is above a threshold. A pane's first
/// record is only remembered.
///
/// ```
/// use riverrun::window::DeltaTrigger;
///
/// // Each hundred metres.
/// let trigger = DeltaTrigger::of(100.0, |last: &(f64, String), next: &(f64, String)| next.0 - last.0);
/// # let _ = trigger;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DeltaTrigger<F> {
    threshold: f64,
    delta: F,
}

impl<F> DeltaTrigger<F> {
    /// Fires when `delta` of the last record and the present one is more than the threshold.
    pub fn of<T>(threshold: f64, delta: F) -> Self
    where
        F: Fn(&T, &T) -> f64,
    {
        Self { threshold, delta }
    }
}

impl<T, W, F> Trigger<T, W> for DeltaTrigger<F>
where
    T: State + PartialEq,
    W: Window,
    F: Fn(&T, &T) -> f64 + Clone + Send + Sync + 'static,
{
    /// The record that it fired for last.
    type State = Option<T>;

    fn on_element(
        &mut self,
        value: &T,
        _: Option<i64>,
        _: &W,
        last: &mut Option<T>,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        match last {
            Some(before) if (self.delta)(before, value) > self.threshold => {
                *last = Some(value.clone());
                TriggerResult::Fire
            }
            Some(_) => TriggerResult::Continue,
            None => {
                *last = Some(value.clone());
                TriggerResult::Continue
            }
        }
    }
}
