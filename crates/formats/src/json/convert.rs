//! Reads located JSON values into columns.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use riverrun_base::{Error, Result};
use riverrun_data::{LogicalType, type_of_field};

use super::names::Names;
use super::options::{JsonOptions, TimestampStandard};
use super::scan::{elements, entries};
use super::string::{unescape, write_compact};
use crate::rows::{Column, Kind, Problems, Read, Slot, Slots, Values, append, append_nothing, append_text};
use crate::text::{
    ParsedDecimal, TimestampForm, TimestampParser, decode_base64, parse_boolean, parse_date, parse_decimal, parse_f32,
    parse_f64, parse_i8, parse_i16, parse_i32, parse_i64, parse_time, trim,
};

/// The fields of a row, at the top or inside.
pub(super) struct Fields {
    pub(super) names: Names,
    pub(super) fields: Vec<Field>,
}

/// How the values of one field are read.
pub(super) struct Field {
    iso: bool,
    fail_on_missing: bool,
    /// What the elements of an array or map, or the fields of a row need; nothing for other types.
    inner: Inner,
}

enum Inner {
    Nothing,
    Element(Box<Field>),
    Fields(Fields),
}

impl Fields {
    pub(super) fn new(options: &JsonOptions, schema: &Schema) -> Result<Self> {
        let types = schema.fields().iter().map(|field| {
            let data_type = type_of_field(field)
                .ok_or_else(|| Error::internal("a column without type").with("column", field.name()))?;
            Ok((field.name().clone(), data_type.logical))
        });
        Ok(Self::of(options, &types.collect::<Result<Vec<_>>>()?))
    }

    fn of(options: &JsonOptions, types: &[(String, LogicalType)]) -> Self {
        let fields = types.iter().map(|(_, logical)| Field::new(options, logical)).collect();
        Self { names: Names::new(types.iter().map(|(name, _)| name.as_str())), fields }
    }
}

impl Field {
    fn new(options: &JsonOptions, logical: &LogicalType) -> Self {
        let inner = match logical {
            LogicalType::Array(element) => Inner::Element(Box::new(Self::new(options, &element.logical))),
            LogicalType::Map(_, value) => Inner::Element(Box::new(Self::new(options, &value.logical))),
            LogicalType::Multiset(_) => Inner::Element(Box::new(Self::new(options, &LogicalType::Int))),
            LogicalType::Row(fields) => {
                let types: Vec<_> =
                    fields.iter().map(|field| (field.name.clone(), field.data_type.logical.clone())).collect();
                Inner::Fields(Fields::of(options, &types))
            }
            _ => Inner::Nothing,
        };
        Self {
            iso: options.timestamp_standard == TimestampStandard::Iso8601,
            fail_on_missing: options.fail_on_missing_field,
            inner,
        }
    }

    /// Appends the values of `slots` to `column`.
    pub(super) fn read(&mut self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        if self.fail_on_missing {
            for slot in slots.iter().filter(|slot| slot.kind == Kind::Missing) {
                problems.report(slot.row, || Error::data("the field is missing").with("column", &column.spec.path));
            }
        }
        let Column { spec, nulls, values } = column;
        let iso = self.iso;
        match values {
            Values::Boolean(values) => append(values, spec, nulls, slots, problems, |slot| match slot.kind {
                Kind::True => Read::Value(true),
                Kind::False => Read::Value(false),
                _ => scalar(slot, |text| Some(parse_boolean(text))),
            }),
            Values::TinyInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| scalar(slot, |text| parse_i8(trim(text))))
            }
            Values::SmallInt(values) => {
                append(values, spec, nulls, slots, problems, |slot| scalar(slot, |text| parse_i16(trim(text))))
            }
            Values::Int(values) | Values::Months(values) => {
                append(values, spec, nulls, slots, problems, |slot| {
                    integer(slot, |text| parse_i32(trim(text)), |value| i32::try_from(value).ok())
                });
            }
            Values::BigInt(values) | Values::Millis(values) => {
                append(values, spec, nulls, slots, problems, |slot| integer(slot, |text| parse_i64(trim(text)), Some));
            }
            Values::Float(values) => append(values, spec, nulls, slots, problems, |slot| scalar(slot, parse_f32)),
            Values::Double(values) => append(values, spec, nulls, slots, problems, |slot| scalar(slot, parse_f64)),
            Values::Decimal(values, precision, scale) => append(values, spec, nulls, slots, problems, |slot| {
                match scalar(slot, |text| parse_decimal(trim(text), *precision, *scale)) {
                    Read::Value(ParsedDecimal::Value(value)) => Read::Value(value),
                    Read::Value(ParsedDecimal::OutOfRange) | Read::Null => Read::Null,
                    Read::Bad => Read::Bad,
                }
            }),
            Values::Text(texts) => {
                append_text(texts, true, spec, nulls, slots, problems, |slot, out| match slot.kind {
                    Kind::Text | Kind::Integer | Kind::Float | Kind::True | Kind::False => {
                        out.extend_from_slice(slot.text);
                        Read::Value(())
                    }
                    Kind::Escaped => Read::of(unescape(slot.text, out)),
                    Kind::Object | Kind::Array => Read::of(write_compact(out, slot.text)),
                    _ => Read::Null,
                })
            }
            Values::Bytes(texts) => {
                append_text(texts, false, spec, nulls, slots, problems, |slot, out| match slot.kind {
                    Kind::Integer | Kind::Float | Kind::True | Kind::False => Read::Bad,
                    _ => scalar(slot, |text| decode_base64(text, out)),
                })
            }
            Values::Date(values) => append(values, spec, nulls, slots, problems, |slot| scalar(slot, parse_date)),
            Values::Time(values, precision) => {
                let unit = 10_i64.pow(9_u32.saturating_sub(u32::from(*precision)));
                append(values, spec, nulls, slots, problems, |slot| {
                    scalar(slot, |text| parse_time(text, true).map(|nanos| nanos - nanos % unit))
                });
            }
            Values::Timestamp(values, precision) => {
                let mut parser = TimestampParser::new(TimestampForm { iso, zone: false }, *precision);
                append(values, spec, nulls, slots, problems, |slot| scalar(slot, |text| parser.parse(text)));
            }
            Values::TimestampLtz(values, precision) => {
                let mut parser = TimestampParser::new(TimestampForm { iso, zone: true }, *precision);
                append(values, spec, nulls, slots, problems, |slot| scalar(slot, |text| parser.parse(text)));
            }
            Values::Array(..) => self.read_arrays(column, slots, problems),
            Values::Map(..) => self.read_maps(column, slots, problems),
            Values::Row(_) => self.read_rows(column, slots, problems),
        }
    }

    fn read_arrays(&mut self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        let (Values::Array(lengths, element), Inner::Element(field)) = (&mut column.values, &mut self.inner) else {
            return;
        };
        let mut table = Vec::new();
        for slot in slots.iter() {
            let length = table.len();
            let read = match slot.kind {
                // The text was found to be an array already, so nothing can be wrong with it.
                Kind::Array => Read::of(elements(slot.text, 0, slot.row, |element| table.push(element)).ok()),
                _ => no_container(slot),
            };
            match read {
                Read::Value(_) => column.nulls.append_non_null(),
                ref nothing => append_nothing(nothing, &column.spec, &mut column.nulls, slot, problems),
            }
            lengths.push(table.len() - length);
        }
        field.read(element, Slots::new(&table, 0, 1), problems);
    }

    fn read_maps(&mut self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        let (Values::Map(lengths, keys, values), Inner::Element(field)) = (&mut column.values, &mut self.inner) else {
            return;
        };
        let mut table = Vec::new();
        let mut seen = HashMap::new();
        for slot in slots.iter() {
            let length = table.len();
            seen.clear();
            let read = match slot.kind {
                Kind::Object => Read::of(
                    entries(slot.text, 0, slot.row, |name, value| {
                        let mut key = Vec::new();
                        match name.kind {
                            Kind::Escaped if unescape(name.text, &mut key).is_some() => {}
                            _ => key.extend_from_slice(name.text),
                        }
                        // The last value of a name counts.
                        match seen.entry(key) {
                            std::collections::hash_map::Entry::Occupied(entry) => table[*entry.get()] = value,
                            std::collections::hash_map::Entry::Vacant(entry) => {
                                entry.insert(table.len() + 1);
                                table.extend([name, value]);
                            }
                        }
                    })
                    .ok(),
                ),
                _ => no_container(slot),
            };
            match read {
                Read::Value(_) => column.nulls.append_non_null(),
                ref nothing => append_nothing(nothing, &column.spec, &mut column.nulls, slot, problems),
            }
            lengths.push((table.len() - length) / 2);
        }
        let mut key = Self { iso: false, fail_on_missing: false, inner: Inner::Nothing };
        key.read(keys, Slots::new(&table, 0, 2), problems);
        field.read(values, Slots::new(&table, 1, 2), problems);
    }

    fn read_rows(&mut self, column: &mut Column, slots: Slots<'_, '_>, problems: &mut Problems) {
        let (Values::Row(columns), Inner::Fields(Fields { names, fields })) = (&mut column.values, &mut self.inner)
        else {
            return;
        };
        let width = columns.len();
        let mut table = Vec::with_capacity(slots.len() * width);
        for slot in slots.iter() {
            let length = table.len();
            table.resize(length + width, Slot::missing(slot.row));
            let read = match slot.kind {
                Kind::Object => Read::of(names.locate(slot.text, 0, slot.row, &mut table[length..]).ok()),
                _ => no_container(slot),
            };
            match read {
                Read::Value(_) => column.nulls.append_non_null(),
                ref nothing => {
                    append_nothing(nothing, &column.spec, &mut column.nulls, slot, problems);
                    table[length..].fill(slot.with(&[], Kind::Masked));
                }
            }
        }
        for (n, (column, field)) in columns.iter_mut().zip(fields).enumerate() {
            field.read(column, Slots::new(&table, n, width), problems);
        }
    }
}

/// What a slot that is no container is to an array, map or row.
fn no_container<T>(slot: &Slot<'_>) -> Read<T> {
    match slot.kind {
        Kind::Missing | Kind::Null | Kind::Masked => Read::Null,
        _ => Read::Bad,
    }
}

/// Reads the text of a scalar with `parse`.
#[inline(always)]
fn scalar<T>(slot: &Slot<'_>, parse: impl FnOnce(&[u8]) -> Option<T>) -> Read<T> {
    match slot.kind {
        Kind::Text | Kind::Integer | Kind::Float => Read::of(parse(slot.text)),
        _ => rare_scalar(slot, parse),
    }
}

#[inline(never)]
fn rare_scalar<T>(slot: &Slot<'_>, parse: impl FnOnce(&[u8]) -> Option<T>) -> Read<T> {
    match slot.kind {
        Kind::Escaped => {
            let mut text = Vec::new();
            Read::of(unescape(slot.text, &mut text).and_then(|()| parse(&text)))
        }
        Kind::True | Kind::False => Read::of(parse(slot.text)),
        Kind::Object | Kind::Array => Read::Bad,
        _ => Read::Null,
    }
}

/// As [`scalar`]; a number with a fraction or exponent is cut, by way of a double as in Jackson.
#[inline(always)]
fn integer<T>(
    slot: &Slot<'_>,
    parse: impl FnOnce(&[u8]) -> Option<T>,
    narrow: impl FnOnce(i64) -> Option<T>,
) -> Read<T> {
    match slot.kind {
        Kind::Float => Read::of(parse_f64(slot.text).and_then(cut).and_then(narrow)),
        _ => scalar(slot, parse),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "to cut is meant, and the range is checked")]
fn cut(value: f64) -> Option<i64> {
    // Both limits are exact as doubles.
    (-9_223_372_036_854_775_808.0..=9_223_372_036_854_775_808.0).contains(&value).then_some(value as i64)
}
