//! Typed expressions: what the binder makes of a script's text, and what `eval` compiles.

mod bind;
mod same;

use std::borrow::Cow;

use arrow::array::{ArrayRef, Scalar};
use riverrun_base::Position;
use riverrun_data::DataType;

use crate::functions::Bound;

pub(crate) use bind::{
    Binder, BoundAggregate, BoundGroupWindow, Grouping, WINDOW_COLUMNS, call_bound, cast, interval_millis, null_literal,
};
pub(crate) use same::same;

/// An expression over the columns of one input row.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    /// What it computes.
    pub(crate) kind: ExprKind,
    /// The type of its value.
    pub(crate) data_type: DataType,
    /// Where it stands in the script, for errors.
    pub(crate) position: Option<Position>,
}

/// What an expression computes. Operators such as `+`, `=` and `LIKE` are calls of functions of that name.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// A column of the input, by index.
    Column(usize),
    /// A constant: an array of one row.
    Literal(Scalar<ArrayRef>),
    /// A function applied to arguments that have been cast to what it takes.
    Call(Call),
    /// A cast that the script wrote (`CAST`, `TRY_CAST`) or that typing demands (`Implicit`).
    Cast(Box<Expr>, CastMode),
    /// `AND` in three-valued logic; the right side is evaluated only for rows that the left side leaves open.
    And(Box<Expr>, Box<Expr>),
    /// `OR` in three-valued logic; as `And`.
    Or(Box<Expr>, Box<Expr>),
    /// The value of the first branch whose condition is true, else `otherwise`; a value is evaluated only for the rows it is chosen for.
    /// `COALESCE`, `IF`, `IFNULL` and `NULLIF` are bound to this.
    Case {
        /// Conditions with their values.
        branches: Vec<(Expr, Expr)>,
        /// The value where no condition is true.
        otherwise: Box<Expr>,
    },
}

/// A bound function call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The function's name, upper case, for plans and errors.
    pub(crate) name: Cow<'static, str>,
    /// The implementation chosen for the arguments' types.
    pub(crate) bound: Bound,
    /// The arguments.
    pub(crate) args: Vec<Expr>,
}

/// How a cast treats a value that has no counterpart in the target type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CastMode {
    /// `CAST`: the job fails.
    Strict,
    /// `TRY_CAST`: NULL.
    Try,
    /// Added by typing; only between types where every value has a counterpart.
    Implicit,
}

impl Expr {
    /// A column.
    pub(crate) fn column(index: usize, data_type: DataType) -> Self {
        Self { kind: ExprKind::Column(index), data_type, position: None }
    }

    /// The constant's value, if it is one.
    pub(crate) fn literal(&self) -> Option<&Scalar<ArrayRef>> {
        match &self.kind {
            ExprKind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Its direct parts.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Column(_) | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Call(call) => call.args.iter().collect(),
            ExprKind::Cast(input, _) => vec![input],
            ExprKind::And(left, right) | ExprKind::Or(left, right) => vec![left, right],
            ExprKind::Case { branches, otherwise } => {
                branches.iter().flat_map(|(condition, value)| [condition, value]).chain([&**otherwise]).collect()
            }
        }
    }

    /// The same expression with every direct part replaced by what `change` makes of it.
    pub(crate) fn map_children(mut self, change: &mut impl FnMut(Expr) -> Expr) -> Self {
        let change_box = |child: Box<Expr>, change: &mut dyn FnMut(Expr) -> Expr| Box::new(change(*child));
        self.kind = match self.kind {
            leaf @ (ExprKind::Column(_) | ExprKind::Literal(_)) => leaf,
            ExprKind::Call(call) => {
                ExprKind::Call(Call { args: call.args.into_iter().map(&mut *change).collect(), ..call })
            }
            ExprKind::Cast(input, mode) => ExprKind::Cast(change_box(input, change), mode),
            ExprKind::And(left, right) => ExprKind::And(change_box(left, change), change_box(right, change)),
            ExprKind::Or(left, right) => ExprKind::Or(change_box(left, change), change_box(right, change)),
            ExprKind::Case { branches, otherwise } => ExprKind::Case {
                branches: branches.into_iter().map(|(condition, value)| (change(condition), change(value))).collect(),
                otherwise: change_box(otherwise, change),
            },
        };
        self
    }
}
