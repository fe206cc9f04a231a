//! Text and bytes of a length.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BinaryBuilder, StringArray, StringBuilder};
use arrow::datatypes::DataType as ArrowType;
use riverrun_data::LogicalType as L;

use super::Job;
use super::parse_number::{parse_boolean, parse_decimal, parse_double, parse_float, parse_integer};
use super::parse_time::{parse_date, parse_time, parse_timestamp};
use crate::eval::Text;

/// Text cut to the length of `VARCHAR(n)` or `CHAR(n)`, and padded with blanks to that of `CHAR(n)`. Lengths count characters.
pub(super) fn fitted(texts: &StringArray, from: &L, to: &L) -> riverrun_base::Result<ArrayRef> {
    let (length, pads) = match (from, to) {
        (L::Char(n) | L::VarChar(n), L::VarChar(m)) if n <= m => return Ok(Arc::new(texts.clone())),
        (_, L::VarChar(length)) => (*length, false),
        (_, L::Char(length)) => (*length, true),
        _ => return Err(riverrun_base::Error::internal(format!("{to} is no text"))),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut out = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for row in 0..texts.len() {
        if texts.is_null(row) {
            out.append_null();
            continue;
        }
        let text = texts.value(row);
        let mut left = length;
        let mut end = text.len();
        for (at, _) in text.char_indices() {
            if left == 0 {
                end = at;
                break;
            }
            left -= 1;
        }
        out.push(&text[..end]);
        if pads {
            (0..left).for_each(|_| out.push(" "));
        }
        out.append_value("");
    }
    Ok(Arc::new(out.finish()))
}

/// The UTF-8 bytes of text, in the length of `to`.
pub(super) fn bytes_of_text(texts: &StringArray, to: &L) -> riverrun_base::Result<ArrayRef> {
    let bytes = BinaryArray::from(texts.clone());
    fitted_bytes(&bytes, &L::BYTES, to)
}

/// Bytes cut to the length of `VARBINARY(n)` or `BINARY(n)`, and padded with zeros to that of `BINARY(n)`.
pub(super) fn fitted_bytes(bytes: &BinaryArray, from: &L, to: &L) -> riverrun_base::Result<ArrayRef> {
    let (length, pads) = match (from, to) {
        (L::Binary(n) | L::VarBinary(n), L::VarBinary(m)) if n <= m => return Ok(Arc::new(bytes.clone())),
        (_, L::VarBinary(length)) => (*length, false),
        (_, L::Binary(length)) => (*length, true),
        _ => return Err(riverrun_base::Error::internal(format!("{to} holds no bytes"))),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut out = BinaryBuilder::with_capacity(bytes.len(), bytes.value_data().len());
    let mut cell = Vec::new();
    for row in 0..bytes.len() {
        if bytes.is_null(row) {
            out.append_null();
            continue;
        }
        cell.clear();
        cell.extend_from_slice(bytes.value(row));
        if pads || cell.len() > length {
            cell.resize(length, 0);
        }
        out.append_value(&cell);
    }
    Ok(Arc::new(out.finish()))
}

impl Job<'_> {
    pub(super) fn parse_booleans(&self, texts: &StringArray) -> riverrun_base::Result<ArrayRef> {
        let values = super::cells(texts, |text| {
            parse_boolean(text).map_or_else(|reason| self.refuse(text, reason), |value| Ok(Some(value)))
        })?;
        Ok(Arc::new(arrow::array::BooleanArray::from(values)))
    }

    pub(super) fn parse_numbers(&self, texts: &StringArray) -> riverrun_base::Result<ArrayRef> {
        use arrow::array::{
            Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
        };
        macro_rules! parsed {
            ($array:ty, $parse:expr) => {
                <$array>::from(super::cells(texts, |text| {
                    $parse(text).map_or_else(|reason| self.refuse(text, reason), |value| Ok(Some(value)))
                })?)
            };
        }
        macro_rules! integers {
            ($array:ty, $native:ty) => {
                // The bounds make every value fit.
                parsed!($array, |text: &str| parse_integer(text, <$native>::MIN.into(), <$native>::MAX.into())
                    .map(|value| <$native>::try_from(value).unwrap_or_default()))
            };
        }
        Ok(match self.to {
            L::TinyInt => Arc::new(integers!(Int8Array, i8)),
            L::SmallInt => Arc::new(integers!(Int16Array, i16)),
            L::Int => Arc::new(integers!(Int32Array, i32)),
            L::BigInt => Arc::new(integers!(Int64Array, i64)),
            L::Float => Arc::new(parsed!(Float32Array, parse_float)),
            L::Double => Arc::new(parsed!(Float64Array, parse_double)),
            L::Decimal(precision, scale) => {
                let decimals = parsed!(Decimal128Array, |text: &str| parse_decimal(text, *precision, *scale));
                Arc::new(
                    decimals.with_data_type(ArrowType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))),
                )
            }
            _ => return Err(self.impossible()),
        })
    }

    pub(super) fn parse_times(&self, texts: &StringArray) -> riverrun_base::Result<ArrayRef> {
        let not_one = format!(
            "it is not a {}",
            if matches!(self.to, L::Date) {
                "date"
            } else if matches!(self.to, L::Time(_)) {
                "time"
            } else {
                "timestamp"
            }
        );
        Ok(match self.to {
            L::Date => {
                let days =
                    super::cells(texts, |text| match parse_date(text).and_then(|days| i32::try_from(days).ok()) {
                        Some(days) => Ok(Some(days)),
                        None => self.refuse(text, &not_one),
                    })?;
                Arc::new(arrow::array::Date32Array::from(days))
            }
            L::Time(precision) => self.time_array(super::cells(texts, |text| match parse_time(text) {
                Some(millis) => Ok(Some(super::temporal::cut_time(millis, *precision))),
                None => self.refuse(text, &not_one),
            })?),
            L::Timestamp(_) | L::TimestampLtz(_) => {
                let values =
                    super::cells(texts, |text| match parse_timestamp(text).and_then(|wall| self.from_wall(wall)) {
                        Some(value) => Ok(Some(value)),
                        None => self.refuse(text, &not_one),
                    })?;
                self.timestamp_array(values)
            }
            _ => return Err(self.impossible()),
        })
    }
}
