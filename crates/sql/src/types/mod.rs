//! Flink's typing rules: which casts exist, the type that several types have in common, and the types that arithmetic and aggregates give.
//!
//! The rules are those of Flink's planner (Calcite's `leastRestrictive`, Flink's `LogicalTypeCasts` and `LogicalTypeMerging`), checked
//! against Flink 2.3.

mod allowed;
mod common_type;
mod numeric;
#[cfg(test)]
mod tests;

pub(crate) use allowed::{explicit_cast_allowed, implicit_cast_allowed, needs_cast};
pub(crate) use common_type::{common_type, comparison_type};
pub(crate) use numeric::{ArithmeticOperator, arithmetic_type, avg_type, round_type, sum_type};
