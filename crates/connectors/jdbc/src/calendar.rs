//! Dates and times of day as text, and back: `2024-02-29`, `23:59:59.123`, `2024-02-29 23:59:59.123`.
//!
//! Days count from 1970-01-01 in the proleptic Gregorian calendar, by Howard Hinnant's algorithms
//! (<https://howardhinnant.github.io/date_algorithms.html>).

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;

/// The days from 1970-01-01 to a date; `None` where there is no such date.
pub(crate) fn days_of(year: i64, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (i64::from(month) + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// The year, month and day of a count of days from 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u32::try_from(month).unwrap_or_default(), u32::try_from(day).unwrap_or_default())
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Appends `2024-02-29`. False where the year does not fit four digits; then nothing is appended.
pub(crate) fn write_date(out: &mut Vec<u8>, days: i64) -> bool {
    let (year, month, day) = date_of(days);
    let Ok(year @ 0..=9999) = u64::try_from(year) else { return false };
    digits(out, year, 4);
    out.push(b'-');
    digits(out, u64::from(month), 2);
    out.push(b'-');
    digits(out, u64::from(day), 2);
    true
}

/// Appends `23:59:59`, with `fraction` digits of a second behind a dot if `fraction` is not 0. Further digits are cut.
pub(crate) fn write_time(out: &mut Vec<u8>, nanos_of_day: i64, fraction: u8) {
    let nanos = u64::try_from(nanos_of_day).unwrap_or_default();
    let seconds = nanos / NANOS_PER_SECOND.unsigned_abs();
    digits(out, seconds / 3600, 2);
    out.push(b':');
    digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    digits(out, seconds % 60, 2);
    if fraction > 0 {
        let fraction = fraction.min(9);
        out.push(b'.');
        digits(
            out,
            nanos % NANOS_PER_SECOND.unsigned_abs() / 10u64.pow(u32::from(9 - fraction)),
            usize::from(fraction),
        );
    }
}

/// Appends `2024-02-29 23:59:59.123`. False where the year does not fit four digits; then nothing is appended.
pub(crate) fn write_timestamp(out: &mut Vec<u8>, seconds: i64, nanos: u32, fraction: u8) -> bool {
    if !write_date(out, seconds.div_euclid(SECONDS_PER_DAY)) {
        return false;
    }
    out.push(b' ');
    write_time(out, seconds.rem_euclid(SECONDS_PER_DAY) * NANOS_PER_SECOND + i64::from(nanos), fraction);
    true
}

fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    out.resize(start + width, b'0');
    for place in out[start..].iter_mut().rev() {
        *place += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Reads `2024-02-29`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?;
    if year.len() < 4 {
        return None;
    }
    days_of(number(year)?, u32::try_from(number(parts.next()?)?).ok()?, u32::try_from(number(parts.next()?)?).ok()?)
}

/// Reads `23:59`, `23:59:59` or `23:59:59.123456789` as nanoseconds of the day.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hours = number(parts.next()?)?;
    let minutes = number(parts.next()?)?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(rest) => {
            let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, ""));
            (number(seconds)?, parse_fraction(fraction)?)
        }
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some((hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND + fraction)
}

/// Reads a date, or a date and a time of day with a blank or `T` between them, as seconds and nanoseconds from
/// 1970-01-01. An offset (`Z`, `+02:00`) is taken off where there is one.
pub(crate) fn parse_timestamp(text: &str) -> Option<(i64, u32)> {
    let text = text.trim();
    let Some(split) = text.find([' ', 'T']) else {
        return Some((i64::from(parse_date(text)?) * SECONDS_PER_DAY, 0));
    };
    let date = i64::from(parse_date(&text[..split])?);
    let (time, offset) = split_offset(text.get(split + 1..)?.trim())?;
    let nanos_of_day = parse_time(time)?;
    let nanos = u32::try_from(nanos_of_day % NANOS_PER_SECOND).ok()?;
    Some((date * SECONDS_PER_DAY + nanos_of_day / NANOS_PER_SECOND - offset, nanos))
}

/// The time of day before an offset, and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time.trim_end(), 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let offset = &text[at + 1..];
    let seconds = match offset.split_once(':') {
        Some((hours, minutes)) => number(hours)? * 3600 + number(minutes)? * 60,
        None => number(offset)? * 3600,
    };
    Some((text[..at].trim_end(), if text[at..].starts_with('-') { -seconds } else { seconds }))
}

/// Nanoseconds of a fraction's digits.
fn parse_fraction(text: &str) -> Option<i64> {
    if text.len() > 9 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.bytes().chain(std::iter::repeat(b'0')).take(9).try_fold(0, |sum, byte| Some(sum * 10 + i64::from(byte - b'0')))
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_nine_thousand_years_is_read_as_it_was_written() {
        let mut text = Vec::new();
        for days in -719_528..2_932_896 {
            text.clear();
            assert!(write_date(&mut text, i64::from(days)), "{days}");
            assert_eq!(parse_date(std::str::from_utf8(&text).unwrap()), Some(days));
        }
        assert!(!write_date(&mut text, 2_932_897), "the year 10000");
        assert!(!write_date(&mut text, -719_529), "the year -1");
    }

    #[test]
    fn timestamps_before_1970_keep_their_fraction() {
        let mut text = Vec::new();
        assert!(write_timestamp(&mut text, -1, 500_000_000, 3));
        assert_eq!(text, b"1969-12-31 23:59:59.500");
        assert_eq!(parse_timestamp("1969-12-31 23:59:59.500"), Some((-1, 500_000_000)));
    }

    #[test]
    fn timestamps_are_read_in_the_forms_that_databases_hold() {
        assert_eq!(parse_timestamp("2024-02-29"), Some((1_709_164_800, 0)));
        assert_eq!(parse_timestamp("2024-02-29T01:02"), Some((1_709_168_520, 0)));
        assert_eq!(parse_timestamp("2024-02-29 01:02:03.5Z"), Some((1_709_168_523, 500_000_000)));
        assert_eq!(parse_timestamp("2024-02-29 03:02:03+02:00"), Some((1_709_168_523, 0)));
        assert_eq!(parse_timestamp("2024-02-28 21:32:03 -03:30"), Some((1_709_168_523, 0)));
    }

    #[test]
    fn what_is_no_date_or_time_is_refused() {
        for text in
            ["", "2023-02-29", "2024-13-01", "24-01-01", "2024-01-01 25:00:00", "2024-01-01 x", "now", "2024-01-01 10"]
        {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
