//! Flink's text forms of numbers, decimals, dates, times and bytes: how formats and the `print` connector read and write them.
//!
//! Everything works on byte slices and appends to a `Vec<u8>`; nothing allocates per value. What a function accepts is what Java's
//! parser behind Flink's format accepts (named at each), so that a topic reads the same in both systems. What it writes is what
//! Flink writes, byte for byte: keys of a compacted topic stay equal when a job moves from one system to the other.

mod base64;
mod calendar;
mod datetime;
mod decimal;
mod number;
mod print;

pub use base64::{decode_base64, write_base64};
pub use calendar::{civil_from_days, days_from_civil, days_in_month};
pub use datetime::{Moment, TimestampForm, TimestampParser, parse_date, parse_sql_date, parse_time};
pub use decimal::{ParsedDecimal, parse_decimal, write_decimal, write_decimal_stripped};
pub use number::{
    parse_boolean, parse_f32, parse_f64, parse_i8, parse_i16, parse_i32, parse_i64, trim, write_f32, write_f64,
    write_integer,
};
pub use print::{TimestampWriter, write_date, write_time, write_timestamp};

#[cfg(test)]
mod tests;
