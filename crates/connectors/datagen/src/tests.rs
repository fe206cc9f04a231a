//! The connector as the engine drives it: validated, enumerated, read, restored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int32Type, Int64Type, IntervalYearMonthType,
    TimestampMillisecondType,
};
use proptest::prelude::*;
use riverrun_base::Result;
use riverrun_connect::{
    Boundedness, Cancellation, Counters, Polled, Source, SourceReader, Split, TableContext, TaskContext,
};
use riverrun_data::{DataType, LogicalType, RowField};

use crate::DATAGEN;

fn table(columns: &[(&str, LogicalType)], options: &[(&str, &str)]) -> TableContext {
    let column = |(name, logical): &(&str, LogicalType)| RowField {
        name: (*name).to_owned(),
        data_type: DataType::nullable(logical.clone()),
    };
    TableContext {
        name: "t".into(),
        columns: columns.iter().map(column).collect(),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: "datagen".into(),
    }
}

fn open(table: &TableContext) -> Result<Box<dyn Source>> {
    DATAGEN.source.unwrap()(table)
}

fn task(parallelism: usize) -> TaskContext {
    let (cancellation, counters) = (Cancellation::new(), Counters::default());
    TaskContext { task: "t".into(), subtask: 0, parallelism, cancellation, counters, ..TaskContext::default() }
}

fn discover(source: &dyn Source, parallelism: usize) -> Vec<Split> {
    let mut enumerator = source.enumerator(&task(parallelism)).unwrap();
    let found = enumerator.discover().unwrap();
    assert_eq!(found.again, None);
    assert!(enumerator.discover().unwrap().splits.is_empty());
    found.splits
}

fn reader(source: &dyn Source, splits: Vec<Split>) -> Box<dyn SourceReader> {
    let mut reader = source.reader(&task(1)).unwrap();
    reader.add_splits(splits).unwrap();
    reader
}

/// Reads at most `polls` times; what came by split, and whether all splits have ended.
fn read(reader: &mut dyn SourceReader, polls: usize, rows: &mut BTreeMap<String, Vec<RecordBatch>>) -> bool {
    for _ in 0..polls {
        match reader.poll(Duration::ZERO).unwrap() {
            Polled::Rows { split, batch } => {
                assert!((1..=4096).contains(&batch.num_rows()) && batch.kinds().is_none());
                rows.entry(split.to_string()).or_default().push(batch.rows().clone());
            }
            Polled::Finished(_) if reader.splits().is_empty() => return true,
            Polled::Finished(_) | Polled::Nothing => {}
        }
    }
    false
}

/// All rows of a bounded table, split by split.
fn all(columns: &[(&str, LogicalType)], options: &[(&str, &str)], parallelism: usize) -> RecordBatch {
    let mut options = options.to_vec();
    options.push(("rows-per-second", "9000000000000000000"));
    let table = table(columns, &options);
    let source = open(&table).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Bounded);
    let mut rows = BTreeMap::new();
    let mut reader = reader(source.as_ref(), discover(source.as_ref(), parallelism));
    assert!(read(reader.as_mut(), 100_000, &mut rows));
    concat_batches(&table.physical_schema(), rows.values().flatten()).unwrap()
}

/// One random column of 10 000 rows.
fn column(logical: LogicalType, options: &[(&str, &str)]) -> ArrayRef {
    let mut options = options.to_vec();
    options.push(("number-of-rows", "10000"));
    let rows = all(&[("c", logical)], &options, 2);
    assert_eq!(rows.num_rows(), 10_000);
    rows.column(0).clone()
}

fn list(element: LogicalType) -> LogicalType {
    LogicalType::Array(Box::new(DataType::nullable(element)))
}

fn map(key: LogicalType, value: LogicalType) -> LogicalType {
    LogicalType::Map(Box::new(DataType::nullable(key)), Box::new(DataType::nullable(value)))
}

fn row(fields: &[(&str, LogicalType)]) -> LogicalType {
    let field = |(name, logical): &(&str, LogicalType)| RowField {
        name: (*name).to_owned(),
        data_type: DataType::nullable(logical.clone()),
    };
    LogicalType::Row(fields.iter().map(field).collect())
}

fn every_type() -> Vec<(&'static str, LogicalType)> {
    vec![
        ("bo", LogicalType::Boolean),
        ("ti", LogicalType::TinyInt),
        ("si", LogicalType::SmallInt),
        ("i", LogicalType::Int),
        ("bi", LogicalType::BigInt),
        ("f", LogicalType::Float),
        ("d", LogicalType::Double),
        ("de", LogicalType::Decimal(38, 5)),
        ("c", LogicalType::Char(4)),
        ("v", LogicalType::VarChar(9)),
        ("s", LogicalType::STRING),
        ("b", LogicalType::Binary(3)),
        ("vb", LogicalType::VarBinary(33)),
        ("by", LogicalType::BYTES),
        ("ym", LogicalType::IntervalYearMonth),
        ("ds", LogicalType::IntervalDayTime),
        ("ar", list(list(LogicalType::STRING))),
        ("mp", map(LogicalType::TinyInt, row(&[("x", LogicalType::Int), ("y", LogicalType::STRING)]))),
        ("ms", LogicalType::Multiset(Box::new(DataType::nullable(LogicalType::Boolean)))),
        ("rw", row(&[("x", LogicalType::Double), ("y", list(LogicalType::Decimal(4, 2)))])),
    ]
}

const EVERY_OPTION: &[(&str, &str)] = &[
    ("fields.i.null-rate", "0.3"),
    ("fields.s.var-len", "true"),
    ("fields.s.null-rate", "0.5"),
    ("fields.ar.length", "2"),
    ("fields.ar.element.element.length", "5"),
    ("fields.mp.value.null-rate", "0.2"),
    ("fields.rw.null-rate", "0.2"),
    ("fields.rw.y.element.min", "-1.5"),
];

#[test]
fn every_type_is_made() {
    let mut columns = every_type();
    for precision in 0..=9 {
        columns.push(("t", LogicalType::Time(precision)));
        columns.push(("ts", LogicalType::Timestamp(precision)));
        columns.push(("lt", LogicalType::TimestampLtz(precision)));
    }
    columns.push(("dt", LogicalType::Date));
    let rows = all(&columns, &[("number-of-rows", "10")], 3);
    assert_eq!((rows.num_rows(), rows.num_columns()), (10, columns.len()));
}

#[test]
fn a_table_has_its_number_of_rows_at_any_parallelism() {
    for parallelism in 1..6 {
        for total in ["0", "1", "7", "9999"] {
            let rows = all(&[("a", LogicalType::Int)], &[("number-of-rows", total)], parallelism);
            assert_eq!(rows.num_rows().to_string(), total);
        }
    }
}

#[test]
fn a_sequence_is_complete_at_any_parallelism_and_the_shortest_ends_the_table() {
    let columns = [("a", LogicalType::BigInt), ("b", LogicalType::TinyInt), ("c", LogicalType::Int)];
    let options = [
        ("fields.a.kind", "sequence"),
        ("fields.a.start", "-5"),
        ("fields.a.end", "10000"),
        ("fields.b.kind", "sequence"),
        ("fields.b.start", "1"),
        ("fields.b.end", "7"),
    ];
    for parallelism in [1, 2, 3, 10] {
        let rows = all(&columns, &options, parallelism);
        let mut a = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        let mut b = rows.column(1).as_primitive::<Int8Type>().values().to_vec();
        a.sort_unstable();
        b.sort_unstable();
        assert_eq!((a, b), ((-5..=1).collect(), (1..=7).collect()));
    }
}

#[test]
fn sequences_of_other_types_count_in_them() {
    let text = |column: &ArrayRef| format!("{column:?}").split_whitespace().collect::<String>();
    let sequence = |logical| {
        let options = [("fields.c.kind", "sequence"), ("fields.c.start", "9"), ("fields.c.end", "10")];
        all(&[("c", logical)], &options, 1).column(0).clone()
    };
    assert_eq!(text(&sequence(LogicalType::STRING)), r#"StringArray["9","10",]"#);
    assert_eq!(text(&sequence(LogicalType::Char(4))), r#"StringArray["9","10",]"#);
    assert_eq!(text(&sequence(LogicalType::Double)), "PrimitiveArray<Float64>[9.0,10.0,]");
    assert_eq!(text(&sequence(LogicalType::Float)), "PrimitiveArray<Float32>[9.0,10.0,]");
    assert_eq!(sequence(LogicalType::Decimal(10, 2)).as_primitive::<Decimal128Type>().values().to_vec(), [900, 1000]);
    assert_eq!(sequence(LogicalType::BYTES).as_binary::<i32>().value(1), 10i64.to_be_bytes());
}

#[test]
fn numbers_keep_to_their_bounds_and_reach_them() {
    let few = column(LogicalType::Int, &[("fields.c.min", "-2"), ("fields.c.max", "2")]);
    let few: BTreeSet<i32> = few.as_primitive::<Int32Type>().values().iter().copied().collect();
    assert_eq!(few, (-2..=2).collect());
    let whole = column(LogicalType::BigInt, &[]);
    let values = whole.as_primitive::<Int64Type>().values();
    assert!(values.iter().any(|v| *v < i64::MIN / 2) && values.iter().any(|v| *v > i64::MAX / 2));
    let float = column(LogicalType::Float, &[("fields.c.min", "1"), ("fields.c.max", "1.5")]);
    assert!(float.as_primitive::<Float32Type>().values().iter().all(|v| (1.0..=1.5).contains(v)));
    let double = column(LogicalType::Double, &[("fields.c.min", "-1.7e308")]);
    let values = double.as_primitive::<Float64Type>().values();
    assert!(values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v < 0.0));
    let positive = column(LogicalType::Double, &[]);
    assert!(positive.as_primitive::<Float64Type>().values().iter().all(|v| *v > 0.0 && v.is_finite()));
    let decimal = column(LogicalType::Decimal(5, 2), &[("fields.c.min", "-0.03"), ("fields.c.max", "0.01")]);
    let seen: BTreeSet<i128> = decimal.as_primitive::<Decimal128Type>().values().iter().copied().collect();
    assert_eq!(seen, (-3..=1).collect());
    let wide = column(LogicalType::Decimal(38, 0), &[]);
    assert!(wide.as_primitive::<Decimal128Type>().values().iter().all(|v| (0..10i128.pow(38)).contains(v)));
    let months = column(LogicalType::IntervalYearMonth, &[]);
    assert!(months.as_primitive::<IntervalYearMonthType>().values().iter().all(|v| (0..=120_000).contains(v)));
}

#[test]
fn strings_are_hexadecimal_with_the_lengths_asked_for() {
    let lengths = |logical, options: &[(&str, &str)]| -> BTreeSet<usize> {
        let values = column(logical, options);
        let values = values.as_string::<i32>();
        let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        assert!(values.iter().flatten().all(hex));
        let distinct: BTreeSet<&str> = values.iter().flatten().collect();
        assert!(distinct.len() > 10);
        values.iter().flatten().map(str::len).collect()
    };
    assert_eq!(lengths(LogicalType::STRING, &[]), [100].into());
    assert_eq!(lengths(LogicalType::VarChar(5), &[]), [5].into());
    assert_eq!(lengths(LogicalType::Char(40), &[]), [40].into());
    assert_eq!(lengths(LogicalType::STRING, &[("fields.c.length", "17")]), [17].into());
    let varying = [("fields.c.length", "6"), ("fields.c.var-len", "true")];
    assert_eq!(lengths(LogicalType::STRING, &varying), (1..6).collect());
}

#[test]
fn nulls_come_at_their_rate() {
    let half = column(LogicalType::Int, &[("fields.c.null-rate", "0.5")]);
    assert!((4500..5500).contains(&half.null_count()), "{}", half.null_count());
    assert_eq!(column(LogicalType::Int, &[("fields.c.null-rate", "1")]).null_count(), 10_000);
    assert_eq!(column(LogicalType::Int, &[("fields.c.null-rate", "0")]).null_count(), 0);
    let elements = column(list(LogicalType::Int), &[("fields.c.element.null-rate", "0.5")]);
    assert!((13_500..16_500).contains(&elements.as_list::<i32>().values().null_count()));
}

#[test]
fn the_keys_of_a_map_are_distinct() {
    let maps = column(map(LogicalType::Boolean, LogicalType::Int), &[("fields.c.length", "4")]);
    let maps = maps.as_map();
    for row in 0..maps.len() {
        let keys = maps.value(row).column(0).clone();
        let keys: Vec<bool> = keys.as_boolean().iter().flatten().collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }
    assert_eq!(maps.value(0).num_columns(), 2);
}

#[test]
fn timestamps_lie_between_the_present_and_the_longest_past() {
    let millis = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let before = millis();
    let present = column(LogicalType::Timestamp(3), &[]);
    let past = column(LogicalType::TimestampLtz(3), &[("fields.c.max-past", "1 h")]);
    let whole = column(LogicalType::Timestamp(0), &[("fields.c.max-past", "1 h")]);
    let after = millis();
    let present = present.as_primitive::<TimestampMillisecondType>().values().to_vec();
    assert!(present.iter().all(|time| (before..=after).contains(time)));
    let past = past.as_primitive::<TimestampMillisecondType>().values().to_vec();
    assert!(past.iter().all(|time| (before - 3_600_000..=after).contains(time)));
    assert!(past.iter().any(|time| *time < before - 1_800_000));
    assert!(whole.as_primitive::<TimestampMillisecondType>().values().iter().all(|time| time % 1000 == 0));
}

#[test]
fn what_no_column_can_use_is_refused() {
    let columns = [("amount", LogicalType::Int), ("name", LogicalType::STRING), ("code", LogicalType::Char(3))];
    let refused = |options: &[(&str, &str)]| open(&table(&columns, options)).err().unwrap().to_string();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("fields.amuont.min", "1")],
            "there is no column 'amuont' for the option 'fields.amuont.min' (table: t); did you mean 'amount'?",
        ),
        (&[("fields.name.min", "1")], "option 'fields.name.min' does not apply to a column of type STRING"),
        (&[("fields.amount.start", "1")], "it is for columns with 'kind' = 'sequence'"),
        (
            &[("fields.amount.mn", "1")],
            "Unsupported options found for connector 'datagen' of table t: fields.amount.mn",
        ),
        (
            &[("fields.amount.min", "3000000000")],
            "'3000000000' is no value of its type (option: fields.amount.min, column: amount, table: t)",
        ),
        (&[("fields.amount.min", "2"), ("fields.amount.max", "1")], "the smallest value is above the largest"),
        (&[("fields.amount.null-rate", "1.5")], "1.5 is not between 0 and 1"),
        (&[("fields.code.length", "2")], "'fields.code.length' does not apply to a column of type CHAR(3)"),
        (
            &[("fields.amount.kind", "sequence"), ("fields.amount.start", "1")],
            "missing required option 'fields.amount.end'",
        ),
        (
            &[("fields.amount.kind", "sequence"), ("fields.amount.start", "2"), ("fields.amount.end", "1")],
            "the end 1 is not after the start 2",
        ),
        (
            &[("fields.code.kind", "sequence"), ("fields.code.start", "2"), ("fields.code.end", "1000")],
            "1000 does not fit the type CHAR(3)",
        ),
        (&[("fields.amount.kind", "counter")], "'counter' is not one of random, sequence"),
        (&[("rows-per-second", "0")], "'rows-per-second' must be at least 1"),
        (&[("fields.name.length", "2000000000")], "a row of 2000000011 bytes is too large"),
    ];
    for (options, message) in cases {
        let error = refused(options);
        assert!(error.contains(message), "{options:?}: {error}");
    }
    let mut strict = table(&columns, &[("fields.amount.null-rate", "0.1")]);
    strict.columns[0].data_type.nullable = false;
    assert!(open(&strict).err().unwrap().to_string().contains("NOT NULL"));
}

#[test]
fn waiting_ends_in_time_and_at_once_when_the_job_stops() {
    let source = open(&table(&[("a", LogicalType::Int)], &[("rows-per-second", "1")])).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
    let splits = discover(source.as_ref(), 1);
    let context = task(1);
    let mut reader = source.reader(&context).unwrap();
    reader.add_splits(splits).unwrap();
    assert!(matches!(reader.poll(Duration::ZERO).unwrap(), Polled::Rows { .. }));
    assert!(matches!(reader.poll(Duration::from_millis(1)).unwrap(), Polled::Nothing));
    let start = Instant::now();
    context.cancellation.cancel();
    assert!(reader.poll(Duration::from_secs(600)).unwrap_err().is_canceled());
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_restored_job_keeps_its_splits() {
    let source = open(&table(&[("a", LogicalType::Int)], &[])).unwrap();
    let splits = discover(source.as_ref(), 2);
    let mut enumerator = source.enumerator(&task(5)).unwrap();
    enumerator.restore(&splits.iter().map(|split| split.id.clone()).collect::<Vec<_>>());
    assert!(enumerator.discover().unwrap().splits.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A job that is restored from any of its positions, and read in batches of any size, makes the same rows as one that never stopped.
    #[test]
    fn a_restored_split_goes_on_as_if_it_had_never_stopped(total in 1u64..20_000, stops in prop::collection::vec(1usize..4, 0..4)) {
        let columns = every_type();
        let total = total.to_string();
        let mut options = vec![("number-of-rows", total.as_str()), ("rows-per-second", "9000000000000000000")];
        options.extend(EVERY_OPTION);
        let table = table(&columns, &options);
        let source = open(&table).unwrap();
        let splits = discover(source.as_ref(), 2);
        let mut straight = BTreeMap::new();
        prop_assert!(read(reader(source.as_ref(), splits.clone()).as_mut(), 100_000, &mut straight));
        let (mut stopped, mut at) = (BTreeMap::new(), splits);
        for polls in stops {
            let mut reader = reader(source.as_ref(), at);
            read(reader.as_mut(), polls, &mut stopped);
            at = reader.splits();
        }
        read(reader(source.as_ref(), at).as_mut(), 100_000, &mut stopped);
        let whole = |batches: &[RecordBatch]| concat_batches(&table.physical_schema(), batches).unwrap();
        for (split, batches) in straight {
            prop_assert_eq!(whole(&stopped[&split]), whole(&batches));
        }
    }
}
