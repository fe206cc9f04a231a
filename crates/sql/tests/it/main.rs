//! Jobs of SQL scripts on the engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod numbers;
mod order;
mod savepoints;
mod unnest;
mod upserts;
