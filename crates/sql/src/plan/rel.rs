//! The logical plan: relations with typed expressions over their input's columns.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use riverrun_base::Position;
use riverrun_data::{ChangelogMode, DataType};

use super::schema::{Field, TimeAttribute};
use crate::catalog::Table;
use crate::expr::Expr;
use crate::functions::{UserAggregate, UserSignature};

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
    /// Reads a stream that the program brings.
    External(External),
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
    /// Makes event time of a column: `strategy` is the watermark of a row, in the column's type.
    Watermark { input: Box<Rel>, column: usize, strategy: Expr },
    /// Each row once for every element of an array or map.
    Unnest { input: Box<Rel>, unnest: Unnest },
    /// The rows of all inputs, which have the same types.
    Union { inputs: Vec<Rel> },
    /// Sorts the rows, or takes some of them.
    Sort { input: Box<Rel>, sort: Sort },
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

/// A stream that is no table's: that of a program around the query.
#[derive(Clone, Debug)]
pub(crate) struct External {
    /// By which the program knows it.
    pub(crate) id: usize,
    /// For plans.
    pub(crate) name: String,
    /// The kinds of its rows.
    pub(crate) mode: ChangelogMode,
    /// The columns that identify a row; they must be there where changes come by key.
    pub(crate) key: Vec<usize>,
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

/// An order of rows, and which of them are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    /// The columns to sort by, the most important first; none leave the rows as they come.
    pub(crate) keys: Vec<SortKey>,
    /// How many rows are left out in front.
    pub(crate) offset: u64,
    /// How many follow at most; `None` is all.
    pub(crate) fetch: Option<u64>,
    /// Where ORDER BY stands, for errors.
    pub(crate) position: Option<Position>,
}

/// A column that rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) column: usize,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    /// One of the program.
    User(UserAggregateFunction),
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

/// An aggregate function of the program, bound to its arguments. Several arguments are one of type ROW.
#[derive(Clone)]
pub(crate) struct UserAggregateFunction {
    pub(crate) name: Arc<str>,
    pub(crate) function: Arc<dyn UserAggregate>,
    pub(crate) signature: Arc<UserSignature>,
}

impl PartialEq for UserAggregateFunction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function) && self.signature == other.signature
    }
}

impl Eq for UserAggregateFunction {}

impl fmt::Debug for UserAggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAggregateFunction").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Sort {
    /// The operator's name, as Flink's EXPLAIN has it.
    pub(crate) fn name(&self) -> &'static str {
        match (self.keys.is_empty(), self.offset > 0 || self.fetch.is_some()) {
            (true, _) => "Limit",
            (false, false) => "Sort",
            (false, true) => "SortLimit",
        }
    }

    /// How many rows are kept at most to find those that are wanted.
    pub(crate) fn most(&self) -> Option<u64> {
        self.fetch.map(|fetch| self.offset.saturating_add(fetch))
    }
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
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::User(user) => &user.name,
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Avg => "AVG",
        }
    }
}
