//! What is printed, against lines that Apache Flink 2.3 printed for the same values.

use std::io::{Error as IoError, ErrorKind, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray, Time32MillisecondArray,
    Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType as ArrowType, Field, Int32Type};
use riverrun_connect::{Cancellation, Counters, Flush, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{Batch, ChangelogMode, DataType, LogicalType, RowField, RowKind};

use crate::sink::{PrintWriter, prefix};
use crate::text::write_rows;
use crate::{BLACKHOLE, PRINT};

fn batch(columns: Vec<ArrayRef>) -> Batch {
    let named = columns.into_iter().enumerate().map(|(n, column)| (format!("c{n}"), column, true));
    Batch::insertions(RecordBatch::try_from_iter_with_nullable(named).unwrap())
}

fn printed(batch: &Batch) -> String {
    let mut out = Vec::new();
    write_rows(&mut out, "", batch).unwrap();
    String::from_utf8(out).unwrap()
}

/// Each column's value in the first row.
fn values(columns: Vec<ArrayRef>) -> Vec<String> {
    let value = |line: &str| line.strip_prefix("+I[").unwrap().strip_suffix("]\n").unwrap().to_owned();
    columns.into_iter().map(|column| value(&printed(&batch(vec![column])))).collect()
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn list(element: ArrayRef, length: usize) -> ArrayRef {
    let field = Arc::new(Field::new("element", element.data_type().clone(), true));
    let lists = element.len().checked_div(length).unwrap_or(1);
    Arc::new(ListArray::new(field, OffsetBuffer::from_repeated_length(length, lists), element, None))
}

fn map(keys: ArrayRef, values: ArrayRef) -> ArrayRef {
    let length = keys.len();
    let fields = vec![
        Arc::new(Field::new("key", keys.data_type().clone(), false)),
        Arc::new(Field::new("value", values.data_type().clone(), true)),
    ];
    let entries = StructArray::new(fields.into(), vec![keys, values], None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    Arc::new(MapArray::new(field, OffsetBuffer::from_repeated_length(length, 1), entries, None, false))
}

fn row(columns: Vec<ArrayRef>) -> ArrayRef {
    let field =
        |(n, column): (usize, &ArrayRef)| Arc::new(Field::new(format!("f{n}"), column.data_type().clone(), true));
    let fields: Vec<_> = columns.iter().enumerate().map(field).collect();
    Arc::new(StructArray::new(fields.into(), columns, None))
}

fn decimal(unscaled: i128, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, scale).unwrap())
}

fn timestamp(millis: i64) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(vec![millis]))
}

fn instant(millis: i64) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC"))
}

/// 2024-01-01 10:00:00.
const TEN: i64 = 1_704_103_200_000;

#[test]
fn a_row_of_every_type_is_printed_as_flink_does() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int8Array::from(vec![1])),
        Arc::new(Int64Array::from(vec![2])),
        Arc::new(Float32Array::from(vec![1.5])),
        Arc::new(Float64Array::from(vec![1e10])),
        decimal(123_000, 4),
        strings(&[Some("a, b")]),
        strings(&[Some("ab   ")]),
        Arc::new(BinaryArray::from(vec![&[1, 255][..]])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Date32Array::from(vec![19_724])),
        Arc::new(Time32MillisecondArray::from(vec![36_672_500])),
        timestamp(TEN),
        Arc::new(TimestampMicrosecondArray::from(vec![TEN * 1000 + 5_120_000])),
        instant(TEN),
        list(Arc::new(Int32Array::from(vec![Some(1), Some(2), None])), 3),
        map(strings(&[Some("k"), Some("l")]), Arc::new(Int32Array::from(vec![Some(1), None]))),
        row(vec![Arc::new(Int32Array::from(vec![1])), strings(&[None])]),
        list(Arc::new(BinaryArray::from(vec![&[1][..], &[2, 255]])), 2),
        Arc::new(TimestampNanosecondArray::from(vec![TEN * 1_000_000 + 5_123_456_789])),
        timestamp(TEN + 5000),
        Arc::new(Time32MillisecondArray::from(vec![36_660_000])),
    ];
    assert_eq!(
        printed(&batch(columns)),
        "+I[1, 2, 1.5, 1.0E10, 12.3000, a, b, ab   , [1, -1], true, 2024-01-02, 10:11:12.500, 2024-01-01T10:00, \
         2024-01-01T10:00:05.120, 2024-01-01T10:00:00Z, [1, 2, null], {k=1, l=null}, +I[1, null], [[1], [2, -1]], \
         2024-01-01T10:00:05.123456789, 2024-01-01T10:00:05, 10:11]\n"
    );
}

#[test]
fn extreme_values_are_printed_as_flink_does() {
    let nested = row(vec![Arc::new(Int32Array::from(vec![1])), list(strings(&[Some("a"), None]), 2)]);
    let columns: Vec<ArrayRef> = vec![
        timestamp(-62_135_596_800_000),
        timestamp(253_402_300_799_001),
        Arc::new(Date32Array::from(vec![-719_162])),
        Arc::new(Float32Array::from(vec![1e-5])),
        Arc::new(Float64Array::from(vec![0.0])),
        Arc::new(Float64Array::from(vec![1e7])),
        Arc::new(Float64Array::from(vec![9_999_999.0])),
        Arc::new(Float64Array::from(vec![0.001])),
        Arc::new(Float64Array::from(vec![123_456_789.123])),
        Arc::new(Time32MillisecondArray::from(vec![0])),
        decimal(0, 18),
        decimal(1, 10),
        map(Arc::new(Int32Array::from(vec![1])), nested),
        Arc::new(TimestampMicrosecondArray::from(vec![TEN * 1000 + 120_000]).with_timezone("UTC")),
        list(list(Arc::new(Int32Array::from(vec![1, 2])), 1), 2),
        row(vec![row(vec![Arc::new(BinaryArray::from(vec![&[5][..]]))])]),
        map(strings(&[Some("a")]), Arc::new(BinaryArray::from(vec![&[1, 2][..]]))),
        instant(1_704_103_872_000),
        Arc::new(Int32Array::from(vec![None])),
    ];
    let lines = "0001-01-01T00:00|9999-12-31T23:59:59.001|0001-01-01|1.0E-5|0.0|1.0E7|9999999.0|0.001|1.23456789123E8|00:00|0E-18|\
                 1E-10|{1=+I[1, [a, null]]}|2024-01-01T10:00:00.120Z|[[1], [2]]|+I[+I[[5]]]|{a=[1, 2]}|\
                 2024-01-01T10:11:12Z|null";
    assert_eq!(values(columns), lines.split('|').collect::<Vec<_>>());
}

#[test]
fn fractions_of_a_second_have_three_six_or_nine_digits() {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Time64MicrosecondArray::from(vec![1_000_000])),
        Arc::new(Time64MicrosecondArray::from(vec![60_000_000 + 1])),
        Arc::new(Time64NanosecondArray::from(vec![86_399_999_999_999])),
        timestamp(-1),
        instant(-1),
        Arc::new(TimestampNanosecondArray::from(vec![1000])),
    ];
    let lines = "00:00:01|00:01:00.000001|23:59:59.999999999|1969-12-31T23:59:59.999|1969-12-31T23:59:59.999Z|\
                 1970-01-01T00:00:00.000001";
    assert_eq!(values(columns), lines.split('|').collect::<Vec<_>>());
}

#[test]
fn decimals_are_printed_as_java_prints_them() {
    let cases = [
        (-15, 1, "-1.5"),
        (1, 6, "0.000001"),
        (10, 7, "0.0000010"),
        (-1, 7, "-1E-7"),
        (123, 10, "1.23E-8"),
        (0, 6, "0.000000"),
        (0, 7, "0E-7"),
        (7, 0, "7"),
    ];
    for (unscaled, scale, text) in cases {
        assert_eq!(values(vec![decimal(unscaled, scale)]), [text]);
    }
}

#[test]
fn kinds_stand_before_their_rows_and_slices_show_their_own() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..4).map(|n| (n != 2).then(|| vec![Some(n); 2])));
    let rows = RecordBatch::try_from_iter([("a", Arc::new(lists) as ArrayRef)]).unwrap();
    let kinds = vec![RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let changes = Batch::with_kinds(rows, kinds).unwrap();
    assert_eq!(printed(&changes.slice(1, 3)), "-U[[1, 1]]\n+U[null]\n-D[[3, 3]]\n");
}

fn task(subtask: usize, parallelism: usize) -> TaskContext {
    let (cancellation, counters) = (Cancellation::new(), Counters::default());
    TaskContext { task: "t".into(), subtask, parallelism, cancellation, counters, ..TaskContext::default() }
}

#[test]
fn the_prefix_names_the_sink_and_one_of_several_subtasks() {
    let prefixes = [("", 1), ("id", 1), ("", 3), ("id", 3)].map(|(id, parallelism)| prefix(id, &task(1, parallelism)));
    assert_eq!(prefixes, ["", "id> ", "2> ", "id:2> "]);
}

/// Keeps what was written, or refuses it.
#[derive(Clone, Default)]
struct Screen {
    lines: Arc<Mutex<Vec<u8>>>,
    refuse: Option<ErrorKind>,
}

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.refuse {
            Some(kind) => Err(IoError::from(kind)),
            None => self.lines.lock().unwrap().write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn numbers(range: std::ops::Range<i32>) -> Batch {
    batch(vec![Arc::new(Int32Array::from_iter_values(range))])
}

#[test]
fn rows_are_shown_at_once_or_by_the_deadline_or_when_flushed() {
    let screen = Screen::default();
    let mut writer = PrintWriter::new(screen.clone(), "x> ".into(), Cancellation::new());
    assert_eq!(writer.deadline(), None);
    writer.write(numbers(0..2)).unwrap();
    assert_eq!(screen.text(), "x> +I[0]\nx> +I[1]\n");
    writer.write(numbers(2..3)).unwrap();
    match writer.deadline() {
        // A slow machine: it was shown at once, because the interval had passed.
        None => assert!(screen.text().ends_with("+I[2]\n")),
        Some(deadline) => assert!(deadline <= Instant::now() + Duration::from_millis(100)),
    }
    writer.tick().unwrap();
    assert!(screen.text().ends_with("+I[2]\n"));
    writer.write(numbers(3..4)).unwrap();
    writer.flush(Flush::End).unwrap();
    assert!(screen.text().ends_with("+I[3]\n"));
    assert_eq!(writer.deadline(), None);
    writer.write(numbers(0..10_000)).unwrap();
    assert!(screen.text().ends_with("+I[9999]\n"), "a full buffer waits for nothing");
}

#[test]
fn a_closed_pipe_stops_the_job_and_is_no_failure() {
    let cancellation = Cancellation::new();
    let screen = Screen { refuse: Some(ErrorKind::BrokenPipe), ..Screen::default() };
    let mut writer = PrintWriter::new(screen, String::new(), cancellation.clone());
    assert!(writer.write(numbers(0..1)).unwrap_err().is_canceled());
    assert!(cancellation.is_canceled());
    let screen = Screen { refuse: Some(ErrorKind::StorageFull), ..Screen::default() };
    let mut writer = PrintWriter::new(screen, String::new(), Cancellation::new());
    assert!(!writer.write(numbers(0..1)).unwrap_err().is_canceled());
}

fn table(connector: &str, logical: LogicalType, options: &[(&str, &str)]) -> TableContext {
    TableContext {
        name: "t".into(),
        columns: vec![RowField { name: "c".into(), data_type: DataType::nullable(logical) }],
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: connector.into(),
    }
}

fn print(logical: LogicalType, options: &[(&str, &str)]) -> riverrun_base::Result<Box<dyn Sink>> {
    PRINT.sink.unwrap()(&table("print", logical, options))
}

#[test]
fn print_takes_every_kind_and_blackhole_needs_no_former_rows() {
    let sink = print(LogicalType::Int, &[("sink.parallelism", "3"), ("standard-error", "true")]).unwrap();
    assert_eq!((sink.changelog_mode(ChangelogMode::ALL), sink.parallelism()), (ChangelogMode::ALL, Some(3)));
    let blackhole = BLACKHOLE.sink.unwrap()(&table("blackhole", LogicalType::Int, &[])).unwrap();
    assert_eq!(blackhole.changelog_mode(ChangelogMode::ALL), ChangelogMode::UPSERT);
    let mut writer = blackhole.writer(&task(0, 1)).unwrap();
    writer.write(numbers(0..10)).unwrap();
    writer.flush(Flush::Barrier).unwrap();
}

#[test]
fn wrong_options_and_columns_without_text_are_refused() {
    let refused = |logical, options: &[(&str, &str)]| print(logical, options).err().unwrap().to_string();
    assert!(refused(LogicalType::Int, &[("print-identifer", "x")]).contains("did you mean 'print-identifier'?"));
    assert!(refused(LogicalType::Int, &[("standard-error", "yes")]).contains("'yes' is not a boolean"));
    assert!(refused(LogicalType::Int, &[("sink.parallelism", "0")]).contains("must be at least 1"));
    assert!(refused(LogicalType::IntervalDayTime, &[]).contains("is not supported yet (column: c, table: t)"));
    let error = BLACKHOLE.sink.unwrap()(&table("blackhole", LogicalType::Int, &[("x", "y")])).err().unwrap();
    assert!(error.to_string().contains("Unsupported options found for connector 'blackhole' of table t: x"));
}

#[test]
fn floats_are_printed_with_the_fewest_digits() {
    let doubles = [
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
        (-0.0, "-0.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e23, "1.0E23"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
        (0.000_999, "9.99E-4"),
        (f64::from_bits(1), "4.9E-324"),
    ];
    for (value, text) in doubles {
        assert_eq!(values(vec![Arc::new(Float64Array::from(vec![value]))]), [text]);
    }
    assert_eq!(values(vec![Arc::new(Float32Array::from(vec![f32::MAX]))]), ["3.4028235E38"]);
    let unknown = arrow::array::new_null_array(&ArrowType::UInt8, 1);
    assert!(write_rows(&mut Vec::new(), "", &batch(vec![unknown])).is_err());
}
