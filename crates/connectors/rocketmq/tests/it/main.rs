//! The connector against Apache's own broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod body;
mod crashes;
mod discovery;
mod encrypted;
mod errors;
mod fencing;
mod filters;
mod group;
mod harness;
mod outages;
mod recovery;
mod relay;
mod sink;
mod start;
mod stop;
mod transactions;
mod typed;
