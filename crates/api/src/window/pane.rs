//! Panes: what is known of one key's records in one window; and the order in which the panes of all keys are woken.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Window;

/// What is known of one key's records in one window. With a small window and a small accumulator it is a cache line.
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

/// The panes of a key, in no order. The first lies in place, as most keys have one.
#[derive(Clone, Debug)]
pub(crate) struct Panes<P> {
    first: Option<P>,
    /// Empty if there is no first.
    rest: Vec<P>,
}

impl<P> Default for Panes<P> {
    fn default() -> Self {
        Self { first: None, rest: Vec::new() }
    }
}

impl<P> Panes<P> {
    #[cfg(test)]
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        self.first.iter().chain(&self.rest)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.first.iter_mut().chain(&mut self.rest)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut P> {
        match place.checked_sub(1) {
            None => self.first.as_mut(),
            Some(place) => self.rest.get_mut(place),
        }
    }

    /// The one that is looked for, and its place.
    #[inline]
    pub(super) fn find(&mut self, is_it: impl Fn(&P) -> bool) -> Option<(usize, &mut P)> {
        match &mut self.first {
            Some(first) if is_it(first) => Some((0, first)),
            _ => self.rest.iter_mut().enumerate().find_map(|(place, pane)| is_it(pane).then_some((place + 1, pane))),
        }
    }

    /// Answers the place.
    pub(super) fn push(&mut self, pane: P) -> usize {
        match &mut self.first {
            None => {
                self.first = Some(pane);
                0
            }
            Some(_) => {
                self.rest.push(pane);
                self.rest.len()
            }
        }
    }

    /// Takes one out; the last takes its place.
    pub(super) fn swap_remove(&mut self, place: usize) -> Option<P> {
        match place.checked_sub(1) {
            None => std::mem::replace(&mut self.first, self.rest.pop()),
            Some(place) => (place < self.rest.len()).then(|| self.rest.swap_remove(place)),
        }
    }
}

impl<P> From<Vec<P>> for Panes<P> {
    fn from(mut rest: Vec<P>) -> Self {
        let first = (!rest.is_empty()).then(|| rest.remove(0));
        Self { first, rest }
    }
}

impl<P: Serialize> Serialize for Panes<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Panes<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

/// The two kinds of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Event,
    Processing,
}

/// The timers of a pane, which its trigger has set, of both kinds of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PaneTimers {
    /// Whether there is one for the window's last time: the one that most panes have.
    at_end: [bool; 2],
    /// The others, in no order; few panes have any.
    others: Option<Box<[Vec<i64>; 2]>>,
    /// The earliest time at which the pane will be looked at.
    #[serde(skip, default = "asleep")]
    wakes: [i64; 2],
}

/// No time to be woken at.
const NEVER: i64 = i64::MIN;

fn asleep() -> [i64; 2] {
    [NEVER; 2]
}

impl Default for PaneTimers {
    fn default() -> Self {
        Self { at_end: [false; 2], others: None, wakes: asleep() }
    }
}

impl PaneTimers {
    /// Answers whether it is new. `end` is the window's last time, here and below.
    #[inline]
    pub(super) fn add(&mut self, kind: Time, time: i64, end: i64) -> bool {
        if time == end {
            return !std::mem::replace(&mut self.at_end[kind as usize], true);
        }
        let others = &mut self.others.get_or_insert_default()[kind as usize];
        let is_new = !others.contains(&time);
        if is_new {
            others.push(time);
        }
        is_new
    }

    /// Answers whether it was there.
    pub(super) fn remove(&mut self, kind: Time, time: i64, end: i64) -> bool {
        if time == end {
            return std::mem::take(&mut self.at_end[kind as usize]);
        }
        let Some(both) = &mut self.others else { return false };
        let others = &mut both[kind as usize];
        let place = others.iter().position(|other| *other == time);
        let removed = place.map(|place| others.swap_remove(place)).is_some();
        if both.iter().all(Vec::is_empty) {
            self.others = None;
        }
        removed
    }

    /// The earliest.
    fn first(&self, kind: Time, end: i64) -> Option<i64> {
        let others = self.others.iter().flat_map(|others| others[kind as usize].iter().copied());
        others.chain(self.at_end[kind as usize].then_some(end)).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at_end == [false; 2] && self.others.is_none()
    }

    /// Leaves no timer, but is woken when it was to be.
    pub(super) fn forget(&mut self) {
        self.at_end = [false; 2];
        self.others = None;
    }

    /// Whether the pane was to be woken at this time; it is awake then.
    pub(super) fn awake(&mut self, kind: Time, time: i64) -> bool {
        let is_due = self.wakes[kind as usize] == time;
        if is_due {
            self.wakes[kind as usize] = NEVER;
        }
        is_due
    }

    /// Is woken also when another pane was to be, in whose place it is.
    pub(super) fn inherit(&mut self, other: &Self) {
        for (own, other) in self.wakes.iter_mut().zip(other.wakes) {
            if other != NEVER && (*own == NEVER || other < *own) {
                *own = other;
            }
        }
    }
}

/// The slots whose panes are to be looked at, by time of both kinds.
///
/// A pane stands here with one time, mostly: the earliest for which it had a timer. Woken, it says when it is to be woken next. So a session
/// that grows with each record, and whose end moves with it, costs an entry each time it is woken, and not one for each record.
#[derive(Debug, Default)]
pub(crate) struct Clocks([BTreeMap<i64, Vec<u32>>; 2]);

impl Clocks {
    /// Sees to it that a pane of the slot is woken at this time, or before.
    #[inline]
    pub(super) fn wake(&mut self, kind: Time, timers: &mut PaneTimers, time: i64, slot: u32) {
        let wakes = &mut timers.wakes[kind as usize];
        if *wakes == NEVER || time < *wakes {
            *wakes = time;
            self.0[kind as usize].entry(time).or_default().push(slot);
        }
    }

    /// Sees to it that a pane is woken for its next timers, and for its end.
    pub(super) fn wake_next<W: Window, C, S>(
        &mut self,
        pane: &mut Pane<W, C, S>,
        is_event_time: bool,
        end_of_pane: i64,
        slot: u32,
    ) {
        let end = pane.window.max_timestamp();
        for kind in [Time::Event, Time::Processing] {
            let ends = (is_event_time == (kind == Time::Event) && end_of_pane != i64::MAX).then_some(end_of_pane);
            if let Some(time) = pane.timers.first(kind, end).into_iter().chain(ends).min() {
                self.wake(kind, &mut pane.timers, time, slot);
            }
        }
    }

    /// The earliest time.
    pub(super) fn first(&self, kind: Time) -> Option<i64> {
        self.0[kind as usize].first_key_value().map(|(time, _)| *time)
    }

    /// The earliest time up to `end`, with its slots in the order in which they were added; they are taken out.
    pub(super) fn take_until(&mut self, kind: Time, end: i64) -> Option<(i64, Vec<u32>)> {
        let first = self.0[kind as usize].first_entry().filter(|first| *first.key() <= end)?;
        Some(first.remove_entry())
    }
}

/// When the pane of a window ends: no later record comes into it. `i64::MAX` is never.
#[inline]
pub(super) fn end_of_pane<W: Window>(window: &W, is_event_time: bool, allowed_lateness: i64) -> i64 {
    let end = window.max_timestamp();
    if is_event_time { end.saturating_add(allowed_lateness) } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::TimeWindow;

    const EVENT: Time = Time::Event;

    #[test]
    fn a_pane_whose_end_moves_on_with_each_record_is_woken_at_its_first_end_and_then_at_its_last() {
        let (mut clocks, mut timers) = (Clocks::default(), PaneTimers::default());
        for end in 100..1_000 {
            timers.forget();
            assert!(timers.add(EVENT, end, end));
            assert!(!timers.add(EVENT, end, end));
            clocks.wake(EVENT, &mut timers, end, 7);
        }
        assert_eq!(clocks.take_until(EVENT, 100), Some((100, vec![7])));
        assert!(timers.awake(EVENT, 100) && !timers.awake(EVENT, 100));
        assert_eq!((clocks.first(EVENT), timers.first(EVENT, 999)), (None, Some(999)));
        clocks.wake(EVENT, &mut timers, 999, 7);
        assert_eq!((clocks.take_until(EVENT, 998), clocks.take_until(EVENT, 999)), (None, Some((999, vec![7]))));
    }

    #[test]
    fn a_timer_is_kept_once_and_the_earliest_comes_first() {
        let mut timers = PaneTimers::default();
        assert!(timers.add(EVENT, 30, 50) && timers.add(EVENT, 20, 50) && timers.add(EVENT, 50, 50));
        assert!(timers.add(Time::Processing, 20, 50) && timers.remove(Time::Processing, 20, 50));
        assert!(!timers.add(EVENT, 20, 50));
        assert_eq!(timers.first(EVENT, 50), Some(20));
        assert!(timers.remove(EVENT, 20, 50) && !timers.remove(EVENT, 20, 50));
        assert!(timers.remove(EVENT, 30, 50) && timers.first(EVENT, 50) == Some(50));
        assert!(timers.remove(EVENT, 50, 50) && timers.is_empty());
    }

    #[test]
    fn panes_stay_when_one_is_taken_out() {
        let mut panes = Panes::from(vec![1, 2, 3]);
        assert_eq!(panes.push(4), 3);
        assert_eq!((panes.swap_remove(0), panes.len()), (Some(1), 3));
        assert_eq!(panes.iter().copied().collect::<Vec<_>>(), [4, 2, 3]);
        assert_eq!(panes.swap_remove(1), Some(2));
        assert_eq!([4, 3].map(|it| panes.find(|pane| *pane == it).map(|(place, _)| place)), [Some(0), Some(1)]);
        assert_eq!([panes.swap_remove(5), panes.swap_remove(0), panes.swap_remove(0)], [None, Some(4), Some(3)]);
        assert!(panes.is_empty() && panes.swap_remove(0).is_none());
    }

    #[test]
    fn a_pane_that_counts_in_a_time_window_is_a_cache_line() {
        assert_eq!(size_of::<Option<Pane<TimeWindow, u64, ()>>>(), 64);
    }
}
