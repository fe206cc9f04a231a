//! The client against a real HBase.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod batches;
mod outage;
mod regions;
mod rows;
mod setup;
mod tables;
mod unreachable;
