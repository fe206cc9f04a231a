//! Processing time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_protocol::Timestamp;

/// What an operator takes the time of day from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// One that stands still until somebody sets it (epoch milliseconds), for tests of operators.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now, in epoch milliseconds.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => now_millis(),
            Self::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// When `time` will be, as the clock that waits are measured by counts; now, if it has been. A clock that stands still comes to no
    /// later time by itself.
    pub(crate) fn instant_of(&self, time: Timestamp) -> Option<Instant> {
        match self {
            Self::System => Some(instant_of(time)),
            Self::Manual(_) => (time <= self.now()).then(Instant::now),
        }
    }
}

/// The time of day now, in epoch milliseconds.
pub(crate) fn now_millis() -> Timestamp {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| Timestamp::try_from(since.as_millis()).unwrap_or(Timestamp::MAX))
}

/// When `time` will be, as the clock that waits are measured by counts; now, if it has been.
fn instant_of(time: Timestamp) -> Instant {
    let millis = u64::try_from(time.saturating_sub(now_millis())).unwrap_or(0);
    // A time that no clock reaches is as good as a year away: the waiter asks again then.
    Instant::now() + Duration::from_millis(millis).min(Duration::from_secs(31_536_000))
}
