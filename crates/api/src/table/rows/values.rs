//! The values of types that Rust has no own type for: decimals, dates, times.
//!
//! They go through serde as plain numbers, so that they can be state, and parts of records that become rows.

use std::fmt;
use std::str::FromStr;

use riverrun_base::{Error, Result};
use riverrun_formats::text::civil_from_days;
use serde::{Deserialize, Serialize};

pub(crate) const DECIMAL: &str = "$riverrun::Decimal";
pub(crate) const DATE: &str = "$riverrun::Date";
pub(crate) const TIME: &str = "$riverrun::Time";
pub(crate) const TIMESTAMP: &str = "$riverrun::Timestamp";
pub(crate) const TIMESTAMP_LTZ: &str = "$riverrun::TimestampLtz";

/// An exact number, DECIMAL: the number without its point, as two halves, and how many digits stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename = "$riverrun::Decimal")]
pub struct Decimal(DecimalParts);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct DecimalParts(i64, u64, u8);

/// A day, DATE: counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "$riverrun::Date")]
pub struct Date(i32);

/// A time of day, TIME: nanoseconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "$riverrun::Time")]
pub struct Time(i64);

/// A point in time without a zone, TIMESTAMP; the columns that it becomes are TIMESTAMP(9). Flink's `LocalDateTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "$riverrun::Timestamp")]
pub struct Timestamp(i64);

/// A point in time, TIMESTAMP_LTZ; the columns that it becomes are TIMESTAMP_LTZ(9). Flink's `Instant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename = "$riverrun::TimestampLtz")]
pub struct TimestampLtz(i64);

impl Decimal {
    /// `unscaled` with the point before its last `scale` digits: `new(1234, 2)` is 12.34.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the halves of a number of 128 bits")]
    pub fn new(unscaled: i128, scale: u8) -> Self {
        Self(DecimalParts((unscaled >> 64) as i64, unscaled as u64, scale))
    }

    /// The number without its point.
    pub fn unscaled(self) -> i128 {
        (i128::from(self.0.0) << 64) | i128::from(self.0.1)
    }

    /// How many digits stand behind the point.
    pub fn scale(self) -> u8 {
        self.0.2
    }

    /// How many digits it has, and how many of them behind the point.
    pub(crate) fn digits(self) -> (usize, u8) {
        let digits = self.unscaled().unsigned_abs().to_string().len();
        (digits.max(usize::from(self.scale())).max(1), self.scale())
    }

    /// The number without its point, where so many digits stand behind it; those that are too many are rounded off, half away from zero.
    /// `None` where it has more than 38 digits then.
    pub(crate) fn rescaled(self, scale: u8) -> Option<i128> {
        let value = self.unscaled();
        let power = |digits: u8| 10i128.checked_pow(u32::from(digits));
        if scale >= self.scale() {
            return value.checked_mul(power(scale - self.scale())?);
        }
        let divisor = power(self.scale() - scale)?;
        let half = divisor / 2;
        value.checked_add(if value < 0 { -half } else { half }).map(|value| value / divisor)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, scale) = (self.unscaled(), usize::from(self.scale()));
        let sign = if value < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", value.unsigned_abs(), scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if scale == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

impl FromStr for Decimal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::user(format!("'{text}' is not a decimal number"));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(bad());
        }
        let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38).ok_or_else(bad)?;
        Ok(Self::new(format!("{whole}{fraction}").parse().map_err(|_| bad())?, scale))
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(value.into(), 0)
    }
}

impl Date {
    /// So many days after 1970-01-01.
    pub fn from_epoch_day(days: i32) -> Self {
        Self(days)
    }

    /// The days since 1970-01-01.
    pub fn epoch_day(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.into());
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Time {
    /// So many nanoseconds after midnight.
    pub fn from_nanos_of_day(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The nanoseconds since midnight.
    pub fn nanos_of_day(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clock(self.0, f)
    }
}

macro_rules! points {
    ($name:ident, $end:literal) => {
        impl $name {
            /// So many milliseconds after the beginning of 1970.
            pub fn from_millis(millis: i64) -> Self {
                Self(millis.saturating_mul(1_000_000))
            }

            /// So many nanoseconds after the beginning of 1970.
            pub fn from_nanos(nanos: i64) -> Self {
                Self(nanos)
            }

            /// The milliseconds since the beginning of 1970, rounded down.
            pub fn millis(self) -> i64 {
                self.0.div_euclid(1_000_000)
            }

            /// The nanoseconds since the beginning of 1970. What is out of their range (1677 to 2262) is at its end.
            pub fn nanos(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (year, month, day) = civil_from_days(self.0.div_euclid(DAY));
                write!(f, "{year:04}-{month:02}-{day:02} ")?;
                clock(self.0.rem_euclid(DAY), f)?;
                f.write_str($end)
            }
        }
    };
}

points!(Timestamp, "");
points!(TimestampLtz, "Z");

/// The nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// `HH:mm:ss` and as many digits of a second, by threes, as are not zero.
fn clock(nanos: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = nanos / 1_000_000_000;
    write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    match nanos % 1_000_000_000 {
        0 => Ok(()),
        rest if rest % 1_000_000 == 0 => write!(f, ".{:03}", rest / 1_000_000),
        rest if rest % 1000 == 0 => write!(f, ".{:06}", rest / 1000),
        rest => write!(f, ".{rest:09}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn decimals_are_written_and_read_with_their_scale() {
        for text in ["0.05", "-0.05", "12.34", "-7", "123456789012345678901234567890.12345678"] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        assert_eq!("1.25".parse::<Decimal>().unwrap().rescaled(1), Some(13));
        assert_eq!("-1.25".parse::<Decimal>().unwrap().rescaled(1), Some(-13));
        assert!("1.x".parse::<Decimal>().is_err());
    }

    #[test]
    fn times_are_written_as_sql_writes_them() {
        assert_eq!(Timestamp::from_millis(1_767_254_399_250).to_string(), "2026-01-01 07:59:59.250");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31 23:59:59.999");
        assert_eq!(Date::from_epoch_day(59).to_string(), "1970-03-01");
        assert_eq!(Time::from_nanos_of_day(3_600_000_000_001).to_string(), "01:00:00.000000001");
    }
}
