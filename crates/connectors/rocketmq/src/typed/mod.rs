//! Topics as streams of typed records, for programs in Rust, under the names of the known connector's classes. Reading, positions, writing
//! and transactions are those of tables; only what a message becomes differs.

mod config;
mod deserialize;
mod serialize;
mod sink;
mod source;

pub use config::RocketMQConfig;
pub use deserialize::{
    KeyValueDeserializationSchema, SimpleKeyValueDeserializationSchema, SimpleStringDeserializationSchema,
};
pub use serialize::{
    DefaultTopicSelector, KeyValueMessages, KeyValueSerializationSchema, Messages, RocketMqSerializer,
    SimpleKeyValueSerializationSchema, SimpleTopicSelector, TopicSelector,
};
pub use sink::RocketMqSink;
pub use source::{OffsetResetStrategy, RocketMqSource};
