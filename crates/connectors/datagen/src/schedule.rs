//! When which row is due.
//!
//! Row `n` of a table is due `n / rate` seconds after the start, so that the first `s` seconds hold `s * rate` rows, whatever happened between.
//! Splits take rows in turn: split `i` of `p` has the rows `i`, `i + p`, `i + 2p` ...

use std::time::Duration;

const NANOS: u128 = 1_000_000_000;

/// At most so long rows that are due wait for company, so that a batch is worth its cost.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// One of the equal parts of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Which part, from 0.
    pub index: u64,
    /// How many parts there are; at least 1.
    pub of: u64,
}

impl Share {
    /// How many of the table's first `total` rows are in this part.
    pub(crate) fn rows_of(self, total: u64) -> u64 {
        total.saturating_sub(self.index).div_ceil(self.of)
    }

    /// The number in the table of row `row` of this part.
    pub(crate) fn number(self, row: u64) -> u64 {
        row.saturating_mul(self.of).saturating_add(self.index)
    }
}

/// The timetable of one part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Rows per second of the whole table; at least 1.
    pub rate: u64,
    /// The part.
    pub share: Share,
}

impl Schedule {
    /// How many rows of the part are due `elapsed` after the start.
    pub(crate) fn due(self, elapsed: Duration) -> u64 {
        let before = u128::from(self.rate).saturating_mul(elapsed.as_nanos()) / NANOS;
        self.share.rows_of(u64::try_from(before.saturating_add(1)).unwrap_or(u64::MAX))
    }

    /// The earliest time after the start at which `rows` rows of the part are due.
    pub(crate) fn time(self, rows: u64) -> Duration {
        let Some(last) = rows.checked_sub(1) else { return Duration::ZERO };
        let nanos = (u128::from(self.share.number(last)) * NANOS).div_ceil(u128::from(self.rate));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What a part may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Make so many rows.
    Rows(u64),
    /// Wait until this time after the start.
    At(Duration),
}

/// Hands out the rows of one part: whole batches as soon as they are due, smaller ones every [`PACE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    schedule: Schedule,
    batch: u64,
    handed_out: u64,
    next: Duration,
}

impl Pacer {
    /// Starts; a batch has at most `batch` rows.
    pub(crate) fn new(schedule: Schedule, batch: u64) -> Self {
        Self { schedule, batch, handed_out: 0, next: Duration::ZERO }
    }

    /// What may be done `elapsed` after the start by a part that has `left` rows to make, at least 1. Rows that are handed out count as made.
    pub(crate) fn ready(&mut self, elapsed: Duration, left: u64) -> Ready {
        let batch = self.batch.min(left);
        let due = (self.schedule.due(elapsed) - self.handed_out).min(batch);
        if due == batch || (due > 0 && elapsed >= self.next) {
            self.handed_out += due;
            self.next = elapsed + PACE;
            return Ready::Rows(due);
        }
        let first = self.schedule.time(self.handed_out + 1).max(self.next);
        Ready::At(first.min(self.schedule.time(self.handed_out + batch)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// Runs a part's pacer on a clock that jumps to each time the pacer asks for, until `end`; the time and size of each batch.
    fn run(schedule: Schedule, batch: u64, end: Duration, total: u64) -> Vec<(Duration, u64)> {
        let mut pacer = Pacer::new(schedule, batch);
        let (mut now, mut made, mut batches) = (Duration::ZERO, 0, Vec::new());
        while now < end && made < total {
            match pacer.ready(now, total - made) {
                Ready::Rows(rows) => {
                    batches.push((now, rows));
                    made += rows;
                }
                Ready::At(time) => {
                    assert!(time > now, "a wait until the past at {now:?}");
                    now = time;
                }
            }
        }
        batches
    }

    proptest! {
        #[test]
        fn the_parts_of_a_table_have_each_row_once(total in 0u64..10_000, of in 1u64..20) {
            let mut numbers: Vec<u64> = (0..of)
                .map(|index| Share { index, of })
                .flat_map(|share| (0..share.rows_of(total)).map(move |row| share.number(row)))
                .collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..total).collect::<Vec<_>>());
        }

        #[test]
        fn whole_seconds_hold_exactly_the_rate(rate in 1u64..100_000_000, seconds in 1u64..100_000, of in 1u64..20) {
            let just_before = Duration::from_secs(seconds) - Duration::from_nanos(1);
            let parts = (0..of).map(|index| Schedule { rate, share: Share { index, of } });
            prop_assert_eq!(parts.map(|part| part.due(just_before)).sum::<u64>(), rate * seconds);
        }

        #[test]
        fn a_row_is_due_at_its_time_and_not_before(rate in 1u64..10_000_000, index in 0u64..3, row in 1u64..1_000_000) {
            let schedule = Schedule { rate, share: Share { index, of: 3 } };
            let time = schedule.time(row);
            prop_assert!(schedule.due(time) >= row);
            if let Some(before) = time.checked_sub(Duration::from_nanos(1)) {
                prop_assert!(schedule.due(before) < row);
            }
        }

        #[test]
        fn a_second_has_its_rows_spread_evenly(rate in 1u64..200_000) {
            let schedule = Schedule { rate, share: Share { index: 0, of: 1 } };
            let batches = run(schedule, 4096, Duration::from_secs(1), u64::MAX);
            let made: u64 = batches.iter().map(|(_, rows)| rows).sum();
            // What came due since the last batch follows with the next.
            let pending = rate.min(rate.div_ceil(100));
            prop_assert!(made <= rate && made + pending >= rate, "{} of {}", made, rate);
            for (_, rows) in &batches {
                prop_assert!(*rows <= rate.div_ceil(100) + 1);
            }
        }
    }

    #[test]
    fn high_rates_come_in_whole_batches_without_waiting() {
        let schedule = Schedule { rate: u64::MAX, share: Share { index: 1, of: 2 } };
        let mut pacer = Pacer::new(schedule, 4096);
        assert_eq!(pacer.ready(Duration::from_nanos(1), u64::MAX), Ready::Rows(4096));
        assert_eq!(pacer.ready(Duration::from_nanos(1), u64::MAX), Ready::Rows(4096));
        assert_eq!(pacer.ready(Duration::from_nanos(1), 5), Ready::Rows(5));
    }

    #[test]
    fn the_last_rows_come_as_soon_as_they_are_due() {
        let schedule = Schedule { rate: 1000, share: Share { index: 0, of: 1 } };
        let batches = run(schedule, 4096, Duration::from_secs(100), 25);
        assert_eq!(batches.iter().map(|(_, rows)| rows).sum::<u64>(), 25);
        assert_eq!(batches.last().map(|(time, _)| *time), Some(Duration::from_millis(24)));
    }

    #[test]
    fn a_late_reader_catches_up() {
        let schedule = Schedule { rate: 1000, share: Share { index: 0, of: 1 } };
        let mut pacer = Pacer::new(schedule, 4096);
        let late = Duration::from_millis(9_989);
        assert_eq!(pacer.ready(late, u64::MAX), Ready::Rows(4096));
        assert_eq!(pacer.ready(late, u64::MAX), Ready::Rows(4096));
        let next = Duration::from_millis(9_999);
        assert_eq!(pacer.ready(late, u64::MAX), Ready::At(next));
        assert_eq!(pacer.ready(next, u64::MAX), Ready::Rows(10_000 - 2 * 4096));
    }
}
