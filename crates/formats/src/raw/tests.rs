//! Every line was seen in Flink 2.3's own classes, unless its test says that we differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use arrow::array::Array;
use riverrun_data::{Batch, LogicalType as T};

use crate::Encoded;
use crate::testing::{Table, array, column, not_null, show};

fn table(options: &[(&str, &str)], logical: T) -> Table {
    Table::new("raw", options, &[column("a", logical)])
}

fn round_trip(options: &[(&str, &str)], logical: T, bytes: &[u8], shown: &str) {
    let table = table(options, logical);
    let rows = table.decoder().decode(&[bytes]).unwrap().rows;
    assert_eq!(show(&rows), shown);
    let mut out = Encoded::default();
    table.encoder().encode(&Batch::insertions(rows), &mut out).unwrap();
    assert_eq!(out.messages().collect::<Vec<_>>(), [bytes]);
}

#[test]
fn the_whole_message_is_the_value() {
    round_trip(&[], T::STRING, "hé".as_bytes(), "('hé')");
    round_trip(&[], T::STRING, b"", "('')");
    round_trip(&[], T::Char(2), b"abc", "('abc')");
    round_trip(&[], T::BYTES, b"a\xFF\0", "(x'61ff00')");
    round_trip(&[], T::Boolean, &[1], "(true)");
    round_trip(&[], T::TinyInt, &[0xFF], "(-1)");
    round_trip(&[], T::SmallInt, &[0, 1], "(1)");
    round_trip(&[], T::Int, &[0, 0, 0, 5], "(5)");
    round_trip(&[], T::BigInt, &[0, 0, 0, 0, 0, 0, 0, 1], "(1)");
    round_trip(&[], T::Float, &[0x3F, 0xC0, 0, 0], "(1.5)");
    round_trip(&[("endianness", "little-endian")], T::Int, &[5, 0, 0, 0], "(5)");
    round_trip(&[("endianness", "little-endian")], T::Double, &[0, 0, 0, 0, 0, 0, 0xF8, 0x3F], "(1.5)");
}

#[test]
fn numbers_need_their_length_and_texts_are_mended() {
    assert_eq!(table(&[], T::Int).read(&[5]), "cannot read '\u{5}' as INT (column: a)");
    table(&[], T::Boolean).reads(&[("\u{0}", "(false)"), ("\u{2}", "(true)"), ("", "!")]);
    assert_eq!(table(&[("charset", "utf8")], T::STRING).read(b"\xFF"), "('\u{fffd}')");
}

#[test]
fn lines_of_a_file_are_messages() {
    assert_eq!(table(&[], T::STRING).read_file(b"a\r\n\nb"), "('a') ('') ('b')");
}

#[test]
fn null_cannot_be_written() {
    let table = table(&[], T::Int);
    let schema = table.decoder().decode(&[]).unwrap().rows.schema();
    let null = arrow::array::new_null_array(schema.field(0).data_type(), 1);
    assert_eq!(null.len(), 1);
    let error = table.write(arrow::array::RecordBatch::try_new(schema, vec![null]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "format 'raw' cannot write NULL (column: a)");
}

#[test]
fn other_tables_and_options_are_refused() {
    let error = |options: &[(&str, &str)], columns: &[_]| {
        Table::try_new("raw", options, columns).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(
        error(&[], &[column("a", T::Int), column("b", T::Int)]),
        "format 'raw' takes a table with one column, but this has 2"
    );
    for logical in [
        T::Decimal(5, 2),
        T::Date,
        T::Timestamp(3),
        T::IntervalDayTime,
        array(T::Int),
        T::Row(vec![column("x", T::Int)]),
    ] {
        assert!(
            error(&[], &[not_null("a", logical.clone())])
                .starts_with(&format!("format 'raw' cannot hold {logical} (column: a)"))
        );
    }
    assert_eq!(
        error(&[("charset", "UTF-16")], &[column("a", T::STRING)]),
        "charset 'UTF-16' is not supported yet (option: raw.charset); it takes 'UTF-8'"
    );
    assert!(error(&[("endianness", "middle")], &[column("a", T::Int)]).contains("big-endian, little-endian"));
}
