//! The `kafka` and `upsert-kafka` connectors, on librdkafka.
//!
//! Options, defaults, metadata and meaning are those of Flink's Kafka SQL connector
//! (<https://nightlies.apache.org/flink/flink-docs-stable/docs/connectors/table/kafka/>). What differs, and why:
//!
//! - Where records at a position are gone (removed by retention), reading goes on at the beginning with a warning, unless
//!   `properties.auto.offset.reset` says `latest`, or the start mode is `group-offsets` and it says nothing: then the job fails.
//! - A sink is told of every record that a broker refuses, and fails; a missing topic or broker is an error within seconds.
//!
//! - Exactly once, a transaction's time-out is an hour as in Flink, or what the broker allows if that is less (15 minutes by default, where
//!   Flink's default fails).
//!
//! A source's enumerator finds partitions and looks their first offsets up; readers assign partitions to themselves, take records in batches
//! without copying them, and decode a batch of one partition at a time. A sink counts acknowledgements.
//!
//! **Exactly once.** The rows between two barriers are one transaction of librdkafka (KIP-98), which the writer leaves open at the barrier with all
//! rows acknowledged; the checkpoint holds what names it (`transaction`). When the checkpoint is complete, the committer ends it by Kafka's
//! protocol (`broker`), from whatever process: the writer may be dead. Decisions, and where their reasons stand:
//!
//! - a producer and so an epoch for each transaction; ids that recovery finds again, and prefixes that do not meet: `transaction`;
//! - few ids used in turn, and none that a restorable checkpoint may still hold: `ring`;
//! - commits in a version of the request that can be repeated (KIP-890 raises the epoch in later ones): `broker::messages`;
//! - all is looked up before anything is committed, and what the broker gave up is told, never passed over: `committer`;
//! - a transaction whose coordinator has forgotten how it ended is proven by one of its rows: `witness`.

mod batch_queue;
mod broker;
mod client;
mod columns;
mod committer;
mod decode;
mod encode;
mod enumerator;
mod exactly_once;
mod jaas;
mod metadata;
mod options;
mod output;
mod partitioner;
mod position;
mod properties;
mod reader;
mod ring;
mod rows;
mod scan;
mod sink;
mod source;
mod table;
mod transaction;
mod transactional;
mod typed;
mod upsert;
mod witness;
mod writer;

use riverrun_connect::Connector;
pub use riverrun_formats::{
    BoxError, DeserializationSchema, JsonDeserializationSchema, JsonSerializationSchema, SerializationSchema,
    SimpleStringSchema,
};
pub use typed::{
    ConsumerRecord, DeliveryGuarantee, KafkaPartitioner, KafkaRecordDeserializationSchema,
    KafkaRecordSerializationSchema, KafkaRecordSerializer, KafkaSink, KafkaSinkBuilder, KafkaSource,
    KafkaSourceBuilder, Key, KeyPart, NoKey, OffsetResetStrategy, OffsetsInitializer, ProducerRecord, RecordCollector,
    RecordSerializationBuilder, ValueOnly,
};

/// `'connector' = 'kafka'`: reads and writes topics; rows are insertions, or what the value format says.
pub static KAFKA: Connector = Connector {
    name: "kafka",
    description: "Reads and writes topics of Apache Kafka.",
    options: options::kafka_specs,
    metadata: metadata::keys,
    source: Some(source::kafka),
    sink: Some(sink::kafka),
};

/// `'connector' = 'upsert-kafka'`: a topic as a table with a primary key, which is the key of its records; a record without a value deletes.
pub static UPSERT_KAFKA: Connector = Connector {
    name: "upsert-kafka",
    description: "Reads and writes topics of Apache Kafka as changes by key.",
    options: options::upsert_kafka_specs,
    metadata: metadata::keys,
    source: Some(source::upsert_kafka),
    sink: Some(sink::upsert_kafka),
};
