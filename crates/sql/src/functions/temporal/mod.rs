//! Functions of dates, times, timestamps and intervals. What depends on a zone uses the session's (`table.local-time-zone`).

mod current;
mod fields;
mod format;
mod intervals;
mod parse;
mod parsing;
mod pattern;
mod rounding;
#[cfg(test)]
mod tests;
mod unit;
mod walls;
mod write;
mod zones;

pub(super) use current::FUNCTIONS as CURRENT;
pub(super) use fields::FUNCTIONS as FIELDS;
pub(super) use format::FUNCTIONS as FORMATTING;
pub(super) use intervals::FUNCTIONS as INTERVALS;
pub(super) use intervals::arithmetic as interval_arithmetic;
pub(super) use parsing::FUNCTIONS as PARSING;
pub(super) use rounding::FUNCTIONS as ROUNDING;
pub(super) use zones::FUNCTIONS as CONVERSION;
