//! How a chain of deltas is kept short.
//!
//! Each delta also holds the next stretch of what has not changed, round and round. After a full circle everything is in the deltas of
//! that circle, and older ones are needed no more. So no snapshot ever costs much more than what changed.

use std::collections::VecDeque;

/// Which of the last deltas hold all state. Positions are places in the order in which state is written again; what appears at a
/// place that was passed already is dirty, and so in a delta after that.
#[derive(Debug)]
pub struct Rebase<P> {
    /// How many deltas there were.
    deltas: usize,
    /// Of the circle before this one: deltas, and the end of the stretch in each; `None` is the end of all. Those that this circle has
    /// passed are gone.
    before: VecDeque<(usize, Option<P>)>,
    /// Of this circle.
    current: VecDeque<(usize, Option<P>)>,
    suffices: Option<usize>,
    least: usize,
}

/// A stretch is at least this part of everything.
const PART: usize = 64;
/// A stretch is at least so many rows, so that little state is written as a whole.
const LEAST_ROWS: usize = 1024;

impl<P: PartialOrd> Default for Rebase<P> {
    fn default() -> Self {
        Self::with_least(LEAST_ROWS)
    }
}

impl<P: PartialOrd> Rebase<P> {
    /// With stretches of at least so many rows.
    pub fn with_least(least: usize) -> Self {
        let (before, current) = (VecDeque::new(), VecDeque::new());
        Self { deltas: 0, before, current, suffices: None, least: least.max(1) }
    }

    /// How long the next stretch is: as long as what is dirty, and no less than a part of all rows.
    pub fn stretch(&self, dirty: usize, rows: usize) -> usize {
        dirty.max(rows.div_ceil(PART)).max(self.least)
    }

    /// Where the next stretch begins; `None` is the first place.
    pub fn start(&self) -> Option<&P> {
        self.current.back().and_then(|(_, end)| end.as_ref())
    }

    /// How many of the last deltas hold all state; `None` while all of them do not.
    pub fn suffices(&self) -> Option<usize> {
        self.suffices
    }

    /// Whether there was a delta.
    pub fn has_deltas(&self) -> bool {
        self.deltas > 0
    }

    /// A delta holds everything.
    pub fn all(&mut self) {
        self.current.clear();
        self.reach(None);
    }

    /// A delta holds what is dirty, and everything from [the start](Self::start) up to `end` (exclusive); `None` is the end of all.
    pub fn reach(&mut self, end: Option<P>) {
        self.deltas += 1;
        match end {
            None => {
                self.before = std::mem::take(&mut self.current);
                self.before.push_back((self.deltas, None));
            }
            Some(end) => {
                while self
                    .before
                    .front()
                    .is_some_and(|(_, passed)| passed.as_ref().is_some_and(|passed| *passed <= end))
                {
                    self.before.pop_front();
                }
                self.current.push_back((self.deltas, Some(end)));
            }
        }
        self.suffices = self.before.front().map(|(first, _)| self.deltas + 1 - first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_later_nothing_older_is_needed() {
        let mut rebase = Rebase::<u32>::with_least(1);
        let mut reach = |end| {
            rebase.reach(end);
            (rebase.start().copied(), rebase.suffices())
        };
        assert_eq!(reach(Some(10)), (Some(10), None));
        assert_eq!(reach(Some(20)), (Some(20), None));
        assert_eq!(reach(None), (None, Some(3)));
        assert_eq!(reach(Some(5)), (Some(5), Some(4)));
        assert_eq!(reach(Some(10)), (Some(10), Some(4)));
        assert_eq!(reach(Some(25)), (Some(25), Some(4)));
        assert_eq!(reach(Some(30)), (Some(30), Some(5)));
        assert_eq!(reach(None), (None, Some(5)));
        rebase.all();
        assert_eq!((rebase.start(), rebase.suffices()), (None, Some(1)));
    }

    #[test]
    fn a_stretch_is_as_long_as_what_is_dirty_and_a_part_of_all_at_least() {
        let rebase = Rebase::<u32>::default();
        assert_eq!(
            [(5, 100), (5_000, 100), (0, 640_000)].map(|(dirty, rows)| rebase.stretch(dirty, rows)),
            [1024, 5_000, 10_000]
        );
    }
}
