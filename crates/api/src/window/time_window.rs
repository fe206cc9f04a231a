//! What a window is.

use std::fmt;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::State;

/// A set of records, told from others of its kind by what it is equal to.
pub trait Window: State + Eq + Hash + fmt::Debug {
    /// The last event time, in epoch milliseconds, of a record in the window: the event time of its results.
    fn max_timestamp(&self) -> i64;
}

/// The time from a start to an end.
///
/// ```
/// use riverrun::window::{TimeWindow, Window};
///
/// let window = TimeWindow::new(0, 60_000);
/// assert_eq!(window.max_timestamp(), 59_999);
/// assert!(window.intersects(&TimeWindow::new(60_000, 61_000)), "windows that touch are one session");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeWindow {
    start: i64,
    end: i64,
}

impl TimeWindow {
    /// From `start` up to `end`, exclusive, in epoch milliseconds.
    pub fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// The first time in the window, in epoch milliseconds.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The first time behind the window, in epoch milliseconds.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Whether both overlap, or one begins where the other ends.
    pub fn intersects(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The least window that holds both.
    #[must_use]
    pub fn cover(&self, other: &Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The start of that window of a size to which a time belongs, where windows follow each other without gaps and one starts at `offset`;
    /// all in milliseconds. The size is above zero.
    #[inline]
    pub fn start_with_offset(timestamp: i64, offset: i64, size: i64) -> i64 {
        timestamp.wrapping_sub(timestamp.wrapping_sub(offset).rem_euclid(size.max(1)))
    }
}

impl Window for TimeWindow {
    #[inline]
    fn max_timestamp(&self) -> i64 {
        self.end.wrapping_sub(1)
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeWindow{{start={}, end={}}}", self.start, self.end)
    }
}

/// The window of all records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GlobalWindow;

impl Window for GlobalWindow {
    /// The end of time.
    #[inline]
    fn max_timestamp(&self) -> i64 {
        i64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_starts_at_or_before_its_time_also_before_the_epoch() {
        let start = TimeWindow::start_with_offset;
        assert_eq!([start(0, 0, 7), start(5, 0, 7), start(6, 0, 7), start(7, 0, 7), start(8, 0, 7)], [0, 0, 0, 7, 7]);
        assert_eq!(
            [start(1, 3, 7), start(2, 3, 7), start(3, 3, 7), start(9, 3, 7), start(10, 3, 7)],
            [-4, -4, 3, 3, 10]
        );
        assert_eq!(
            [start(1, -2, 7), start(-2, -2, 7), start(3, -2, 7), start(4, -2, 7), start(12, -2, 7)],
            [-2, -2, -2, -2, 12]
        );
        assert_eq!([start(-1, 0, 7), start(-7, 0, 7), start(-8, 0, 7)], [-7, -7, -14]);
    }

    #[test]
    fn windows_that_touch_intersect_and_others_do_not() {
        let window = TimeWindow::new(10, 20);
        for (start, end, expected) in [(0, 9, false), (0, 10, true), (12, 13, true), (20, 30, true), (21, 30, false)] {
            let other = TimeWindow::new(start, end);
            assert_eq!((window.intersects(&other), other.intersects(&window)), (expected, expected), "{other}");
        }
        assert_eq!(window.cover(&TimeWindow::new(15, 30)), TimeWindow::new(10, 30));
    }
}
