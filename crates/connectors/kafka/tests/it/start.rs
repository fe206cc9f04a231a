//! Where reading starts.

use riverrun_testkit::{Record, kafka, unique};

use crate::harness::{Reading, people, sorted};

fn lines(rows: std::ops::Range<i32>) -> Vec<Record> {
    rows.map(|n| Record::value(format!("{n},n{n}")).partition(0).timestamp_ms(1_000_000 + i64::from(n) * 1000))
        .collect()
}

fn expected(rows: std::ops::Range<i32>) -> Vec<String> {
    rows.map(|n| format!("{n}|n{n}")).collect()
}

#[test]
fn earliest_reads_every_record_of_every_partition() {
    let topic = kafka().topic("earliest", 3);
    let records = (0..300).map(|n| Record::value(format!("{n},n{n}")).partition(n % 3));
    kafka().produce(&topic, records);
    let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &[]));
    let rows = reading.take_exactly(300);
    let mut numbers: Vec<i32> = rows.iter().map(|row| row.split('|').next().unwrap().parse().unwrap()).collect();
    for partition in 0..3 {
        assert!(
            numbers.iter().filter(|n| **n % 3 == partition).is_sorted(),
            "the order within partition {partition} is kept"
        );
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert!(reading.counter("numBytesIn") > 300 * 4);
}

#[test]
fn latest_reads_what_comes_after_the_start_and_knows_its_offset_at_once() {
    let topic = kafka().topic("latest", 1);
    kafka().produce(&topic, lines(0..5));
    let table = people(&kafka().bootstrap(), &topic, &[("scan.startup.mode", "latest-offset")]);
    let mut reading = Reading::start(&table);
    assert_eq!(reading.positions(), [format!("{topic}-0 {{\"offset\":5}}")]);
    reading.expect_silence();
    kafka().produce(&topic, lines(5..8));
    assert_eq!(reading.take_exactly(3), expected(5..8));
}

#[test]
fn group_offsets_go_on_where_the_group_has_committed() {
    let (topic, group) = (kafka().topic("group", 1), unique("group"));
    kafka().produce(&topic, lines(0..10));
    kafka().commit(&group, &topic, &[(0, 7)]);
    let table = people(&kafka().bootstrap(), &topic, &[("scan.startup.mode", ""), ("properties.group.id", &group)]);
    assert_eq!(Reading::start(&table).take_exactly(3), expected(7..10));
}

#[test]
fn without_committed_offsets_the_reset_decides() {
    let topic = kafka().topic("reset", 1);
    kafka().produce(&topic, lines(0..4));
    let start = |reset: &str| {
        let group = unique("reset");
        let options = [
            ("scan.startup.mode", "group-offsets"),
            ("properties.group.id", group.as_str()),
            ("properties.auto.offset.reset", reset),
        ];
        Reading::try_start(&people(&kafka().bootstrap(), &topic, &options))
    };
    assert_eq!(start("earliest").unwrap().take_exactly(4), expected(0..4));
    assert_eq!(start("latest").unwrap().positions(), [format!("{topic}-0 {{\"offset\":4}}")]);
    for reset in ["none", ""] {
        let error = start(reset).err().unwrap().to_string();
        assert!(
            error.contains("has committed no offset") && error.contains("auto.offset.reset") && error.contains(&topic),
            "{error}"
        );
    }
}

#[test]
fn a_timestamp_starts_at_the_first_record_that_is_not_older() {
    let topic = kafka().topic("timestamp", 2);
    kafka().produce(&topic, lines(0..10));
    let at = |millis: &str| {
        people(
            &kafka().bootstrap(),
            &topic,
            &[("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", millis)],
        )
    };
    assert_eq!(Reading::start(&at("1006500")).take_exactly(3), expected(7..10));
    assert_eq!(Reading::start(&at("1007000")).take_exactly(3), expected(7..10));
    // Nothing is that new, in either partition: the end.
    let mut reading = Reading::start(&at("9000000"));
    assert_eq!(reading.positions(), [format!("{topic}-0 {{\"offset\":10}}"), format!("{topic}-1 {{\"offset\":0}}")]);
    kafka().produce(&topic, lines(10..11));
    assert_eq!(reading.take_exactly(1), expected(10..11));
}

#[test]
fn specific_offsets_start_there_and_other_partitions_at_the_group_or_the_beginning() {
    let (topic, group) = (kafka().topic("specific", 3), unique("specific"));
    kafka().produce(&topic, (0..12).map(|n| Record::value(format!("{n},n{n}")).partition(n % 3)));
    kafka().commit(&group, &topic, &[(1, 3)]);
    let options =
        [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "partition:0,offset:2")];
    let alone = people(&kafka().bootstrap(), &topic, &options);
    let rows = Reading::start(&alone).take_exactly(10);
    assert_eq!(sorted(rows), sorted([6, 9, 1, 4, 7, 10, 2, 5, 8, 11].map(|n| format!("{n}|n{n}")).to_vec()));
    let mut in_group = alone.clone();
    in_group.options.insert("properties.group.id".into(), group);
    in_group.options.insert("properties.auto.offset.reset".into(), "earliest".into());
    let rows = Reading::start(&in_group).take_exactly(7);
    assert_eq!(sorted(rows), sorted([6, 9, 10, 2, 5, 8, 11].map(|n| format!("{n}|n{n}")).to_vec()));
}
