//! Reads located fields into columns.

use memchr::memmem;

use super::dialect::Dialect;
use crate::rows::{Column, Kind, Problems, Read, Slot, Slots, Values, append, append_nothing, append_text};
use crate::text::{
    ParsedDecimal, TimestampForm, TimestampParser, decode_base64, parse_boolean, parse_decimal, parse_f32, parse_f64,
    parse_i8, parse_i16, parse_i32, parse_i64, parse_sql_date, parse_time, trim,
};

impl Dialect {
    /// Appends the values of `slots` to `column`.
    pub(super) fn read(&self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        let Column { spec, nulls, values } = column;
        match values {
            Values::Boolean(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| Some(parse_boolean(text))));
            }
            Values::TinyInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parse_i8(trim(text))))
            }
            Values::SmallInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parse_i16(trim(text))))
            }
            Values::Int(values) | Values::Months(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parse_i32(trim(text))));
            }
            Values::BigInt(values) | Values::Millis(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parse_i64(trim(text))));
            }
            Values::Float(values) => append(values, spec, nulls, slots, problems, |slot| self.value(slot, parse_f32)),
            Values::Double(values) => append(values, spec, nulls, slots, problems, |slot| self.value(slot, parse_f64)),
            Values::Decimal(values, precision, scale) => {
                append(values, spec, nulls, slots, problems, |slot| {
                    match self.value(slot, |text| parse_decimal(text, *precision, *scale)) {
                        Read::Value(ParsedDecimal::Value(value)) => Read::Value(value),
                        Read::Value(ParsedDecimal::OutOfRange) | Read::Null => Read::Null,
                        Read::Bad => Read::Bad,
                    }
                })
            }
            Values::Text(texts) => {
                append_text(texts, true, spec, nulls, slots, problems, |slot, out| match slot.kind {
                    Kind::Text if self.is_null(slot.text) => Read::Null,
                    Kind::Text => {
                        out.extend_from_slice(slot.text);
                        Read::Value(())
                    }
                    _ => self.value(slot, |text| {
                        out.extend_from_slice(text);
                        Some(())
                    }),
                })
            }
            Values::Bytes(texts) => append_text(texts, false, spec, nulls, slots, problems, |slot, out| {
                self.value(slot, |text| decode_base64(text, out))
            }),
            Values::Date(values) => {
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, parse_sql_date))
            }
            Values::Time(values, precision) => {
                let unit = 10_i64.pow(9_u32.saturating_sub(u32::from(*precision)));
                append(values, spec, nulls, slots, problems, |slot| {
                    self.value(slot, |text| parse_time(text, false).map(|nanos| nanos - nanos % unit))
                });
            }
            Values::Timestamp(values, precision) => {
                let mut parser = TimestampParser::new(TimestampForm { iso: false, zone: false }, *precision);
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parser.parse(trim(text))));
            }
            Values::TimestampLtz(values, precision) => {
                let mut parser = TimestampParser::new(TimestampForm { iso: false, zone: true }, *precision);
                append(values, spec, nulls, slots, problems, |slot| self.value(slot, |text| parser.parse(trim(text))));
            }
            Values::Array(..) | Values::Row(_) => self.read_elements(column, slots, problems),
            // Refused when the table is made.
            Values::Map(..) => {}
        }
    }

    /// Reads the elements of arrays or rows.
    fn read_elements(&self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        // Elements are cut from texts whose escapes are gone.
        let mut unescaped = Vec::new();
        let mut ends = Vec::new();
        for slot in slots.iter().filter(|slot| matches!(slot.kind, Kind::Escaped | Kind::Quoted)) {
            self.unescape(slot.text, slot.kind, &mut unescaped);
            ends.push(unescaped.len());
        }
        let mut ends = ends.into_iter();
        let mut start = 0;
        let whole = slots.iter().map(|slot| match slot.kind {
            Kind::Escaped | Kind::Quoted => {
                let end = ends.next().unwrap_or(start);
                let text = &unescaped[start..end];
                start = end;
                slot.with(text, Kind::Text)
            }
            _ => *slot,
        });
        let mut table = Vec::new();
        // An empty text is an array without elements even where it is the null literal, as in Flink.
        let nothing = |slot: &Slot<'_>| {
            slot.kind != Kind::Text || (!slot.text.is_empty() && self.null_literal.as_deref() == Some(slot.text))
        };
        match &mut column.values {
            Values::Array(lengths, element) => {
                for slot in whole {
                    let length = table.len();
                    if nothing(&slot) {
                        append_nothing::<()>(&Read::Null, &column.spec, &mut column.nulls, &slot, problems);
                    } else {
                        table.extend(self.elements(slot));
                        column.nulls.append_non_null();
                    }
                    lengths.push(table.len() - length);
                }
                self.read(element, Slots::new(&table, 0, 1), problems);
            }
            Values::Row(fields) => {
                let width = fields.len();
                for slot in whole {
                    let length = table.len();
                    let null = nothing(&slot) || trim(slot.text).is_empty();
                    if !null {
                        // Like Flink, elements behind the last field are ignored.
                        table.extend(self.elements(slot).take(width));
                    }
                    let missing = length + width - table.len();
                    let read: Read<()> = if null {
                        Read::Null
                    } else if missing > 0 && !problems.ignore {
                        Read::Bad
                    } else {
                        Read::Value(())
                    };
                    match read {
                        Read::Value(()) => column.nulls.append_non_null(),
                        ref nothing => append_nothing(nothing, &column.spec, &mut column.nulls, &slot, problems),
                    }
                    let kind = if null { Kind::Masked } else { Kind::Missing };
                    table.extend((0..missing).map(|_| slot.with(&[], kind)));
                }
                for (n, field) in fields.iter_mut().enumerate() {
                    self.read(field, Slots::new(&table, n, width), problems);
                }
            }
            _ => {}
        }
    }

    /// The elements of an array or row; a blank text has none.
    fn elements<'a>(&self, slot: Slot<'a>) -> impl Iterator<Item = Slot<'a>> {
        let delimiter = self.element_delimiter.bytes();
        let mut rest = (!trim(slot.text).is_empty()).then_some(slot.text);
        std::iter::from_fn(move || {
            let text = rest?;
            let (element, behind) = match memmem::find(text, delimiter) {
                Some(at) => (&text[..at], Some(&text[at + delimiter.len()..])),
                None => (text, None),
            };
            rest = behind;
            Some(slot.with(if self.trim_spaces { trim(element) } else { element }, Kind::Text))
        })
    }

    /// Reads a field with `parse`, unless it is NULL.
    #[inline(always)]
    fn value<T>(&self, slot: &Slot<'_>, parse: impl FnOnce(&[u8]) -> Option<T>) -> Read<T> {
        match slot.kind {
            Kind::Text if self.is_null(slot.text) => Read::Null,
            Kind::Text => Read::of(parse(slot.text)),
            _ => self.rare_value(slot, parse),
        }
    }

    #[inline(never)]
    fn rare_value<T>(&self, slot: &Slot<'_>, parse: impl FnOnce(&[u8]) -> Option<T>) -> Read<T> {
        if matches!(slot.kind, Kind::Missing | Kind::Masked | Kind::Null) {
            return Read::Null;
        }
        let mut text = Vec::new();
        self.unescape(slot.text, slot.kind, &mut text);
        if self.is_null(&text) { Read::Null } else { Read::of(parse(&text)) }
    }

    #[inline(always)]
    fn is_null(&self, text: &[u8]) -> bool {
        match &self.null_literal {
            Some(literal) => literal == text || (self.empty_as_null && text.is_empty()),
            None => self.empty_as_null && text.is_empty(),
        }
    }
}
