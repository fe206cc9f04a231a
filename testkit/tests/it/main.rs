//! The kit against itself: faults do what they say, servers come up, and nothing is left when a test dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod hdfs;
#[cfg(feature = "kafka")]
mod kafka;
mod left_behind;
#[cfg(feature = "mariadb")]
mod mariadb;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod rocketmq;
mod s3;
mod tcp;
