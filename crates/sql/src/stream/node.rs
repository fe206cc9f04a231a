//! The streaming plan: one node for each operator, with the changes it emits.

use std::sync::Arc;

use riverrun_data::ChangelogMode;

use crate::catalog::Table;
use crate::expr::Expr;
use crate::plan::{AggregateCall, External, Field, GroupWindow, Scan, Sort, Unnest, Window};

/// An operator of the streaming plan.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// The columns of its rows.
    pub(crate) fields: Vec<Field>,
    /// The kinds of its rows.
    pub(crate) mode: ChangelogMode,
    /// Columns that identify a row among those that are there at a time, where they are known.
    pub(crate) upsert_key: Option<Vec<usize>>,
    pub(crate) inputs: Vec<Node>,
}

/// What an operator does.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Reads a table, computes its columns and tells its time.
    Source(Scan),
    /// Reads a stream that the program brings.
    External(External),
    /// Rows of constants.
    Values(Vec<Vec<Expr>>),
    /// Makes event time of a column.
    Watermark { column: usize, strategy: Expr },
    /// Filters and computes columns.
    Calc { condition: Option<Expr>, exprs: Option<Vec<Expr>> },
    /// Sends equal keys to the same subtask; all rows to one without keys.
    Exchange { keys: Vec<usize> },
    /// Completes changes by key with the former content, which it keeps.
    ChangelogNormalize { keys: Vec<usize>, update_before: bool },
    /// Assigns windows of fixed length.
    AssignWindows(Arc<Window>),
    /// Groups without windows.
    GroupAggregate { keys: Vec<usize>, aggregates: Vec<AggregateCall>, update_before: bool },
    /// Groups by windows of fixed length.
    WindowAggregate { keys: Vec<usize>, aggregates: Vec<AggregateCall>, window: GroupWindow },
    /// Groups by sessions; the window's columns are counted behind the input's.
    SessionAggregate { keys: Vec<usize>, aggregates: Vec<AggregateCall>, window: GroupWindow },
    /// A row for every element of an array or map.
    Unnest(Unnest),
    /// All inputs' rows.
    Union,
    /// Sorts the rows, or takes some of them.
    Sort(Sort),
    /// Writes into a table.
    Sink(SinkTarget),
}

/// Where a sink writes.
#[derive(Clone, Debug)]
pub(crate) struct SinkTarget {
    pub(crate) table: Arc<Table>,
    /// Options of a hint.
    pub(crate) hint: std::collections::BTreeMap<String, String>,
}
