//! Points at which a test lets the process end as by SIGKILL. A release build has none.

/// Ends the process here if the variable `RIVERRUN_CRASH_AT` says so: `before-slot`, or `before-slot:3` for the third time.
#[cfg(debug_assertions)]
pub(crate) fn crash_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};

    static CRASH: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    let crash = CRASH.get_or_init(|| {
        let wanted = std::env::var("RIVERRUN_CRASH_AT").ok()?;
        let (point, times) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((point.to_owned(), AtomicI64::new(times.parse().ok()?)))
    });
    if let Some((point, left)) = crash
        && point == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn crash_point(_: &str) {}
