//! Whole programs on the DataStream API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod async_wait;
mod broadcast;
mod connected;
mod keyed;
mod measures;
mod own_sources;
mod streams;
mod windows;
