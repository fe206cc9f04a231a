//! Positions in checkpoints, and offsets in the consumer group.

use std::collections::BTreeMap;

use riverrun_connect::Split;
use riverrun_testkit::{Record, kafka, unique, wait_until};

use crate::harness::{LIMIT, Reading, people, sorted};

fn produce(topic: &str, partitions: i32, rows: std::ops::Range<i32>) {
    kafka().produce(topic, rows.map(|n| Record::value(format!("{n},n{n}")).partition(n % partitions)));
}

fn expected(rows: std::ops::Range<i32>) -> Vec<String> {
    sorted(rows.map(|n| format!("{n}|n{n}")).collect())
}

#[test]
fn a_restored_reader_reads_exactly_the_rest() {
    let topic = kafka().topic("restore", 3);
    produce(&topic, 3, 0..30_000);
    let table = people(&kafka().bootstrap(), &topic, &[("scan.bounded.mode", "latest-offset")]);
    let mut first = Reading::start(&table);
    let mut rows = first.take(10_000);
    let (known, splits) = (first.known.clone(), first.reader.splits());
    assert!(!splits.is_empty());
    drop(first);
    rows.extend(Reading::restore(&table, known, splits).rest());
    assert_eq!(sorted(rows), expected(0..30_000));
}

#[test]
fn positions_follow_each_batch_that_was_returned() {
    let topic = kafka().topic("positions", 2);
    produce(&topic, 2, 0..20_000);
    let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &[]));
    let mut read: BTreeMap<String, usize> = BTreeMap::new();
    while read.values().sum::<usize>() < 20_000 {
        let (split, batch) = reading.next().unwrap().unwrap();
        *read.entry(split.to_string()).or_default() += batch.num_rows();
        for (id, rows) in &read {
            assert!(reading.positions().contains(&format!("{id} {{\"offset\":{rows}}}")), "{:?}", reading.positions());
        }
    }
}

#[test]
fn a_position_that_was_never_read_is_the_beginning() {
    let topic = kafka().topic("unread", 1);
    let table = people(&kafka().bootstrap(), &topic, &[]);
    let first = Reading::start(&table);
    let splits = first.reader.splits();
    assert_eq!(splits, [Split { id: format!("{topic}-0").into(), position: b"{}".to_vec() }]);
    produce(&topic, 1, 0..3);
    assert_eq!(Reading::restore(&table, first.known.clone(), splits).take_exactly(3), expected(0..3));
}

#[test]
fn completed_checkpoints_commit_the_offsets_of_their_splits() {
    let (topic, group) = (kafka().topic("commit", 2), unique("commit"));
    produce(&topic, 2, 0..10);
    let table = people(
        &kafka().bootstrap(),
        &topic,
        &[("properties.group.id", &group), ("scan.bounded.mode", "latest-offset")],
    );
    let mut reading = Reading::start(&table);
    // Nothing is read yet, so there is nothing to commit.
    let splits = reading.reader.splits();
    reading.reader.checkpoint_completed(&splits).unwrap();
    assert_eq!(reading.rest().len(), 10);
    // The splits have ended; a checkpoint from before is not the time to say so, the next one is.
    reading.reader.checkpoint_completed(&splits).unwrap();
    assert_eq!(kafka().committed(&group, &topic), BTreeMap::new());
    reading.reader.checkpoint_completed(&[]).unwrap();
    wait_until(LIMIT, "the offsets to be committed", || {
        kafka().committed(&group, &topic) == BTreeMap::from([(0, 5), (1, 5)])
    });
    let stored = |offset: i64| {
        vec![Split { id: format!("{topic}-0").into(), position: format!("{{\"offset\":{offset}}}").into_bytes() }]
    };
    reading.reader.checkpoint_completed(&stored(3)).unwrap();
    wait_until(LIMIT, "the offset to be committed", || kafka().committed(&group, &topic)[&0] == 3);
}

#[test]
fn without_a_group_or_when_told_so_nothing_is_committed() {
    let (topic, group) = (kafka().topic("uncommitted", 1), unique("uncommitted"));
    produce(&topic, 1, 0..3);
    let options = [("properties.group.id", group.as_str()), ("properties.commit.offsets.on.checkpoint", "false")];
    for options in [&options[..], &[]] {
        let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, options));
        reading.take(3);
        let splits = reading.reader.splits();
        reading.reader.checkpoint_completed(&splits).unwrap();
    }
    assert_eq!(kafka().committed(&group, &topic), BTreeMap::new());
}
