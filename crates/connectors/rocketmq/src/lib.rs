//! The `rocketmq` connector: reads and writes topics of Apache RocketMQ, by the client in `riverrun-rocketmq-client`.
//!
//! Names and defaults of options are those of the known connector for Flink (<https://github.com/apache/rocketmq-flink>), in both of its
//! generations. What it does otherwise, and why:
//!
//! - Positions live in the checkpoint: the offset of the next message, also behind messages that were filtered out. The consumer group is
//!   told of them when their checkpoint is complete and never earlier, so that it is never ahead of what is stored.
//! - A queue that is found while the job runs, or that a checkpoint does not know, is read from its beginning where the strategy is
//!   "the end": it was not there when the end was looked up.
//! - A failed look-up of a route is an error that is tried again, and never a topic without queues.
//! - Filters by tag, which brokers decide by a hash, are checked again here.
//! - Every send is answered before a barrier passes, and what was not stored fails the checkpoint.
//! - Updates and deletions are refused when the statement is planned, unless the format can hold them: none is dropped.
//!
//! **Exactly once.** The rows between two barriers are half messages, which no consumer sees; the checkpoint holds what names them
//! (`transaction`), and when it is complete they are committed (`committer`). A commit is not idempotent in RocketMQ: so the target queue
//! is looked through for what is visible already, from where it ended when the interval began; and what another process may be
//! committing at this moment is taken over (`takeover`) once brokers refuse it to everybody else.

mod client;
mod columns;
mod commits;
mod committer;
mod decode;
mod delimited;
mod encode;
mod enumerator;
mod fetch;
mod metadata;
mod options;
mod output;
mod position;
mod reader;
mod scan;
mod sink;
mod source;
mod table;
mod takeover;
mod time;
mod transaction;
mod transactional;
mod typed;
mod writer;

use riverrun_connect::Connector;
pub use riverrun_rocketmq_client::{Message, Queue, ReceivedMessage};
pub use typed::{
    DefaultTopicSelector, KeyValueDeserializationSchema, KeyValueMessages, KeyValueSerializationSchema, Messages,
    OffsetResetStrategy, RocketMQConfig, RocketMqSerializer, RocketMqSink, RocketMqSource,
    SimpleKeyValueDeserializationSchema, SimpleKeyValueSerializationSchema, SimpleStringDeserializationSchema,
    SimpleTopicSelector, TopicSelector,
};

/// `'connector' = 'rocketmq'`: reads and writes topics; rows are insertions, or what the format says.
pub static ROCKETMQ: Connector = Connector {
    name: "rocketmq",
    description: "Reads and writes topics of Apache RocketMQ.",
    options: options::specs,
    metadata: metadata::keys,
    source: Some(source::open),
    sink: Some(sink::open),
};
