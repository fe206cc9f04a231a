//! Timers: those of each key, which are state, and the order of all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeDomain {
    Event,
    Processing,
}

/// The timers of a key, epoch milliseconds in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyTimers {
    event: Vec<i64>,
    processing: Vec<i64>,
}

impl KeyTimers {
    pub(crate) fn times(&self, domain: TimeDomain) -> &[i64] {
        match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        }
    }

    fn times_mut(&mut self, domain: TimeDomain) -> &mut Vec<i64> {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.event.is_empty() && self.processing.is_empty()
    }

    /// Answers whether it is new.
    pub(super) fn add(&mut self, domain: TimeDomain, time: i64) -> bool {
        let times = self.times_mut(domain);
        match times.binary_search(&time) {
            Ok(_) => false,
            Err(place) => {
                times.insert(place, time);
                true
            }
        }
    }

    /// Answers whether it was there.
    pub(super) fn remove(&mut self, domain: TimeDomain, time: i64) -> bool {
        let times = self.times_mut(domain);
        times.binary_search(&time).map(|place| times.remove(place)).is_ok()
    }
}

/// The timers of all keys, of both kinds of time.
#[derive(Default)]
pub(super) struct Timers {
    event: TimerOrder,
    processing: TimerOrder,
}

impl Timers {
    pub(super) fn of(&self, domain: TimeDomain) -> &TimerOrder {
        match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        }
    }

    pub(super) fn of_mut(&mut self, domain: TimeDomain) -> &mut TimerOrder {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }
}

/// Which slots have a timer when. A slot can stand at a time for which its key has no timer any more: whoever takes it looks. Such places
/// are swept out when they are more than the others.
#[derive(Default)]
pub(super) struct TimerOrder {
    slots: BTreeMap<i64, Vec<u32>>,
    /// How many places there are.
    places: usize,
    /// How many timers there are.
    timers: usize,
}

/// So many places without a timer are never too many.
const FEW: usize = 1024;

impl TimerOrder {
    /// Adds a timer that is new.
    pub(super) fn add(&mut self, time: i64, slot: u32) {
        self.slots.entry(time).or_default().push(slot);
        self.places += 1;
        self.timers += 1;
    }

    /// A timer is gone: it fires, or was deleted. Its place may stay.
    pub(super) fn removed(&mut self) {
        self.timers = self.timers.saturating_sub(1);
    }

    /// Whether the places are to be swept.
    pub(super) fn is_littered(&self) -> bool {
        self.places > 2 * self.timers + FEW
    }

    /// Keeps one place for each timer.
    pub(super) fn sweep(&mut self, mut is_timer: impl FnMut(i64, u32) -> bool) {
        self.slots.retain(|time, slots| {
            slots.sort_unstable();
            slots.dedup();
            slots.retain(|slot| is_timer(*time, *slot));
            slots.shrink_to_fit();
            !slots.is_empty()
        });
        self.places = self.slots.values().map(Vec::len).sum();
    }

    /// The earliest time at which there may be a timer.
    pub(super) fn first(&self) -> Option<i64> {
        self.slots.first_key_value().map(|(time, _)| *time)
    }

    /// The earliest time up to `end`, with its slots in the order in which they were added; they are taken out.
    pub(super) fn take_until(&mut self, end: i64) -> Option<(i64, Vec<u32>)> {
        let first = self.slots.first_entry().filter(|first| *first.key() <= end)?;
        let (time, slots) = first.remove_entry();
        self.places -= slots.len();
        Some((time, slots))
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places
    }
}
