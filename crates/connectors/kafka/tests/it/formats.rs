//! Keys, values, and records without them.

use riverrun_data::{DataType, LogicalType};
use riverrun_kafka::KAFKA;
use riverrun_testkit::{Record, kafka};

use crate::harness::{Reading, batch, metadata, people, table, write_all};

const COLUMNS: [(&str, LogicalType); 3] =
    [("user_id", LogicalType::BigInt), ("item", LogicalType::STRING), ("name", LogicalType::STRING)];

fn keyed(topic: &str, options: &[(&str, &str)]) -> riverrun_connect::TableContext {
    let bootstrap = kafka().bootstrap();
    let defaults = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic),
        ("scan.startup.mode", "earliest-offset"),
    ];
    table(&KAFKA, &COLUMNS, &defaults.iter().chain(options).copied().collect::<Vec<_>>())
}

#[test]
fn key_columns_are_in_key_and_value_unless_excepted() {
    let rows = ["1|book|ann", "2|NULL|bob"];
    let key = [("key.format", "csv"), ("key.fields", "user_id;item"), ("value.format", "json")];
    for (include, first_value, second_value) in [
        ("ALL", r#"{"user_id":1,"item":"book","name":"ann"}"#, r#"{"user_id":2,"item":null,"name":"bob"}"#),
        ("EXCEPT_KEY", r#"{"name":"ann"}"#, r#"{"name":"bob"}"#),
    ] {
        let topic = kafka().topic("keyed", 1);
        let table = keyed(&topic, &[&key[..], &[("value.fields-include", include)]].concat());
        write_all(&table, batch(&table, &rows));
        let records = kafka().read_all(&topic);
        assert_eq!(records.iter().map(riverrun_testkit::Consumed::key_text).collect::<Vec<_>>(), ["1,book", "2,"]);
        assert_eq!(
            records.iter().map(riverrun_testkit::Consumed::text).collect::<Vec<_>>(),
            [first_value, second_value]
        );
        let read = Reading::start(&table).take_exactly(2);
        assert_eq!(read[0], rows[0]);
        assert!(read[1].starts_with("2|") && read[1].ends_with("|bob"), "{read:?}");
    }
}

#[test]
fn a_prefix_tells_key_columns_from_value_columns_of_the_same_name() {
    let topic = kafka().topic("prefix", 1);
    let bootstrap = kafka().bootstrap();
    let columns = [("k_id", LogicalType::BigInt), ("id", LogicalType::BigInt)];
    let options = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic.as_str()),
        ("scan.startup.mode", "earliest-offset"),
        ("key.format", "json"),
        ("key.json.ignore-parse-errors", "false"),
        ("key.fields", "k_id"),
        ("key.fields-prefix", "k_"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let table = table(&KAFKA, &columns, &options);
    write_all(&table, batch(&table, &["1|10", "2|20"]));
    let records = kafka().read_all(&topic);
    assert_eq!((records[0].key_text(), records[0].text()), (r#"{"id":1}"#.to_owned(), r#"{"id":10}"#.to_owned()));
    assert_eq!(Reading::start(&table).take_exactly(2), ["1|10", "2|20"]);
}

#[test]
fn records_without_a_value_give_no_row() {
    let topic = kafka().topic("null_values", 1);
    kafka()
        .produce(&topic, [Record::value("1,a"), Record::tombstone("k"), Record::value("2,b"), Record::tombstone("k")]);
    let mut plain = people(&kafka().bootstrap(), &topic, &[]);
    let mut reading = Reading::start(&plain);
    assert_eq!(reading.take_exactly(2), ["1|a", "2|b"]);
    assert_eq!(reading.positions(), [format!("{topic}-0 {{\"offset\":4}}")]);
    assert_eq!(reading.counter("numRecordsInNull"), 2);
    plain.metadata = vec![metadata("at", "offset", true)];
    assert_eq!(Reading::start(&plain).take_exactly(2), ["1|a|0", "2|b|2"]);
}

#[test]
fn records_without_a_key_give_no_row_where_the_key_has_columns() {
    let topic = kafka().topic("null_keys", 1);
    kafka().produce(
        &topic,
        [
            Record::value("ann").key("1,x"),
            Record::value("bob"),
            Record::value("cy").key("3,z"),
            Record::tombstone("4,w"),
        ],
    );
    let table = keyed(
        &topic,
        &[
            ("key.format", "csv"),
            ("key.fields", "user_id;item"),
            ("value.format", "csv"),
            ("value.fields-include", "EXCEPT_KEY"),
        ],
    );
    assert_eq!(Reading::start(&table).take_exactly(2), ["1|x|ann", "3|z|cy"]);
}

#[test]
fn raw_reads_null_as_null_and_writes_null_as_a_tombstone() {
    let topic = kafka().topic("raw", 1);
    let bootstrap = kafka().bootstrap();
    let options = [
        ("properties.bootstrap.servers", bootstrap.as_str()),
        ("topic", topic.as_str()),
        ("format", "raw"),
        ("scan.startup.mode", "earliest-offset"),
    ];
    let mut lines = table(&KAFKA, &[("line", LogicalType::STRING)], &options);
    write_all(&lines, batch(&lines, &["one", "NULL", ""]));
    assert_eq!(
        kafka().read_all(&topic).iter().map(riverrun_testkit::Consumed::text).collect::<Vec<_>>(),
        ["one", "<null>", ""]
    );
    assert_eq!(Reading::start(&lines).take_exactly(3), ["one", "NULL", ""]);
    // A column that takes no NULL cannot hold it.
    lines.columns[0].data_type = DataType::not_null(LogicalType::STRING);
    let error = Reading::start(&lines).error().to_string();
    assert!(error.contains("NOT NULL") && error.contains("offset: 1") && error.contains("column: line"), "{error}");
}

#[test]
fn a_key_that_cannot_be_read_says_that_it_is_the_key() {
    let topic = kafka().topic("bad_key", 1);
    kafka().produce(&topic, [Record::value("ann").key("1,x"), Record::value("bob").key("two,y")]);
    let table = keyed(
        &topic,
        &[
            ("key.format", "csv"),
            ("key.fields", "user_id;item"),
            ("value.format", "csv"),
            ("value.fields-include", "EXCEPT_KEY"),
        ],
    );
    let error = Reading::start(&table).error().to_string();
    assert!(error.contains("offset: 1") && error.contains("part: key") && error.contains("two"), "{error}");
}

#[test]
fn one_record_can_give_several_rows() {
    let topic = kafka().topic("arrays", 1);
    kafka().produce(
        &topic,
        [
            Record::value(r#"[{"item":"a","name":"x"},{"item":"b","name":"y"}]"#).key(r#"{"user_id":1}"#),
            Record::value(r#"{"item":"c","name":"z"}"#).key(r#"{"user_id":2}"#),
        ],
    );
    let options = [
        ("key.format", "json"),
        ("key.fields", "user_id"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let mut table = keyed(&topic, &options);
    table.metadata = vec![metadata("at", "offset", true)];
    assert_eq!(Reading::start(&table).take_exactly(3), ["1|a|x|0", "1|b|y|0", "2|c|z|1"]);
}

#[test]
fn compressed_topics_are_read() {
    for codec in ["gzip", "snappy", "lz4"] {
        let topic = riverrun_testkit::unique(codec);
        // The broker compresses what it stores.
        kafka().create_topic_with(&topic, 1, &[("compression.type", codec)]);
        kafka().produce_lines(&topic, (0..100).map(|n| format!("{n},a name that comes again")));
        let mut reading = Reading::start(&people(&kafka().bootstrap(), &topic, &[]));
        assert_eq!(reading.take(100).len(), 100, "{codec}");
    }
}
