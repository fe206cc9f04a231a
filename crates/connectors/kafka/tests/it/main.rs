//! The connectors against a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bounded;
mod crashes;
mod discovery;
mod errors;
mod exactly_once;
mod failures;
mod formats;
mod harness;
mod metadata;
mod options;
mod positions;
mod recovery;
mod sink;
mod start;
mod transactions;
mod typed;
mod upsert;
