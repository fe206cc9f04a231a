//! The client against Apache's own name server, brokers and Java client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod failures;
mod groups;
mod harness;
mod java;
mod neighbours;
mod network;
mod offsets;
mod polling;
mod round_trip;
mod transactions;
