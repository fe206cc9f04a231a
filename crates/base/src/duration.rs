//! Durations as Flink writes them: `10 s`, `5min`, `1 h`, a bare number of milliseconds, or ISO-8601 (`PT5M`).

use std::time::Duration;

use crate::{Error, Result};

const UNITS: &[(&[&str], u64)] = &[
    (&["d", "day", "days"], 86_400_000_000_000),
    (&["h", "hour", "hours"], 3_600_000_000_000),
    (&["min", "m", "minute", "minutes"], 60_000_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
    (&["µs", "us", "micro", "micros", "microsecond", "microseconds"], 1_000),
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
];

/// Reads a duration: a whole number and a unit (`d h min s ms µs ns` and their long names); without a unit, milliseconds.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(riverrun_base::parse_duration("5 min").unwrap(), Duration::from_secs(300));
/// assert_eq!(riverrun_base::parse_duration("1000").unwrap(), Duration::from_secs(1));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration> {
    let trimmed = text.trim();
    let bad = || {
        Error::user(format!("'{text}' is not a duration"))
            .hint("write a whole number and a unit: d, h, min, s, ms, us or ns, for example '10 s'")
    };
    if let Some(iso) = trimmed.strip_prefix("PT").or_else(|| trimmed.strip_prefix("pt")) {
        return parse_iso(iso).ok_or_else(bad);
    }
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let unit = unit.trim().to_lowercase();
    let nanos = if unit.is_empty() {
        1_000_000
    } else {
        UNITS.iter().find(|(names, _)| names.contains(&unit.as_str())).map(|(_, nanos)| *nanos).ok_or_else(bad)?
    };
    number.checked_mul(nanos).map(Duration::from_nanos).ok_or_else(bad)
}

fn parse_iso(mut rest: &str) -> Option<Duration> {
    let mut total = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let factor = match rest.as_bytes().get(digits)?.to_ascii_uppercase() {
            b'H' => 3600,
            b'M' => 60,
            b'S' => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = rest.get(digits + 1..)?;
    }
    Some(Duration::from_secs(total))
}

/// Writes a duration as Flink does, in the largest unit that divides it: `5 min`, `1500 ms`, `0 ms`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0 ms".into();
    }
    for (names, unit) in UNITS {
        if nanos.is_multiple_of(u128::from(*unit)) {
            return format!("{} {}", nanos / u128::from(*unit), names.first().unwrap_or(&"ns"));
        }
    }
    format!("{nanos} ns")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_unit_is_read_with_and_without_a_space() {
        for (names, nanos) in UNITS {
            for name in *names {
                assert_eq!(parse_duration(&format!("3 {name}")).unwrap(), Duration::from_nanos(3 * nanos), "{name}");
                assert_eq!(parse_duration(&format!("3{name}")).unwrap(), Duration::from_nanos(3 * nanos), "{name}");
            }
        }
        assert_eq!(parse_duration("PT1H2M3S").unwrap(), Duration::from_secs(3723));
    }

    #[test]
    fn wrong_durations_are_refused_with_the_units() {
        for text in ["", "s", "-1 s", "1.5 s", "1 parsec", "PT", "99999999999999999 d"] {
            assert!(parse_duration(text).unwrap_err().to_string().contains("not a duration"), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["5 min", "1500 ms", "1 h", "2 d", "7 us"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
        }
        assert_eq!(format_duration(Duration::from_secs(300)), "5 min");
    }
}
