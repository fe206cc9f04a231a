//! Names that no other test uses, so that tests can share a server.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name that starts with `prefix` and was never given before, in this process or any other.
///
/// Lower-case letters, digits and `_` are added, so that it can name a topic, a consumer group, a table or a file.
///
/// ```
/// assert_ne!(riverrun_testkit::unique("orders"), riverrun_testkit::unique("orders"));
/// ```
#[must_use]
pub fn unique(prefix: &str) -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{:x}_{:x}_{number}", since_1970.as_secs(), process::id())
}
