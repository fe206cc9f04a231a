//! Processing time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_protocol::Timestamp;

/// The time of day now, in epoch milliseconds.
pub(crate) fn now_millis() -> Timestamp {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX))
}

/// When `time` will be, as the clock that waits are measured by counts; now, if it has been.
pub(crate) fn instant_of(time: Timestamp) -> Instant {
    let millis = u64::try_from(time.saturating_sub(now_millis())).unwrap_or(0);
    // A time that no clock reaches is as good as a year away: the waiter asks again then.
    Instant::now() + Duration::from_millis(millis).min(Duration::from_secs(31_536_000))
}
