//! The program as its user meets it: what it prints, how it ends, and the examples against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod control;
mod flinks_client;
mod http_sink;
mod kafka_to_mysql;
mod kafka_to_mysql_exactly_once;
mod kit;
mod life;
mod live;
mod mistakes;
mod options;
mod outputs;
mod provinces;
mod quick_start;
mod recovery;
mod script_files;
mod spend_report;
mod upsert_kafka;
mod word_count;
