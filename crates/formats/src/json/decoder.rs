//! Reads JSON objects.

use std::ops::Range;

use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};

use super::convert::Fields;
use super::options::JsonOptions;
use super::scan::{Flaw, elements, skip_blanks, value};
use crate::lines::split_lines;
use crate::rows::{Kind, Problems, Rows, Slot, Slots, shorten};
use crate::{DecodeError, Decoded, Decoder};

/// Finds the values of all objects of a block, then reads them column by column.
pub(super) struct JsonDecoder {
    fields: Fields,
    rows: Rows,
}

impl JsonDecoder {
    pub(super) fn new(options: &JsonOptions, schema: SchemaRef) -> Result<Self> {
        let fields = Fields::new(options, &schema)?;
        Ok(Self { fields, rows: Rows::new(schema, Problems::new(options.ignore_parse_errors, None))? })
    }

    /// Appends slots for the objects in a message. Returns whether decoding ends with it.
    fn locate<'a>(&mut self, nth: usize, message: &'a [u8], table: &mut Vec<Slot<'a>>) -> bool {
        let width = self.rows.columns.len();
        let bytes = message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message);
        let start = skip_blanks(bytes, 0);
        match bytes.get(start) {
            None if message.is_empty() => false,
            Some(b'{') => self.locate_object(nth, bytes, start, width, table),
            Some(b'[') => {
                let mut objects = Vec::new();
                let located = elements(bytes, start, 0, |element| objects.push(element));
                for object in objects {
                    let ended = match object.kind {
                        Kind::Object => self.locate_object(nth, object.text, 0, width, table),
                        _ => self.rows.refused(nth, || unfit("an array of objects", object.text)),
                    };
                    if ended {
                        return true;
                    }
                }
                match located {
                    Ok(_) => false,
                    Err(flaw) => self.rows.refused(nth, || no_json(flaw, bytes)),
                }
            }
            _ => {
                let flaw = value(bytes, start, 0).err();
                self.rows.refused(nth, || flaw.map_or_else(|| unfit("an object", bytes), |flaw| no_json(flaw, bytes)))
            }
        }
    }

    #[inline]
    fn locate_object<'a>(
        &mut self,
        nth: usize,
        text: &'a [u8],
        start: usize,
        width: usize,
        table: &mut Vec<Slot<'a>>,
    ) -> bool {
        let (row, length) = (self.rows.next_row(), table.len());
        table.resize(length + width, Slot::missing(row));
        match self.fields.names.locate(text, start, row, &mut table[length..]) {
            Ok(_) => {
                self.rows.located(nth);
                false
            }
            Err(flaw) => {
                table.truncate(length);
                self.rows.refused(nth, || no_json(flaw, text))
            }
        }
    }
}

fn no_json(flaw: Flaw, text: &[u8]) -> Error {
    Error::data(format!("the message is no JSON: expected {} at byte {}", flaw.expected, flaw.position))
        .with("message", format!("'{}'", shorten(text)))
}

fn unfit(expected: &str, text: &[u8]) -> Error {
    Error::data(format!("the message is not {expected}")).with("message", format!("'{}'", shorten(text)))
}

impl Decoder for JsonDecoder {
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        Ok(split_lines(bytes, end, messages))
    }

    fn decode(&mut self, messages: &[&[u8]]) -> Result<Decoded, DecodeError> {
        let width = self.rows.columns.len();
        let block = self.rows.block();
        let mut table = Vec::with_capacity(block.min(messages.len()) * width);
        let mut first = 0;
        for messages in messages.chunks(block) {
            table.clear();
            let ended = messages.iter().enumerate().any(|(n, message)| self.locate(first + n, message, &mut table));
            let columns = self.rows.columns.iter_mut().zip(&mut self.fields.fields);
            for (n, (column, field)) in columns.enumerate() {
                field.read(column, Slots::new(&table, n, width), &mut self.rows.problems);
            }
            if ended || self.rows.problems.first.is_some() {
                break;
            }
            first += messages.len();
        }
        self.rows.finish(messages.len())
    }
}
