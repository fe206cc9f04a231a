//! The values of a column as text.

use std::ops::Range;

use arrow::array::{
    Array, AsArray, BinaryArray, BooleanArray, ListArray, MapArray, StringArray, types::ArrowPrimitiveType,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use riverrun_base::{Error, Result};
use riverrun_data::RowKind;
use riverrun_formats::text::{write_date, write_decimal, write_f32, write_f64, write_integer};

use super::time::{write_instant, write_local, write_time};
use super::{write_list, write_row};

/// A column, seen through its type once for all rows.
pub(super) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal(&'a [i128], u8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a [i32]),
    TimeMillis(&'a [i32]),
    /// Times with the nanoseconds of their unit.
    Time(&'a [i64], i64),
    /// Timestamps with how many of their unit a second has, and whether they are instants.
    Timestamp(&'a [i64], i64, bool),
    Array(&'a ListArray, Box<Column<'a>>),
    Map(&'a MapArray, Box<Column<'a>>, Box<Column<'a>>),
    Row(Vec<Column<'a>>),
}

impl<'a> Column<'a> {
    pub(super) fn new(array: &'a dyn Array) -> Result<Self> {
        let values = match array.data_type() {
            ArrowType::Boolean => Values::Boolean(array.as_boolean()),
            ArrowType::Int8 => Values::Int8(numbers::<Int8Type>(array)),
            ArrowType::Int16 => Values::Int16(numbers::<Int16Type>(array)),
            ArrowType::Int32 => Values::Int32(numbers::<Int32Type>(array)),
            ArrowType::Int64 => Values::Int64(numbers::<Int64Type>(array)),
            ArrowType::Float32 => Values::Float(numbers::<Float32Type>(array)),
            ArrowType::Float64 => Values::Double(numbers::<Float64Type>(array)),
            ArrowType::Decimal128(_, scale) => Values::Decimal(numbers::<Decimal128Type>(array), scale.unsigned_abs()),
            ArrowType::Utf8 => Values::Text(array.as_string()),
            ArrowType::Binary => Values::Bytes(array.as_binary()),
            ArrowType::Date32 => Values::Date(numbers::<Date32Type>(array)),
            ArrowType::Time32(_) => Values::TimeMillis(numbers::<Time32MillisecondType>(array)),
            ArrowType::Time64(TimeUnit::Microsecond) => Values::Time(numbers::<Time64MicrosecondType>(array), 1000),
            ArrowType::Time64(_) => Values::Time(numbers::<Time64NanosecondType>(array), 1),
            ArrowType::Timestamp(unit, zone) => {
                let (values, per_second) = match unit {
                    TimeUnit::Microsecond => (numbers::<TimestampMicrosecondType>(array), 1_000_000),
                    TimeUnit::Nanosecond => (numbers::<TimestampNanosecondType>(array), 1_000_000_000),
                    _ => (numbers::<TimestampMillisecondType>(array), 1000),
                };
                Values::Timestamp(values, per_second, zone.is_some())
            }
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                Values::Array(list, Box::new(Column::new(list.values())?))
            }
            ArrowType::Map(..) => {
                let map = array.as_map();
                Values::Map(map, Box::new(Column::new(map.keys())?), Box::new(Column::new(map.values())?))
            }
            ArrowType::Struct(_) => {
                let fields = array.as_struct().columns().iter();
                Values::Row(fields.map(|field| Column::new(field)).collect::<Result<_>>()?)
            }
            other => return Err(Error::internal(format!("values of type {other} cannot be printed"))),
        };
        Ok(Self { nulls: array.nulls(), values })
    }

    /// Appends the value of one row.
    pub(super) fn write(&self, out: &mut Vec<u8>, row: usize) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return;
        }
        match &self.values {
            Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Int8(values) => write_integer(out, values[row]),
            Values::Int16(values) => write_integer(out, values[row]),
            Values::Int32(values) => write_integer(out, values[row]),
            Values::Int64(values) => write_integer(out, values[row]),
            Values::Float(values) => write_f32(out, values[row]),
            Values::Double(values) => write_f64(out, values[row]),
            Values::Decimal(values, scale) => write_big_decimal(out, values[row], *scale),
            Values::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::Bytes(values) => {
                let bytes = values.value(row).iter();
                write_list(out, b"[]", bytes, |out, byte| write_integer(out, byte.cast_signed()));
            }
            Values::Date(values) => write_date(out, i64::from(values[row])),
            Values::TimeMillis(values) => write_time(out, i64::from(values[row]) * 1_000_000),
            Values::Time(values, nanos) => write_time(out, values[row].saturating_mul(*nanos)),
            Values::Timestamp(values, per_second, false) => write_local(out, values[row], *per_second),
            Values::Timestamp(values, per_second, true) => write_instant(out, values[row], *per_second),
            Values::Array(list, elements) => {
                write_list(out, b"[]", range(list.value_offsets(), row), |out, element| elements.write(out, element));
            }
            Values::Map(map, keys, values) => {
                write_list(out, b"{}", range(map.value_offsets(), row), |out, entry| {
                    keys.write(out, entry);
                    out.push(b'=');
                    values.write(out, entry);
                });
            }
            Values::Row(fields) => write_row(out, RowKind::Insert.short(), fields, row),
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

#[allow(clippy::cast_sign_loss, reason = "offsets are not negative")]
fn range(offsets: &[i32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// As `BigDecimal.toString`: with an exponent where more than six zeros stand behind the point, in a zero too.
fn write_big_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u8) {
    let digits = unscaled.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    let exponent = i64::from(digits) - 1 - i64::from(scale);
    if exponent >= -6 {
        write_decimal(out, unscaled, scale);
        return;
    }
    write_decimal(out, unscaled, u8::try_from(digits - 1).unwrap_or(u8::MAX));
    out.push(b'E');
    write_integer(out, exponent);
}
