//! Times as users write them: `yyyy-MM-dd HH:mm:ss` in a zone, or milliseconds since 1970.

use chrono::{FixedOffset, LocalResult, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use riverrun_base::{Error, Result};

/// The time in milliseconds since 1970.
///
/// # Errors
/// The text or the zone cannot be read, or there is no such time in the zone.
pub(crate) fn parse(text: &str, zone: &str, option: &'static str) -> Result<i64> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<i64>() {
        return Ok(millis);
    }
    let time = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .ok_or_else(|| {
            Error::user(format!("'{text}' is not a time"))
                .with("option", option)
                .hint("write 'yyyy-MM-dd HH:mm:ss', or milliseconds since 1970")
        })?;
    let found = match zone.parse::<Tz>() {
        Ok(zone) => millis(zone.from_local_datetime(&time)),
        Err(_) => millis(offset(zone)?.from_local_datetime(&time)),
    };
    found.ok_or_else(|| {
        Error::user(format!("there is no '{text}' in the zone '{zone}': clocks were put forward"))
            .with("option", option)
    })
}

/// The first of the instants that have this local time.
fn millis<Z: TimeZone>(found: LocalResult<chrono::DateTime<Z>>) -> Option<i64> {
    found.earliest().map(|instant| instant.timestamp_millis())
}

/// `GMT+8`, `UTC-03:30`, `+08:00`.
fn offset(zone: &str) -> Result<FixedOffset> {
    let parse = || {
        let text = zone.trim();
        let text = ["GMT", "UTC"].iter().find_map(|name| text.strip_prefix(name)).unwrap_or(text);
        let (sign, digits) = match text.as_bytes().first()? {
            b'+' => (1, &text[1..]),
            b'-' => (-1, &text[1..]),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        if !(0..=18).contains(&hours) || !(0..60).contains(&minutes) {
            return None;
        }
        FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
    };
    parse().ok_or_else(|| {
        Error::user(format!("'{zone}' is not a time zone"))
            .with("option", "timeZone")
            .hint("write 'Asia/Shanghai', or 'GMT+8'")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_read_in_their_zone() {
        let at = |text: &str, zone: &str| parse(text, zone, "startTime");
        assert_eq!(at("2024-01-01 00:00:00", "UTC").unwrap(), 1_704_067_200_000);
        for zone in ["Asia/Shanghai", "GMT+8", "UTC+08:00", "+08:00"] {
            assert_eq!(at("2024-01-01 08:00:00", zone).unwrap(), 1_704_067_200_000, "{zone}");
        }
        assert_eq!(at("2024-01-01 00:00:00.5", "UTC").unwrap(), 1_704_067_200_500);
        assert_eq!(at("1704067200000", "Nowhere").unwrap(), 1_704_067_200_000);
        for (text, zone, part) in [
            ("yesterday", "UTC", "is not a time"),
            ("2024-01-01 00:00:00", "Mars/Olympus", "is not a time zone"),
            ("2024-03-31 02:30:00", "Europe/Berlin", "clocks were put forward"),
        ] {
            assert!(at(text, zone).unwrap_err().to_string().contains(part));
        }
    }
}
