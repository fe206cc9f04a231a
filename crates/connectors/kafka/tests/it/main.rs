//! The connectors against a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bounded;
mod discovery;
mod errors;
mod failures;
mod formats;
mod harness;
mod metadata;
mod options;
mod positions;
mod sink;
mod start;
mod upsert;
