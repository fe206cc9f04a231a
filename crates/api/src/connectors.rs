//! Sources and sinks for systems outside, a module and a cargo feature for each. All of them are there by default; a program that names `riverrun`
//! with `default-features = false` builds only those whose features it names.

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
