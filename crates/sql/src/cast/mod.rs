//! The matrix of casts, as Flink 2 has it with `table.exec.legacy-cast-behaviour` disabled.
//!
//! Between numbers a cast never fails: integers wrap, doubles saturate, decimals round half up and become NULL where they do not fit. Text
//! is parsed strictly: what cannot be read fails the job with `CAST` and is NULL with `TRY_CAST`. A cast to text always works.

pub(crate) mod calendar;
pub(crate) mod decimals;
pub(crate) mod digits;
mod nested;
mod number;
pub(crate) mod parse_number;
pub(crate) mod parse_time;
mod string;
mod temporal;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod times;
pub(crate) mod zone;

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, arrow_type};

use crate::eval::{EvalContext, Value};
use crate::expr::CastMode;
use text::Bytes;
use zone::Zone;

/// Casts a column or constant from one type to another.
///
/// # Errors
/// With `CastMode::Strict` and `CastMode::Implicit`, a value that has no counterpart; the error names it and both types. A cast that does
/// not exist ([`explicit_cast_allowed`](crate::types::explicit_cast_allowed)) is an internal error.
pub(crate) fn cast(
    value: &Value,
    from: &DataType,
    to: &DataType,
    mode: CastMode,
    context: &EvalContext,
) -> Result<Value> {
    if from.logical == to.logical {
        return Ok(value.clone());
    }
    let zone = Zone::new(context.zone);
    let job = Job { from: &from.logical, to: &to.logical, mode, zone: &zone };
    let array = job.run(&value.to_array())?;
    Ok(if value.is_scalar() { Value::scalar(array) } else { Value::Array(array) })
}

/// Whether a value of `from` can make a cast to `to` fail.
pub(crate) fn can_fail(from: &L, to: &L) -> bool {
    match (from, to) {
        (from, to) if from == to => false,
        (from, to) if from.is_character() => !to.is_character() && !to.is_binary(),
        // NaN is no decimal.
        (from, L::Decimal(..)) => from.is_approximate(),
        // Nanoseconds reach from 1677 to 2262 only.
        (from, L::Timestamp(p) | L::TimestampLtz(p)) => {
            *p > 6 && !matches!(from, L::Timestamp(q) | L::TimestampLtz(q) if *q > 6)
        }
        (L::Array(a), L::Array(b)) | (L::Multiset(a), L::Multiset(b)) => {
            can_fail(&a.logical, &b.logical) || forbids_null(a, b)
        }
        (L::Map(k, v), L::Map(to_k, to_v)) => {
            can_fail(&k.logical, &to_k.logical)
                || can_fail(&v.logical, &to_v.logical)
                || forbids_null(k, to_k)
                || forbids_null(v, to_v)
        }
        (L::Row(a), L::Row(b)) => a.iter().zip(b).any(|(a, b)| {
            can_fail(&a.data_type.logical, &b.data_type.logical) || forbids_null(&a.data_type, &b.data_type)
        }),
        _ => false,
    }
}

fn forbids_null(from: &DataType, to: &DataType) -> bool {
    from.nullable && !to.nullable
}

/// One cast of a column.
struct Job<'a> {
    from: &'a L,
    to: &'a L,
    mode: CastMode,
    zone: &'a Zone,
}

impl Job<'_> {
    fn run(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let (from, to) = (self.from, self.to);
        match (from, to) {
            (from, to) if from == to => Ok(Arc::clone(array)),
            (L::Null, to) => Ok(new_null_array(&arrow_type(to), array.len())),
            (from, to) if from.is_character() && to.is_character() => string::fitted(array.as_string(), from, to),
            (from, to) if to.is_character() => {
                let texts = text::texts(array, from, self.zone, Bytes::Utf8)?;
                string::fitted(&texts, &L::STRING, to)
            }
            (from, L::Boolean) if from.is_character() => self.parse_booleans(array.as_string()),
            (from, to) if from.is_character() && to.is_numeric() => self.parse_numbers(array.as_string()),
            (from, to) if from.is_character() && to.is_datetime() => self.parse_times(array.as_string()),
            (from, to) if from.is_character() && to.is_binary() => string::bytes_of_text(array.as_string(), to),
            (from, to) if from.is_binary() && to.is_binary() => string::fitted_bytes(array.as_binary(), from, to),
            (from, to) if (from.is_numeric() || *from == L::Boolean) && (to.is_numeric() || *to == L::Boolean) => {
                self.number(array)
            }
            (from, to) if from.is_datetime() && to.is_datetime() => self.datetime(array),
            _ => self.nested(array),
        }
    }

    /// What to do with a value that has no counterpart: NULL for `TRY_CAST`, else the error.
    fn refuse<T>(&self, value: impl Display, reason: &str) -> Result<Option<T>> {
        if self.mode == CastMode::Try {
            return Ok(None);
        }
        let value = value.to_string();
        let shown: String = value.chars().take(60).collect();
        let dots = if shown.len() < value.len() { "..." } else { "" };
        let error = Error::data(format!("Cannot cast '{shown}{dots}' from {} to {}: {reason}", self.from, self.to));
        Err(match self.mode {
            CastMode::Implicit => error.hint("the types differ, and TRY_CAST gives NULL instead"),
            CastMode::Strict | CastMode::Try => error.hint("TRY_CAST gives NULL instead"),
        })
    }

    fn impossible(&self) -> Error {
        Error::internal(format!("there is no cast from {} to {}", self.from, self.to))
    }
}

/// The values of a column, cell by cell; NULL where `None`.
fn cells<'a, A, T>(
    array: &'a A,
    mut convert: impl FnMut(<&'a A as arrow::array::ArrayAccessor>::Item) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>>
where
    A: Array,
    &'a A: arrow::array::ArrayAccessor,
{
    use arrow::array::ArrayAccessor;
    (0..array.len())
        .map(|row| if array.is_null(row) { Ok(None) } else { convert(ArrayAccessor::value(&array, row)) })
        .collect()
}
