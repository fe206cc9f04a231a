//! Dates, times and timestamps as text: `2024-01-02`, `03:04:05.6`, `2024-01-02 03:04:05.6`.
//!
//! As Java's `ISO_LOCAL_DATE` and `ISO_LOCAL_TIME`: seconds always, a fraction without trailing zeros and only where there is one; a
//! year above 9999 has a `+`.

use super::{Moment, civil_from_days, write_integer};

/// Appends a day since 1970-01-01 as `yyyy-MM-dd`.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_date(&mut out, 19_723);
/// assert_eq!(out, b"2024-01-01");
/// ```
pub fn write_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    match u16::try_from(year) {
        Ok(year @ 0..=9999) => {
            let (century, of_century) = (two(year / 100), two(year % 100));
            out.extend_from_slice(&[century[0], century[1], of_century[0], of_century[1]]);
        }
        _ => write_rare_year(out, year),
    }
    let (month, day) = (two(u16::from(month)), two(u16::from(day)));
    out.extend_from_slice(&[b'-', month[0], month[1], b'-', day[0], day[1]]);
}

#[cold]
fn write_rare_year(out: &mut Vec<u8>, year: i64) {
    out.push(if year < 0 { b'-' } else { b'+' });
    let year = year.unsigned_abs();
    let padding = if year < 10 {
        3
    } else if year < 100 {
        2
    } else {
        usize::from(year < 1_000)
    };
    out.extend(std::iter::repeat_n(b'0', padding));
    write_integer(out, year);
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0_u8;
    while n < 100 {
        pairs[n as usize] = [b'0' + n / 10, b'0' + n % 10];
        n += 1;
    }
    pairs
};

/// Two digits of a number below 100.
#[inline]
fn two(number: u16) -> [u8; 2] {
    PAIRS.get(usize::from(number)).copied().unwrap_or([b'0'; 2])
}

/// Appends nanoseconds since midnight as `HH:mm:ss[.f]`.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_time(&mut out, 60_500_000_000);
/// assert_eq!(out, b"00:01:00.5");
/// ```
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "remainders, not negative")]
pub fn write_time(out: &mut Vec<u8>, nanos_of_day: i64) {
    let mut clock = [0; CLOCK];
    let length = write_clock(
        &mut clock,
        nanos_of_day.div_euclid(1_000_000_000).rem_euclid(86_400) as u32,
        nanos_of_day.rem_euclid(1_000_000_000) as u32,
    );
    out.extend_from_slice(&clock[..length]);
}

/// The length of `HH:mm:ss.fffffffff`.
const CLOCK: usize = 18;

/// Writes `HH:mm:ss[.f]` and returns its length.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "parts of a day, and digits")]
fn write_clock(out: &mut [u8; CLOCK], seconds_of_day: u32, nanos: u32) -> usize {
    let minutes = seconds_of_day / 60;
    let (hour, minute, second) =
        (two((minutes / 60) as u16), two((minutes % 60) as u16), two((seconds_of_day % 60) as u16));
    out[..8].copy_from_slice(&[hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1]]);
    if nanos == 0 {
        return 8;
    }
    let millis = nanos / 1_000_000;
    let pair = two((millis % 100) as u16);
    out[8..12].copy_from_slice(&[b'.', b'0' + (millis / 100) as u8, pair[0], pair[1]]);
    let mut length = 12;
    if !nanos.is_multiple_of(1_000_000) {
        let mut rest = nanos % 1_000_000;
        for digit in out[12..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        length = CLOCK;
    }
    while out[length - 1] == b'0' {
        length -= 1;
    }
    length
}

/// Appends a moment as `yyyy-MM-dd HH:mm:ss[.f]`, with `separator` between date and time.
///
/// ```
/// use riverrun_formats::text::{Moment, write_timestamp};
///
/// let mut out = Vec::new();
/// write_timestamp(&mut out, Moment { seconds: -1, nanos: 120_000_000 }, b'T');
/// assert_eq!(out, b"1969-12-31T23:59:59.12");
/// ```
pub fn write_timestamp(out: &mut Vec<u8>, moment: Moment, separator: u8) {
    write_date(out, moment.seconds.div_euclid(86_400));
    out.push(separator);
    write_time(out, moment.seconds.rem_euclid(86_400) * 1_000_000_000 + i64::from(moment.nanos));
}

/// Writes the timestamps of a column as [`write_timestamp`]. It keeps the last date's text, because the next row mostly has the same.
#[derive(Clone, Debug)]
pub struct TimestampWriter {
    separator: u8,
    precision: u8,
    day: i64,
    /// The date and the separator.
    date: Vec<u8>,
}

impl TimestampWriter {
    /// A writer for the values of `TIMESTAMP(precision)`.
    pub fn new(separator: u8, precision: u8) -> Self {
        Self { separator, precision, day: i64::MIN, date: Vec::new() }
    }

    /// Appends a column's value, which is in the unit of the precision.
    #[inline]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a day, not negative")]
    pub fn write(&mut self, out: &mut Vec<u8>, value: i64) {
        let moment = Moment::of_value(value, self.precision);
        let day = moment.seconds.div_euclid(86_400);
        if day != self.day {
            self.day = day;
            self.date.clear();
            write_date(&mut self.date, day);
            self.date.push(self.separator);
        }
        let mut clock = [0; CLOCK];
        let length = write_clock(&mut clock, (moment.seconds - day * 86_400) as u32, moment.nanos);
        out.extend_from_slice(&self.date);
        out.extend_from_slice(&clock[..length]);
    }
}
