//! Waiting for a condition, never for a while.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until `condition` holds.
///
/// `what` completes the sentence "waited for ...". The condition is asked again after 1 ms at first and after 50 ms
/// in the end, and one last time when the time is up.
///
/// # Panics
/// When `limit` has passed and the condition still does not hold.
///
/// ```
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// riverrun_testkit::wait_until(Duration::from_secs(5), "3 ms to pass", || start.elapsed().as_millis() >= 3);
/// ```
#[track_caller]
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(limit, what, || condition().then_some(()));
}

/// Waits until `attempt` gives a value, and returns it; otherwise as [`wait_until`].
///
/// # Panics
/// When `limit` has passed without a value.
#[track_caller]
pub fn wait_for<T>(limit: Duration, what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    match poll(limit, attempt) {
        Some(value) => value,
        None => panic!("waited {limit:?} for {what}"),
    }
}

/// The first value that `attempt` gives within the limit.
pub(crate) fn poll<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        let last = Instant::now() >= end;
        if let Some(value) = attempt() {
            return Some(value);
        }
        if last {
            return None;
        }
        thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
