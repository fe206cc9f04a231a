//! The engine from outside: graphs of test operators, run to their ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "test numbers are small")]

mod kit;

mod barriers;
mod event_time;
mod exchanges;
mod failures;
mod life;
mod measures;
mod random_graphs;
mod recovery;
mod timers;
