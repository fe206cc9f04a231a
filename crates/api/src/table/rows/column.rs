//! Columns of a batch, read cell by cell: as [`Value`]s, or by serde as types of the program.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray,
    StringArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, Time32MillisecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use riverrun_base::{Error, Result};

use super::{Date, Decimal, Time, Timestamp, TimestampLtz, Value};

/// A column of known type.
pub(crate) enum Column<'a> {
    Null,
    Boolean(&'a BooleanArray),
    TinyInt(&'a PrimitiveArray<Int8Type>),
    SmallInt(&'a PrimitiveArray<Int16Type>),
    Int(&'a PrimitiveArray<Int32Type>),
    BigInt(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u8),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a PrimitiveArray<Date32Type>),
    /// TIME in milliseconds.
    TimeOfDay(&'a PrimitiveArray<Time32MillisecondType>),
    Clock(Clock<'a>),
    Months(&'a PrimitiveArray<IntervalYearMonthType>),
    Millis(&'a PrimitiveArray<DurationMillisecondType>),
    List(&'a ListArray, Box<Column<'a>>),
    Map(&'a MapArray, Box<Column<'a>>, Box<Column<'a>>),
    Row(&'a StructArray, Vec<(&'a str, Column<'a>)>),
}

/// Times in 64 bits.
pub(crate) struct Clock<'a> {
    values: &'a [i64],
    nulls: Option<&'a NullBuffer>,
    /// How many nanoseconds a unit has.
    nanos: i64,
    kind: ClockKind,
}

/// What times in 64 bits are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockKind {
    Time,
    Timestamp,
    TimestampLtz,
}

impl Clock<'_> {
    pub(crate) fn nanos(&self, row: usize) -> i64 {
        self.values[row].saturating_mul(self.nanos)
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<&PrimitiveArray<T>> {
    array.as_primitive_opt().ok_or_else(|| Error::internal("an array that is not of its type"))
}

fn clock<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, nanos: i64, kind: ClockKind) -> Result<Column<'_>> {
    let array = primitive::<T>(array)?;
    Ok(Column::Clock(Clock { values: array.values(), nulls: array.nulls(), nanos, kind }))
}

impl<'a> Column<'a> {
    /// A column.
    ///
    /// # Errors
    /// It is of a type that no SQL type has.
    pub(crate) fn of(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            ArrowType::Null => Self::Null,
            ArrowType::Boolean => Self::Boolean(array.as_boolean()),
            ArrowType::Int8 => Self::TinyInt(primitive(array)?),
            ArrowType::Int16 => Self::SmallInt(primitive(array)?),
            ArrowType::Int32 => Self::Int(primitive(array)?),
            ArrowType::Int64 => Self::BigInt(primitive(array)?),
            ArrowType::Float32 => Self::Float(primitive(array)?),
            ArrowType::Float64 => Self::Double(primitive(array)?),
            ArrowType::Decimal128(_, scale) => Self::Decimal(primitive(array)?, u8::try_from(*scale).unwrap_or(0)),
            ArrowType::Utf8 => Self::Text(array.as_string()),
            ArrowType::Binary => Self::Bytes(array.as_binary()),
            ArrowType::Date32 => Self::Date(primitive(array)?),
            ArrowType::Time32(TimeUnit::Millisecond) => Self::TimeOfDay(primitive(array)?),
            ArrowType::Time64(TimeUnit::Microsecond) => clock::<Time64MicrosecondType>(array, 1000, ClockKind::Time)?,
            ArrowType::Time64(TimeUnit::Nanosecond) => clock::<Time64NanosecondType>(array, 1, ClockKind::Time)?,
            ArrowType::Timestamp(unit, zone) => {
                let kind = if zone.is_some() { ClockKind::TimestampLtz } else { ClockKind::Timestamp };
                match unit {
                    TimeUnit::Millisecond => clock::<TimestampMillisecondType>(array, 1_000_000, kind)?,
                    TimeUnit::Microsecond => clock::<TimestampMicrosecondType>(array, 1000, kind)?,
                    TimeUnit::Nanosecond => clock::<TimestampNanosecondType>(array, 1, kind)?,
                    TimeUnit::Second => return Err(unknown(array)),
                }
            }
            ArrowType::Interval(IntervalUnit::YearMonth) => Self::Months(primitive(array)?),
            ArrowType::Duration(TimeUnit::Millisecond) => Self::Millis(primitive(array)?),
            ArrowType::List(_) => {
                let list = array.as_list();
                Self::List(list, Box::new(Self::of(list.values())?))
            }
            ArrowType::Map(..) => {
                let map = array.as_map();
                Self::Map(map, Box::new(Self::of(map.keys())?), Box::new(Self::of(map.values())?))
            }
            ArrowType::Struct(fields) => {
                let rows = array.as_struct();
                let columns = fields.iter().zip(rows.columns());
                let columns = columns.map(|(field, column)| Ok((field.name().as_str(), Self::of(column)?)));
                Self::Row(rows, columns.collect::<Result<_>>()?)
            }
            _ => return Err(unknown(array)),
        })
    }

    /// Whether a cell is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Boolean(array) => array.is_null(row),
            Self::TinyInt(array) => array.is_null(row),
            Self::SmallInt(array) => array.is_null(row),
            Self::Int(array) => array.is_null(row),
            Self::BigInt(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Double(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::TimeOfDay(array) => array.is_null(row),
            Self::Clock(clock) => clock.nulls.is_some_and(|nulls| nulls.is_null(row)),
            Self::Months(array) => array.is_null(row),
            Self::Millis(array) => array.is_null(row),
            Self::List(array, _) => array.is_null(row),
            Self::Map(array, ..) => array.is_null(row),
            Self::Row(array, _) => array.is_null(row),
        }
    }

    /// The places of the elements of an array, or the entries of a map.
    pub(crate) fn elements(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = match self {
            Self::List(array, _) => array.value_offsets(),
            Self::Map(array, ..) => array.value_offsets(),
            _ => return 0..0,
        };
        // Arrow's offsets are never negative.
        let place = |offset: i32| usize::try_from(offset).unwrap_or_default();
        place(offsets[row])..place(offsets[row + 1])
    }

    /// A cell.
    pub(crate) fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Self::Null => Value::Null,
            Self::Boolean(array) => Value::Boolean(array.value(row)),
            Self::TinyInt(array) => Value::TinyInt(array.value(row)),
            Self::SmallInt(array) => Value::SmallInt(array.value(row)),
            Self::Int(array) => Value::Int(array.value(row)),
            Self::BigInt(array) => Value::BigInt(array.value(row)),
            Self::Float(array) => Value::Float(array.value(row)),
            Self::Double(array) => Value::Double(array.value(row)),
            Self::Decimal(array, scale) => Value::Decimal(Decimal::new(array.value(row), *scale)),
            Self::Text(array) => Value::String(array.value(row).to_owned()),
            Self::Bytes(array) => Value::Bytes(array.value(row).to_owned()),
            Self::Date(array) => Value::Date(Date::from_epoch_day(array.value(row))),
            Self::TimeOfDay(array) => Value::Time(Time::from_nanos_of_day(i64::from(array.value(row)) * 1_000_000)),
            Self::Clock(clock) => match clock.kind {
                ClockKind::Time => Value::Time(Time::from_nanos_of_day(clock.nanos(row))),
                ClockKind::Timestamp => Value::Timestamp(Timestamp::from_nanos(clock.nanos(row))),
                ClockKind::TimestampLtz => Value::TimestampLtz(TimestampLtz::from_nanos(clock.nanos(row))),
            },
            Self::Months(array) => Value::IntervalYearMonth(array.value(row)),
            Self::Millis(array) => Value::IntervalDayTime(array.value(row)),
            Self::List(_, element) => Value::Array(self.elements(row).map(|n| element.value(n)).collect()),
            Self::Map(_, key, value) => {
                Value::Map(self.elements(row).map(|n| (key.value(n), value.value(n))).collect())
            }
            Self::Row(_, columns) => Value::Row(columns.iter().map(|(_, column)| column.value(row)).collect()),
        }
    }
}

fn unknown(array: &ArrayRef) -> Error {
    Error::internal(format!("a column of {}", array.data_type()))
}
