//! Random tables: schemas, rows and options.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DurationMillisecondArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalYearMonthArray, ListArray, MapArray,
    PrimitiveArray, RecordBatch, StringArray, StructArray, Time32MillisecondArray, Time64MicrosecondArray,
    Time64NanosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use proptest::prelude::*;
use riverrun_base::options::OptionReader;
use riverrun_data::{DataType, LogicalType, RowField, arrow_schema, arrow_type, field};
use riverrun_formats::{Format, open};

/// A value of any type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Decimal(i128),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Row(Vec<Value>),
}

/// What values a format can tell apart.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flavor {
    /// One level of nesting, no maps and intervals; elements without the delimiter.
    Csv,
    Json,
}

pub(crate) fn open_format(name: &str, options: &[(String, String)], columns: &[RowField]) -> Box<dyn Format> {
    let written: BTreeMap<String, String> =
        options.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())).collect();
    let mut reader = OptionReader::new("connector 'test'", written);
    let format = open(&mut reader, "format", name, arrow_schema(columns)).unwrap();
    reader.finish().unwrap();
    format
}

fn simple_type() -> impl Strategy<Value = LogicalType> {
    prop_oneof![
        Just(LogicalType::Boolean),
        Just(LogicalType::TinyInt),
        Just(LogicalType::SmallInt),
        Just(LogicalType::Int),
        Just(LogicalType::BigInt),
        Just(LogicalType::Float),
        Just(LogicalType::Double),
        (1_u8..=38)
            .prop_flat_map(|precision| (Just(precision), 0..=precision))
            .prop_map(|(precision, scale)| LogicalType::Decimal(precision, scale)),
        Just(LogicalType::STRING),
        Just(LogicalType::VarChar(10)),
        Just(LogicalType::Char(3)),
        Just(LogicalType::BYTES),
        Just(LogicalType::Binary(4)),
        Just(LogicalType::Date),
        (0_u8..=9).prop_map(LogicalType::Time),
        (0_u8..=9).prop_map(LogicalType::Timestamp),
        (0_u8..=9).prop_map(LogicalType::TimestampLtz),
    ]
}

fn nullable(logical: impl Strategy<Value = LogicalType>) -> impl Strategy<Value = DataType> {
    (logical, prop::bool::weighted(0.8)).prop_map(|(logical, nullable)| DataType { logical, nullable })
}

fn row_type(field: impl Strategy<Value = DataType>) -> impl Strategy<Value = LogicalType> {
    prop::collection::vec(field, 1..4).prop_map(|types| {
        LogicalType::Row(
            types.into_iter().enumerate().map(|(n, data_type)| RowField { name: format!("f{n}"), data_type }).collect(),
        )
    })
}

fn logical_type(flavor: Flavor) -> BoxedStrategy<LogicalType> {
    match flavor {
        Flavor::Csv => prop_oneof![
            8 => simple_type(),
            1 => nullable(simple_type()).prop_map(|element| LogicalType::Array(Box::new(element))),
            1 => row_type(nullable(simple_type())),
        ]
        .boxed(),
        Flavor::Json => prop_oneof![8 => simple_type(), 1 => Just(LogicalType::IntervalYearMonth), 1 => Just(LogicalType::IntervalDayTime)]
            .prop_recursive(3, 12, 3, |inner| {
                let text = || Box::new(DataType::not_null(LogicalType::STRING));
                prop_oneof![
                    nullable(inner.clone()).prop_map(|element| LogicalType::Array(Box::new(element))),
                    nullable(inner.clone()).prop_map(move |value| LogicalType::Map(text(), Box::new(value))),
                    Just(LogicalType::Multiset(text())),
                    row_type(nullable(inner)),
                ]
            })
            .boxed(),
    }
}

/// Columns of any type.
pub(crate) fn columns(flavor: Flavor) -> impl Strategy<Value = Vec<RowField>> {
    let name = |n: usize| if n == 1 { "a \"b\"\\é".to_owned() } else { format!("c{n}") };
    prop::collection::vec(nullable(logical_type(flavor)), 1..6).prop_map(move |types| {
        types.into_iter().enumerate().map(|(n, data_type)| RowField { name: name(n), data_type }).collect()
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 ,;.\"'\\\\|#\t\n\r+{}\\[\\]:é世😀-]{0,12}",
        1 => any::<String>(),
        1 => "[a-z\"]{20,60}",
    ]
}

/// A value of a type; within a csv array or row, one that its delimiter does not cut.
fn value(data_type: &DataType, flavor: Flavor, nested: bool) -> BoxedStrategy<Value> {
    let some = not_null(&data_type.logical, flavor, nested);
    if data_type.nullable { prop_oneof![1 => Just(Value::Null), 4 => some].boxed() } else { some }
}

fn per_second(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    }
}

/// A whole number in the unit of the precision, with no digits behind it.
fn moments(precision: u8, seconds: std::ops::Range<i64>) -> impl Strategy<Value = Value> {
    let unit = per_second(precision);
    let step = unit / 10_i64.pow(u32::from(precision));
    (seconds, 0..unit).prop_map(move |(seconds, fraction)| Value::Integer(seconds * unit + fraction / step * step))
}

fn not_null(logical: &LogicalType, flavor: Flavor, nested: bool) -> BoxedStrategy<Value> {
    match logical {
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::TinyInt => any::<i8>().prop_map(|value| Value::Integer(value.into())).boxed(),
        LogicalType::SmallInt => any::<i16>().prop_map(|value| Value::Integer(value.into())).boxed(),
        LogicalType::Int | LogicalType::IntervalYearMonth => {
            any::<i32>().prop_map(|value| Value::Integer(value.into())).boxed()
        }
        LogicalType::BigInt | LogicalType::IntervalDayTime => any::<i64>().prop_map(Value::Integer).boxed(),
        LogicalType::Float => any::<f32>().prop_map(Value::Float).boxed(),
        LogicalType::Double => any::<f64>().prop_map(Value::Double).boxed(),
        LogicalType::Decimal(precision, _) => {
            let limit = 10_i128.pow(u32::from(*precision)) - 1;
            prop_oneof![-limit..=limit, (-limit..=limit).prop_map(|value| value / 1_000_000 * 1_000_000)]
                .prop_map(Value::Decimal)
                .boxed()
        }
        LogicalType::Char(_) | LogicalType::VarChar(_) => {
            // The null literal does not come back, nor inside an array or row a text with its delimiter or a blank one.
            let fits = move |text: &String| {
                flavor == Flavor::Json
                    || (text != "NULL" && !(nested && (text.contains(';') || text.bytes().all(|byte| byte <= b' '))))
            };
            text().prop_filter("not told apart in csv", fits).prop_map(Value::Text).boxed()
        }
        LogicalType::Binary(_) | LogicalType::VarBinary(_) => {
            prop::collection::vec(any::<u8>(), usize::from(nested)..30).prop_map(Value::Bytes).boxed()
        }
        LogicalType::Date => {
            let days = if flavor == Flavor::Csv { -719_162..2_932_896_i64 } else { -1_000_000..4_000_000_i64 };
            days.prop_map(Value::Integer).boxed()
        }
        LogicalType::Time(precision) => moments(*precision, 0..86_400).boxed(),
        LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => moments(
            *precision,
            if *precision > 6 { -9_000_000_000..9_000_000_000 } else { -99_000_000_000..400_000_000_000 },
        )
        .boxed(),
        LogicalType::Array(element) => prop::collection::vec(value(element, flavor, true), 0..4)
            .prop_filter("not told apart in csv", told_apart(flavor))
            .prop_map(Value::List)
            .boxed(),
        LogicalType::Map(_, element) => entries(value(element, flavor, true)),
        LogicalType::Multiset(_) => entries(any::<i32>().prop_map(|count| Value::Integer(count.into())).boxed()),
        LogicalType::Row(fields) => {
            let row: Vec<_> = fields.iter().map(|field| value(&field.data_type, flavor, true)).collect();
            row.prop_filter("not told apart in csv", told_apart(flavor)).prop_map(Value::Row).boxed()
        }
        LogicalType::Null => Just(Value::Null).boxed(),
    }
}

/// One NULL in an array or row of csv is written as an array or row that is NULL.
fn told_apart(flavor: Flavor) -> impl Fn(&Vec<Value>) -> bool {
    move |values| flavor == Flavor::Json || values.as_slice() != [Value::Null]
}

fn entries(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::btree_map(text(), value, 0..4).prop_map(|map| Value::Map(map.into_iter().collect())).boxed()
}

/// Columns with rows of them.
pub(crate) fn table(flavor: Flavor) -> impl Strategy<Value = (Vec<RowField>, Vec<Vec<Value>>)> {
    columns(flavor).prop_flat_map(move |columns| {
        let row: Vec<_> = columns.iter().map(|column| value(&column.data_type, flavor, false)).collect();
        (Just(columns), prop::collection::vec(row, 0..12))
    })
}

/// The rows as a batch.
pub(crate) fn batch(columns: &[RowField], rows: &[Vec<Value>]) -> RecordBatch {
    let arrays = columns.iter().enumerate().map(|(n, column)| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[n]).collect();
        array(&column.data_type.logical, &values)
    });
    RecordBatch::try_new(arrow_schema(columns), arrays.collect()).unwrap()
}

fn array(logical: &LogicalType, values: &[&Value]) -> ArrayRef {
    let nulls = || {
        values
            .iter()
            .any(|value| **value == Value::Null)
            .then(|| values.iter().map(|value| **value != Value::Null).collect::<NullBuffer>())
    };
    let integers = || values.iter().map(|value| if let Value::Integer(value) = value { Some(*value) } else { None });
    match logical {
        LogicalType::Boolean => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Boolean(value) = value { Some(*value) } else { None })
                .collect::<BooleanArray>(),
        ),
        LogicalType::TinyInt => {
            Arc::new(integers().map(|value| value.map(|value| i8::try_from(value).unwrap())).collect::<Int8Array>())
        }
        LogicalType::SmallInt => {
            Arc::new(integers().map(|value| value.map(|value| i16::try_from(value).unwrap())).collect::<Int16Array>())
        }
        LogicalType::Int => {
            Arc::new(integers().map(|value| value.map(|value| i32::try_from(value).unwrap())).collect::<Int32Array>())
        }
        LogicalType::BigInt => Arc::new(integers().collect::<Int64Array>()),
        LogicalType::IntervalYearMonth => Arc::new(
            integers()
                .map(|value| value.map(|value| i32::try_from(value).unwrap()))
                .collect::<IntervalYearMonthArray>(),
        ),
        LogicalType::IntervalDayTime => Arc::new(integers().collect::<DurationMillisecondArray>()),
        LogicalType::Float => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Float(value) = value { Some(*value) } else { None })
                .collect::<Float32Array>(),
        ),
        LogicalType::Double => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Double(value) = value { Some(*value) } else { None })
                .collect::<Float64Array>(),
        ),
        LogicalType::Decimal(..) => {
            let decimals =
                values.iter().map(|value| if let Value::Decimal(value) = value { Some(*value) } else { None });
            Arc::new(decimals.collect::<Decimal128Array>().with_data_type(arrow_type(logical)))
        }
        LogicalType::Char(_) | LogicalType::VarChar(_) => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Text(value) = value { Some(value.as_str()) } else { None })
                .collect::<StringArray>(),
        ),
        LogicalType::Binary(_) | LogicalType::VarBinary(_) => Arc::new(
            values
                .iter()
                .map(|value| if let Value::Bytes(value) = value { Some(value.as_slice()) } else { None })
                .collect::<BinaryArray>(),
        ),
        LogicalType::Date => {
            Arc::new(integers().map(|value| value.map(|value| i32::try_from(value).unwrap())).collect::<Date32Array>())
        }
        LogicalType::Time(0..=3) => Arc::new(
            integers()
                .map(|value| value.map(|value| i32::try_from(value).unwrap()))
                .collect::<Time32MillisecondArray>(),
        ),
        LogicalType::Time(4..=6) => Arc::new(integers().collect::<Time64MicrosecondArray>()),
        LogicalType::Time(_) => Arc::new(integers().collect::<Time64NanosecondArray>()),
        LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => match precision {
            0..=3 => timestamps::<TimestampMillisecondType>(integers(), logical),
            4..=6 => timestamps::<TimestampMicrosecondType>(integers(), logical),
            _ => timestamps::<TimestampNanosecondType>(integers(), logical),
        },
        LogicalType::Array(element) => {
            let lists: Vec<&[Value]> =
                values.iter().map(|value| if let Value::List(list) = value { list.as_slice() } else { &[] }).collect();
            let elements: Vec<&Value> = lists.iter().flat_map(|list| list.iter()).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.len()));
            Arc::new(ListArray::new(
                Arc::new(field("element", element)),
                offsets,
                array(&element.logical, &elements),
                nulls(),
            ))
        }
        LogicalType::Map(_, value) => maps(logical, value, values, nulls()),
        LogicalType::Multiset(_) => maps(logical, &DataType::not_null(LogicalType::Int), values, nulls()),
        LogicalType::Row(fields) => {
            let columns = fields.iter().enumerate().map(|(n, field)| {
                let column: Vec<&Value> = values
                    .iter()
                    .map(|value| if let Value::Row(row) = value { &row[n] } else { &Value::Null })
                    .collect();
                array(&field.data_type.logical, &column)
            });
            let ArrowType::Struct(fields) = arrow_type(logical) else { panic!("a row is a struct") };
            Arc::new(StructArray::new(fields, columns.collect(), nulls()))
        }
        LogicalType::Null => panic!("no column has type NULL"),
    }
}

fn timestamps<T: ArrowPrimitiveType<Native = i64>>(
    values: impl Iterator<Item = Option<i64>>,
    logical: &LogicalType,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter(values).with_data_type(arrow_type(logical)))
}

fn maps(logical: &LogicalType, value: &DataType, values: &[&Value], nulls: Option<NullBuffer>) -> ArrayRef {
    let maps: Vec<&[(String, Value)]> =
        values.iter().map(|value| if let Value::Map(map) = value { map.as_slice() } else { &[] }).collect();
    let keys: StringArray = maps.iter().flat_map(|map| map.iter().map(|(key, _)| Some(key.as_str()))).collect();
    let elements: Vec<&Value> = maps.iter().flat_map(|map| map.iter().map(|(_, value)| value)).collect();
    let ArrowType::Map(entries, _) = arrow_type(logical) else { panic!("a map is a map") };
    let ArrowType::Struct(fields) = entries.data_type() else { panic!("a map has entries") };
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), array(&value.logical, &elements)];
    let structs = StructArray::new(fields.clone(), columns, None);
    Arc::new(MapArray::new(
        entries.clone(),
        OffsetBuffer::from_lengths(maps.iter().map(|map| map.len())),
        structs,
        nulls,
        false,
    ))
}

/// Some options of csv.
pub(crate) fn csv_options() -> impl Strategy<Value = Vec<(String, String)>> {
    let delimiter = prop::sample::select(vec![",", "|", "\\t", "\\u0001", "€", " "]);
    let quote = prop::sample::select(vec![None, Some("'"), Some("é")]);
    let escape = prop::sample::select(vec![None, Some("\\"), Some("§")]);
    (delimiter, quote, escape, any::<bool>()).prop_map(|(delimiter, quote, escape, scientific)| {
        let mut options = vec![
            ("field-delimiter".to_owned(), delimiter.to_owned()),
            ("null-literal".to_owned(), "NULL".to_owned()),
            ("write-bigdecimal-in-scientific-notation".to_owned(), scientific.to_string()),
        ];
        options.extend(quote.map(|quote| ("quote-character".to_owned(), quote.to_owned())));
        options.extend(escape.map(|escape| ("escape-character".to_owned(), escape.to_owned())));
        options
    })
}

/// Some options of json.
pub(crate) fn json_options() -> impl Strategy<Value = Vec<(String, String)>> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(iso, plain, skip)| {
        vec![
            ("timestamp-format.standard".to_owned(), if iso { "ISO-8601" } else { "SQL" }.to_owned()),
            ("encode.decimal-as-plain-number".to_owned(), plain.to_string()),
            ("encode.ignore-null-fields".to_owned(), skip.to_string()),
        ]
    })
}
