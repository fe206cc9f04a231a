//! Days since 1970-01-01 as dates of the proleptic Gregorian calendar, and back.
//!
//! H. Hinnant, "chrono-compatible low-level date algorithms" (2021).

/// The day of a date, counted from 1970-01-01. Month and day must be in range.
///
/// ```
/// assert_eq!(riverrun_formats::text::days_from_civil(2000, 3, 1), 11_017);
/// ```
#[inline]
pub fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    // A year begins in March, so that a leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// ```
/// assert_eq!(riverrun_formats::text::civil_from_days(-1), (1969, 12, 31));
/// ```
#[inline]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "month is 1 to 12 and day 1 to 31")]
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// How many days a month has.
#[inline]
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
