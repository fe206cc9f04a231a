//! The sink against servers that answer anything, at any pace, or break anywhere; and against real stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod batches;
mod checkpoints;
mod encrypted;
mod harness;
mod limits;
mod mistakes;
mod replay;
mod requests;
mod stores;
mod urls;
