//! Free ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// Below the range from which Linux takes the local port of outgoing connections (32768 and up): a server that is
/// down must find its port free when it comes back, and no client may connect to itself meanwhile.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    AtomicU32::new(std::process::id().wrapping_mul(7919).wrapping_add(now / 1000) % COUNT)
});

/// A port of 127.0.0.1 on which nobody listens now. Another process may take it first: who binds it retries.
pub(crate) fn free_port() -> Result<u16> {
    for _ in 0..COUNT {
        let port = candidate();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(format!("no free port from {FIRST} to {}", FIRST + COUNT - 1)))
}

/// Each process begins somewhere else and goes on from there, so that two hardly ever ask for the same port.
fn candidate() -> u16 {
    let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
    u16::try_from(port).unwrap_or(u16::MAX)
}
