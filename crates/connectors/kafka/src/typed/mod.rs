//! Topics as streams of typed records, for programs in Rust: names and meaning are those of Flink's `KafkaSource` and `KafkaSink`
//! (<https://nightlies.apache.org/flink/flink-docs-stable/docs/connectors/datastream/kafka/>). Reading, positions, writing and transactions
//! are those of the table connector; only what a record becomes differs.

mod deserialize;
mod offsets;
mod serialize;
mod sink;
mod source;

pub use deserialize::{ConsumerRecord, KafkaRecordDeserializationSchema, RecordCollector, ValueOnly};
pub use offsets::{OffsetResetStrategy, OffsetsInitializer};
pub use serialize::{
    KafkaPartitioner, KafkaRecordSerializationSchema, KafkaRecordSerializer, Key, KeyPart, NoKey, ProducerRecord,
    RecordSerializationBuilder,
};
pub use sink::{DeliveryGuarantee, KafkaSink, KafkaSinkBuilder};
pub use source::{KafkaSource, KafkaSourceBuilder};

use std::collections::BTreeMap;

use riverrun_base::{Error, Result, Secret};

/// What both builders are told about the cluster.
#[derive(Clone, Debug, Default)]
struct Client {
    bootstrap: Option<String>,
    properties: BTreeMap<String, Secret>,
}

impl Client {
    /// Takes a property; those that are settings of their own are kept with the others.
    fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        match key {
            "bootstrap.servers" => self.bootstrap = Some(value),
            _ => drop(self.properties.insert(key.to_owned(), Secret::new(value))),
        }
    }

    fn bootstrap(&self, of: &str) -> Result<String> {
        self.bootstrap.clone().filter(|text| !text.trim().is_empty()).ok_or_else(|| {
            Error::user(format!("a {of} needs to know its brokers")).hint("call set_bootstrap_servers(\"host:9092\")")
        })
    }

    /// Takes out a property that librdkafka does not have.
    fn take(&mut self, key: &str) -> Option<String> {
        self.properties.remove(key).map(|value| value.expose().trim().to_owned())
    }
}
