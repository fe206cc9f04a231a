//! Sources and sinks for systems outside, a module and a cargo feature for each. All of them are there by default; a program that names `riverrun`
//! with `default-features = false` builds only those whose features it names.

/// Lines of local files (feature `filesystem`): [`FileSource`](filesystem::FileSource), [`FileSink`](filesystem::FileSink).
#[cfg(feature = "filesystem")]
pub mod filesystem {
    pub use riverrun_filesystem::{
        DefaultRollingPolicy, FileSink, FileSinkBuilder, FileSource, FileSourceBuilder, TextLineInputFormat,
    };
}

/// Calls by HTTP (feature `http`): [`HttpSink`](http::HttpSink).
#[cfg(feature = "http")]
pub mod http {
    pub use crate::sinks::http::HttpSink;
}

/// MySQL, MariaDB, PostgreSQL and SQLite (feature `jdbc`): [`JdbcSink`](jdbc::JdbcSink).
#[cfg(feature = "jdbc")]
pub mod jdbc {
    pub use riverrun_jdbc::{
        Bind, JdbcConnectionOptions, JdbcExecutionOptions, JdbcSink, JdbcSinkBuilder, JdbcStatement, JdbcValue,
    };
}

/// Topics of Apache Kafka (feature `kafka`): [`KafkaSource`](kafka::KafkaSource), [`KafkaSink`](kafka::KafkaSink).
#[cfg(feature = "kafka")]
pub mod kafka {
    pub use riverrun_kafka::{
        ConsumerRecord, DeliveryGuarantee, KafkaPartitioner, KafkaRecordDeserializationSchema,
        KafkaRecordSerializationSchema, KafkaRecordSerializer, KafkaSink, KafkaSinkBuilder, KafkaSource,
        KafkaSourceBuilder, Key, KeyPart, NoKey, OffsetResetStrategy, OffsetsInitializer, ProducerRecord,
        RecordCollector, RecordSerializationBuilder, ValueOnly,
    };
}

/// Topics of Apache RocketMQ (feature `rocketmq`): [`RocketMqSource`](rocketmq::RocketMqSource), [`RocketMqSink`](rocketmq::RocketMqSink).
#[cfg(feature = "rocketmq")]
pub mod rocketmq {
    pub use riverrun_rocketmq::{
        DefaultTopicSelector, KeyValueDeserializationSchema, KeyValueMessages, KeyValueSerializationSchema, Message,
        Messages, OffsetResetStrategy, Queue, ReceivedMessage, RocketMQConfig, RocketMqSerializer, RocketMqSink,
        RocketMqSource, SimpleKeyValueDeserializationSchema, SimpleKeyValueSerializationSchema,
        SimpleStringDeserializationSchema, SimpleTopicSelector, TopicSelector,
    };
}
