//! What holds for every format, table and row: found by looking for the opposite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod grouping;
mod robustness;
mod round_trip;
mod rows;
