//! What sinks promise, driven by a scripted engine that crashes.

#![allow(clippy::unwrap_used, reason = "tests")]

mod write_ahead;
