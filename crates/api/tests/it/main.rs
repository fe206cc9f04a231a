//! Whole programs on the DataStream API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod keyed;
mod streams;
