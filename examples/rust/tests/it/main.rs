//! The example programs, with what is known to come out of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod clicks;
mod http_sink;
mod kafka_to_mysql;
mod provinces;
mod training;
mod transactions;
mod word_count;
