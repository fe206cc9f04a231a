//! Writes rows as csv.

use std::sync::Arc;

use arrow::datatypes::Schema;
use memchr::memchr;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, LogicalType, type_of_field};

use super::dialect::Dialect;
use crate::rows::{Cell, View};
use crate::text::{
    Moment, TimestampWriter, write_base64, write_date, write_decimal, write_decimal_stripped, write_f32, write_f64,
    write_integer, write_time, write_timestamp,
};
use crate::{Encoded, Encoder};

/// From so many UTF-16 characters on a text is quoted without looking at it, as Jackson does.
const LONG: usize = 24;

/// Writes row by row; a column's type is looked up once a value, its array once a batch.
pub(super) struct CsvEncoder {
    quoting: Quoting,
    columns: Vec<(String, LogicalType)>,
    timestamps: Vec<TimestampWriter>,
    scratch: Vec<u8>,
}

impl CsvEncoder {
    pub(super) fn new(dialect: Arc<Dialect>, schema: &Schema) -> Result<Self> {
        let columns = schema.fields().iter().map(|field| {
            let data_type = type_of_field(field)
                .ok_or_else(|| Error::internal("a column without type").with("column", field.name()))?;
            Ok((field.name().clone(), data_type.logical))
        });
        let columns: Vec<_> = columns.collect::<Result<_>>()?;
        let timestamps = columns.iter().map(|(_, logical)| match logical {
            LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => {
                TimestampWriter::new(b' ', *precision)
            }
            _ => TimestampWriter::new(b' ', 3),
        });
        Ok(Self { timestamps: timestamps.collect(), columns, quoting: Quoting::new(dialect), scratch: Vec::new() })
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &Batch, out: &mut Encoded) -> Result<()> {
        let arrays = batch.rows().columns();
        if arrays.len() != self.columns.len() {
            return Err(Error::internal(format!("{} columns for a table of {}", arrays.len(), self.columns.len())));
        }
        let views = arrays.iter().zip(&self.columns).map(|(array, (name, logical))| View::new(array, logical, name));
        let views = views.collect::<Result<Vec<_>>>()?;
        let Self { quoting, timestamps, scratch, .. } = self;
        let bytes = &mut out.bytes;
        for row in 0..batch.num_rows() {
            for (n, (view, timestamps)) in views.iter().zip(timestamps.iter_mut()).enumerate() {
                if n > 0 {
                    bytes.extend_from_slice(quoting.dialect.delimiter.bytes());
                }
                if view.is_null(row) {
                    quoting.write_null(bytes);
                } else {
                    quoting.write_field(bytes, &view.cells, row, timestamps, scratch);
                }
            }
            out.ends.push(bytes.len());
        }
        Ok(())
    }
}

/// Which texts are quoted, and how.
struct Quoting {
    dialect: Arc<Dialect>,
    /// Whether a byte makes its text need quotes, where the rule can be told from bytes.
    by_byte: Option<Box<[bool; 256]>>,
    /// The quote that is around every timestamp, because of the blank in it.
    around_timestamps: Option<u8>,
}

impl Quoting {
    fn new(dialect: Arc<Dialect>) -> Self {
        let ascii = dialect.safe_from.is_ascii() && dialect.unsafe_above.is_ascii();
        let by_byte = (ascii && dialect.quote.is_some()).then(|| {
            let mut needs = Box::new([false; 256]);
            for (byte, needs) in (0_u8..=0x7F).zip(needs.iter_mut()) {
                *needs = dialect.is_unsafe(char::from(byte));
            }
            needs
        });
        let in_timestamps = |mark: &super::dialect::Mark| b"0123456789-+:. Z".contains(&mark.first());
        let around_timestamps = dialect.quote.as_ref().filter(|quote| {
            let simple =
                quote.len() == 1 && !in_timestamps(quote) && !dialect.escape.as_ref().is_some_and(in_timestamps);
            simple && dialect.safe_from > ' '
        });
        Self { around_timestamps: around_timestamps.map(super::dialect::Mark::first), dialect, by_byte }
    }

    fn write_null(&self, out: &mut Vec<u8>) {
        if let Some(literal) = &self.dialect.null_literal {
            out.extend_from_slice(literal);
        }
    }

    /// Writes a value that is not NULL. Numbers and booleans are never quoted.
    #[inline]
    fn write_field(
        &self,
        out: &mut Vec<u8>,
        cells: &Cell<'_>,
        row: usize,
        timestamps: &mut TimestampWriter,
        scratch: &mut Vec<u8>,
    ) {
        match cells {
            Cell::Text(texts) => return self.write_text(out, texts.value(row).as_bytes()),
            Cell::Timestamp(values, _) if let Some(quote) = self.around_timestamps => {
                out.push(quote);
                timestamps.write(out, values[row]);
                return out.push(quote);
            }
            Cell::TimestampLtz(values, _) if let Some(quote) = self.around_timestamps => {
                out.push(quote);
                timestamps.write(out, values[row]);
                return out.extend_from_slice(&[b'Z', quote]);
            }
            Cell::Timestamp(..)
            | Cell::TimestampLtz(..)
            | Cell::Bytes(_)
            | Cell::Date(_)
            | Cell::Time32(..)
            | Cell::Time64(..)
            | Cell::Array(..)
            | Cell::Row(_) => {
                scratch.clear();
                self.write_plain(scratch, cells, row);
            }
            _ => return self.write_plain(out, cells, row),
        }
        self.write_text(out, scratch);
    }

    /// Writes a text, in quotes where Jackson's encoder puts some.
    #[inline]
    fn write_text(&self, out: &mut Vec<u8>, text: &[u8]) {
        if self.needs_quotes(text) { self.write_quoted(out, text) } else { out.extend_from_slice(text) }
    }

    #[inline]
    fn needs_quotes(&self, text: &[u8]) -> bool {
        match &self.by_byte {
            Some(needs) if text.len() <= LONG => text.iter().any(|byte| needs[usize::from(*byte)]),
            Some(needs) => is_long(text) || text.iter().any(|byte| needs[usize::from(*byte)]),
            None if self.dialect.quote.is_none() => false,
            None => is_long(text) || String::from_utf8_lossy(text).chars().any(|c| self.dialect.is_unsafe(c)),
        }
    }

    fn write_quoted(&self, out: &mut Vec<u8>, text: &[u8]) {
        let Some(quote) = &self.dialect.quote else { return out.extend_from_slice(text) };
        if quote.len() == 1 && self.dialect.escape.is_none() && memchr(quote.first(), text).is_none() {
            out.reserve(text.len() + 2);
            out.push(quote.first());
            out.extend_from_slice(text);
            return out.push(quote.first());
        }
        out.extend_from_slice(quote.bytes());
        let mut copied = 0;
        for position in 0..text.len() {
            let escape = self.dialect.escape.as_ref().filter(|escape| escape.is_at(text, position));
            let mark = if quote.is_at(text, position) { Some(quote) } else { escape };
            if let Some(mark) = mark {
                out.extend_from_slice(&text[copied..position]);
                out.extend_from_slice(mark.bytes());
                copied = position;
            }
        }
        out.extend_from_slice(&text[copied..]);
        out.extend_from_slice(quote.bytes());
    }

    /// Writes a value that is not NULL, without quotes.
    fn write_plain(&self, out: &mut Vec<u8>, cells: &Cell<'_>, row: usize) {
        match cells {
            Cell::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Cell::TinyInt(values) => write_integer(out, values[row]),
            Cell::SmallInt(values) => write_integer(out, values[row]),
            Cell::Int(values) => write_integer(out, values[row]),
            Cell::BigInt(values) => write_integer(out, values[row]),
            Cell::Float(values) => write_f32(out, values[row]),
            Cell::Double(values) => write_f64(out, values[row]),
            Cell::Decimal(values, scale) if self.dialect.scientific_decimals => {
                write_decimal_stripped(out, values[row], *scale)
            }
            Cell::Decimal(values, scale) => write_decimal(out, values[row], *scale),
            Cell::Text(texts) => out.extend_from_slice(texts.value(row).as_bytes()),
            Cell::Bytes(values) => write_base64(out, values.value(row)),
            Cell::Date(values) => write_date(out, i64::from(values[row])),
            Cell::Time32(values, unit) => write_time(out, i64::from(values[row]) * unit),
            Cell::Time64(values, unit) => write_time(out, values[row] * unit),
            Cell::Timestamp(values, precision) => write_timestamp(out, Moment::of_value(values[row], *precision), b' '),
            Cell::TimestampLtz(values, precision) => {
                write_timestamp(out, Moment::of_value(values[row], *precision), b' ');
                out.push(b'Z');
            }
            Cell::Array(list, elements) => {
                let offsets = list.value_offsets();
                let range = usize::try_from(offsets[row]).unwrap_or_default()
                    ..usize::try_from(offsets[row + 1]).unwrap_or_default();
                self.write_elements(out, range.map(|element| (elements.as_ref(), element)));
            }
            Cell::Row(fields) => self.write_elements(out, fields.iter().map(|field| (field, row))),
            // Refused when the table is made.
            Cell::Map(..) => {}
        }
    }

    fn write_elements<'v, 'a: 'v>(&self, out: &mut Vec<u8>, elements: impl Iterator<Item = (&'v View<'a>, usize)>) {
        for (n, (view, row)) in elements.enumerate() {
            if n > 0 {
                out.extend_from_slice(self.dialect.element_delimiter.bytes());
            }
            if view.is_null(row) {
                self.write_null(out);
            } else {
                self.write_plain(out, &view.cells, row);
            }
        }
    }
}

/// Whether a text has more than [`LONG`] UTF-16 characters.
fn is_long(text: &[u8]) -> bool {
    text.len() > LONG
        && text.iter().map(|byte| usize::from(*byte & 0xC0 != 0x80) + usize::from(*byte >= 0xF0)).sum::<usize>() > LONG
}
