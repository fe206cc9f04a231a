//! Identities of messages.
//!
//! A *unique key* is what the sender gives: 16 bytes as hexadecimal digits. Ours are ten random bytes of the client, the
//! milliseconds since the month began (from which Apache's tools learn when to look for the message) and a counter.
//!
//! An *offset message id* is what the broker gives: its host, its port as `u32` and the place in the commit log as `i64`.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes unique keys: two of one client differ unless they are made a whole month or 65,536 messages in one millisecond
/// apart.
#[derive(Debug)]
pub(crate) struct UniqueKeys {
    prefix: String,
    counter: AtomicU16,
}

impl UniqueKeys {
    pub(crate) fn new() -> Self {
        let prefix = format!("{:020X}", fastrand::u128(..) >> 48);
        Self { prefix, counter: AtomicU16::new(fastrand::u16(..)) }
    }

    pub(crate) fn next(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since = u32::try_from(since_month(u64::try_from(now).unwrap_or_default())).unwrap_or_default();
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut key = String::with_capacity(32);
        key.push_str(&self.prefix);
        // writing to a String does not fail
        let _ = write!(key, "{since:08X}{count:04X}");
        key
    }
}

/// Milliseconds since the month began, in UTC, of milliseconds since 1970.
fn since_month(now: u64) -> u64 {
    const DAY: u64 = 86_400_000;
    // the day of the month (https://howardhinnant.github.io/date_algorithms.html#civil_from_days)
    let of_era = (now / DAY + 719_468) % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5;
    of_month * DAY + now % DAY
}

/// The place in the commit log that an offset message id names.
pub(crate) fn commit_log_offset(offset_message_id: &str) -> Option<i64> {
    // with an IPv4 host, or an IPv6 one
    if ![32, 56].contains(&offset_message_id.len()) {
        return None;
    }
    i64::from_str_radix(offset_message_id.get(offset_message_id.len() - 16..)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_32_digits_and_differ() {
        let (one, other) = (UniqueKeys::new(), UniqueKeys::new());
        let keys: HashSet<String> = (0..10_000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(keys.len(), 20_000);
        assert!(keys.iter().all(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn the_month_begins_on_its_first_day() {
        // date -u -d 'DATE' +%s
        for (seconds, days) in [(1_709_164_800, 28), (1_709_251_200, 0), (1_767_225_600, 0), (1_798_675_200, 30)] {
            assert_eq!(since_month(seconds * 1000 + 5), days * 86_400_000 + 5);
        }
    }

    #[test]
    fn the_commit_log_offset_ends_an_offset_message_id() {
        assert_eq!(commit_log_offset("7F00000100002A9F00000000000003E8"), Some(1000));
        let v6 = "FE800000000000000000000000000001".to_owned() + "00002A9F00000000000003E8";
        assert_eq!(commit_log_offset(&v6), Some(1000));
        assert_eq!(commit_log_offset("12"), None);
    }
}
