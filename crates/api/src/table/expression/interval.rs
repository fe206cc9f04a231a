//! Units of time, and intervals of them.

use super::{Expression, Kind};

/// A unit to which a time is rounded, or which is taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeIntervalUnit {
    /// A year.
    Year,
    /// A quarter of a year.
    Quarter,
    /// A month.
    Month,
    /// A week, which begins on Sunday.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
}

/// The name that Flink gives the units of points in time.
pub type TimePointUnit = TimeIntervalUnit;

impl TimeIntervalUnit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::Quarter => "QUARTER",
            Self::Month => "MONTH",
            Self::Week => "WEEK",
            Self::Day => "DAY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
        }
    }
}

/// The unit of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntervalUnit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl IntervalUnit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Year => "YEAR",
            Self::Quarter => "QUARTER",
            Self::Month => "MONTH",
            Self::Week => "WEEK",
            Self::Day => "DAY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
            Self::Millisecond => "MILLISECOND",
        }
    }
}

macro_rules! intervals {
    ($($one:ident $many:ident $unit:ident),* $(,)?) => {
        /// Intervals: `lit(5).minutes()`. The number must be a constant integer.
        impl Expression {$(
            #[doc = concat!("An interval of so many ", stringify!($many), ".")]
            #[must_use]
            pub fn $many(self) -> Self {
                Self(Kind::Interval { value: self.boxed(), unit: IntervalUnit::$unit })
            }

            #[doc = concat!("As [`Self::", stringify!($many), "`].")]
            #[must_use]
            pub fn $one(self) -> Self {
                self.$many()
            }
        )*}
    };
}

intervals! {
    year years Year,
    quarter quarters Quarter,
    month months Month,
    week weeks Week,
    day days Day,
    hour hours Hour,
    minute minutes Minute,
    second seconds Second,
    milli millis Millisecond,
}
