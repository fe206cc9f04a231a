//! Values on their way between Arrow's columns and a database.
//!
//! Both ways meet in [`Scalar`]: a column gives the scalar of a row, a client writes it as its database wants it; a
//! client reads a scalar, a builder takes it, checks its range and appends it. No scalar owns memory.

mod build;
mod column;
mod decimal;
mod parameters;

pub(crate) use build::RowsBuilder;
pub(crate) use column::{Column, columns};
pub(crate) use decimal::{parse_decimal, rescale, write_decimal};
pub use parameters::JdbcValue;
pub(crate) use parameters::Parameters;

/// One value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Int(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    /// The number without its point, and how many digits stand behind the point.
    Decimal(i128, u8),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days from 1970-01-01.
    Date(i64),
    /// Nanoseconds of the day.
    Time(i64),
    /// Seconds and nanoseconds from 1970-01-01 00:00:00, of a wall clock or, for `TIMESTAMP_LTZ`, of UTC.
    Timestamp(i64, u32),
    /// Rows `start..end` of the elements' column.
    List(&'a Column<'a>, usize, usize),
}

#[cfg(test)]
mod tests;
