//! `upsert-kafka`: changes by key, and deletions.

use std::time::{Duration, Instant};

use riverrun_connect::{Flush, TableContext};
use riverrun_data::{ChangelogMode, DataType, LogicalType, RowKind};
use riverrun_kafka::UPSERT_KAFKA;
use riverrun_testkit::{Record, kafka};

use crate::harness::{LIMIT, Reading, batch, metadata, table, write_all, writer};

fn accounts(topic: &str, options: &[(&str, &str)]) -> TableContext {
    let bootstrap = kafka().bootstrap();
    let defaults = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic),
        ("key.format", "json"),
        ("value.format", "json"),
    ];
    let columns = [("name", LogicalType::STRING), ("id", LogicalType::BigInt), ("amount", LogicalType::BigInt)];
    let mut table = table(&UPSERT_KAFKA, &columns, &defaults.iter().chain(options).copied().collect::<Vec<_>>());
    table.primary_key = vec![1];
    table
}

fn records(topic: &str) -> Vec<String> {
    kafka().read_all(topic).iter().map(|record| format!("{} {}", record.key_text(), record.text())).collect()
}

#[test]
fn changes_are_written_by_key_and_deletions_as_tombstones() {
    let topic = kafka().topic("upsert", 1);
    let table = accounts(&topic, &[]);
    write_all(
        &table,
        batch(&table, &["+Iann|1|10", "+Ibob|2|20", "+Uann|1|11", "-DNULL|2|NULL", "-Uann|1|11", "+Uann|1|12"]),
    );
    assert_eq!(
        records(&topic),
        [
            r#"{"id":1} {"name":"ann","id":1,"amount":10}"#,
            r#"{"id":2} {"name":"bob","id":2,"amount":20}"#,
            r#"{"id":1} {"name":"ann","id":1,"amount":11}"#,
            r#"{"id":2} <null>"#,
            r#"{"id":1} <null>"#,
            r#"{"id":1} {"name":"ann","id":1,"amount":12}"#,
        ]
    );
    let rows = Reading::start(&table).take_exactly(6);
    assert_eq!(rows, ["+Uann|1|10", "+Ubob|2|20", "+Uann|1|11", "-DNULL|2|NULL", "-DNULL|1|NULL", "+Uann|1|12"]);
}

#[test]
fn deletions_have_their_key_whatever_the_layout() {
    for include in ["ALL", "EXCEPT_KEY"] {
        let topic = kafka().topic("upsert_layout", 1);
        let mut table = accounts(&topic, &[("value.fields-include", include)]);
        // Columns that take no NULL hold the zero of their type in a deletion: only its key counts.
        for column in &mut table.columns {
            column.data_type = DataType::not_null(column.data_type.logical.clone());
        }
        write_all(&table, batch(&accounts(&topic, &[]), &["+Iann|1|10", "-Dann|1|10", "+Ibob|2|20"]));
        assert_eq!(Reading::start(&table).take_exactly(3), ["+Uann|1|10", "-D|1|0", "+Ubob|2|20"], "{include}");
    }
}

#[test]
fn it_is_read_from_the_beginning_to_the_end_that_was_asked_for() {
    let topic = kafka().topic("upsert_bounded", 2);
    let table = accounts(&topic, &[("scan.bounded.mode", "latest-offset"), ("properties.group.id", "upsert_bounded")]);
    write_all(&table, batch(&table, &["+Iann|1|10", "+Ibob|2|20", "-DNULL|1|NULL"]));
    let rows = Reading::start(&table).rest();
    assert_eq!(rows.len(), 3);
    let of_ann: Vec<_> = rows.iter().filter(|row| row.contains("|1|")).collect();
    assert_eq!(of_ann, ["+Uann|1|10", "-DNULL|1|NULL"], "the changes of a key keep their order");
}

#[test]
fn a_deletion_has_its_prefixed_key_and_its_metadata_and_nothing_else() {
    let topic = kafka().topic("upsert_prefix", 1);
    let bootstrap = kafka().bootstrap();
    let options = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic.as_str()),
        ("key.format", "json"),
        ("key.fields-prefix", "k_"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
        ("scan.bounded.mode", "latest-offset"),
    ];
    let columns = [("name", LogicalType::STRING), ("k_id", LogicalType::BigInt)];
    let mut table = table(&UPSERT_KAFKA, &columns, &options);
    table.primary_key = vec![1];
    table.metadata = vec![metadata("place", "offset", true)];
    kafka().produce(
        &topic,
        [
            Record::value(r#"{"name":"ann"}"#).key(r#"{"id":1}"#),
            Record::value(r#"{"name":"amy"}"#).key(r#"{"id":1}"#),
            Record::tombstone(r#"{"id":1}"#),
        ],
    );
    let source = UPSERT_KAFKA.source.unwrap()(&table).unwrap();
    assert_eq!(source.changelog_mode(), ChangelogMode::of(&[RowKind::UpdateAfter, RowKind::Delete]));
    assert_eq!(Reading::start(&table).rest(), ["+Uann|1|0", "+Uamy|1|1", "-DNULL|1|2"]);
}

#[test]
fn a_record_without_a_key_is_no_change() {
    let topic = kafka().topic("upsert_no_key", 1);
    kafka().produce(&topic, [Record::value(r#"{"name":"x","id":9,"amount":1}"#), Record::tombstone(r#"{"id":1}"#)]);
    let mut reading = Reading::start(&accounts(&topic, &[]));
    assert_eq!(reading.take_exactly(1), ["-DNULL|1|NULL"]);
    assert_eq!(reading.counter("numRecordsInNull"), 1);
}

#[test]
fn held_back_changes_are_written_by_count_by_time_and_by_flush_and_only_the_last_of_each_key() {
    let topic = kafka().topic("upsert_buffer", 1);
    let table = accounts(&topic, &[("sink.buffer-flush.max-rows", "3"), ("sink.buffer-flush.interval", "300 ms")]);
    let mut writer = writer(&table);
    writer.write(batch(&table, &["+Iann|1|10", "+Ibob|2|20", "+Uann|1|11"])).unwrap();
    assert!(writer.deadline().is_some());
    // A third key is as many as are held back.
    writer.write(batch(&table, &["-DNULL|2|NULL", "+Icy|3|30"])).unwrap();
    let value = |id: i32, name: &str, amount: i32| {
        format!("{{\"id\":{id}}} {{\"name\":\"{name}\",\"id\":{id},\"amount\":{amount}}}")
    };
    let mut expected = vec![value(1, "ann", 11), r#"{"id":2} <null>"#.to_owned(), value(3, "cy", 30)];
    let _ = kafka().read(&topic, 3, LIMIT);
    assert_eq!(records(&topic), expected);
    // Time.
    writer.write(batch(&table, &["+Udan|4|40", "+Udan|4|41"])).unwrap();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) && writer.deadline().is_some() {
        std::thread::sleep(writer.deadline().unwrap().saturating_duration_since(Instant::now()));
        writer.tick().unwrap();
    }
    expected.push(value(4, "dan", 41));
    let _ = kafka().read(&topic, 4, LIMIT);
    assert_eq!(records(&topic), expected);
    // A barrier.
    writer.write(batch(&table, &["+Ueve|5|50"])).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    expected.push(value(5, "eve", 50));
    assert_eq!(records(&topic), expected);
}

#[test]
fn a_null_key_cannot_be_written() {
    let topic = kafka().topic("upsert_null_key", 1);
    let bootstrap = kafka().bootstrap();
    let options = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic.as_str()),
        ("key.format", "raw"),
        ("value.format", "csv"),
    ];
    let mut table = table(&UPSERT_KAFKA, &[("id", LogicalType::STRING), ("name", LogicalType::STRING)], &options);
    table.primary_key = vec![0];
    let error = writer(&table).write(batch(&table, &["1|ann", "NULL|bob"])).unwrap_err().to_string();
    assert!(error.contains("NULL key"), "{error}");
}

#[test]
fn a_table_of_nothing_but_its_key_is_written_and_read() {
    let topic = kafka().topic("upsert_key_only", 1);
    let bootstrap = kafka().bootstrap();
    let options = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic.as_str()),
        ("key.format", "json"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let mut table = table(&UPSERT_KAFKA, &[("id", LogicalType::BigInt)], &options);
    table.primary_key = vec![0];
    write_all(&table, batch(&table, &["+I1", "-D2"]));
    assert_eq!(records(&topic), [r#"{"id":1} {}"#, r#"{"id":2} <null>"#]);
    assert_eq!(Reading::start(&table).take_exactly(2), ["+U1", "-D2"]);
}
