//! Whole programs on the DataStream API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod async_wait;
mod broadcast;
mod checkpointed;
mod connected;
#[cfg(all(feature = "filesystem", feature = "jdbc", feature = "kafka"))]
mod connectors;
#[cfg(feature = "http")]
mod http;
mod keyed;
mod killed_pipelines;
mod measures;
mod own_sources;
mod random_pipelines;
mod signals;
mod streams;
#[cfg(feature = "sql")]
mod tables;
mod windows;
