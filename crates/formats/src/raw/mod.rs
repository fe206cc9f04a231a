//! `raw`: a table with one column, whose value is the whole message.
//!
//! As Flink's: numbers have their fixed length in the given byte order, a boolean is one byte, texts are UTF-8 (what is none becomes
//! U+FFFD), bytes are themselves. NULL cannot be written: Flink makes it a message without value, which only Kafka has.

mod decoder;
mod encoder;
mod options;

use arrow::datatypes::SchemaRef;
use riverrun_base::options::{OptionReader, OptionSet};
use riverrun_base::{Error, Result};
use riverrun_data::type_of_field;

use crate::{Decoder, Encoder, Format, FormatFactory};
use options::{Endianness, RawOptions};

/// The format `raw`.
pub(crate) static FACTORY: FormatFactory = FormatFactory {
    name: "raw",
    description: "One column, whose value is the whole message.",
    options: RawOptions::specs,
    build,
};

struct Raw {
    big_endian: bool,
    schema: SchemaRef,
}

impl Format for Raw {
    fn decoder(&self) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(decoder::RawDecoder::new(self.big_endian, self.schema.clone())?))
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(encoder::RawEncoder::new(self.big_endian, &self.schema)?))
    }
}

fn build(options: &mut OptionReader, prefix: &str, schema: SchemaRef) -> Result<Box<dyn Format>> {
    let options: RawOptions = options.read_under(prefix)?;
    if !["utf-8", "utf8"].iter().any(|name| options.charset.eq_ignore_ascii_case(name)) {
        return Err(Error::not_supported(format!("charset '{}'", options.charset))
            .with("option", format!("{prefix}charset"))
            .hint("it takes 'UTF-8'"));
    }
    let [field] = schema.fields().as_ref() else {
        return Err(Error::user(format!(
            "format 'raw' takes a table with one column, but this has {}",
            schema.fields().len()
        )));
    };
    let data_type = type_of_field(field).map(|data_type| data_type.logical);
    let fits = data_type.as_ref().is_some_and(|logical| {
        let number = logical.is_integer() || logical.is_approximate();
        number || logical.is_character() || logical.is_binary() || *logical == riverrun_data::LogicalType::Boolean
    });
    if !fits {
        let shown = data_type.map_or_else(|| field.data_type().to_string(), |logical| logical.to_string());
        return Err(Error::user(format!("format 'raw' cannot hold {shown}"))
            .with("column", field.name())
            .hint("it holds BOOLEAN, whole and floating point numbers, texts and bytes"));
    }
    Ok(Box::new(Raw { big_endian: options.endianness == Endianness::Big, schema }))
}

#[cfg(test)]
mod tests;
