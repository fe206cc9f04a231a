//! The wall clock in which windows are cut.
//!
//! Windows on TIMESTAMP are cut in its own wall clock, windows on TIMESTAMP_LTZ in that of the session's zone, as in Flink
//! (`TimeWindowUtil`): a day begins at midnight there. Watermarks and timers are in the attribute's own time.

use std::collections::HashMap;

use arrow::buffer::ScalarBuffer;
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use riverrun_data::LogicalType;

/// How the times of one attribute are read. All times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WallClock {
    /// The attribute is a wall clock.
    Own,
    /// The attribute is an instant, shown in this zone.
    Zone(Tz),
}

impl WallClock {
    /// The wall clock of a time attribute of this type, in a session with this zone.
    pub(crate) fn of(attribute: &LogicalType, zone: Tz) -> Self {
        match attribute {
            // Two names of one clock; a machine set to UTC has the second.
            LogicalType::TimestampLtz(_) if !matches!(zone, Tz::UTC | Tz::Etc__UTC) => Self::Zone(zone),
            _ => Self::Own,
        }
    }

    /// What the wall clock shows at a time.
    pub(super) fn show(self, time: i64) -> i64 {
        match self {
            Self::Own => time,
            Self::Zone(zone) => time + offset(zone, time),
        }
    }

    /// What the wall clock shows at each of these times.
    pub(super) fn show_all(self, times: ScalarBuffer<i64>) -> ScalarBuffer<i64> {
        let Self::Zone(zone) = self else { return times };
        // Clocks are put forward and back at whole seconds, and rows near each other mostly share theirs.
        let mut last = None;
        let shown = times.iter().map(|time| {
            let second = time.div_euclid(1000);
            match last {
                Some((known, offset)) if known == second => time + offset,
                _ => {
                    let offset = offset(zone, *time);
                    last = Some((second, offset));
                    time + offset
                }
            }
        });
        shown.collect()
    }

    /// The first time at which the wall clock shows this; where it never does, because the clock is put forward over it, as much after
    /// that moment as this is after what the clock showed then.
    pub(super) fn first(self, wall: i64) -> i64 {
        let Self::Zone(zone) = self else { return wall };
        let Some(local) = naive(wall) else { return wall };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.timestamp_millis(),
            LocalResult::None => wall - offset_before(zone, local),
        }
    }

    /// As [`Self::first`], of many.
    pub(super) fn first_of_all(self, walls: impl ExactSizeIterator<Item = i64>) -> Vec<i64> {
        let Self::Zone(_) = self else { return walls.collect() };
        let mut known = HashMap::new();
        // Rows next to each other mostly share their window.
        let mut last = None;
        let first = |wall| match last {
            Some((of, first)) if of == wall => first,
            _ => {
                let first = *known.entry(wall).or_insert_with(|| self.first(wall));
                last = Some((wall, first));
                first
            }
        };
        walls.map(first).collect()
    }

    /// The time after which the wall clock never shows this or less: the last time at which it shows it; where it never does, the moment at
    /// which the clock is put forward.
    pub(super) fn last(self, wall: i64) -> i64 {
        let Self::Zone(zone) = self else { return wall };
        let Some(local) = naive(wall) else { return wall };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => at.timestamp_millis(),
            LocalResult::None => {
                let (mut before, mut after) = (wall - MILLIS_A_DAY, wall - offset_before(zone, local));
                let old = wall - after;
                while before + 1 < after {
                    let middle = before + (after - before) / 2;
                    if offset(zone, middle) == old { before = middle } else { after = middle }
                }
                after
            }
        }
    }
}

const MILLIS_A_DAY: i64 = 86_400_000;

fn naive(wall: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(wall).map(|utc| utc.naive_utc())
}

/// How far the wall clock of a zone is ahead of UTC.
fn offset(zone: Tz, time: i64) -> i64 {
    naive(time).map_or(0, |utc| i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1000)
}

/// How far the wall clock was ahead before it was put forward over `local`.
fn offset_before(zone: Tz, local: NaiveDateTime) -> i64 {
    let day_before = local - TimeDelta::days(1);
    i64::from(zone.offset_from_utc_datetime(&day_before).fix().local_minus_utc()) * 1000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const BERLIN: WallClock = WallClock::Zone(Tz::Europe__Berlin);

    fn utc(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap().and_utc().timestamp_millis()
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let shanghai = WallClock::Zone(Tz::Asia__Shanghai);
        assert_eq!(shanghai.show(0), 8 * 3_600_000);
        assert_eq!((shanghai.first(8 * 3_600_000), shanghai.last(8 * 3_600_000)), (0, 0));
        assert_eq!((WallClock::Own.show(5), WallClock::Own.first(5), WallClock::Own.last(5)), (5, 5, 5));
    }

    #[test]
    fn an_hour_that_comes_twice_begins_with_its_first_and_ends_with_its_second_pass() {
        // Berlin's clock goes from 03:00 back to 02:00 at 01:00 UTC.
        let shown = utc("2024-10-27 02:30:00");
        assert_eq!(BERLIN.first(shown), utc("2024-10-27 00:30:00"));
        assert_eq!(BERLIN.last(shown), utc("2024-10-27 01:30:00"));
        assert_eq!(BERLIN.show(utc("2024-10-27 00:30:00")), shown);
        assert_eq!(BERLIN.show(utc("2024-10-27 01:30:00")), shown);
    }

    #[test]
    fn an_hour_that_the_clock_skips_is_over_when_the_clock_is_put_forward() {
        // Berlin's clock goes from 02:00 to 03:00 at 01:00 UTC; Lord Howe's from 02:00 to 02:30 at 15:30 UTC of the day before.
        assert_eq!(BERLIN.first(utc("2024-03-31 02:30:00")), utc("2024-03-31 01:30:00"));
        assert_eq!(BERLIN.last(utc("2024-03-31 02:30:00")), utc("2024-03-31 01:00:00"));
        let lord_howe = WallClock::Zone(Tz::Australia__Lord_Howe);
        assert_eq!(lord_howe.first(utc("2024-10-06 02:10:00")), utc("2024-10-05 15:40:00"));
        assert_eq!(lord_howe.last(utc("2024-10-06 02:10:00")), utc("2024-10-05 15:30:00"));
    }

    #[test]
    fn many_times_are_shown_as_each_of_them() {
        let times: Vec<i64> = (0..2_000).map(|n| utc("2024-10-26 23:00:00") + n * 7_777).collect();
        let one_by_one: Vec<i64> = times.iter().map(|time| BERLIN.show(*time)).collect();
        assert_eq!(BERLIN.show_all(times.into()).to_vec(), one_by_one);
        let firsts: Vec<i64> = one_by_one.iter().map(|wall| BERLIN.first(*wall)).collect();
        assert_eq!(BERLIN.first_of_all(one_by_one.into_iter()), firsts);
    }
}
