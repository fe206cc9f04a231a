//! What is refused before anything runs.

use riverrun_connect::TableContext;
use riverrun_data::LogicalType;
use riverrun_kafka::{KAFKA, UPSERT_KAFKA};

use crate::harness::{metadata, people, table};

/// A broker that is not there: nothing here connects.
const NOBODY: &str = "127.0.0.1:1";

/// Options, and what the error says.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

fn source_error(table: &TableContext) -> String {
    (crate::harness::connector(table).source.unwrap())(table).err().expect("the source must be refused").to_string()
}

fn sink_error(table: &TableContext) -> String {
    (crate::harness::connector(table).sink.unwrap())(table).err().expect("the sink must be refused").to_string()
}

#[test]
fn a_complete_table_is_accepted_as_source_and_as_sink() {
    let table = people(
        NOBODY,
        "t",
        &[
            ("properties.group.id", "g"),
            ("csv.field-delimiter", ";"),
            ("scan.parallelism", "3"),
            ("sink.parallelism", "2"),
        ],
    );
    assert_eq!(KAFKA.source.unwrap()(&table).unwrap().parallelism(), Some(3));
    assert_eq!(KAFKA.sink.unwrap()(&table).unwrap().parallelism(), Some(2));
}

#[test]
fn mistakes_are_refused_with_place_and_remedy() {
    let cases: &[Case<'_>] = &[
        (&[("topics", "t")], &["Unsupported options", "did you mean 'topic'?"]),
        (&[("format", "")], &["'format'"]),
        (&[("format", "jsn")], &["unknown format 'jsn'", "did you mean 'json'?"]),
        (&[("topic", "")], &["'topic'", "'topic-pattern'"]),
        (&[("properties.bootstrap.servers", "")], &["properties.bootstrap.servers"]),
        (&[("scan.startup.mode", "earliest")], &["'earliest' is not one of", "earliest-offset"]),
        (&[("scan.startup.mode", "")], &["properties.group.id"]),
        (&[("scan.startup.mode", "timestamp")], &["scan.startup.timestamp-millis"]),
        (
            &[("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", "0:5")],
            &["partition:0,offset:42"],
        ),
        (
            &[("scan.topic-partition-discovery.interval", "5 lightyears")],
            &["not a duration", "scan.topic-partition-discovery.interval"],
        ),
        (&[("properties.fetch.min.byte", "1")], &["'fetch.min.byte'", "did you mean 'properties.fetch.min.bytes'?"]),
        (&[("properties.auto.offset.reset", "first")], &["earliest, latest, none"]),
        (&[("key.fields", "id")], &["key.format"]),
        (&[("key.format", "csv"), ("key.fields", "ids")], &["did you mean 'id'?"]),
        (&[("scan.parallelism", "0")], &["scan.parallelism"]),
    ];
    for (options, parts) in cases {
        let error = source_error(&people(NOBODY, "t", options));
        for part in *parts {
            assert!(error.contains(part), "{options:?}: {error} lacks {part}");
        }
    }
}

#[test]
fn mistakes_of_sinks_are_refused_too() {
    let (exactly, prefix) = (("sink.delivery-guarantee", "exactly-once"), ("sink.transactional-id-prefix", "p"));
    let cases: &[Case<'_>] = &[
        (&[("sink.delivery-guarantee", "exactly-once")], &["needs 'sink.transactional-id-prefix'"]),
        (&[("sink.semantic", "exactly-once")], &["needs 'sink.transactional-id-prefix'"]),
        (&[exactly, prefix, ("sink.transaction-naming-strategy", "incrementing")], &["'incrementing'", "pooling"]),
        (&[exactly, prefix, ("properties.acks", "1")], &["properties.acks"]),
        (&[exactly, prefix, ("properties.transaction.timeout.ms", "soon")], &["properties.transaction.timeout.ms"]),
        (&[("sink.transactional-id-prefix", "p")], &["exactly-once"]),
        (&[("sink.partitioner", "com.acme.P")], &["'com.acme.P'", "default, fixed, round-robin"]),
        (&[("topic", "a;b")], &["several topics", "METADATA"]),
        (&[("properties.delivery.timeout.ms", "0")], &["delivery"]),
        (&[("properties.transactional.id", "x")], &["sink.transactional-id-prefix"]),
    ];
    for (options, parts) in cases {
        let error = sink_error(&people(NOBODY, "t", options));
        for part in *parts {
            assert!(error.contains(part), "{options:?}: {error} lacks {part}");
        }
    }
    let mut table = people(NOBODY, "t", &[]);
    table.metadata = vec![metadata("where", "topic", false)];
    assert!(sink_error(&table).contains("VIRTUAL"));
    table.metadata = vec![metadata("at", "offset", false)];
    assert!(sink_error(&table).contains("VIRTUAL"));
}

#[test]
fn primary_keys_belong_to_upsert_kafka() {
    let mut plain = people(NOBODY, "t", &[]);
    plain.primary_key = vec![0];
    assert!(source_error(&plain).contains("upsert-kafka"));
    let options =
        [("properties.bootstrap.servers", NOBODY), ("topic", "t"), ("key.format", "csv"), ("value.format", "csv")];
    let mut upsert = table(&UPSERT_KAFKA, &[("id", LogicalType::BigInt), ("name", LogicalType::STRING)], &options);
    assert!(source_error(&upsert).contains("PRIMARY KEY"));
    upsert.primary_key = vec![0];
    assert!(UPSERT_KAFKA.source.unwrap()(&upsert).is_ok());
    upsert.options.insert("scan.startup.mode".into(), "latest-offset".into());
    assert!(source_error(&upsert).contains("scan.startup.mode"));
    upsert.options.remove("scan.startup.mode");
    upsert.options.insert("sink.buffer-flush.max-rows".into(), "5".into());
    assert!(sink_error(&upsert).contains("sink.buffer-flush.interval"));
}

#[test]
fn passwords_are_in_no_error() {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" password=\"s3cret\";";
    let options = [
        ("properties.sasl.jaas.config", jaas),
        ("properties.sasl.password", "s3cret"),
        ("properties.unknown.thing", "s3cret"),
        ("unknown", "1"),
    ];
    let table = people(NOBODY, "t", &options);
    assert!(!source_error(&table).contains("s3cret"));
    assert!(!sink_error(&table).contains("s3cret"));
}
