//! Reads messages as single values.

use std::ops::Range;

use arrow::datatypes::SchemaRef;
use riverrun_base::Result;

use crate::lines::split_lines;
use crate::rows::{Column, Kind, Problems, Read, Rows, Slot, Slots, Values, append, append_text};
use crate::{DecodeError, Decoded, Decoder};

/// Every message is a value.
pub(super) struct RawDecoder {
    order: Order,
    rows: Rows,
}

/// The order of a number's bytes.
#[derive(Clone, Copy)]
struct Order {
    big_endian: bool,
}

impl RawDecoder {
    pub(super) fn new(big_endian: bool, schema: SchemaRef) -> Result<Self> {
        Ok(Self { order: Order { big_endian }, rows: Rows::new(schema, Problems::new(false, None))? })
    }
}

impl Order {
    /// The bytes of a number, the most significant first.
    fn number<const N: usize>(self, slot: &Slot<'_>) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = slot.text.try_into().ok()?;
        if !self.big_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn read(self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        let Column { spec, nulls, values } = column;
        match values {
            Values::Boolean(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(|[byte]| byte != 0)))
            }
            Values::TinyInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(i8::from_be_bytes)))
            }
            Values::SmallInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(i16::from_be_bytes)))
            }
            Values::Int(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(i32::from_be_bytes)))
            }
            Values::BigInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(i64::from_be_bytes)))
            }
            Values::Float(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(f32::from_be_bytes)))
            }
            Values::Double(values) => {
                append(values, spec, nulls, slots, problems, |slot| Read::of(self.number(slot).map(f64::from_be_bytes)))
            }
            Values::Text(texts) => append_text(texts, false, spec, nulls, slots, problems, |slot, out| {
                match std::str::from_utf8(slot.text) {
                    Ok(_) => out.extend_from_slice(slot.text),
                    // As Java decodes it; looking for replacements byte by byte is left to texts that need some.
                    Err(_) => out.extend_from_slice(String::from_utf8_lossy(slot.text).as_bytes()),
                }
                Read::Value(())
            }),
            Values::Bytes(texts) => append_text(texts, false, spec, nulls, slots, problems, |slot, out| {
                out.extend_from_slice(slot.text);
                Read::Value(())
            }),
            // Refused when the table is made.
            _ => {}
        }
    }
}

impl Decoder for RawDecoder {
    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        Ok(split_lines(bytes, end, messages))
    }

    fn decode(&mut self, messages: &[&[u8]]) -> Result<Decoded, DecodeError> {
        let mut table = Vec::with_capacity(messages.len());
        for (n, message) in messages.iter().enumerate() {
            table.push(Slot { text: message, row: self.rows.next_row(), kind: Kind::Text });
            self.rows.located(n);
        }
        for column in &mut self.rows.columns {
            self.order.read(column, Slots::new(&table, 0, 1), &mut self.rows.problems);
        }
        self.rows.finish(messages.len())
    }
}
