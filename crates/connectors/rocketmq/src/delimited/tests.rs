#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use arrow::util::display::{ArrayFormatter, FormatOptions};
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema};
use riverrun_formats::Encoded;

use super::*;

fn options(given: &[(&str, &str)]) -> TableOptions {
    let all = [("topic", "t"), ("nameServerAddress", "h:1")];
    let all = all.iter().chain(given).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut reader = OptionReader::new("connector 'rocketmq'", all);
    let options = reader.read().unwrap();
    reader.finish().unwrap();
    options
}

fn schema(types: &[LogicalType]) -> SchemaRef {
    let column = |(n, logical): (usize, &LogicalType)| RowField {
        name: format!("c{n}"),
        data_type: DataType::nullable(logical.clone()),
    };
    arrow_schema(&types.iter().enumerate().map(column).collect::<Vec<_>>())
}

/// `(BIGINT, STRING, BIGINT)` between bars.
fn format(check: &str) -> Delimited {
    let options = options(&[("fieldDelimiter", "|"), ("lengthCheck", check)]);
    Delimited::new(&options, schema(&[LogicalType::BigInt, LogicalType::STRING, LogicalType::BigInt])).unwrap()
}

/// Rows as texts, the message of each, and how many were left out.
type Shown = (Vec<String>, Option<Vec<u32>>, u64);

fn decode(format: &Delimited, messages: &[&str]) -> Result<Shown, DecodeError> {
    let messages: Vec<&[u8]> = messages.iter().map(|message| message.as_bytes()).collect();
    let decoded = format.decoder().unwrap().decode(&messages)?;
    let shown = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> =
        decoded.rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &shown).unwrap()).collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    Ok(((0..decoded.rows.num_rows()).map(row).collect(), decoded.messages, decoded.skipped))
}

#[test]
fn a_message_is_a_row_a_line_and_empty_lines_are_none() {
    let (rows, messages, skipped) = decode(&format("NONE"), &["1|a|2", "\n3|b|4\n\n5||6\n", ""]).unwrap();
    assert_eq!(rows, ["1|a|2", "3|b|4", "5||6"]);
    assert_eq!((messages, skipped), (Some(vec![0, 1, 1]), 0));
    let (rows, messages, _) = decode(&format("NONE"), &["1|\"a|2", "3| b |4"]).unwrap();
    assert_eq!((rows.as_slice(), messages), (&["1|\"a|2".to_owned(), "3| b |4".to_owned()][..], None));
}

#[test]
fn an_empty_field_is_an_empty_text_or_null() {
    let (rows, ..) = decode(&format("EXCEPTION"), &["||", "1|x|"]).unwrap();
    assert_eq!(rows, ["NULL||NULL", "1|x|NULL"]);
}

#[test]
fn lines_that_do_not_fit_are_treated_as_length_check_says() {
    let messages = ["1|a", "2|b|3|c", "x|d|4", "5|e|6"];
    let of = |check| decode(&format(check), &messages).map(|(rows, _, skipped)| (rows, skipped));
    let fine = |rows: &[&str], skipped| (rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>(), skipped);
    assert_eq!(of("NONE").unwrap(), fine(&["2|b|3", "5|e|6"], 2));
    assert_eq!(of("PAD").unwrap(), fine(&["1|a|NULL", "2|b|3", "5|e|6"], 1));
    assert_eq!(of("SKIP").unwrap(), fine(&["5|e|6"], 3));
    assert_eq!(of("skip_silent").unwrap(), fine(&["5|e|6"], 3));
    let error = of("EXCEPTION").unwrap_err();
    assert_eq!((error.message, error.error.message()), (0, "a line has 2 fields, and the table 3 columns"));
    let error = decode(&format("EXCEPTION"), &["5|e|6", "7|f|8\nx|d|4"]).unwrap_err();
    assert_eq!(error.message, 1);
    assert!(error.error.to_string().contains("c0"), "{}", error.error);
}

#[test]
fn one_column_takes_whole_lines() {
    let format = Delimited::new(&options(&[("fieldDelimiter", ",")]), schema(&[LogicalType::STRING])).unwrap();
    assert_eq!(decode(&format, &["a,b\nc"]).unwrap().0, ["a,b", "c"]);
}

#[test]
fn what_is_written_is_read_again() {
    let format = format("EXCEPTION");
    let messages = ["1|a \" b|2", "||", "-3|\u{e9}|4"];
    let bytes: Vec<&[u8]> = messages.iter().map(|message| message.as_bytes()).collect();
    let rows = format.decoder().unwrap().decode(&bytes).unwrap().rows;
    let mut encoded = Encoded::default();
    format.encoder().unwrap().encode(&Batch::insertions(rows), &mut encoded).unwrap();
    assert_eq!(encoded.messages().collect::<Vec<_>>(), bytes);
}

#[test]
fn the_default_delimiter_is_the_first_control_character() {
    let format = Delimited::new(&options(&[]), schema(&[LogicalType::BigInt, LogicalType::STRING])).unwrap();
    assert_eq!(decode(&format, &["1\u{1}a"]).unwrap().0, ["1|a"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let of = |given: &[(&str, &str)]| {
        Delimited::new(&options(given), schema(&[LogicalType::BigInt])).err().map(|error| error.to_string()).unwrap()
    };
    assert!(of(&[("encoding", "GBK")]).contains("GBK"));
    assert!(of(&[("fieldDelimiter", "||")]).contains("not one character"));
    let bytes = &[0xff_u8][..];
    let error = format("EXCEPTION").decoder().unwrap().decode(&[bytes]).unwrap_err();
    assert!(error.error.to_string().contains("UTF-8"));
}
