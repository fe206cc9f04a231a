//! Sizes in bytes as Flink writes them: `2mb`, `64 kb`, a bare number of bytes.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A number of bytes. Units are powers of 1024, as in Flink: `b`, `k`/`kb`, `m`/`mb`, `g`/`gb`, `t`/`tb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub u64);

const UNITS: &[(&[&str], u32)] = &[
    (&["b", "bytes"], 0),
    (&["kb", "k", "kibibytes"], 10),
    (&["mb", "m", "mebibytes"], 20),
    (&["gb", "g", "gibibytes"], 30),
    (&["tb", "t", "tebibytes"], 40),
];

impl FromStr for MemorySize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || {
            Error::user(format!("'{text}' is not a size"))
                .hint("write a whole number and a unit: b, kb, mb, gb or tb, for example '64mb'")
        };
        let trimmed = text.trim().to_lowercase();
        let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit = unit.trim();
        let shift = if unit.is_empty() {
            0
        } else {
            UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, shift)| *shift).ok_or_else(bad)?
        };
        number.checked_mul(1 << shift).map(MemorySize).ok_or_else(bad)
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, shift) =
            UNITS.iter().rev().find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift)).unwrap_or(&UNITS[0]);
        write!(f, "{}{}", self.0 >> shift, names.first().unwrap_or(&"b"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn sizes_are_read_and_written_as_flink_does() {
        for (text, bytes) in [("2mb", 2 << 20), ("64 kb", 64 << 10), ("10", 10), ("1 g", 1 << 30)] {
            let size: MemorySize = text.parse().unwrap();
            assert_eq!(size.0, bytes);
            assert_eq!(size.to_string().parse::<MemorySize>().unwrap(), size);
        }
        assert!("2 miles".parse::<MemorySize>().is_err());
    }
}
