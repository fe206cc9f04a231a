//! When a part file is complete.

use std::time::{Duration, Instant};

/// The limits of a part file.
#[derive(Clone, Copy, Debug)]
pub(super) struct RollingPolicy {
    /// A larger one takes no further row.
    pub size: u64,
    /// It is closed so long after it was begun.
    pub rollover: Duration,
    /// It is closed so long after its last row.
    pub inactivity: Duration,
    /// How often the two are looked at.
    pub check: Duration,
}

impl RollingPolicy {
    /// Whether a file takes no further row.
    pub(super) fn is_full(&self, size: u64) -> bool {
        size > self.size
    }

    /// Whether a file is closed at `now`, which was begun and got its last row at these times.
    pub(super) fn is_due(&self, begun: Instant, written: Instant, now: Instant) -> bool {
        let since = |time| now.saturating_duration_since(time);
        since(begun) >= self.rollover || since(written) >= self.inactivity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_rolls_by_size_by_age_or_when_nothing_comes() {
        let second = Duration::from_secs(1);
        let policy = RollingPolicy { size: 10, rollover: second * 30, inactivity: second * 5, check: second };
        assert!(!policy.is_full(10) && policy.is_full(11));
        let begun = Instant::now();
        assert!(!policy.is_due(begun, begun, begun + second * 4));
        assert!(policy.is_due(begun, begun, begun + second * 5));
        assert!(!policy.is_due(begun, begun + second * 25, begun + second * 29));
        assert!(policy.is_due(begun, begun + second * 29, begun + second * 30));
    }
}
