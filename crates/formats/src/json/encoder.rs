//! Writes rows as JSON objects.

use arrow::datatypes::Schema;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, LogicalType, type_of_field};

use super::options::{JsonOptions, TimestampStandard};
use super::string::{write_float, write_string};
use crate::rows::{Cell, View};
use crate::text::{
    Moment, TimestampWriter, write_base64, write_date, write_decimal, write_decimal_stripped, write_f32, write_integer,
    write_time, write_timestamp,
};
use crate::{Encoded, Encoder};

/// Writes row by row; a column's type is looked up once a value, its array once a batch.
pub(super) struct JsonEncoder {
    style: Style,
    columns: Vec<(String, LogicalType)>,
    fields: Vec<Field>,
    timestamps: Vec<TimestampWriter>,
}

/// How values are written.
struct Style {
    separator: u8,
    plain_decimals: bool,
    skip_nulls: bool,
}

/// A field of an object.
struct Field {
    /// Its name in quotes, with the colon behind it.
    name: Vec<u8>,
    /// The fields of the row that its value is or holds.
    inner: Vec<Field>,
}

impl Field {
    fn new(name: &str, logical: &LogicalType) -> Self {
        let mut quoted = Vec::new();
        write_string(&mut quoted, name, true);
        quoted.push(b':');
        Self { name: quoted, inner: Self::inner(logical) }
    }

    fn inner(logical: &LogicalType) -> Vec<Self> {
        match logical {
            LogicalType::Row(fields) => {
                fields.iter().map(|field| Self::new(&field.name, &field.data_type.logical)).collect()
            }
            LogicalType::Array(element) => Self::inner(&element.logical),
            LogicalType::Map(_, value) => Self::inner(&value.logical),
            _ => Vec::new(),
        }
    }
}

impl JsonEncoder {
    pub(super) fn new(options: &JsonOptions, schema: &Schema) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| {
            let data_type = type_of_field(field)
                .ok_or_else(|| Error::internal("a column without type").with("column", field.name()))?;
            Ok((field.name().clone(), data_type.logical))
        });
        let columns: Vec<_> = columns.collect::<Result<_>>()?;
        let separator = if options.timestamp_standard == TimestampStandard::Iso8601 { b'T' } else { b' ' };
        let timestamps = columns.iter().map(|(_, logical)| match logical {
            LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => {
                TimestampWriter::new(separator, *precision)
            }
            _ => TimestampWriter::new(separator, 3),
        });
        Ok(Self {
            timestamps: timestamps.collect(),
            fields: columns.iter().map(|(name, logical)| Field::new(name, logical)).collect(),
            columns,
            style: Style {
                separator,
                plain_decimals: options.decimal_as_plain_number,
                skip_nulls: options.ignore_null_fields,
            },
        })
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &Batch, out: &mut Encoded) -> Result<()> {
        let arrays = batch.rows().columns();
        if arrays.len() != self.columns.len() {
            return Err(Error::internal(format!("{} columns for a table of {}", arrays.len(), self.columns.len())));
        }
        let views = arrays.iter().zip(&self.columns).map(|(array, (name, logical))| View::new(array, logical, name));
        let views = views.collect::<Result<Vec<_>>>()?;
        let bytes = &mut out.bytes;
        for row in 0..batch.num_rows() {
            bytes.push(b'{');
            let mut first = true;
            for ((view, field), timestamps) in views.iter().zip(&self.fields).zip(&mut self.timestamps) {
                let null = view.is_null(row);
                if !self.style.begin_field(bytes, field, null, &mut first) {
                    continue;
                }
                match &view.cells {
                    _ if null => bytes.extend_from_slice(b"null"),
                    Cell::Timestamp(values, _) => {
                        bytes.push(b'"');
                        timestamps.write(bytes, values[row]);
                        bytes.push(b'"');
                    }
                    Cell::TimestampLtz(values, _) => {
                        bytes.push(b'"');
                        timestamps.write(bytes, values[row]);
                        bytes.extend_from_slice(b"Z\"");
                    }
                    cells => self.style.write_value(bytes, cells, row, &field.inner),
                }
            }
            bytes.push(b'}');
            out.ends.push(bytes.len());
        }
        Ok(())
    }
}

impl Style {
    /// Writes a field's name, with a comma before it unless it is the first. Returns whether its value follows.
    #[inline]
    fn begin_field(&self, out: &mut Vec<u8>, field: &Field, null: bool, first: &mut bool) -> bool {
        if null && self.skip_nulls {
            return false;
        }
        if !std::mem::take(first) {
            out.push(b',');
        }
        out.extend_from_slice(&field.name);
        true
    }

    /// Writes a value that is not NULL; `inner` are the fields of the row that it is or holds.
    #[inline]
    fn write_value(&self, out: &mut Vec<u8>, cells: &Cell<'_>, row: usize, inner: &[Field]) {
        match cells {
            Cell::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Cell::TinyInt(values) => write_integer(out, values[row]),
            Cell::SmallInt(values) => write_integer(out, values[row]),
            Cell::Int(values) => write_integer(out, values[row]),
            Cell::BigInt(values) => write_integer(out, values[row]),
            Cell::Float(values) if values[row].is_finite() => write_f32(out, values[row]),
            Cell::Float(values) => write_float(out, f64::from(values[row])),
            Cell::Double(values) => write_float(out, values[row]),
            Cell::Decimal(values, scale) if self.plain_decimals => write_decimal(out, values[row], *scale),
            Cell::Decimal(values, scale) => write_decimal_stripped(out, values[row], *scale),
            Cell::Text(texts) => write_string(out, texts.value(row), true),
            cells => self.write_rare(out, cells, row, inner),
        }
    }

    fn write_rare(&self, out: &mut Vec<u8>, cells: &Cell<'_>, row: usize, inner: &[Field]) {
        match cells {
            Cell::Array(list, elements) => {
                out.push(b'[');
                for (n, element) in range(list.value_offsets(), row).enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    self.write_nullable(out, elements, element, inner);
                }
                out.push(b']');
            }
            Cell::Map(map, keys, values) => {
                out.push(b'{');
                for (n, entry) in range(map.value_offsets(), row).enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    self.write_value(out, &keys.cells, entry, inner);
                    out.push(b':');
                    self.write_nullable(out, values, entry, inner);
                }
                out.push(b'}');
            }
            Cell::Row(views) => {
                out.push(b'{');
                let mut first = true;
                for (view, field) in views.iter().zip(inner) {
                    if self.begin_field(out, field, view.is_null(row), &mut first) {
                        self.write_nullable(out, view, row, &field.inner);
                    }
                }
                out.push(b'}');
            }
            text => {
                out.push(b'"');
                self.write_text(out, text, row);
                out.push(b'"');
            }
        }
    }

    fn write_nullable(&self, out: &mut Vec<u8>, view: &View<'_>, row: usize, inner: &[Field]) {
        if view.is_null(row) {
            out.extend_from_slice(b"null");
        } else {
            self.write_value(out, &view.cells, row, inner);
        }
    }

    /// Writes a value whose text needs no escapes.
    fn write_text(&self, out: &mut Vec<u8>, cells: &Cell<'_>, row: usize) {
        match cells {
            Cell::Bytes(values) => write_base64(out, values.value(row)),
            Cell::Date(values) => write_date(out, i64::from(values[row])),
            Cell::Time32(values, unit) => write_time(out, i64::from(values[row]) * unit),
            Cell::Time64(values, unit) => write_time(out, values[row] * unit),
            Cell::Timestamp(values, precision) => {
                write_timestamp(out, Moment::of_value(values[row], *precision), self.separator)
            }
            Cell::TimestampLtz(values, precision) => {
                write_timestamp(out, Moment::of_value(values[row], *precision), self.separator);
                out.push(b'Z');
            }
            // Written with their own brackets, or bare.
            _ => {}
        }
    }
}

fn range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let position = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    position(row)..position(row + 1)
}
