//! Time zones: wall-clock times to instants and back, with gaps and overlaps treated as Java does.

use std::cell::Cell;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Which instant a wall-clock time means that the clocks show twice, when they are set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// The first, as `java.time` chooses: casts.
    Earlier,
    /// The second, as `java.util.Calendar` chooses: `UNIX_TIMESTAMP`, `CONVERT_TZ`.
    Later,
}

/// A zone for many conversions in a row: the offset of the last minute is remembered.
pub(crate) struct Zone {
    zone: Tz,
    /// A minute since the epoch and its offset in seconds.
    last: Cell<(i64, i64)>,
}

impl Zone {
    /// A zone.
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, last: Cell::new((i64::MIN, 0)) }
    }

    /// Whether it is UTC, where nothing needs to be converted.
    pub(crate) fn is_utc(&self) -> bool {
        matches!(self.zone, Tz::UTC | Tz::Etc__UTC | Tz::GMT | Tz::Etc__GMT | Tz::UCT | Tz::Zulu)
    }

    /// Its offset from UTC, in seconds, at an instant in seconds since the epoch.
    pub(crate) fn offset_at(&self, seconds: i64) -> i64 {
        if self.is_utc() {
            return 0;
        }
        let minute = seconds.div_euclid(60);
        let (known, offset) = self.last.get();
        // Offsets before 1972 can change within a minute.
        if known == minute && seconds > 63_072_000 {
            return offset;
        }
        let offset = naive(seconds)
            .map_or(0, |time| i64::from(self.zone.offset_from_utc_datetime(&time).fix().local_minus_utc()));
        self.last.set((minute, offset));
        offset
    }

    /// The instant, in seconds since the epoch, of a wall-clock time in seconds since 1970-01-01 00:00:00. A time that the clocks skip is
    /// moved forward by the gap.
    pub(crate) fn instant_of(&self, wall: i64, overlap: Overlap) -> i64 {
        if self.is_utc() {
            return wall;
        }
        let Some(time) = naive(wall) else { return wall };
        let offset = match self.zone.offset_from_local_datetime(&time) {
            MappedLocalTime::Single(offset) => i64::from(offset.fix().local_minus_utc()),
            MappedLocalTime::Ambiguous(a, b) => {
                let (a, b) = (i64::from(a.fix().local_minus_utc()), i64::from(b.fix().local_minus_utc()));
                if overlap == Overlap::Earlier { a.max(b) } else { a.min(b) }
            }
            // The offset that was in force before the gap; none is longer than a day.
            MappedLocalTime::None => self.offset_at(wall - 86_400),
        };
        wall - offset
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_move_forward_and_overlaps_follow_the_choice() {
        let paris = Zone::new(Tz::Europe__Paris);
        // 2026-03-29 02:30 does not exist.
        assert_eq!(paris.instant_of(1_774_751_400, Overlap::Earlier), 1_774_747_800);
        assert_eq!(paris.offset_at(1_774_747_800), 7200);
        assert_eq!(paris.offset_at(1_774_742_400), 3600);
        // 2026-10-25 02:30 exists twice.
        assert_eq!(paris.instant_of(1_792_895_400, Overlap::Earlier), 1_792_888_200);
        assert_eq!(paris.instant_of(1_792_895_400, Overlap::Later), 1_792_891_800);
    }

    #[test]
    fn utc_has_no_offset() {
        let utc = Zone::new(Tz::UTC);
        assert!(utc.is_utc());
        assert_eq!((utc.offset_at(5), utc.instant_of(5, Overlap::Later)), (0, 5));
    }
}
