//! How the formats' tests write tables down: a schema as columns of types, options as pairs, rows as `(1 | 'x' | NULL)`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use riverrun_base::Result;
use riverrun_base::options::OptionReader;
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema, type_of_field};

use crate::rows::{Cell, View};
use crate::text::{
    Moment, write_date, write_decimal, write_f32, write_f64, write_integer, write_time, write_timestamp,
};
use crate::{Decoder, Encoded, Encoder, Format, open};

/// A table's format, as a test uses it.
pub(crate) struct Table {
    schema: SchemaRef,
    format: Box<dyn Format>,
    name: &'static str,
}

/// A nullable column.
pub(crate) fn column(name: &str, logical: LogicalType) -> RowField {
    RowField { name: name.into(), data_type: DataType::nullable(logical) }
}

/// A column that is `NOT NULL`.
pub(crate) fn not_null(name: &str, logical: LogicalType) -> RowField {
    RowField { name: name.into(), data_type: DataType::not_null(logical) }
}

/// An array of nullable elements.
pub(crate) fn array(element: LogicalType) -> LogicalType {
    LogicalType::Array(Box::new(DataType::nullable(element)))
}

/// A map from texts.
pub(crate) fn map(value: LogicalType) -> LogicalType {
    LogicalType::Map(Box::new(DataType::not_null(LogicalType::STRING)), Box::new(DataType::nullable(value)))
}

impl Table {
    /// Opens `name` with options, whose keys stand without the format's name.
    pub(crate) fn try_new(name: &'static str, options: &[(&str, &str)], columns: &[RowField]) -> Result<Self> {
        let schema = arrow_schema(columns);
        let written = options.iter().map(|(key, value)| (format!("{name}.{key}"), (*value).to_owned())).collect();
        let mut reader = OptionReader::new("connector 'test'", written);
        let format = open(&mut reader, "format", name, schema.clone())?;
        reader.finish()?;
        Ok(Self { schema, format, name })
    }

    pub(crate) fn new(name: &'static str, options: &[(&str, &str)], columns: &[RowField]) -> Self {
        Self::try_new(name, options, columns).unwrap()
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decoder> {
        self.format.decoder().unwrap()
    }

    pub(crate) fn encoder(&self) -> Box<dyn Encoder> {
        self.format.encoder().unwrap()
    }

    /// The rows of one message, or what is wrong with it. A skipped message shows as `-`.
    pub(crate) fn read(&self, message: &[u8]) -> String {
        match self.decoder().decode(&[message]) {
            Ok(decoded) if decoded.skipped > 0 && decoded.rows.num_rows() == 0 => "-".into(),
            Ok(decoded) => show(&decoded.rows),
            Err(error) => error.error.to_string(),
        }
    }

    /// Asserts what messages are read as; an expected `!` stands for any error.
    pub(crate) fn reads(&self, cases: &[(&str, &str)]) {
        for (message, expected) in cases {
            let read = self.read(message.as_bytes());
            let is_error = !read.is_empty() && !read.starts_with(['(', '-']);
            if *expected == "!" {
                assert!(is_error, "{} {message:?} is read as {read}", self.name);
            } else {
                assert_eq!(&read, expected, "{} {message:?}", self.name);
            }
        }
    }

    /// The rows of a file.
    pub(crate) fn read_file(&self, bytes: &[u8]) -> String {
        let mut decoder = self.decoder();
        let mut ranges = Vec::new();
        assert_eq!(decoder.split(bytes, true, &mut ranges).unwrap(), bytes.len());
        let messages: Vec<&[u8]> = ranges.into_iter().map(|range| &bytes[range]).collect();
        match decoder.decode(&messages) {
            Ok(decoded) => show(&decoded.rows),
            Err(error) => error.error.to_string(),
        }
    }

    /// The messages that a batch is written as.
    pub(crate) fn write(&self, rows: RecordBatch) -> Result<Vec<String>> {
        let mut out = Encoded::default();
        self.encoder().encode(&Batch::insertions(rows), &mut out)?;
        Ok(out.messages().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect())
    }

    /// Asserts what rows, given as JSON objects, are written as.
    pub(crate) fn writes(&self, cases: &[(&str, &str)]) {
        for (row, expected) in cases {
            let columns: Vec<RowField> = self.columns();
            let rows = Table::new("json", &[], &columns).decoder().decode(&[row.as_bytes()]).unwrap().rows;
            assert_eq!(self.write(rows).unwrap(), [*expected], "{} {row}", self.name);
        }
    }

    fn columns(&self) -> Vec<RowField> {
        let columns = self.schema.fields().iter();
        columns.map(|field| RowField { name: field.name().clone(), data_type: type_of_field(field).unwrap() }).collect()
    }
}

/// The rows, `(1 | 'x' | NULL)`, in a line.
pub(crate) fn show(rows: &RecordBatch) -> String {
    let schema = rows.schema();
    let views = rows.columns().iter().zip(schema.fields());
    let views: Vec<View<'_>> =
        views.map(|(array, field)| view(array, &type_of_field(field).unwrap().logical)).collect();
    let rows = (0..rows.num_rows()).map(|row| show_row(&views, row));
    rows.collect::<Vec<_>>().join(" ")
}

fn view<'a>(array: &'a dyn Array, logical: &LogicalType) -> View<'a> {
    View::new(array, logical, "").unwrap()
}

fn show_row(views: &[View<'_>], row: usize) -> String {
    format!("({})", views.iter().map(|view| show_value(view, row)).collect::<Vec<_>>().join(" | "))
}

fn show_value(view: &View<'_>, row: usize) -> String {
    if view.is_null(row) {
        return "NULL".into();
    }
    let mut out = Vec::new();
    let range = |offsets: &[i32]| usize::try_from(offsets[row]).unwrap()..usize::try_from(offsets[row + 1]).unwrap();
    match &view.cells {
        Cell::Boolean(values) => out.extend(values.value(row).to_string().bytes()),
        Cell::TinyInt(values) => write_integer(&mut out, values[row]),
        Cell::SmallInt(values) => write_integer(&mut out, values[row]),
        Cell::Int(values) => write_integer(&mut out, values[row]),
        Cell::BigInt(values) => write_integer(&mut out, values[row]),
        Cell::Float(values) => write_f32(&mut out, values[row]),
        Cell::Double(values) => write_f64(&mut out, values[row]),
        Cell::Decimal(values, scale) => write_decimal(&mut out, values[row], *scale),
        Cell::Text(texts) => return format!("'{}'", texts.value(row)),
        Cell::Bytes(values) => {
            return format!("x'{}'", values.value(row).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        Cell::Date(values) => write_date(&mut out, i64::from(values[row])),
        Cell::Time32(values, unit) => write_time(&mut out, i64::from(values[row]) * unit),
        Cell::Time64(values, unit) => write_time(&mut out, values[row] * unit),
        Cell::Timestamp(values, precision) | Cell::TimestampLtz(values, precision) => {
            write_timestamp(&mut out, Moment::of_value(values[row], *precision), b'T');
        }
        Cell::Array(list, elements) => {
            return format!(
                "[{}]",
                range(list.value_offsets()).map(|n| show_value(elements, n)).collect::<Vec<_>>().join(", ")
            );
        }
        Cell::Map(map, keys, values) => {
            let entry = |n| format!("{}={}", show_value(keys, n), show_value(values, n));
            return format!("{{{}}}", range(map.value_offsets()).map(entry).collect::<Vec<_>>().join(", "));
        }
        Cell::Row(fields) => return show_row(fields, row),
    }
    String::from_utf8(out).unwrap()
}
