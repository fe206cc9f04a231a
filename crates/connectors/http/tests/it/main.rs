//! The sink against servers that answer anything, at any pace, or break anywhere; and against real stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod batches;
mod checkpoints;
mod disks;
mod encrypted;
mod harness;
mod kills;
mod limits;
mod metrics;
mod mistakes;
mod proxies;
mod replay;
mod requests;
mod stores;
mod urls;
