//! Rows: as values that are known when the program runs ([`Row`]), and as types of the program, by serde.

mod builder;
mod column;
mod describe;
mod read;
mod row;
mod values;
mod write;

pub(crate) use builder::{Builder, builders};
pub(crate) use column::Column;
pub(crate) use describe::{columns_of, data_type_of};
pub(crate) use read::Rows;
pub use row::{Row, Value};
pub use values::{Date, Decimal, Time, Timestamp, TimestampLtz};
pub(crate) use write::push_record;
