//! What is counted, of each destination.

use std::ops::AddAssign;
use std::sync::Arc;

use crate::url::Origin;

/// So many destinations are counted each by itself: the first that are seen. Records may choose any number of them.
pub(crate) const COUNTED: usize = 20;

/// What has been counted. All numbers only grow, but for the last two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Requests sent.
    pub(crate) sends: u64,
    /// Of these, such as were sent before.
    pub(crate) retries: u64,
    /// Records answered with success.
    pub(crate) delivered: u64,
    /// Answers by class, from 1XX on.
    pub(crate) classes: [u64; 5],
    /// Requests without an answer.
    pub(crate) unanswered: u64,
    /// Records given up.
    pub(crate) given_up: u64,
    /// Of these, such as the failover store has.
    pub(crate) failed_over: u64,
    /// And such as were dropped.
    pub(crate) dropped: u64,
    /// Batches cut in two.
    pub(crate) bisected: u64,
    /// How often a destination was found to be down.
    pub(crate) breaks: u64,
    /// Requests under way now.
    pub(crate) in_flight: u64,
    /// Records that are not done now.
    pub(crate) records: u64,
}

impl AddAssign<&Self> for Stats {
    fn add_assign(&mut self, other: &Self) {
        self.sends += other.sends;
        self.retries += other.retries;
        self.delivered += other.delivered;
        self.classes.iter_mut().zip(other.classes).for_each(|(all, more)| *all += more);
        self.unanswered += other.unanswered;
        self.given_up += other.given_up;
        self.failed_over += other.failed_over;
        self.dropped += other.dropped;
        self.bisected += other.bisected;
        self.breaks += other.breaks;
        self.in_flight += other.in_flight;
        self.records += other.records;
    }
}

/// Where a destination is counted: the others at 0.
pub(crate) type Slot = usize;

/// The counts of all destinations.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Of the others; then of each of `origins`.
    stats: Vec<Stats>,
    origins: Vec<Arc<Origin>>,
    /// The last that was asked for: the next record's is likely to be the same.
    last: Slot,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { stats: vec![Stats::default()], origins: Vec::new(), last: 0 }
    }

    /// Where a destination is counted.
    pub(super) fn slot(&mut self, origin: &Arc<Origin>) -> Slot {
        if self.origin(self.last).is_some_and(|last| Arc::ptr_eq(last, origin)) {
            return self.last;
        }
        self.last = match self.origins.iter().position(|known| known == origin) {
            Some(place) => place + 1,
            None if self.origins.len() < COUNTED => {
                self.origins.push(Arc::clone(origin));
                self.stats.push(Stats::default());
                self.origins.len()
            }
            None => 0,
        };
        self.last
    }

    /// What is counted there.
    pub(super) fn at(&mut self, slot: Slot) -> &mut Stats {
        &mut self.stats[slot]
    }

    /// The destination that is counted there; none for the others.
    pub(crate) fn origin(&self, slot: Slot) -> Option<&Arc<Origin>> {
        self.origins.get(slot.wrapping_sub(1))
    }

    /// What is counted, by slot.
    pub(crate) fn stats(&self) -> &[Stats] {
        &self.stats
    }

    /// Of all destinations.
    pub(crate) fn total(&self) -> Stats {
        let mut total = Stats::default();
        self.stats.iter().for_each(|stats| total += stats);
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_destinations_are_counted_by_themselves_and_the_rest_together() {
        let mut tally = Tally::new();
        let origin = |n: usize| Arc::new(Origin { is_https: false, host: format!("h{n}"), port: 80 });
        for round in 0..2 {
            for n in 0..COUNTED + 10 {
                let slot = tally.slot(&origin(n));
                assert_eq!(slot, if n < COUNTED { n + 1 } else { 0 }, "round {round}");
                tally.at(slot).sends += 1;
            }
        }
        assert_eq!((tally.stats()[0].sends, tally.stats()[1].sends, tally.stats().len()), (20, 2, COUNTED + 1));
        assert_eq!((tally.total().sends, tally.origin(0)), (2 * (COUNTED as u64 + 10), None));
        assert_eq!(tally.origin(1).map(|origin| origin.host.as_str()), Some("h0"));
    }
}
