//! The jdbc connector against real databases: MariaDB, PostgreSQL, SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod database;
mod exactly_once;
mod flush;
mod outage;
mod rate;
mod refused;
mod scan;
mod typed;
mod types;
mod write;
