//! Checkpoints on real stores: this machine's disk, HDFS, S3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod damage;
mod fencing;
mod jobs;
mod local;
mod log;
mod servers;
mod snapshots;
mod storage;
