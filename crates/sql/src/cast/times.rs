//! Columns of times and timestamps, whatever their unit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, PrimitiveArray, Time32MillisecondArray, Time64MicrosecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType as ArrowType, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use riverrun_data::{LogicalType as L, arrow_type};

use super::calendar::WallTime;
use super::zone::Zone;

/// The values of a column of timestamps.
#[derive(Clone, Copy)]
pub(crate) struct Timestamps<'a> {
    /// Units since 1970-01-01 00:00:00.
    pub(crate) values: &'a ScalarBuffer<i64>,
    /// Which rows are NULL.
    pub(crate) nulls: Option<&'a NullBuffer>,
    /// Units of a second.
    pub(crate) per_second: i64,
}

impl<'a> Timestamps<'a> {
    /// The values of an array, if it holds timestamps.
    pub(crate) fn of(array: &'a dyn Array) -> Option<Self> {
        let (values, per_second) = match array.data_type() {
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                (array.as_primitive::<TimestampMillisecondType>().values(), 1_000)
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                (array.as_primitive::<TimestampMicrosecondType>().values(), 1_000_000)
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                (array.as_primitive::<TimestampNanosecondType>().values(), 1_000_000_000)
            }
            _ => return None,
        };
        Some(Self { values, nulls: array.nulls(), per_second })
    }

    /// A row's time.
    #[inline]
    pub(crate) fn wall(&self, row: usize) -> WallTime {
        let value = self.values[row];
        // With a constant, no division is left.
        match self.per_second {
            1_000 => WallTime::of(value, 1_000),
            1_000_000 => WallTime::of(value, 1_000_000),
            other => WallTime::of(value, other),
        }
    }

    /// A row's instant, as a zone's clocks show it.
    #[inline]
    pub(crate) fn wall_in(&self, row: usize, zone: &Zone) -> WallTime {
        in_zone(self.wall(row), zone)
    }
}

/// What a zone's clocks show at an instant, given as the time in UTC.
pub(crate) fn in_zone(instant: WallTime, zone: &Zone) -> WallTime {
    if zone.is_utc() {
        return instant;
    }
    let seconds = instant.seconds();
    let shifted = WallTime::of(seconds + zone.offset_at(seconds), 1);
    WallTime { nano: instant.nano, ..shifted }
}

/// Units of a second of a type of timestamps or times.
pub(crate) fn per_second(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    }
}

/// How many units make up the last digit that a precision keeps.
pub(crate) fn unit_of(precision: u8) -> i64 {
    let digits = match precision {
        0..=3 => 3,
        4..=6 => 6,
        _ => 9,
    };
    10_i64.pow(digits - u32::from(precision.min(9)))
}

/// A column of timestamps of type `logical`.
pub(crate) fn timestamps(values: Vec<i64>, nulls: Option<NullBuffer>, logical: &L) -> ArrayRef {
    let values = ScalarBuffer::from(values);
    let arrow = arrow_type(logical);
    match arrow {
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_data_type(arrow))
        }
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
            Arc::new(TimestampNanosecondArray::new(values, nulls).with_data_type(arrow))
        }
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            Arc::new(TimestampMillisecondArray::new(values, nulls).with_data_type(arrow))
        }
        _ => Arc::new(PrimitiveArray::<arrow::datatypes::Int64Type>::new(values, nulls)),
    }
}

/// The values of a column of times of the day.
#[derive(Clone, Copy)]
pub(crate) enum Times<'a> {
    /// `TIME(0)` to `TIME(3)`.
    Millis(&'a Time32MillisecondArray),
    /// `TIME(4)` to `TIME(6)`.
    Micros(&'a Time64MicrosecondArray),
    /// `TIME(7)` to `TIME(9)`.
    Nanos(&'a Time64NanosecondArray),
}

impl<'a> Times<'a> {
    /// The values of an array, if it holds times.
    pub(crate) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            ArrowType::Time32(TimeUnit::Millisecond) => Self::Millis(array.as_primitive::<Time32MillisecondType>()),
            ArrowType::Time64(TimeUnit::Microsecond) => Self::Micros(array.as_primitive::<Time64MicrosecondType>()),
            ArrowType::Time64(TimeUnit::Nanosecond) => Self::Nanos(array.as_primitive::<Time64NanosecondType>()),
            _ => return None,
        })
    }

    /// A row's milliseconds of the day: Flink keeps no more of any `TIME`.
    pub(crate) fn millis(&self, row: usize) -> i64 {
        match self {
            Self::Millis(cells) => cells.value(row).into(),
            Self::Micros(cells) => cells.value(row) / 1_000,
            Self::Nanos(cells) => cells.value(row) / 1_000_000,
        }
    }
}

/// A column of times of type `logical`, from milliseconds of the day.
pub(crate) fn times(millis: Vec<i64>, nulls: Option<NullBuffer>, logical: &L) -> ArrayRef {
    match arrow_type(logical) {
        ArrowType::Time64(TimeUnit::Microsecond) => {
            Arc::new(Time64MicrosecondArray::new(millis.into_iter().map(|value| value * 1_000).collect(), nulls))
        }
        ArrowType::Time64(_) => {
            Arc::new(Time64NanosecondArray::new(millis.into_iter().map(|value| value * 1_000_000).collect(), nulls))
        }
        // A day has fewer milliseconds than 32 bits hold.
        _ => Arc::new(Time32MillisecondArray::new(
            millis.into_iter().map(|value| i32::try_from(value).unwrap_or_default()).collect(),
            nulls,
        )),
    }
}
