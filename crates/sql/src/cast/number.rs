//! Casts between numbers and truth values.
#![allow(clippy::wrong_self_convention, reason = "a cast is named for the type it is from")]
#![allow(clippy::cast_possible_truncation, reason = "a cast to a narrower number wraps or saturates, as in Java")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type,
};
use riverrun_base::Result;
use riverrun_data::LogicalType as L;

use super::Job;
use super::decimals::{fits, power, rescale};
use super::digits::Digits;
use super::parse_number::parse_double;
use super::text::write_decimal;

impl Job<'_> {
    pub(super) fn number(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self.from {
            L::Boolean => self.from_booleans(array.as_boolean()),
            L::TinyInt => self.from_integers(array.as_primitive::<Int8Type>()),
            L::SmallInt => self.from_integers(array.as_primitive::<Int16Type>()),
            L::Int => self.from_integers(array.as_primitive::<Int32Type>()),
            L::BigInt => self.from_integers(array.as_primitive::<Int64Type>()),
            L::Float => self.from_floats(array.as_primitive::<Float32Type>()),
            L::Double => self.from_floats(array.as_primitive::<Float64Type>()),
            L::Decimal(_, scale) => self.from_decimals(array.as_primitive(), *scale),
            _ => Err(self.impossible()),
        }
    }

    fn from_booleans(&self, array: &BooleanArray) -> Result<ArrayRef> {
        let values: ScalarBuffer<i8> = array.values().iter().map(i8::from).collect();
        self.from_integers(&PrimitiveArray::<Int8Type>::new(values, array.nulls().cloned()))
    }

    fn from_integers<T>(&self, array: &PrimitiveArray<T>) -> Result<ArrayRef>
    where
        T: ArrowPrimitiveType,
        T::Native: Into<i64>,
    {
        let wide = |value: T::Native| -> i64 { value.into() };
        Ok(match self.to {
            L::Boolean => booleans(array, |value| wide(value) != 0),
            L::TinyInt => Arc::new(array.unary::<_, Int8Type>(|value| wide(value) as i8)),
            L::SmallInt => Arc::new(array.unary::<_, Int16Type>(|value| wide(value) as i16)),
            L::Int => Arc::new(array.unary::<_, Int32Type>(|value| wide(value) as i32)),
            L::BigInt => Arc::new(array.unary::<_, Int64Type>(wide)),
            L::Float => Arc::new(array.unary::<_, Float32Type>(|value| wide(value) as f32)),
            L::Double => Arc::new(array.unary::<_, Float64Type>(|value| wide(value) as f64)),
            L::Decimal(precision, scale) => {
                decimals(array, *precision, *scale, |value| rescale(wide(value).into(), 0, *scale, *precision))
            }
            _ => return Err(self.impossible()),
        })
    }

    fn from_floats<T>(&self, array: &PrimitiveArray<T>) -> Result<ArrayRef>
    where
        T: ArrowPrimitiveType,
        T::Native: Into<f64>,
    {
        let wide = |value: T::Native| -> f64 { value.into() };
        Ok(match self.to {
            L::Boolean => booleans(array, |value| wide(value) != 0.0),
            // Narrower than INT: by way of INT, as in Java.
            L::TinyInt => Arc::new(array.unary::<_, Int8Type>(|value| wide(value) as i32 as i8)),
            L::SmallInt => Arc::new(array.unary::<_, Int16Type>(|value| wide(value) as i32 as i16)),
            L::Int => Arc::new(array.unary::<_, Int32Type>(|value| wide(value) as i32)),
            L::BigInt => Arc::new(array.unary::<_, Int64Type>(|value| wide(value) as i64)),
            L::Float => Arc::new(array.unary::<_, Float32Type>(|value| wide(value) as f32)),
            L::Double => Arc::new(array.unary::<_, Float64Type>(wide)),
            L::Decimal(precision, scale) => {
                for value in array.iter().flatten() {
                    let value = wide(value);
                    if !value.is_finite() {
                        self.refuse::<()>(value, "it is not finite")?;
                    }
                }
                decimals(array, *precision, *scale, |value| {
                    let value = wide(value);
                    if value.is_finite() {
                        Digits::of(value).unscaled(*scale).filter(|value| fits(*value, *precision))
                    } else {
                        None
                    }
                })
            }
            _ => return Err(self.impossible()),
        })
    }

    fn from_decimals(&self, array: &Decimal128Array, from: u8) -> Result<ArrayRef> {
        // A fraction is cut off, and the integer wraps.
        let unit = power(from);
        let whole = |value: i128| value / unit;
        Ok(match self.to {
            L::Boolean => booleans(array, |value| value != 0),
            L::TinyInt => Arc::new(array.unary::<_, Int8Type>(|value| whole(value) as i8)),
            L::SmallInt => Arc::new(array.unary::<_, Int16Type>(|value| whole(value) as i16)),
            L::Int => Arc::new(array.unary::<_, Int32Type>(|value| whole(value) as i32)),
            L::BigInt => Arc::new(array.unary::<_, Int64Type>(|value| whole(value) as i64)),
            L::Float => Arc::new(array.unary::<_, Float32Type>(|value| double_of(value, from) as f32)),
            L::Double => Arc::new(array.unary::<_, Float64Type>(|value| double_of(value, from))),
            L::Decimal(precision, scale) => {
                decimals(array, *precision, *scale, |value| rescale(value, from, *scale, *precision))
            }
            _ => return Err(self.impossible()),
        })
    }
}

/// The double nearest to a decimal.
pub(crate) fn double_of(value: i128, scale: u8) -> f64 {
    // Both are exact as doubles, so that the quotient is rounded once.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return value as f64 / power(scale) as f64;
    }
    let mut text = String::with_capacity(48);
    write_decimal(&mut text, value, scale);
    parse_double(&text).unwrap_or(f64::NAN)
}

fn booleans<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, test: impl Fn(T::Native) -> bool) -> ArrayRef {
    let values = array.values();
    let bits = BooleanBuffer::collect_bool(array.len(), |row| test(values[row]));
    Arc::new(BooleanArray::new(bits, array.nulls().cloned()))
}

/// Decimals, NULL where a value does not fit.
fn decimals<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    precision: u8,
    scale: u8,
    convert: impl Fn(T::Native) -> Option<i128>,
) -> ArrayRef {
    let decimals: Decimal128Array = array.unary_opt::<_, Decimal128Type>(convert);
    Arc::new(decimals.with_data_type(ArrowType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))))
}
