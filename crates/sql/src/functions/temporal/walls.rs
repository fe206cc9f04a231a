//! The cells of dates, times and timestamps as wall-clock times.

use arrow::array::{AsArray, Date32Array};
use arrow::datatypes::{DataType as ArrowType, Date32Type};
use riverrun_base::{Error, Result};

use crate::cast::calendar::WallTime;
use crate::cast::times::{Times, Timestamps};
use crate::cast::zone::Zone;
use crate::eval::{EvalContext, Value};

/// An argument's cells; those of `TIMESTAMP_LTZ` as the session's zone shows them.
pub(super) struct Walls<'a> {
    cells: Cells<'a>,
    mask: usize,
}

enum Cells<'a> {
    Timestamps(Timestamps<'a>),
    Instants(Timestamps<'a>, Zone),
    Dates(&'a Date32Array),
    Times(Times<'a>),
}

impl<'a> Walls<'a> {
    /// The cells of a date, time or timestamp.
    ///
    /// # Errors
    /// It is something else, which is a bug of the function that was bound.
    pub(super) fn new(value: &'a Value, context: &EvalContext) -> Result<Self> {
        let array = value.array();
        let cells = match array.data_type() {
            ArrowType::Timestamp(_, Some(_)) => {
                Timestamps::of(array).map(|times| Cells::Instants(times, Zone::new(context.zone)))
            }
            ArrowType::Timestamp(_, None) => Timestamps::of(array).map(Cells::Timestamps),
            ArrowType::Date32 => array.as_primitive_opt::<Date32Type>().map(Cells::Dates),
            _ => Times::of(array).map(Cells::Times),
        };
        let cells = cells.ok_or_else(|| Error::internal(format!("{} is no time", array.data_type())))?;
        Ok(Self { cells, mask: if value.is_scalar() { 0 } else { usize::MAX } })
    }

    /// A row's wall-clock time; of a `TIME`, on 1970-01-01.
    #[inline]
    pub(super) fn at(&self, row: usize) -> WallTime {
        let row = row & self.mask;
        match &self.cells {
            Cells::Timestamps(times) => times.wall(row),
            Cells::Instants(times, zone) => times.wall_in(row, zone),
            Cells::Dates(dates) => WallTime { days: dates.value(row).into(), second_of_day: 0, nano: 0 },
            Cells::Times(times) => WallTime::of(times.millis(row), 1_000),
        }
    }

    /// A row's instant, or wall-clock time where it has no zone.
    #[inline]
    pub(super) fn instant(&self, row: usize) -> WallTime {
        match &self.cells {
            Cells::Instants(times, _) => times.wall(row & self.mask),
            _ => self.at(row),
        }
    }

    /// How many seconds the session's zone is ahead of UTC at a row's instant; 0 of what has no zone.
    pub(super) fn offset(&self, row: usize) -> i64 {
        match &self.cells {
            Cells::Instants(times, zone) => zone.offset_at(times.wall(row & self.mask).seconds()),
            _ => 0,
        }
    }
}
