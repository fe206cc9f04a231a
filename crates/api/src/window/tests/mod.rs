//! The operator of windows, driven by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod firing;
mod harness;
mod model;
mod sessions;
