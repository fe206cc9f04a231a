//! Casts between dates, times and timestamps.
#![allow(clippy::wrong_self_convention, reason = "a cast is named for the type it is from")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::Date32Type;
use riverrun_base::Result;
use riverrun_data::LogicalType as L;

use super::Job;
use super::calendar::{MILLIS_PER_DAY, WallTime};
use super::times::{Times, Timestamps, per_second, times, timestamps, unit_of};
use super::zone::Overlap;

impl Job<'_> {
    pub(super) fn datetime(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match (self.from, self.to) {
            (L::Date, to) if to.is_timestamp() => {
                let days = array.as_primitive::<Date32Type>();
                self.from_walls(array, |row| WallTime { days: days.value(row).into(), second_of_day: 0, nano: 0 })
            }
            (L::Time(_), L::Time(precision)) => {
                let from = Times::of(array).ok_or_else(|| self.impossible())?;
                Ok(times(filled(array, |row| cut_time(from.millis(row), *precision)), array.nulls().cloned(), self.to))
            }
            (L::Time(_), to) if to.is_timestamp() => {
                let from = Times::of(array).ok_or_else(|| self.impossible())?;
                self.from_walls(array, |row| WallTime::of(from.millis(row), 1000))
            }
            (from, to) if from.is_timestamp() => {
                let from = Timestamps::of(array).ok_or_else(|| self.impossible())?;
                if self.keeps_instants() && per_second_of(self.from) == per_second_of(to) {
                    return Ok(self.cut(&from));
                }
                let local = matches!(self.from, L::TimestampLtz(_));
                let wall = |row: usize| {
                    if local && !self.keeps_instants() { from.wall_in(row, self.zone) } else { from.wall(row) }
                };
                match to {
                    // Days and milliseconds of the day fit their types for every timestamp.
                    L::Date => {
                        let days = filled(array, |row| i32::try_from(day_towards_epoch(wall(row))).unwrap_or_default());
                        Ok(Arc::new(Date32Array::new(days.into(), array.nulls().cloned())))
                    }
                    L::Time(precision) => {
                        let millis = filled(array, |row| {
                            let wall = wall(row);
                            cut_time(wall.second_of_day * 1000 + wall.nano / 1_000_000, *precision)
                        });
                        Ok(times(millis, array.nulls().cloned(), self.to))
                    }
                    to if to.is_timestamp() => self.from_walls(array, wall),
                    _ => Err(self.impossible()),
                }
            }
            _ => Err(self.impossible()),
        }
    }

    /// Whether both sides are timestamps of one kind, so that no zone plays a part.
    fn keeps_instants(&self) -> bool {
        matches!((self.from, self.to), (L::Timestamp(_), L::Timestamp(_)) | (L::TimestampLtz(_), L::TimestampLtz(_)))
    }

    /// Timestamps in the unit they have, cut to the precision.
    fn cut(&self, from: &Timestamps<'_>) -> ArrayRef {
        let unit = unit_of(precision_of(self.to));
        let values = if unit == 1 {
            from.values.to_vec()
        } else {
            from.values.iter().map(|value| value - value.rem_euclid(unit)).collect()
        };
        timestamps(values, from.nulls.cloned(), self.to)
    }

    fn from_walls(&self, array: &ArrayRef, wall: impl Fn(usize) -> WallTime) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(array.len());
        for row in 0..array.len() {
            values.push(if array.is_null(row) {
                None
            } else {
                match self.from_wall(wall(row)) {
                    Some(value) => Some(value),
                    None => self.refuse("the timestamp", "it is out of the range of nanoseconds")?,
                }
            });
        }
        Ok(self.timestamp_array(values))
    }

    /// The value of the target type for a wall-clock time (an instant, where both sides have the local zone).
    pub(super) fn from_wall(&self, wall: WallTime) -> Option<i64> {
        let wall = match self.to {
            L::TimestampLtz(_) if !self.keeps_instants() && !self.zone.is_utc() => {
                let instant = WallTime::of(self.zone.instant_of(wall.seconds(), Overlap::Earlier), 1);
                WallTime { nano: wall.nano, ..instant }
            }
            _ => wall,
        };
        let precision = precision_of(self.to);
        let value = wall.units(per_second(precision))?;
        Some(value - value.rem_euclid(unit_of(precision)))
    }

    pub(super) fn timestamp_array(&self, values: Vec<Option<i64>>) -> ArrayRef {
        let nulls = nulls_of(&values);
        timestamps(values.into_iter().map(Option::unwrap_or_default).collect(), nulls, self.to)
    }

    pub(super) fn time_array(&self, values: Vec<Option<i64>>) -> ArrayRef {
        let nulls = nulls_of(&values);
        times(values.into_iter().map(Option::unwrap_or_default).collect(), nulls, self.to)
    }
}

/// The day of a time; before 1970 that of the next midnight, since Flink divides towards zero.
fn day_towards_epoch(wall: WallTime) -> i64 {
    wall.days + i64::from(wall.days < 0 && (wall.second_of_day, wall.nano) != (0, 0))
}

/// Milliseconds of the day with only as many digits of the fraction as the precision keeps.
pub(super) fn cut_time(millis: i64, precision: u8) -> i64 {
    let millis = millis.rem_euclid(MILLIS_PER_DAY);
    millis - millis % 10_i64.pow(3 - u32::from(precision.min(3)))
}

fn nulls_of<T>(values: &[Option<T>]) -> Option<NullBuffer> {
    let valid = BooleanBuffer::collect_bool(values.len(), |row| values[row].is_some());
    Some(NullBuffer::new(valid)).filter(|nulls| nulls.null_count() > 0)
}

/// One value a row; of NULL rows any.
fn filled<T>(array: &ArrayRef, value: impl FnMut(usize) -> T) -> Vec<T> {
    (0..array.len()).map(value).collect()
}

fn precision_of(logical: &L) -> u8 {
    match logical {
        L::Timestamp(precision) | L::TimestampLtz(precision) | L::Time(precision) => *precision,
        _ => 0,
    }
}

fn per_second_of(logical: &L) -> i64 {
    per_second(precision_of(logical))
}
