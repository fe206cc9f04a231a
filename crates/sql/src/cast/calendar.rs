//! Dates of the proleptic Gregorian calendar (ISO 8601), as days since 1970-01-01, and the parts of a wall-clock time.
//!
//! Source of the day arithmetic: Howard Hinnant, "chrono-compatible low-level date algorithms".

/// Seconds of a day.
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
/// Milliseconds of a day.
pub(crate) const MILLIS_PER_DAY: i64 = 86_400_000;
/// Nanoseconds of a second.
pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    /// The year; 0 is 1 BC.
    pub(crate) year: i64,
    /// The month, 1 to 12.
    pub(crate) month: i64,
    /// The day of the month, 1 to 31.
    pub(crate) day: i64,
}

impl Date {
    /// The date that is `days` after 1970-01-01.
    pub(crate) fn of(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01. The month may lie outside 1 to 12 and the day outside the month: they carry over.
    pub(crate) fn days(self) -> i64 {
        let months = self.year * 12 + self.month - 1;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let year = year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_from_march = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468 + self.day - 1
    }

    /// The first of January of its year, in days since 1970-01-01.
    pub(crate) fn first_of_year(self) -> i64 {
        Self { month: 1, day: 1, ..self }.days()
    }

    /// The day of the year, from 1.
    pub(crate) fn day_of_year(self) -> i64 {
        self.days() - self.first_of_year() + 1
    }

    /// The quarter, 1 to 4.
    pub(crate) fn quarter(self) -> i64 {
        (self.month - 1) / 3 + 1
    }

    /// The same day `months` later; the last day of the month where that month is shorter.
    pub(crate) fn plus_months(self, months: i64) -> Self {
        // A billion years either way keep every sum within 64 bits.
        let months = months.clamp(-12_000_000_000, 12_000_000_000);
        let total = self.year * 12 + self.month - 1 + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }
}

/// How many days a month has.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a year has a 29th of February.
pub(crate) fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The day of the week, Monday 1 to Sunday 7 (ISO 8601).
pub(crate) fn iso_day_of_week(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The ISO 8601 year and week of a date.
pub(crate) fn iso_week(days: i64) -> (i64, i64) {
    // A week belongs to the year that its Thursday is in.
    let thursday = days - iso_day_of_week(days) + 4;
    let year = Date::of(thursday);
    (year.year, (thursday - year.first_of_year()) / 7 + 1)
}

/// A wall-clock time, or an instant as seen in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallTime {
    /// Days since 1970-01-01.
    pub(crate) days: i64,
    /// The second of the day, 0 to 86399.
    pub(crate) second_of_day: i64,
    /// The nanosecond of the second.
    pub(crate) nano: i64,
}

impl WallTime {
    /// The time that is `value` units after 1970-01-01 00:00:00, with `per_second` units a second.
    #[inline]
    pub(crate) fn of(value: i64, per_second: i64) -> Self {
        let seconds = value.div_euclid(per_second);
        Self {
            days: seconds.div_euclid(SECONDS_PER_DAY),
            second_of_day: seconds.rem_euclid(SECONDS_PER_DAY),
            nano: value.rem_euclid(per_second) * (NANOS_PER_SECOND / per_second),
        }
    }

    /// Seconds since 1970-01-01 00:00:00, without the fraction.
    pub(crate) fn seconds(self) -> i64 {
        self.days * SECONDS_PER_DAY + self.second_of_day
    }

    /// Units since 1970-01-01 00:00:00; `None` where that is beyond 64 bits. A finer fraction is cut off.
    pub(crate) fn units(self, per_second: i64) -> Option<i64> {
        self.seconds().checked_mul(per_second)?.checked_add(self.nano / (NANOS_PER_SECOND / per_second))
    }

    /// The date.
    pub(crate) fn date(self) -> Date {
        Date::of(self.days)
    }

    /// Hour, minute and second.
    pub(crate) fn clock(self) -> (i64, i64, i64) {
        (self.second_of_day / 3600, self.second_of_day / 60 % 60, self.second_of_day % 60)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weeks_follow_iso_8601() {
        let days = |year, month, day| Date { year, month, day }.days();
        assert_eq!(iso_week(days(2021, 1, 1)), (2020, 53));
        assert_eq!(iso_week(days(2021, 1, 4)), (2021, 1));
        assert_eq!(iso_week(days(2024, 12, 30)), (2025, 1));
        assert_eq!(iso_week(days(2026, 12, 31)), (2026, 53));
        assert_eq!(iso_day_of_week(0), 4);
        assert_eq!(iso_day_of_week(-4), 7);
    }

    #[test]
    fn months_and_days_carry_over() {
        assert_eq!(Date { year: 2026, month: 13, day: 1 }.days(), Date { year: 2027, month: 1, day: 1 }.days());
        assert_eq!(Date { year: 2026, month: 0, day: 32 }.days(), Date { year: 2026, month: 1, day: 1 }.days());
        let clipped = Date { year: 2026, month: 1, day: 31 }.plus_months(1);
        assert_eq!(clipped, Date { year: 2026, month: 2, day: 28 });
        assert_eq!(Date { year: 2024, month: 2, day: 29 }.plus_months(-48), Date { year: 2020, month: 2, day: 29 });
    }

    proptest! {
        #[test]
        fn days_and_dates_are_each_other_s_inverse(days in -4_000_000_i64..4_000_000) {
            let date = Date::of(days);
            prop_assert_eq!(date.days(), days);
            prop_assert!((1..=12).contains(&date.month) && (1..=days_in_month(date.year, date.month)).contains(&date.day));
            let next = Date::of(days + 1);
            prop_assert!((next.year, next.month, next.day) > (date.year, date.month, date.day));
        }

        #[test]
        fn times_and_units_are_each_other_s_inverse(value: i64) {
            for per_second in [1_000, 1_000_000, 1_000_000_000] {
                prop_assert_eq!(WallTime::of(value, per_second).units(per_second), Some(value));
            }
        }
    }
}
