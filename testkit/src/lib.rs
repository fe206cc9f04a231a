//! What the tests of every crate share: real servers, faults on demand, bounded waits, and the `riverrun` program
//! as a process.
//!
//! **Servers.** [`kafka`], [`mariadb`], [`postgres`], [`hdfs`], [`hbase`], [`rocketmq`] and [`s3`] hand out a server that every test binary of one `cargo test`
//! shares: the first who asks starts it, on free ports, in a folder of the run. Tests keep apart by [`unique`]
//! names. A test that breaks its server starts one of its own ([`KafkaServer::start`] and so on).
//!
//! **Nothing is left behind.** The servers are children of a *keeper*, a shell script that watches the process they
//! were started for (cargo, or the test where there is no cargo above it). When that is gone, for whatever reason,
//! SIGKILL included, the keeper ends them and removes their folder.
//!
//! **Suites.** `suites` (a feature) holds what every implementation of a contract must hold.
//!
//! **On a fresh machine** the programs are fetched on first use, from Maven Central, PyPI and the distribution's packages,
//! into `$RIVERRUN_CACHE` (by default `~/.cache/riverrun`); see [`install`].
//!
//! Everything here panics with a message that says what was expected, since its callers are tests. Linux only.
#![allow(clippy::panic, reason = "a test's assertion fails by a panic")]

mod error;
mod hbase;
mod hdfs;
mod java;
mod kafka;
mod keeper;
mod mariadb;
mod names;
mod ports;
mod postgres;
pub mod process;
mod rocketmq;
mod s3;
mod server;
#[cfg(feature = "suites")]
pub mod suites;
mod system;
pub mod tcp;
mod wait;

pub mod install;

#[cfg(feature = "kafka")]
pub use kafka::{Consumed, Record};

pub use error::Error;
pub use hbase::{HBaseServer, hbase};
pub use hdfs::{HdfsServer, hdfs};
pub use kafka::{KafkaServer, KafkaVersion, kafka};
pub use keeper::{Run, TempFolder, temp_folder};
pub use mariadb::{MariaDb, mariadb};
pub use names::unique;
pub use postgres::{Postgres, postgres};
pub use rocketmq::{RocketMqOptions, RocketMqServer, rocketmq};
pub use s3::{S3Server, s3};
pub use wait::{wait_for, wait_until};
