//! The logical plan: relations with typed expressions over their input's columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_data::DataType;

use super::schema::{Field, TimeAttribute};
use crate::catalog::Table;
use crate::expr::Expr;

/// A relation.
#[derive(Clone, Debug)]
pub(crate) struct Rel {
    pub(crate) kind: RelKind,
    /// The columns of its rows.
    pub(crate) fields: Vec<Field>,
}

/// What a relation does.
#[derive(Clone, Debug)]
pub(crate) enum RelKind {
    /// Reads a table: all columns in the order of their declaration, with rowtime and watermark.
    Scan(Scan),
    /// Rows of constants.
    Values(Vec<Vec<Expr>>),
    /// Computes columns.
    Project { input: Box<Rel>, exprs: Vec<Expr> },
    /// Keeps the rows for which the predicate is true.
    Filter { input: Box<Rel>, predicate: Expr },
    /// Assigns windows: each row once for every window it belongs to, with `window_start`, `window_end`, `window_time` behind its columns.
    AssignWindows { input: Box<Rel>, window: Arc<Window> },
    /// Groups by key columns, with the keys first in its rows and the aggregates behind.
    Aggregate { input: Box<Rel>, keys: Vec<usize>, aggregates: Vec<AggregateCall>, window: Option<GroupWindow> },
    /// Each row once for every element of an array or map.
    Unnest { input: Box<Rel>, unnest: Unnest },
    /// The rows of all inputs, which have the same types.
    Union { inputs: Vec<Rel> },
}

/// Reads a table.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) table: Arc<Table>,
    /// Options of a hint, over the table's own.
    pub(crate) hint: BTreeMap<String, String>,
    /// The table's columns over its physical and then its metadata columns.
    pub(crate) exprs: Vec<Expr>,
    /// The watermark of a row, in the rowtime's type, over the table's columns.
    pub(crate) watermark: Option<Expr>,
}

/// What becomes of a row with an array or a map: some of its columns, and behind them, for each element, the element's.
#[derive(Clone, Debug)]
pub(crate) struct Unnest {
    /// The index of the array or map in the input.
    pub(crate) array: usize,
    /// The columns of the input that stand in the result.
    pub(crate) keep: Vec<usize>,
    /// Whether a row without elements stays, with NULLs.
    pub(crate) outer: bool,
    /// Whether the element's number, from 1, is the last column.
    pub(crate) ordinality: bool,
}

/// Windows on a time attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kind: WindowKind,
    /// The index of the time attribute in the input.
    pub(crate) time: usize,
    pub(crate) attribute: TimeAttribute,
    /// The type of the time attribute.
    pub(crate) time_type: DataType,
    /// The columns that a session window is kept by.
    pub(crate) partition: Vec<usize>,
}

/// The shape of windows; all lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowKind {
    /// Fixed, one behind the other.
    Tumble { size: i64, offset: i64 },
    /// Fixed, a new one every `slide`.
    Hop { slide: i64, size: i64, offset: i64 },
    /// Growing by `step` up to `size`, then starting anew.
    Cumulate { step: i64, size: i64, offset: i64 },
    /// As long as rows are less than `gap` apart.
    Session { gap: i64 },
}

/// How an aggregate closes groups by windows that its input carries in columns.
#[derive(Clone, Debug)]
pub(crate) struct GroupWindow {
    pub(crate) window: Arc<Window>,
    /// For each key that is a window's column, which one.
    pub(crate) columns: Vec<Option<super::schema::WindowColumn>>,
    /// The index of `window_start` in the input.
    pub(crate) start: usize,
    /// The index of `window_end` in the input.
    pub(crate) end: usize,
}

/// An aggregate function over columns of the input.
#[derive(Clone, Debug)]
pub(crate) struct AggregateCall {
    pub(crate) function: AggregateFunction,
    /// The index of the argument; `None` for `COUNT(*)`.
    pub(crate) argument: Option<usize>,
    /// The type of the argument.
    pub(crate) argument_type: DataType,
    pub(crate) distinct: bool,
    /// The index of a BOOLEAN column: rows where it is not true do not count.
    pub(crate) filter: Option<usize>,
    /// The type of the result.
    pub(crate) data_type: DataType,
}

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    /// How many rows, or how many that are not NULL.
    Count,
    /// The sum; NULL over nothing.
    Sum,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The mean; for exact integers truncated.
    Avg,
}

impl AggregateFunction {
    /// The function of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "COUNT" => Self::Count,
            "SUM" => Self::Sum,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            "AVG" => Self::Avg,
            _ => return None,
        })
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Avg => "AVG",
        }
    }
}
