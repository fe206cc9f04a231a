//! Timers: those of each key, which are state, and the order of all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The timers of a key, epoch milliseconds in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyTimers {
    event: Vec<i64>,
    processing: Vec<i64>,
}

impl KeyTimers {
    pub(super) fn event(&self) -> &[i64] {
        &self.event
    }

    pub(super) fn processing(&self) -> &[i64] {
        &self.processing
    }

    pub(super) fn is_empty(&self) -> bool {
        self.event.is_empty() && self.processing.is_empty()
    }

    /// Answers whether it is new.
    pub(super) fn add_event(&mut self, time: i64) -> bool {
        add(&mut self.event, time)
    }

    pub(super) fn add_processing(&mut self, time: i64) -> bool {
        add(&mut self.processing, time)
    }

    /// Answers whether it was there.
    pub(super) fn remove_event(&mut self, time: i64) -> bool {
        remove(&mut self.event, time)
    }

    pub(super) fn remove_processing(&mut self, time: i64) -> bool {
        remove(&mut self.processing, time)
    }
}

fn add(times: &mut Vec<i64>, time: i64) -> bool {
    match times.binary_search(&time) {
        Ok(_) => false,
        Err(place) => {
            times.insert(place, time);
            true
        }
    }
}

fn remove(times: &mut Vec<i64>, time: i64) -> bool {
    times.binary_search(&time).map(|place| times.remove(place)).is_ok()
}

/// The timers of all keys, of both kinds of time.
#[derive(Default)]
pub(super) struct Timers {
    pub(super) event: TimerOrder,
    pub(super) processing: TimerOrder,
}

/// Which slots have a timer when. A slot can stand at a time for which its key has no timer any more: whoever takes it looks.
#[derive(Default)]
pub(super) struct TimerOrder(BTreeMap<i64, Vec<u32>>);

impl TimerOrder {
    pub(super) fn add(&mut self, time: i64, slot: u32) {
        self.0.entry(time).or_default().push(slot);
    }

    /// The earliest time at which there may be a timer.
    pub(super) fn first(&self) -> Option<i64> {
        self.0.first_key_value().map(|(time, _)| *time)
    }

    /// The earliest time up to `end`, with its slots in the order in which they were added; they are taken out.
    pub(super) fn take_until(&mut self, end: i64) -> Option<(i64, Vec<u32>)> {
        let first = self.0.first_entry().filter(|first| *first.key() <= end)?;
        Some(first.remove_entry())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
