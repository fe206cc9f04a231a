//! The header `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDateTime};

/// How long to wait from `now` on; `None` where the text says nothing that can be understood. A date that has passed asks for no wait.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Larger than any clock: as long as can be.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))));
    }
    let at = http_date(text)?;
    let now = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    Some(Duration::from_millis(u64::try_from(at.saturating_mul(1000).saturating_sub(now)).unwrap_or(0)))
}

/// A date in one of the three forms of HTTP, as seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    let imf = DateTime::parse_from_rfc2822(text).ok().map(|date| date.timestamp());
    let older = |form: &str| NaiveDateTime::parse_from_str(text, form).ok().map(|date| date.and_utc().timestamp());
    imf.or_else(|| older("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| older("%a %b %e %H:%M:%S %Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const THEN: u64 = 784_111_777;

    fn wait(text: &str) -> Option<u64> {
        retry_after(text, UNIX_EPOCH + Duration::from_secs(THEN - 10)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_the_three_forms_of_dates_are_read() {
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(10));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:37 GMT"), Some(10));
        assert_eq!(wait("Sun Nov  6 08:49:37 1994"), Some(10));
    }

    #[test]
    fn what_has_passed_is_no_wait_what_is_huge_is_bounded_and_garbage_says_nothing() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:07 GMT"), Some(0));
        assert_eq!(wait("99999999999999999999999999"), Some(u64::from(u32::MAX)));
        for garbage in ["", "soon", "-5", "1.5", "12s", "Sun, 99 Nov 1994 08:49:37 GMT", "\u{661}"] {
            assert_eq!(wait(garbage), None, "{garbage}");
        }
    }
}
