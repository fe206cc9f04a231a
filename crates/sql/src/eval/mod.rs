//! Evaluation of typed expressions on whole batches.
//!
//! [`Evaluator`] is an expression made ready to run; [`fold`] computes the constant parts of an expression once. Kernels are written
//! with [`Rows`] and [`Column`], which hide the difference between a column and a constant.

mod evaluator;
mod fold;
mod rows;
#[cfg(test)]
mod tests;
mod value;

use chrono_tz::Tz;

pub(crate) use evaluator::Evaluator;
pub(crate) use fold::fold;
pub(crate) use rows::{Column, Rows, Text};
pub(crate) use value::{Value, arrow_error};

/// What an evaluation knows beside its columns.
#[derive(Clone, Debug)]
pub(crate) struct EvalContext {
    /// How many rows the batch has.
    pub(crate) rows: usize,
    /// The session's time zone (`table.local-time-zone`).
    pub(crate) zone: Tz,
    /// The time of evaluation in epoch milliseconds: `CURRENT_TIMESTAMP`, `PROCTIME()`.
    pub(crate) now: i64,
    /// The operator's watermark in epoch milliseconds, where there is one: `CURRENT_WATERMARK`.
    pub(crate) watermark: Option<i64>,
}
