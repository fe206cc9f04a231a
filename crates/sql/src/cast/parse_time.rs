//! Dates, times and timestamps in text, as Flink's casts read them.

use super::calendar::{Date, NANOS_PER_SECOND, SECONDS_PER_DAY, WallTime, days_in_month};

/// A date, in days since 1970-01-01: `2026-01-02`, `2026-1-2`, `2026-01`, `2026`; what follows a space is ignored.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let text = match text.find(' ') {
        Some(at) if at > 0 => &text[..at],
        _ => text,
    };
    let mut parts = text.splitn(3, '-').map(|part| whole(part.trim_matches(' ')));
    let year = parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    (exists && year <= 9999).then(|| Date { year, month, day }.days())
}

/// A number of ASCII digits, up to nine of them.
fn whole(text: &str) -> Option<i64> {
    let fine = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fine { text.parse().ok() } else { None }
}

/// A time of the day, in milliseconds: `10:20:30.123`, `10:20`, `10`, with an offset (`+01:00`) that is added.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let zone = text.find('-').or_else(|| text.find('+'));
    let sign = if text.contains('-') { -1 } else { 1 };
    let (clock, offset) = match zone {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (offset_hours, offset_minutes) = match offset {
        None => (0, 0),
        Some(offset) => match offset.split_once(':') {
            None => (whole(offset.trim_matches(' '))?, 0),
            Some((hours, minutes)) => (whole(hours.trim_matches(' '))?, whole(minutes.trim_matches(' '))?),
        },
    };
    let mut parts = clock.splitn(3, ':');
    let hour = whole(parts.next()?.trim_matches(' '))? + sign * offset_hours;
    let minute = parts.next().map_or(Some(0), |part| whole(part.trim_matches(' ')))? + sign * offset_minutes;
    let (second, millis) = match parts.next() {
        None => (0, 0),
        Some(part) => match part.split_once('.') {
            None => (whole(part.trim_matches(' '))?, 0),
            Some((second, fraction)) => (whole(second.trim_matches(' '))?, fraction_millis(fraction.trim_matches(' '))),
        },
    };
    let exists = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    exists.then(|| (hour * 3600 + minute * 60 + second) * 1000 + millis)
}

/// Three digits of a fraction, rounded by the fourth; what is no digit counts as zero, as in Flink.
fn fraction_millis(text: &str) -> i64 {
    let digit =
        |n: usize| text.as_bytes().get(n).filter(|byte| byte.is_ascii_digit()).map_or(0, |byte| i64::from(byte - b'0'));
    digit(0) * 100 + digit(1) * 10 + digit(2) + i64::from(digit(3) >= 5)
}

/// A timestamp: `2026-01-02 03:04:05.123456789`, `2026-1-2 3:4:5`, `2026-01-02`. Up to nine digits of a fraction; no spaces around it, no `T`.
///
/// As in Java, day 29 to 31 of a shorter month is its last day, and `24:00:00` is the next midnight.
pub(crate) fn parse_timestamp(text: &str) -> Option<WallTime> {
    let (date, clock) = match text.split_once(' ') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4).and_then(whole).filter(|year| *year > 0)?;
    let month = parts.next().and_then(short).filter(|month| (1..=12).contains(month))?;
    let day = parts.next().and_then(short).filter(|day| (1..=31).contains(day))?;
    let days = Date { year, month, day: day.min(days_in_month(year, month)) }.days();
    let Some(clock) = clock else { return Some(WallTime { days, second_of_day: 0, nano: 0 }) };
    let mut parts = clock.splitn(3, ':');
    let hour = parts.next().and_then(short)?;
    let minute = parts.next().and_then(short)?;
    let last = parts.next()?;
    let (second, fraction) = last.split_once('.').unwrap_or((last, ""));
    let second = short(second)?;
    let nano = fraction_nanos(fraction)?;
    if (hour, minute, second, nano) == (24, 0, 0, 0) {
        return Some(WallTime { days: days + 1, second_of_day: 0, nano: 0 });
    }
    let exists = hour < 24 && minute < 60 && second < 60;
    exists.then_some(WallTime { days, second_of_day: hour * 3600 + minute * 60 + second, nano })
}

/// A number of one or two digits.
fn short(text: &str) -> Option<i64> {
    whole(text).filter(|_| text.len() <= 2)
}

/// Nanoseconds from up to nine digits of a fraction.
fn fraction_nanos(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return Some(0);
    }
    let value = whole(digits)?;
    let missing = u32::try_from(9 - digits.len()).ok()?;
    value.checked_mul(10_i64.pow(missing))
}

/// `java.sql.Timestamp.valueOf` and `java.sql.Date.valueOf`, which Flink falls back to where a text does not match its pattern: the same
/// forms as [`parse_timestamp`], but a day beyond the month's end carries over.
pub(crate) fn parse_sql_timestamp(text: &str) -> Option<WallTime> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (date, clock) = match text.split_once(' ') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next().filter(|year| year.len() == 4).and_then(whole)?;
    let month = parts.next().and_then(short).filter(|month| (1..=12).contains(month))?;
    let day = parts.next().and_then(short).filter(|day| (1..=31).contains(day))?;
    let days = Date { year, month, day }.days();
    let Some(clock) = clock else { return Some(WallTime { days, second_of_day: 0, nano: 0 }) };
    let mut parts = clock.splitn(3, ':').map(|part| part.trim_matches(' '));
    let hour = parts.next().and_then(short)?;
    let minute = parts.next().and_then(short)?;
    let last = parts.next()?;
    let (second, fraction) = last.split_once('.').unwrap_or((last, "0"));
    let total = (days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + short(second)?).checked_mul(NANOS_PER_SECOND)?;
    Some(WallTime::of(total.checked_add(fraction_nanos(fraction)?)?, NANOS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::cast::text::write_timestamp;

    #[test]
    fn dates_are_read_as_flink_reads_them() {
        let day = |year, month, day| Some(Date { year, month, day }.days());
        let cases = [
            ("2026-01-02", day(2026, 1, 2)),
            ("2026-1-2", day(2026, 1, 2)),
            (" 2026-01-02 ", day(2026, 1, 2)),
            ("2026-01-02 10:00:00", day(2026, 1, 2)),
            ("2026", day(2026, 1, 1)),
            ("2026-03", day(2026, 3, 1)),
            ("2026-02-30", None),
            ("2026-13-01", None),
            ("02.01.2026", None),
            ("", None),
            ("2026/01/02", None),
            ("2026-01-02T10", None),
        ];
        for (text, days) in cases {
            assert_eq!(parse_date(text), days, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_flink_reads_them() {
        let cases = [
            ("10:20:30", Some(37_230_000)),
            ("10:20", Some(37_200_000)),
            ("1:2:3", Some(3_723_000)),
            ("10", Some(36_000_000)),
            ("10:20:30.5", Some(37_230_500)),
            ("10:20:30.123456", Some(37_230_123)),
            (" 10:20:30 ", Some(37_230_000)),
            ("10:20:30+01:00", Some(40_830_000)),
            ("10:20:30.1a", Some(37_230_100)),
            ("10:20:30.", Some(37_230_000)),
            ("25:00:00", None),
            ("24:00:00", None),
            ("10:60:00", None),
            ("23:59:60", None),
            ("", None),
            ("a:b", None),
            ("-1:00:00", None),
            ("10:20:", None),
            ("10.5", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse_time(text), millis, "{text}");
        }
    }

    #[test]
    fn timestamps_are_read_as_flink_reads_them() {
        let cases = [
            ("2026-01-02 03:04:05", Some("2026-01-02 03:04:05.000000000")),
            ("2026-01-02 03:04:05.123456", Some("2026-01-02 03:04:05.123456000")),
            ("2026-01-02", Some("2026-01-02 00:00:00.000000000")),
            ("2026-1-2 3:4:5", Some("2026-01-02 03:04:05.000000000")),
            ("2026-01-02 03:04:05.", Some("2026-01-02 03:04:05.000000000")),
            ("2026-02-31", Some("2026-02-28 00:00:00.000000000")),
            ("2026-01-01 24:00:00", Some("2026-01-02 00:00:00.000000000")),
            ("2026-01-02 03:04", None),
            (" 2026-01-02 03:04:05 ", None),
            ("2026-01-02T03:04:05", None),
            ("2026-01-02 03:04:05Z", None),
            ("2026-01-02 03:04:05+01:00", None),
            ("x", None),
            ("", None),
            ("2026-01-01 10", None),
            ("2026-01-32 03:04:05", None),
            ("2026-01-31 24:00:01", None),
            ("226-01-31", None),
            ("12026-01-31", None),
            ("0000-01-31", None),
            ("2026-01-02 03:04:05.1234567891", None),
            ("2026-01-31 10:20:60", None),
        ];
        for (text, expected) in cases {
            let shown = parse_timestamp(text).map(|time| {
                let mut out = String::new();
                write_timestamp(&mut out, time, 9);
                out
            });
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn timestamps_that_are_printed_are_read_back(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let time = WallTime::of(micros, 1_000_000);
            let mut text = String::new();
            write_timestamp(&mut text, time, 6);
            prop_assert_eq!(parse_timestamp(&text).unwrap(), time);
            prop_assert_eq!(parse_date(&text).unwrap(), time.days);
        }
    }
}
