//! The `http` connector: a sink that sends rows as HTTP requests, and loses none.
//!
//! A record is *done* when its destination has answered with success, or when it is durable in the failover store; until then it is in
//! flight, and in the checkpoint: at a barrier nothing waits for a slow destination, what is not done is stored ([`SinkWriter::snapshot`])
//! and sent first when the job goes on from there. So delivery is at least once.
//!
//! - `core` decides what is sent when, without clock or socket: retries, pauses, batches, order, destinations.
//! - `client` sends a request: connections, TLS, authorization, compression.
//! - `shell` carries the one out with the other; `writer` and `encode` are the engine's side.
//! - `failover` keeps what could not be delivered, and reads it again for a replay.
//!
//! **The idempotency key** of a record is the same whenever it is sent: in later tries, by later attempts of the job, by a replay. It is what
//! the table says (`sink.idempotency-key.columns`, or the metadata `idempotency-key`), or a hash of method, URL and body; two records that
//! are equal in these have the same key, and a destination that goes by it takes one of them. Name columns where equal records are not the
//! same.
//!
//! [`SinkWriter::snapshot`]: riverrun_connect::SinkWriter::snapshot

mod client;
mod codes;
mod core;
mod encode;
pub mod failover;
mod guard;
mod known_mode;
mod metrics;
mod options;
mod request;
mod retry_after;
mod settings;
mod shell;
mod sink;
mod template;
mod url;
mod urls;
mod writer;

use riverrun_connect::Connector;

pub use urls::UrlSink;

/// The connector, for the list of a build.
pub static HTTP: Connector = Connector {
    name: "http",
    description: "Sends rows as HTTP requests, and keeps elsewhere what cannot be delivered.",
    options: options::specs,
    metadata: sink::metadata,
    source: None,
    sink: Some(sink::sink),
};
