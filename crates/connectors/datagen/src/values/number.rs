//! Random numbers and intervals, even between two bounds, both included.

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType,
};
use riverrun_base::{Error, Result};

use super::{Rows, Values};
use crate::random::{below, fraction, mix};

/// A value of a type of fixed size for each random number.
pub(super) fn primitive<T: ArrowPrimitiveType>(
    rows: &Rows,
    arrow: &ArrowType,
    numbers: impl Iterator<Item = u64>,
    value: impl Fn(u64) -> T::Native,
) -> ArrayRef {
    let values: Vec<T::Native> = numbers.map(value).collect();
    Arc::new(PrimitiveArray::<T>::new(values.into(), rows.nulls.clone()).with_data_type(arrow.clone()))
}

/// The values of a type that an integer of `arrow`'s size holds, from the 64 bit integer that `value` gives for each number.
#[allow(clippy::cast_possible_truncation, reason = "the values lie within the type's bounds, which were checked")]
pub(super) fn integers(
    rows: &Rows,
    arrow: &ArrowType,
    numbers: impl Iterator<Item = u64>,
    value: impl Fn(u64) -> i64,
) -> Result<ArrayRef> {
    Ok(match arrow {
        ArrowType::Int8 => primitive::<Int8Type>(rows, arrow, numbers, |number| value(number) as i8),
        ArrowType::Int16 => primitive::<Int16Type>(rows, arrow, numbers, |number| value(number) as i16),
        ArrowType::Int32 => primitive::<Int32Type>(rows, arrow, numbers, |number| value(number) as i32),
        ArrowType::Int64 => primitive::<Int64Type>(rows, arrow, numbers, value),
        ArrowType::Interval(IntervalUnit::YearMonth) => {
            primitive::<IntervalYearMonthType>(rows, arrow, numbers, |number| value(number) as i32)
        }
        ArrowType::Duration(_) => primitive::<DurationMillisecondType>(rows, arrow, numbers, value),
        other => return Err(Error::internal(format!("datagen makes no integers of type {other}"))),
    })
}

/// Integers, and intervals in months or milliseconds.
pub(crate) struct Integers {
    arrow: ArrowType,
    min: i64,
    /// How many values there are, 0 for all of 64 bits.
    span: u64,
}

impl Integers {
    /// Values of `arrow` from `min` to `max`, both within its bounds.
    pub(crate) fn new(arrow: ArrowType, min: i64, max: i64) -> Self {
        Self { arrow, min, span: max.abs_diff(min).wrapping_add(1) }
    }
}

impl Values for Integers {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let (min, span) = (self.min, self.span);
        integers(rows, &self.arrow, rows.draws(), move |draw| min.wrapping_add(below(draw, span).cast_signed()))
    }

    fn width(&self) -> usize {
        8
    }
}

/// A number between two, without overflow where they are far apart.
#[inline]
fn between(min: f64, max: f64, share: f64) -> f64 {
    (min * (1.0 - share) + max * share).clamp(min, max)
}

/// `FLOAT`.
pub(crate) struct Floats {
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
}

impl Values for Floats {
    #[allow(clippy::cast_possible_truncation, reason = "rounds to the nearest FLOAT between two")]
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let (min, max) = (f64::from(self.min), f64::from(self.max));
        let value = move |draw| between(min, max, fraction(draw)) as f32;
        Ok(primitive::<Float32Type>(rows, &ArrowType::Float32, rows.draws(), value))
    }

    fn width(&self) -> usize {
        4
    }
}

/// `DOUBLE`.
pub(crate) struct Doubles {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Values for Doubles {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let (min, max) = (self.min, self.max);
        let value = move |draw| between(min, max, fraction(draw));
        Ok(primitive::<Float64Type>(rows, &ArrowType::Float64, rows.draws(), value))
    }

    fn width(&self) -> usize {
        8
    }
}

/// `DECIMAL`, with every digit of its scale random.
pub(crate) struct Decimals {
    /// The type.
    pub arrow: ArrowType,
    /// The smallest value, without its point.
    pub min: i128,
    /// The largest value, without its point.
    pub max: i128,
}

impl Values for Decimals {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let min = self.min;
        let span = self.max.abs_diff(min).saturating_add(1);
        let above: Box<dyn Fn(u64) -> u128> = match u64::try_from(span) {
            Ok(span) => Box::new(move |draw| u128::from(below(draw, span))),
            Err(_) => Box::new(move |draw| (u128::from(draw) << 64 | u128::from(mix(!draw))) % span),
        };
        let value = move |draw| min.wrapping_add(above(draw).cast_signed());
        Ok(primitive::<Decimal128Type>(rows, &self.arrow, rows.draws(), value))
    }

    fn width(&self) -> usize {
        16
    }
}

/// Reads a decimal number as an integer without its point, `scale` digits behind it; `None` if it is no number or has more digits there.
/// Beyond the range of any DECIMAL it is the nearest number inside.
pub(crate) fn decimal(text: &str, scale: u8) -> Option<i128> {
    const LARGEST: i128 = 10i128.pow(38) - 1;
    let (negative, digits) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.len() + fraction.len() == 0 || fraction.len() > usize::from(scale) {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', usize::from(scale) - fraction.len());
    let mut value = 0i128;
    for digit in whole.bytes().chain(fraction.bytes()).chain(zeros) {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(i128::from(digit - b'0')).min(LARGEST);
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_with_their_scale() {
        let cases = [
            ("12.3", 2, Some(1230)),
            ("-0.05", 2, Some(-5)),
            ("7", 0, Some(7)),
            ("+7.", 1, Some(70)),
            (".5", 1, Some(5)),
            ("1.250", 2, Some(125)),
            ("1.255", 2, None),
            ("", 2, None),
            ("-", 2, None),
            ("1e3", 2, None),
            ("--1", 2, None),
            ("99999999999999999999999999999999999999999", 0, Some(10i128.pow(38) - 1)),
        ];
        for (text, scale, value) in cases {
            assert_eq!(decimal(text, scale), value, "{text}");
        }
    }
}
