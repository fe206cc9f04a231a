//! `csv`: a row as fields between delimiters.
//!
//! The format of Flink 2.3 with all its options, measured against its own classes: a row has as many fields as the table has columns
//! (one empty field more is let pass), an empty field is an empty text and no number, whole numbers and booleans may stand between
//! blanks, decimals are rounded half up and become NULL where they do not fit, timestamps are `yyyy-MM-dd HH:mm:ss[.f]`, instants the
//! same with a final `Z`, bytes Base64, and arrays and rows have their elements between `array-element-delimiter`.
//!
//! With `ignore-parse-errors` a field that cannot be read is NULL, a row too short has NULL at its end, and any other row that cannot be
//! read is skipped and counted.
//!
//! Where it differs from Flink, on purpose:
//! - a column that is `NOT NULL` never holds NULL: such a row is an error, or skipped. Flink lets its sink find out.
//! - digits of a second behind the column's precision are cut when they are read, not when they are written.
//! - the null literal makes an array or row NULL. Flink reads back an array with one NULL.
//! - a blank line is skipped under `ignore-parse-errors` unless the table has one column. Flink makes it a row of NULLs in a file and
//!   skips it in a topic.

mod convert;
mod decoder;
mod dialect;
mod encoder;
mod options;
mod scan;
mod split;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use riverrun_base::options::{OptionReader, OptionSet};
use riverrun_base::{Error, Result};
use riverrun_data::{LogicalType, type_of_field};

use crate::{Decoder, Encoder, Format, FormatFactory};
use dialect::Dialect;
use options::CsvOptions;

/// The format `csv`.
pub(crate) static FACTORY: FormatFactory =
    FormatFactory { name: "csv", description: "Rows as fields between delimiters.", options: CsvOptions::specs, build };

struct Csv {
    dialect: Arc<Dialect>,
    schema: SchemaRef,
}

impl Format for Csv {
    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(decoder::CsvDecoder::new(Arc::clone(&self.dialect), self.schema.clone())?))
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::CsvEncoder::new(Arc::clone(&self.dialect), &self.schema)?))
    }
}

fn build(options: &mut OptionReader, prefix: &str, schema: SchemaRef) -> Result<Box<dyn Format>> {
    let dialect = Arc::new(Dialect::new(&options.read_under::<CsvOptions>(prefix)?, prefix)?);
    for field in schema.fields() {
        let data_type = type_of_field(field).ok_or_else(|| unsupported(field.name(), field.data_type()))?;
        let fits = match &data_type.logical {
            LogicalType::Array(element) => is_simple(&element.logical),
            LogicalType::Row(fields) => fields.iter().all(|field| is_simple(&field.data_type.logical)),
            simple => is_simple(simple),
        };
        if !fits {
            return Err(unsupported(field.name(), data_type));
        }
    }
    Ok(Box::new(Csv { dialect, schema }))
}

/// Whether a type can stand in a field, and inside an array or row. Flink's csv has no intervals, maps and multisets, and one level of nesting.
fn is_simple(logical: &LogicalType) -> bool {
    match logical {
        LogicalType::Boolean | LogicalType::Date | LogicalType::Time(_) => true,
        other => other.is_numeric() || other.is_character() || other.is_binary() || other.is_timestamp(),
    }
}

fn unsupported(column: &str, data_type: impl std::fmt::Display) -> Error {
    Error::user(format!("format 'csv' cannot hold {data_type}"))
        .with("column", column)
        .hint("it holds booleans, numbers, texts, bytes, dates and times, and arrays and rows of those")
}

#[cfg(test)]
mod tests;
