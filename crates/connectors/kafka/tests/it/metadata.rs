//! Metadata columns, written and read back.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use arrow::datatypes::{Field, Schema};
use riverrun_connect::TableContext;
use riverrun_data::{Batch, field};
use riverrun_testkit::{Record, kafka};

use crate::harness::{Reading, batch, metadata, people, sorted, try_writer, write_all};

/// The batch with further columns behind the physical ones.
fn beside(table: &TableContext, rows: &Batch, columns: Vec<ArrayRef>) -> Batch {
    let written = table.metadata.iter().filter(|column| !column.is_virtual);
    let fields: Vec<Field> = rows
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .chain(written.map(|column| field(&column.name, &column.data_type).with_nullable(true)))
        .collect();
    let columns = rows.rows().columns().iter().cloned().chain(columns).collect();
    Batch::insertions(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap())
}

/// The headers of a row; `None` for a NULL.
type Headers<'a> = Option<&'a [(&'a str, Option<&'a str>)]>;

fn headers(rows: &[Headers<'_>]) -> ArrayRef {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new());
    for row in rows {
        for (name, value) in row.unwrap_or_default() {
            builder.keys().append_value(name);
            builder.values().append_option(*value);
        }
        builder.append(row.is_some()).unwrap();
    }
    Arc::new(builder.finish())
}

#[test]
fn every_key_is_read_with_flinks_type() {
    let topic = kafka().topic("metadata", 2);
    kafka().produce(
        &topic,
        [
            Record::value("1,a")
                .partition(1)
                .timestamp_ms(1_700_000_000_123)
                .header("trace", "x")
                .header("trace", "y")
                .header("n", [0, 255]),
            Record::value("2,b").partition(1).timestamp_ms(1_700_000_000_124),
        ],
    );
    let mut table = people(&kafka().bootstrap(), &topic, &[]);
    let keys = ["offset", "topic", "partition", "timestamp", "timestamp-type", "headers", "leader-epoch"];
    table.metadata = keys.iter().map(|key| metadata(&format!("m_{key}"), key, true)).collect();
    let mut reading = Reading::start(&table);
    let (_, batch) = reading.next().unwrap().unwrap();
    for column in &table.metadata {
        let (index, found) =
            batch.schema().column_with_name(&column.name).map(|(index, field)| (index, field.clone())).unwrap();
        assert_eq!(found, field(&column.name, &column.data_type));
        assert_eq!(batch.rows().column(index).data_type(), found.data_type());
    }
    let rows = crate::harness::texts(&batch);
    assert_eq!(
        rows,
        [
            format!("1|a|0|{topic}|1|2023-11-14T22:13:20.123|CreateTime|{{trace: 79, n: 00ff}}|0"),
            format!("2|b|1|{topic}|1|2023-11-14T22:13:20.124|CreateTime|{{}}|0"),
        ]
    );
}

#[test]
fn the_time_of_the_broker_says_so() {
    let topic = riverrun_testkit::unique("append_time");
    kafka().create_topic_with(&topic, 1, &[("message.timestamp.type", "LogAppendTime")]);
    kafka().produce_lines(&topic, ["1,a"]);
    let mut table = people(&kafka().bootstrap(), &topic, &[]);
    table.metadata = vec![metadata("kind", "timestamp-type", true)];
    assert_eq!(Reading::start(&table).take(1), ["1|a|LogAppendTime"]);
}

#[test]
fn headers_and_time_that_are_written_are_read_back() {
    let topic = kafka().topic("written", 1);
    let mut table = people(&kafka().bootstrap(), &topic, &[]);
    // The virtual column between the others is read only, and not in the sink's rows.
    table.metadata =
        vec![metadata("ts", "timestamp", false), metadata("at", "offset", true), metadata("h", "headers", false)];
    let rows = batch(&table, &["1|a", "2|b", "3|c"]);
    let time: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![Some(1_700_000_000_000), None, Some(1)]).with_timezone("UTC"));
    let columns =
        vec![time, headers(&[Some(&[("k", Some("v")), ("empty", Some("")), ("none", None)]), None, Some(&[])])];
    write_all(&table, beside(&table, &rows, columns));
    let records = kafka().read_all(&topic);
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    // As in Flink, a header without a value is not written.
    assert_eq!(records[0].headers, [header("k", "v"), header("empty", "")]);
    assert_eq!((records[0].timestamp_ms, records[2].timestamp_ms), (Some(1_700_000_000_000), Some(1)));
    assert!(records[1].timestamp_ms.unwrap() > 1_700_000_000_000, "without a time it is now");
    let read = Reading::start(&table).take_exactly(3);
    assert_eq!(read[0], "1|a|2023-11-14T22:13:20|0|{k: 76, empty: }");
    assert_eq!(read[2], "3|c|1970-01-01T00:00:00.001|2|{}");
}

#[test]
fn rows_choose_their_topic_where_the_table_names_several() {
    let (one, two) = (kafka().topic("choose", 1), kafka().topic("choose", 1));
    let mut table = people(&kafka().bootstrap(), &format!("{one};{two}"), &[]);
    table.metadata = vec![metadata("topic", "topic", false)];
    let rows = batch(&table, &["1|a", "2|b", "3|c"]);
    let topics = |names: [&str; 3]| -> Vec<ArrayRef> { vec![Arc::new(StringArray::from(names.to_vec()))] };
    write_all(&table, beside(&table, &rows, topics([&one, &two, &one])));
    let values = |topic: &str| kafka().read_all(topic).iter().map(riverrun_testkit::Consumed::text).collect::<Vec<_>>();
    assert_eq!((values(&one), values(&two)), (vec!["1,a".into(), "3,c".into()], vec!["2,b".to_owned()]));
    assert_eq!(
        sorted(Reading::start(&table).take(3)),
        [format!("1|a|{one}"), format!("2|b|{two}"), format!("3|c|{one}")]
    );

    let mut writer = try_writer(&table).unwrap();
    let error = writer.write(beside(&table, &rows, topics([&one, "elsewhere", &two]))).unwrap_err().to_string();
    assert!(error.contains("'elsewhere'") && error.contains("none of the table's"), "{error}");
}
