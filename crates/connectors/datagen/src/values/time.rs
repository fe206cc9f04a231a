//! The present, and timestamps before it.
//!
//! As in Flink, DATE and TIME are the machine's local ones, while TIMESTAMP counts from the epoch: it is the present in UTC, with and without LTZ.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array};
use arrow::datatypes::{
    DataType as ArrowType, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, Timelike};
use riverrun_base::Result;

use super::number::primitive;
use super::{Rows, Values};
use crate::random::below;

/// The wall clock of this machine at a time in milliseconds since the epoch.
fn local(now: i64) -> NaiveDateTime {
    DateTime::from_timestamp_millis(now).unwrap_or_default().with_timezone(&Local).naive_local()
}

/// Cuts milliseconds to a type's digits of a second's fraction.
fn cut(millis: i64, precision: u8) -> i64 {
    let unit = 10i64.pow(u32::from(3 - precision.min(3)));
    millis - millis.rem_euclid(unit)
}

/// `DATE`: today.
pub(crate) struct Dates;

impl Values for Dates {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let today = local(rows.now).date().signed_duration_since(NaiveDate::default()).num_days();
        let values = vec![i32::try_from(today).unwrap_or_default(); rows.count];
        Ok(Arc::new(Date32Array::new(values.into(), rows.nulls.clone())))
    }

    fn width(&self) -> usize {
        4
    }
}

/// `TIME`: now.
pub(crate) struct Times {
    /// The type.
    pub arrow: ArrowType,
    /// Its digits of a second's fraction.
    pub precision: u8,
}

impl Values for Times {
    #[allow(clippy::cast_possible_truncation, reason = "a day has fewer milliseconds than 32 bits count")]
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let time = local(rows.now).time();
        let seconds = i64::from(time.num_seconds_from_midnight());
        let now = cut(seconds * 1000 + i64::from(time.nanosecond() / 1_000_000 % 1000), self.precision);
        let (arrow, numbers) = (&self.arrow, std::iter::repeat_n(0, rows.count));
        Ok(match arrow {
            ArrowType::Time64(TimeUnit::Microsecond) => {
                primitive::<Time64MicrosecondType>(rows, arrow, numbers, |_| now * 1000)
            }
            ArrowType::Time64(_) => primitive::<Time64NanosecondType>(rows, arrow, numbers, |_| now * 1_000_000),
            _ => primitive::<Time32MillisecondType>(rows, arrow, numbers, |_| now as i32),
        })
    }

    fn width(&self) -> usize {
        8
    }
}

/// `TIMESTAMP` and `TIMESTAMP_LTZ`: at most so long before the present.
pub(crate) struct Timestamps {
    /// The type.
    pub arrow: ArrowType,
    /// Its digits of a second's fraction.
    pub precision: u8,
    /// The longest time before the present, in milliseconds.
    pub max_past: u64,
}

impl Values for Timestamps {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let (now, span, precision, arrow) = (rows.now, self.max_past.saturating_add(1), self.precision, &self.arrow);
        let time = move |draw| cut(now.saturating_sub_unsigned(below(draw, span)), precision);
        Ok(match arrow {
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                primitive::<TimestampMicrosecondType>(rows, arrow, rows.draws(), |draw| time(draw).saturating_mul(1000))
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                let nanos = |draw| time(draw).saturating_mul(1_000_000);
                primitive::<TimestampNanosecondType>(rows, arrow, rows.draws(), nanos)
            }
            _ => primitive::<TimestampMillisecondType>(rows, arrow, rows.draws(), time),
        })
    }

    fn width(&self) -> usize {
        8
    }
}
