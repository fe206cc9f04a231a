//! Columns of times, as windows have them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use riverrun_base::{Error, Result};

/// The same time in every row.
pub(super) fn same_time(millis: i64, rows: usize, data_type: &DataType) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_value(millis, rows).with_data_type(data_type.clone()))
}

/// A column of times.
pub(super) fn time_column(millis: impl Iterator<Item = i64>, data_type: &DataType) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(millis).with_data_type(data_type.clone()))
}

/// The times in a column.
///
/// # Errors
/// They are not in milliseconds.
pub(super) fn times_of(column: &ArrayRef) -> Result<&[i64]> {
    let times = column
        .as_primitive_opt::<TimestampMillisecondType>()
        .ok_or_else(|| Error::internal("a window's time is not in milliseconds"))?;
    Ok(times.values())
}

/// The numbers in a column.
///
/// # Errors
/// They are no 64-bit integers.
pub(super) fn integers_of(column: &ArrayRef) -> Result<&[i64]> {
    let numbers = column.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::data("a stored time is no number"))?;
    Ok(numbers.values())
}
