//! `json`: a row as an object whose names are the columns.
//!
//! The format of Flink 2.3 with all its options, measured against its own classes. Reading is lenient as Flink's is: a field that is not
//! there is NULL, fields that are no column are skipped, numbers and booleans may stand in quotes, a column of type `STRING` takes any
//! value as text, a number with a fraction is cut for an integer, a decimal that does not fit is NULL, and an array of objects holds
//! several rows. What follows the first value of a message is not looked at. An empty message holds no row.
//!
//! With `ignore-parse-errors` a value that cannot be read is NULL, and a message that is no JSON is skipped and counted.
//!
//! Where it differs from Flink, on purpose:
//! - a column that is `NOT NULL` never holds NULL: such a row is an error, or skipped. Flink lets its sink find out.
//! - digits of a second behind the column's precision are cut when they are read; `TIME` keeps up to nine, Flink three.
//! - after a value of the wrong kind the next field is read as usual. Flink loses its place.
//! - of a name that comes twice the last value counts, even behind the other columns.

mod convert;
mod decoder;
mod encoder;
mod names;
mod options;
mod scan;
mod string;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use riverrun_base::options::{OptionReader, OptionSet};
use riverrun_base::{Error, Result};
use riverrun_data::{LogicalType, type_of_field};

use crate::{Decoder, Encoder, Format, FormatFactory};
use options::JsonOptions;

/// The format `json`.
pub(crate) static FACTORY: FormatFactory =
    FormatFactory { name: "json", description: "Rows as JSON objects.", options: JsonOptions::specs, build };

struct Json {
    options: Arc<JsonOptions>,
    schema: SchemaRef,
}

impl Format for Json {
    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(decoder::JsonDecoder::new(&self.options, self.schema.clone())?))
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::JsonEncoder::new(&self.options, &self.schema)?))
    }
}

fn build(options: &mut OptionReader, prefix: &str, schema: SchemaRef) -> Result<Box<dyn Format>> {
    let options: JsonOptions = options.read_under(prefix)?;
    if options.fail_on_missing_field && options.ignore_parse_errors {
        return Err(Error::user(format!(
            "'{prefix}fail-on-missing-field' and '{prefix}ignore-parse-errors' cannot both be true"
        )));
    }
    for field in schema.fields() {
        let data_type = type_of_field(field).ok_or_else(|| {
            Error::internal(format!("no type of Flink SQL for {}", field.data_type())).with("column", field.name())
        })?;
        check(&data_type.logical).map_err(|error| error.with("column", field.name()))?;
    }
    Ok(Box::new(Json { options: Arc::new(options), schema }))
}

/// Refuses what JSON cannot hold: names that are no text.
fn check(logical: &LogicalType) -> Result<()> {
    match logical {
        LogicalType::Null => Err(Error::user("a column cannot have type NULL")),
        LogicalType::Array(element) => check(&element.logical),
        LogicalType::Map(key, value) if key.logical.is_character() => check(&value.logical),
        LogicalType::Multiset(element) if element.logical.is_character() => Ok(()),
        LogicalType::Map(..) | LogicalType::Multiset(_) => {
            Err(Error::user(format!("format 'json' cannot hold {logical}"))
                .hint("the keys of a map in JSON are texts: make them STRING"))
        }
        LogicalType::Row(fields) => fields.iter().try_for_each(|field| check(&field.data_type.logical)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
