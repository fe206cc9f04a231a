//! Panes: what is known of one key's records in one window; and the order in which the panes of all keys are woken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is known of one key's records in one window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pane<W, C, S> {
    pub(super) window: W,
    /// What is kept of the records; nothing before the first, and after a purge.
    pub(super) contents: Option<C>,
    /// What the trigger remembers.
    pub(super) trigger: S,
    pub(super) timers: PaneTimers,
}

impl<W, C, S: Default> Pane<W, C, S> {
    pub(super) fn new(window: W) -> Self {
        Self { window, contents: None, trigger: S::default(), timers: PaneTimers::default() }
    }
}

/// The two kinds of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Event,
    Processing,
}

/// The timers of a pane, which its trigger has set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PaneTimers {
    pub(super) event: Timers,
    pub(super) processing: Timers,
}

impl PaneTimers {
    pub(super) fn of(&mut self, kind: Time) -> &mut Timers {
        match kind {
            Time::Event => &mut self.event,
            Time::Processing => &mut self.processing,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.event.is_empty() && self.processing.is_empty()
    }

    /// Leaves no timer, but is woken when it was to be.
    pub(super) fn forget(&mut self) {
        for timers in [&mut self.event, &mut self.processing] {
            timers.at_end = false;
            timers.others.clear();
        }
    }

    /// Is woken also when another pane was to be, in whose place it is.
    pub(super) fn inherit(&mut self, other: &Self) {
        self.event.inherit(&other.event);
        self.processing.inherit(&other.processing);
    }
}

/// Timers of one kind of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timers {
    /// Whether there is one for the window's last time: the one that most panes have.
    at_end: bool,
    /// The others, in no order.
    others: Vec<i64>,
    /// The earliest time at which the pane will be looked at, if it will be.
    #[serde(skip)]
    wakes: Option<i64>,
}

impl Timers {
    /// Answers whether it is new. `end` is the window's last time, here and below.
    #[inline]
    pub(super) fn add(&mut self, time: i64, end: i64) -> bool {
        if time == end {
            return !std::mem::replace(&mut self.at_end, true);
        }
        let is_new = !self.others.contains(&time);
        if is_new {
            self.others.push(time);
        }
        is_new
    }

    /// Answers whether it was there.
    pub(super) fn remove(&mut self, time: i64, end: i64) -> bool {
        if time == end {
            return std::mem::take(&mut self.at_end);
        }
        let place = self.others.iter().position(|other| *other == time);
        place.map(|place| self.others.swap_remove(place)).is_some()
    }

    /// The earliest.
    pub(super) fn first(&self, end: i64) -> Option<i64> {
        self.others.iter().copied().chain(self.at_end.then_some(end)).min()
    }

    fn is_empty(&self) -> bool {
        !self.at_end && self.others.is_empty()
    }

    /// Whether the pane was to be woken at this time; it is awake then.
    pub(super) fn awake(&mut self, time: i64) -> bool {
        let is_due = self.wakes == Some(time);
        if is_due {
            self.wakes = None;
        }
        is_due
    }

    fn inherit(&mut self, other: &Self) {
        self.wakes = match (self.wakes, other.wakes) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }
}

/// When panes are woken, by both kinds of time.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    pub(super) event: Alarms,
    pub(super) processing: Alarms,
}

impl Clocks {
    pub(super) fn of(&mut self, kind: Time) -> &mut Alarms {
        match kind {
            Time::Event => &mut self.event,
            Time::Processing => &mut self.processing,
        }
    }
}

/// The slots whose panes are to be looked at, by time.
///
/// A pane stands here with one time, mostly: the earliest for which it had a timer. Woken, it says when it is to be woken next. So a session
/// that grows with each record, and whose end moves with it, costs an entry each time it is woken, and not one for each record.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BTreeMap<i64, Vec<u32>>);

impl Alarms {
    /// Sees to it that a pane of the slot is woken at this time, or before.
    #[inline]
    pub(super) fn wake(&mut self, timers: &mut Timers, time: i64, slot: u32) {
        if timers.wakes.is_none_or(|wakes| time < wakes) {
            timers.wakes = Some(time);
            self.0.entry(time).or_default().push(slot);
        }
    }

    /// The earliest time.
    pub(super) fn first(&self) -> Option<i64> {
        self.0.first_key_value().map(|(time, _)| *time)
    }

    /// The earliest time up to `end`, with its slots in the order in which they were added; they are taken out.
    pub(super) fn take_until(&mut self, end: i64) -> Option<(i64, Vec<u32>)> {
        let first = self.0.first_entry().filter(|first| *first.key() <= end)?;
        Some(first.remove_entry())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pane_whose_end_moves_on_with_each_record_is_woken_at_its_first_end_and_then_at_its_last() {
        let (mut alarms, mut timers) = (Alarms::default(), Timers::default());
        for end in 100..1_000 {
            timers.remove(end - 1, end - 1);
            assert!(timers.add(end, end));
            assert!(!timers.add(end, end));
            alarms.wake(&mut timers, end, 7);
        }
        assert_eq!(alarms.take_until(100), Some((100, vec![7])));
        assert!(timers.awake(100) && !timers.awake(100));
        assert_eq!((alarms.first(), timers.first(999)), (None, Some(999)));
        alarms.wake(&mut timers, 999, 7);
        assert_eq!((alarms.take_until(998), alarms.take_until(999)), (None, Some((999, vec![7]))));
    }

    #[test]
    fn a_timer_is_kept_once_and_the_earliest_comes_first() {
        let mut timers = Timers::default();
        assert!(timers.add(30, 50) && timers.add(20, 50) && timers.add(50, 50));
        assert!(!timers.add(20, 50));
        assert_eq!(timers.first(50), Some(20));
        assert!(timers.remove(20, 50) && !timers.remove(20, 50));
        assert!(timers.remove(30, 50) && timers.first(50) == Some(50));
        assert!(timers.remove(50, 50) && timers.is_empty());
    }
}
