//! Where reading ends.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use riverrun_testkit::{Record, kafka, unique};

use crate::harness::{Reading, people, sorted};

fn lines(partition: i32, rows: std::ops::Range<i32>) -> Vec<Record> {
    rows.map(|n| Record::value(format!("{n},n{n}")).partition(partition).timestamp_ms(1_000_000 + i64::from(n) * 1000))
        .collect()
}

fn expected(rows: impl IntoIterator<Item = i32>) -> Vec<String> {
    sorted(rows.into_iter().map(|n| format!("{n}|n{n}")).collect())
}

#[test]
fn latest_ends_where_the_topic_ended_at_the_start() {
    let topic = kafka().topic("to_latest", 3);
    kafka().produce(&topic, lines(0, 0..5));
    kafka().produce(&topic, lines(1, 5..9));
    let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &[("scan.bounded.mode", "latest-offset")]));
    kafka().produce(&topic, lines(0, 100..110));
    kafka().produce(&topic, lines(2, 110..120));
    assert_eq!(sorted(reading.rest()), expected(0..9));
    assert_eq!(reading.finished.len(), 3);
    assert!(reading.positions().is_empty(), "splits that have ended are not in checkpoints");
    assert_eq!(reading.enumerator.discover().unwrap().again, None, "a bounded source looks for partitions once");
}

#[test]
fn an_empty_topic_ends_at_once() {
    let topic = kafka().topic("to_latest_empty", 2);
    assert_eq!(
        Reading::start(&people(&kafka().bootstrap(), &topic, &[("scan.bounded.mode", "latest-offset")])).rest(),
        Vec::<String>::new()
    );
}

#[test]
fn specific_offsets_end_before_them_and_leave_other_partitions_alone() {
    let topic = kafka().topic("to_specific", 2);
    kafka().produce(&topic, lines(0, 0..10));
    kafka().produce(&topic, lines(1, 10..20));
    let options =
        [("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", "partition:0,offset:4")];
    assert_eq!(sorted(Reading::start(&people(&kafka().bootstrap(), &topic, &options)).rest()), expected(0..4));
}

#[test]
fn a_specific_offset_that_is_not_written_yet_is_waited_for() {
    let topic = kafka().topic("to_future", 1);
    kafka().produce(&topic, lines(0, 0..2));
    let options =
        [("scan.bounded.mode", "specific-offsets"), ("scan.bounded.specific-offsets", "partition:0,offset:4")];
    let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &options));
    assert_eq!(reading.take_exactly(2), expected(0..2));
    kafka().produce(&topic, lines(0, 2..9));
    assert_eq!(reading.rest(), expected(2..4));
}

#[test]
fn group_offsets_end_where_the_group_has_committed() {
    let (topic, group) = (kafka().topic("to_group", 2), unique("to_group"));
    kafka().produce(&topic, lines(0, 0..10));
    kafka().commit(&group, &topic, &[(0, 6), (1, 0)]);
    let table = people(
        &kafka().bootstrap(),
        &topic,
        &[("scan.bounded.mode", "group-offsets"), ("properties.group.id", &group)],
    );
    assert_eq!(sorted(Reading::start(&table).rest()), expected(0..6));
    let stranger = unique("to_group");
    let table = people(
        &kafka().bootstrap(),
        &topic,
        &[("scan.bounded.mode", "group-offsets"), ("properties.group.id", &stranger)],
    );
    let error = Reading::try_start(&table).err().unwrap().to_string();
    assert!(error.contains(&stranger) && error.contains("scan.bounded.mode"), "{error}");
}

#[test]
fn a_timestamp_ends_before_the_first_record_that_is_not_older() {
    let topic = kafka().topic("to_timestamp", 2);
    kafka().produce(&topic, lines(0, 0..10));
    let at = |millis: &str| {
        people(
            &kafka().bootstrap(),
            &topic,
            &[("scan.bounded.mode", "timestamp"), ("scan.bounded.timestamp-millis", millis)],
        )
    };
    assert_eq!(sorted(Reading::start(&at("1004000")).rest()), expected(0..4));
    assert_eq!(sorted(Reading::start(&at("9000000")).rest()), expected(0..10));
}

/// Writes the rows in transactions of the given sizes; a negative size is aborted.
fn in_transactions(topic: &str, sizes: &[i32]) {
    let limit = Duration::from_secs(30);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka().bootstrap())
        .set("transactional.id", unique("bounded"))
        .create()
        .unwrap();
    producer.init_transactions(limit).unwrap();
    let mut n = 0;
    for size in sizes {
        producer.begin_transaction().unwrap();
        for _ in 0..size.abs() {
            let value = format!("{n},n{n}");
            producer
                .send(BaseRecord::<(), str>::to(topic).payload(&value).partition(0))
                .map_err(|(error, _)| error)
                .unwrap();
            n += 1;
        }
        producer.flush(limit).unwrap();
        if *size > 0 { producer.commit_transaction(limit).unwrap() } else { producer.abort_transaction(limit).unwrap() }
    }
}

#[test]
fn the_end_is_seen_behind_transaction_markers_and_aborted_records() {
    // The markers, and for read_committed the aborted records, have offsets but are never delivered; they are the last ones here.
    for (sizes, committed, all) in [(vec![3, 2], vec![0, 1, 2, 3, 4], 5), (vec![3, -4, 2, -5], vec![0, 1, 2, 7, 8], 14)]
    {
        let topic = kafka().topic("to_marker", 1);
        in_transactions(&topic, &sizes);
        let read = |isolation: &str| {
            let table = people(
                &kafka().bootstrap(),
                &topic,
                &[("scan.bounded.mode", "latest-offset"), ("properties.isolation.level", isolation)],
            );
            sorted(Reading::start(&table).rest())
        };
        assert_eq!(read("read_committed"), expected(committed), "{sizes:?}");
        assert_eq!(read("read_uncommitted"), expected(0..all), "{sizes:?}");
        assert_eq!(read(""), expected(0..all), "Flink reads uncommitted records by default");
    }
}
