//! An asynchronous client of Apache RocketMQ, by its remoting protocol (name server 9876, broker 10911; RocketMQ 4.9.4 and
//! later).
//!
//! | to | see |
//! |---|---|
//! | connect, and find a topic's queues | [`Client`], [`ClientOptions`], [`Route`] |
//! | read a queue | [`Puller`], [`Filter`], [`ReceivedMessage`] |
//! | know offsets of queues | [`Client::min_offset`], [`Client::max_offset`], [`Client::offset_at`] |
//! | keep offsets of groups | [`Client::committed_offset`], [`Client::commit_offset`] |
//! | send | [`Producer`], [`Message`], [`Receipt`] |
//! | send in transactions, exactly once over failures | [`HalfMessage`], [`Client::commit`], [`Client::commit_again`] |
//! | hear from brokers | [`Client::events`], [`BrokerEvent`] |
//! | make and remove topics | [`Client::create_topic`], [`Client::delete_topic`] |
//!
//! # Promises
//! - Nothing waits for ever: a request has a time limit, a pull that of its long poll besides, and pauses between tries have
//!   a largest one. Nothing grows without a bound: what is not written yet, what is under way, a frame, a decompressed body.
//! - A lost connection is noticed (also one that only went silent: by the next request that gets no answer, a heartbeat at
//!   the latest), reported to who waits on it, and opened again by the next request, with growing pauses while that fails.
//!   Other name servers, other brokers, and to read from also copies of a broker are tried where there are some.
//! - An [`Error`](riverrun_base::Error) says whether trying again may help. A request that changes something is repeated only
//!   where that is harmless, and by [`Producer`] as its options say.
//! - No runtime is made: calls and tasks run in the caller's, and tasks end with the client.
//!
//! # Why a client of our own
//! The official Rust client speaks gRPC with a proxy, and knows no queues, offsets or pulls: with it a source cannot promise
//! exactly once. `rocketmq-client-rust` 1.0 speaks this protocol, but holds one lock over a client while a long poll waits, so
//! that queues wait for one another; it hides the reasons of errors, and brings some 260 crates. What is needed of the protocol
//! is a handful of requests.

mod address;
mod auth;
mod backoff;
mod client;
mod codes;
mod compression;
mod connection;
mod endpoint;
mod events;
mod fields;
mod frame;
mod heartbeat;
mod message;
mod message_codec;
mod message_id;
mod name_server;
mod offsets;
mod options;
mod producer;
mod properties;
mod pull;
mod resend;
mod route;
mod tls;
mod topics;
mod transaction;

pub use auth::Credentials;
pub use client::Client;
pub use compression::Compression;
pub use events::{BrokerEvent, TransactionCheck};
pub use message::{DELAY_LEVEL_MAX, Message, ReceivedMessage, check_topic};
pub use options::ClientOptions;
pub use producer::{Pending, Producer, ProducerOptions, Receipt, SendStatus};
pub use pull::{Filter, Outcome, PullOptions, Pulled, Puller};
pub use route::{Queue, Route};
pub use tls::Tls;
pub use transaction::{Decision, HalfMessage};
