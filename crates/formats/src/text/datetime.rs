//! Dates, times and timestamps from text, as the parsers of Java that Flink's formats use.
//!
//! | what | Flink's parser | accepts |
//! |---|---|---|
//! | timestamps of csv and json | `SQL_TIMESTAMP_FORMAT`, and the forms with a zone | a day behind the month's end is its last day, `24:00:00` the next day |
//! | `TIMESTAMP` of json by ISO-8601 | `ISO_LOCAL_DATE_TIME` | days and times that exist only, `T` or `t`, seconds if wanted |
//! | `DATE` of json | `ISO_LOCAL_DATE` | days that exist only |
//! | `DATE` of csv | `java.sql.Date.valueOf` | one digit for month or day; a day behind the month's end counts on |
//! | `TIME` of csv | `ISO_LOCAL_TIME` | `HH:mm`, with seconds and fraction if wanted |
//! | `TIME` of json | `SQL_TIME_FORMAT` | seconds are needed, `24:00:00` is midnight |
//!
//! A fraction has up to nine digits, or none behind its point. A year has four digits, more behind a `+`, and any behind a `-`.

use super::{days_from_civil, days_in_month};

/// A point in time or of the wall clock: seconds since 1970-01-01 00:00:00 and nanoseconds of that second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whole seconds since 1970-01-01 00:00:00, rounded down.
    pub seconds: i64,
    /// Nanoseconds behind `seconds`, less than 10^9.
    pub nanos: u32,
}

impl Moment {
    /// The value of a `TIMESTAMP(precision)` column, whose digits behind `precision` are cut: milliseconds up to precision 3,
    /// microseconds up to 6, nanoseconds above. `None` where 64 bits do not hold it.
    ///
    /// ```
    /// use riverrun_formats::text::Moment;
    ///
    /// let moment = Moment { seconds: 1, nanos: 987_654_321 };
    /// assert_eq!((moment.value(1), moment.value(3), moment.value(6)), (Some(1_900), Some(1_987), Some(1_987_654)));
    /// ```
    #[inline]
    pub fn value(self, precision: u8) -> Option<i64> {
        // The usual precisions divide by a constant.
        let nanos = match precision {
            3 | 6 | 9.. => self.nanos,
            _ => self.nanos - self.nanos % power_of_ten(9 - precision),
        };
        match precision {
            0..=3 => self.seconds.checked_mul(1_000)?.checked_add(i64::from(nanos / 1_000_000)),
            4..=6 => self.seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos / 1_000)),
            _ => self.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(nanos)),
        }
    }

    /// The moment that a `TIMESTAMP(precision)` column's value stands for.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a remainder of 10^9 or less, not negative"
    )]
    pub fn of_value(value: i64, precision: u8) -> Self {
        let (per_second, nanos) = match precision {
            0..=3 => (1_000, 1_000_000),
            4..=6 => (1_000_000, 1_000),
            _ => (1_000_000_000, 1),
        };
        Self { seconds: value.div_euclid(per_second), nanos: value.rem_euclid(per_second) as u32 * nanos }
    }
}

/// 10^exponent for exponents up to 9.
#[inline]
pub(super) const fn power_of_ten(exponent: u8) -> u32 {
    const POWERS: [u32; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
    POWERS[if exponent < 10 { exponent as usize } else { 9 }]
}

/// How a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampForm {
    /// `T` between date and time, and seconds may be missing (`ISO-8601`); a blank and always seconds otherwise (`SQL`).
    pub iso: bool,
    /// A final `Z`, as `TIMESTAMP_LTZ` has it.
    pub zone: bool,
}

impl TimestampForm {
    /// Whether only days and times that exist are read (`ResolverStyle.STRICT`): so Java defines the one form that Flink took over.
    fn is_strict(self) -> bool {
        self.iso && !self.zone
    }
}

/// Reads the timestamps of a column. It remembers the last date, because the next row mostly has the same.
#[derive(Clone, Debug)]
pub struct TimestampParser {
    form: TimestampForm,
    precision: u8,
    last_date: [u8; 10],
    last_day: i64,
}

impl TimestampParser {
    /// A parser for the values of `TIMESTAMP(precision)`.
    pub fn new(form: TimestampForm, precision: u8) -> Self {
        Self { form, precision, last_date: *b"1970-01-01", last_day: 0 }
    }

    /// The value of a `TIMESTAMP` column, in the unit of its precision; `None` where the text is none or 64 bits do not hold it.
    ///
    /// ```
    /// use riverrun_formats::text::{TimestampForm, TimestampParser};
    ///
    /// let mut parser = TimestampParser::new(TimestampForm { iso: false, zone: false }, 3);
    /// assert_eq!(parser.parse(b"1970-01-02 00:00:01.5"), Some(86_401_500));
    /// assert_eq!(parser.parse(b"1970-01-02T00:00:01.5"), None);
    /// ```
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> Option<i64> {
        match self.parse_usual(text) {
            Some(moment) => moment.value(self.precision),
            None => parse_timestamp(text, self.form)?.value(self.precision),
        }
    }

    /// `yyyy-MM-dd HH:mm:ss[.f]` with a year of four digits and an ordinary time.
    #[inline]
    fn parse_usual(&mut self, text: &[u8]) -> Option<Moment> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let (time, fraction) = rest.split_first_chunk::<9>()?;
        let separator = if self.form.iso { b'T' } else { b' ' };
        if time[0] != separator || time[3] != b':' || time[6] != b':' {
            return None;
        }
        let (hour, minute, second) = (two(time[1], time[2])?, two(time[4], time[5])?, two(time[7], time[8])?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let fraction = if self.form.zone { fraction.strip_suffix(b"Z")? } else { fraction };
        let nanos = match fraction {
            [] => 0,
            [b'.', digits @ ..] => fraction_nanos(digits)?,
            _ => return None,
        };
        if *date != self.last_date {
            self.last_day = usual_date(date, self.form.is_strict())?;
            self.last_date = *date;
        }
        let of_day = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(Moment { seconds: self.last_day * 86_400 + of_day, nanos })
    }
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { None } else { Some(tens * 10 + ones) }
}

#[inline]
fn usual_date(date: &[u8; 10], strict: bool) -> Option<i64> {
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let year = i64::from(two(date[0], date[1])?) * 100 + i64::from(two(date[2], date[3])?);
    let (month, day) = (two(date[5], date[6])?, two(date[8], date[9])?);
    day_of(year, month, day, strict)
}

/// The day of a date. One behind the month's end is its last (`ResolverStyle.SMART`), unless it is to be read strictly.
#[inline]
fn day_of(year: i64, month: u8, day: u8, strict: bool) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let last = days_in_month(year, month);
    if strict && day > last {
        return None;
    }
    Some(days_from_civil(year, month, day.min(last)))
}

/// Nanoseconds from up to nine digits behind a point.
#[inline]
fn fraction_nanos(digits: &[u8]) -> Option<u32> {
    let mut nanos = 0_u32;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Wraps only for more digits than are accepted.
        nanos = nanos.wrapping_mul(10).wrapping_add(u32::from(digit));
    }
    let missing = 9_usize.checked_sub(digits.len())?;
    Some(nanos * power_of_ten(u8::try_from(missing).ok()?))
}

#[cold]
fn parse_timestamp(text: &[u8], form: TimestampForm) -> Option<Moment> {
    let text = if form.zone { text.strip_suffix(b"Z")? } else { text };
    let ((year, month, day), rest) = split_date(text)?;
    let time = match (rest, form.iso) {
        ([b'T', time @ ..], true) | ([b' ', time @ ..], false) => time,
        ([b't', time @ ..], true) if form.is_strict() => time,
        _ => return None,
    };
    let time = clock(time, !form.iso)?;
    if time.hour == 24 && form.is_strict() {
        return None;
    }
    let day = day_of(year, month, day, form.is_strict())?;
    Some(Moment { seconds: day * 86_400 + time.seconds_of_day()?, nanos: time.nanos })
}

/// Days since 1970-01-01 of `yyyy-MM-dd`; the day must exist. The `DATE` of json.
///
/// ```
/// use riverrun_formats::text::parse_date;
///
/// assert_eq!((parse_date(b"1970-01-02"), parse_date(b"2021-02-29")), (Some(1), None));
/// ```
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let ((year, month, day), rest) = split_date(text)?;
    if !rest.is_empty() {
        return None;
    }
    i32::try_from(day_of(year, month, day, true)?).ok()
}

/// Days since 1970-01-01 of `yyyy-[M]M-[d]d`; a day behind the month's end counts on into the next. The `DATE` of csv.
///
/// ```
/// use riverrun_formats::text::{parse_date, parse_sql_date};
///
/// assert_eq!(parse_sql_date(b"2021-2-30"), parse_date(b"2021-03-02"));
/// ```
#[inline]
pub fn parse_sql_date(text: &[u8]) -> Option<i32> {
    let (year, rest) = text.split_first_chunk::<4>()?;
    let year = i64::from(two(year[0], year[1])?) * 100 + i64::from(two(year[2], year[3])?);
    let (month, rest) = one_or_two(rest.strip_prefix(b"-")?)?;
    let (day, rest) = one_or_two(rest.strip_prefix(b"-")?)?;
    if !rest.is_empty() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, 1) + i64::from(day) - 1).ok()
}

#[inline]
fn one_or_two(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => Some(((tens - b'0') * 10 + ones - b'0', rest)),
        [ones @ b'0'..=b'9', rest @ ..] => Some((ones - b'0', rest)),
        _ => None,
    }
}

/// Nanoseconds since midnight. With `sql`, as json's `TIME`: seconds are needed and `24:00:00` is midnight. Without, as csv's: they
/// may be missing, and a day ends at `23:59:59`.
///
/// ```
/// use riverrun_formats::text::parse_time;
///
/// assert_eq!(parse_time(b"00:01:00.5", true), Some(60_500_000_000));
/// assert_eq!((parse_time(b"00:01", true), parse_time(b"00:01", false)), (None, Some(60_000_000_000)));
/// ```
pub fn parse_time(text: &[u8], sql: bool) -> Option<i64> {
    let time = clock(text, sql)?;
    if time.hour == 24 && !sql {
        return None;
    }
    Some(time.seconds_of_day()? % 86_400 * 1_000_000_000 + i64::from(time.nanos))
}

struct Clock {
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
}

impl Clock {
    /// `None` for a time that no clock shows.
    fn seconds_of_day(&self) -> Option<i64> {
        let seconds = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let ordinary = self.hour <= 23 && self.minute <= 59 && self.second <= 59;
        (ordinary || (self.hour == 24 && seconds == 86_400 && self.nanos == 0)).then_some(seconds)
    }
}

fn clock(text: &[u8], seconds_needed: bool) -> Option<Clock> {
    let mut clock = match text {
        [h1, h2, b':', m1, m2, ..] => Clock { hour: two(*h1, *h2)?, minute: two(*m1, *m2)?, second: 0, nanos: 0 },
        _ => return None,
    };
    match text.get(5..)? {
        [] if !seconds_needed => {}
        [b':', s1, s2, rest @ ..] => {
            clock.second = two(*s1, *s2)?;
            clock.nanos = match rest {
                [] => 0,
                [b'.', digits @ ..] => fraction_nanos(digits)?,
                _ => return None,
            };
        }
        _ => return None,
    }
    Some(clock)
}

type Date = (i64, u8, u8);

/// Year, month and day of `yyyy-MM-dd`, and what follows.
fn split_date(text: &[u8]) -> Option<(Date, &[u8])> {
    let (sign, digits) = match text {
        [sign @ (b'+' | b'-'), digits @ ..] => (Some(*sign), digits),
        digits => (None, digits),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (year, rest) = digits.split_at(length);
    let length_fits = match sign {
        None => length == 4,
        Some(b'+') => (5..=10).contains(&length),
        Some(_) => (4..=10).contains(&length),
    };
    let mut value = year.iter().fold(0_i64, |value, byte| value * 10 + i64::from(byte - b'0'));
    if sign == Some(b'-') {
        value = -value;
    }
    if !length_fits || value.abs() > 999_999_999 || (sign == Some(b'-') && value == 0) {
        return None;
    }
    match rest {
        [b'-', m1, m2, b'-', d1, d2, rest @ ..] => Some(((value, two(*m1, *m2)?, two(*d1, *d2)?), rest)),
        _ => None,
    }
}
