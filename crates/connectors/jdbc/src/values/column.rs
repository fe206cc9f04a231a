//! Arrow's columns as scalars.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, Time32MillisecondArray,
    Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use riverrun_base::{Error, Result};

use super::Scalar;

/// A column whose type is known.
#[derive(Debug)]
pub(crate) enum Column<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float(&'a Float32Array),
    Double(&'a Float64Array),
    Decimal(&'a Decimal128Array, u8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a Date32Array),
    TimeMillis(&'a Time32MillisecondArray),
    TimeMicros(&'a Time64MicrosecondArray),
    TimeNanos(&'a Time64NanosecondArray),
    TimestampMillis(&'a TimestampMillisecondArray),
    TimestampMicros(&'a TimestampMicrosecondArray),
    TimestampNanos(&'a TimestampNanosecondArray),
    List(&'a ListArray, Box<Column<'a>>),
}

/// The columns of a batch.
///
/// # Errors
/// A column has a type that no database column holds; the types of a table are checked before.
pub(crate) fn columns(rows: &RecordBatch) -> Result<Vec<Column<'_>>> {
    rows.columns().iter().map(Column::of).collect()
}

impl<'a> Column<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            ArrowType::Boolean => Self::Boolean(array.as_boolean()),
            ArrowType::Int8 => Self::Int8(array.as_primitive::<Int8Type>()),
            ArrowType::Int16 => Self::Int16(array.as_primitive::<Int16Type>()),
            ArrowType::Int32 => Self::Int32(array.as_primitive::<Int32Type>()),
            ArrowType::Int64 => Self::Int64(array.as_primitive::<Int64Type>()),
            ArrowType::Float32 => Self::Float(array.as_primitive::<Float32Type>()),
            ArrowType::Float64 => Self::Double(array.as_primitive::<Float64Type>()),
            ArrowType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>(), u8::try_from(*scale).unwrap_or_default())
            }
            ArrowType::Utf8 => Self::Text(array.as_string()),
            ArrowType::Binary => Self::Bytes(array.as_binary()),
            ArrowType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            ArrowType::Time32(TimeUnit::Millisecond) => Self::TimeMillis(array.as_primitive::<Time32MillisecondType>()),
            ArrowType::Time64(TimeUnit::Microsecond) => Self::TimeMicros(array.as_primitive::<Time64MicrosecondType>()),
            ArrowType::Time64(_) => Self::TimeNanos(array.as_primitive::<Time64NanosecondType>()),
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::TimestampMillis(array.as_primitive::<TimestampMillisecondType>())
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::TimestampMicros(array.as_primitive::<TimestampMicrosecondType>())
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                Self::TimestampNanos(array.as_primitive::<TimestampNanosecondType>())
            }
            ArrowType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(list, Box::new(Self::of(list.values())?))
            }
            other => return Err(Error::internal(format!("a column of type {other} reached a database"))),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(row),
            Self::Int8(array) => array.is_null(row),
            Self::Int16(array) => array.is_null(row),
            Self::Int32(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::TimeMillis(array) => array.is_null(row),
            Self::TimeMicros(array) => array.is_null(row),
            Self::TimeNanos(array) => array.is_null(row),
            Self::TimestampMillis(array) => array.is_null(row),
            Self::TimestampMicros(array) => array.is_null(row),
            Self::TimestampNanos(array) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
        }
    }

    /// The value of a row.
    pub(crate) fn scalar(&'a self, row: usize) -> Scalar<'a> {
        if self.is_null(row) {
            return Scalar::Null;
        }
        match self {
            Self::Boolean(array) => Scalar::Boolean(array.value(row)),
            Self::Int8(array) => Scalar::Int(i64::from(array.value(row))),
            Self::Int16(array) => Scalar::Int(i64::from(array.value(row))),
            Self::Int32(array) => Scalar::Int(i64::from(array.value(row))),
            Self::Int64(array) => Scalar::Int(array.value(row)),
            Self::Float(array) => Scalar::Float(array.value(row)),
            Self::Double(array) => Scalar::Double(array.value(row)),
            Self::Decimal(array, scale) => Scalar::Decimal(array.value(row), *scale),
            Self::Text(array) => Scalar::Text(array.value(row)),
            Self::Bytes(array) => Scalar::Bytes(array.value(row)),
            Self::Date(array) => Scalar::Date(i64::from(array.value(row))),
            Self::TimeMillis(array) => Scalar::Time(i64::from(array.value(row)) * 1_000_000),
            Self::TimeMicros(array) => Scalar::Time(array.value(row) * 1_000),
            Self::TimeNanos(array) => Scalar::Time(array.value(row)),
            Self::TimestampMillis(array) => timestamp(array.value(row), 1_000),
            Self::TimestampMicros(array) => timestamp(array.value(row), 1_000_000),
            Self::TimestampNanos(array) => timestamp(array.value(row), 1_000_000_000),
            Self::List(array, elements) => {
                let offsets = array.value_offsets();
                let (start, end) = (offsets[row], offsets[row + 1]);
                Scalar::List(
                    elements,
                    usize::try_from(start).unwrap_or_default(),
                    usize::try_from(end).unwrap_or_default(),
                )
            }
        }
    }
}

fn timestamp<'a>(value: i64, per_second: i64) -> Scalar<'a> {
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Scalar::Timestamp(value.div_euclid(per_second), u32::try_from(nanos).unwrap_or_default())
}
