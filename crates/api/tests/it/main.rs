//! Whole programs on the DataStream API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod broadcast;
mod connected;
mod keyed;
mod streams;
