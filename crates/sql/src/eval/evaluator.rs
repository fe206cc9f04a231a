//! Expressions made ready to run on batches.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, Scalar, UInt32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{self, FilterBuilder};
use riverrun_base::{Error, Position, Result};
use riverrun_data::DataType;

use super::value::arrow_error;
use super::{EvalContext, Value};
use crate::cast;
use crate::expr::{CastMode, Expr, ExprKind};
use crate::functions::Kernel;

/// An expression made ready to run. It has no state of its own; clones share everything.
///
/// The right side of `AND` and `OR` and the values of `CASE` are evaluated only for the rows that need them, if an evaluation could fail;
/// else for whole columns, which is faster.
#[derive(Clone)]
pub(crate) struct Evaluator {
    root: Arc<Step>,
}

struct Step {
    node: Node,
    /// Whether a value can make it fail, so that it must not see rows that a condition excludes.
    can_fail: bool,
    /// The columns it reads.
    columns: Vec<usize>,
    position: Option<Position>,
}

enum Node {
    Column(usize),
    Literal(Scalar<ArrayRef>),
    Call { kernel: Kernel, args: Vec<Step> },
    Cast { input: Box<Step>, from: DataType, to: DataType, mode: CastMode },
    Logic { and: bool, left: Box<Step>, right: Box<Step> },
    Case { branches: Vec<(Step, Step)>, otherwise: Box<Step> },
}

/// The columns that are evaluated, and what else is known.
struct Input<'a> {
    columns: &'a [ArrayRef],
    context: &'a EvalContext,
}

impl Evaluator {
    /// Makes an expression ready.
    ///
    /// # Errors
    /// A call has another number of arguments than it was bound to, which is a bug of the binder.
    pub(crate) fn new(expr: &Expr) -> Result<Self> {
        Ok(Self { root: Arc::new(Step::new(expr)?) })
    }

    /// The expression's value for every row; a constant stays one.
    ///
    /// # Errors
    /// A row's value makes it fail: a cast of bad text, a division by zero.
    pub(crate) fn eval(&self, rows: &RecordBatch, context: &EvalContext) -> Result<Value> {
        self.root.eval(&Input { columns: rows.columns(), context })
    }

    /// The expression's value as a column of as many rows as the batch has.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub(crate) fn eval_column(&self, rows: &RecordBatch, context: &EvalContext) -> Result<ArrayRef> {
        self.eval(rows, context)?.into_column(context.rows)
    }

    /// The rows for which a condition is true, without NULLs: NULL counts as false.
    ///
    /// # Errors
    /// As [`Evaluator::eval`].
    pub(crate) fn eval_mask(&self, rows: &RecordBatch, context: &EvalContext) -> Result<BooleanArray> {
        let value = self.eval(rows, context)?;
        if value.is_scalar() {
            let holds = is_true(&value)?;
            return Ok(BooleanArray::new(
                if holds { BooleanBuffer::new_set(context.rows) } else { BooleanBuffer::new_unset(context.rows) },
                None,
            ));
        }
        Ok(without_nulls(booleans(value.array())?))
    }
}

impl Step {
    fn new(expr: &Expr) -> Result<Self> {
        let (node, can_fail) = match &expr.kind {
            ExprKind::Column(index) => (Node::Column(*index), false),
            ExprKind::Literal(value) => (Node::Literal(value.clone()), false),
            ExprKind::Call(call) => {
                if call.args.len() != call.bound.arguments.len() {
                    return Err(Error::internal(format!(
                        "{} was bound to {} arguments, not {}",
                        call.name,
                        call.bound.arguments.len(),
                        call.args.len()
                    )));
                }
                let args = call.args.iter().map(Self::new).collect::<Result<Vec<_>>>()?;
                let can_fail = call.bound.can_fail || args.iter().any(|arg| arg.can_fail);
                (Node::Call { kernel: Arc::clone(&call.bound.kernel), args }, can_fail)
            }
            ExprKind::Cast(input, mode) => {
                let (from, to, mode) = (input.data_type.clone(), expr.data_type.clone(), *mode);
                let input = Box::new(Self::new(input)?);
                let can_fail = input.can_fail || (mode != CastMode::Try && cast::can_fail(&from.logical, &to.logical));
                (Node::Cast { input, from, to, mode }, can_fail)
            }
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                let (left, right) = (Box::new(Self::new(left)?), Box::new(Self::new(right)?));
                let can_fail = left.can_fail || right.can_fail;
                (Node::Logic { and: matches!(expr.kind, ExprKind::And(..)), left, right }, can_fail)
            }
            ExprKind::Case { branches, otherwise } => {
                let branches = branches
                    .iter()
                    .map(|(when, then)| Ok((Self::new(when)?, Self::new(then)?)))
                    .collect::<Result<Vec<_>>>()?;
                let otherwise = Box::new(Self::new(otherwise)?);
                let can_fail = otherwise.can_fail || branches.iter().any(|(when, then)| when.can_fail || then.can_fail);
                (Node::Case { branches, otherwise }, can_fail)
            }
        };
        Ok(Self { node, can_fail, columns: columns_of(expr), position: expr.position })
    }

    fn eval(&self, input: &Input<'_>) -> Result<Value> {
        match &self.node {
            Node::Column(index) => match input.columns.get(*index) {
                Some(column) => Ok(Value::Array(Arc::clone(column))),
                None => Err(Error::internal(format!("column {index} of {}", input.columns.len()))),
            },
            Node::Literal(value) => Ok(Value::Scalar(value.clone())),
            Node::Call { kernel, args } => {
                let args = args.iter().map(|arg| arg.eval(input)).collect::<Result<Vec<_>>>()?;
                kernel(&args, input.context).map_err(|error| self.place(error))
            }
            Node::Cast { input: operand, from, to, mode } => {
                cast::cast(&operand.eval(input)?, from, to, *mode, input.context).map_err(|error| self.place(error))
            }
            Node::Logic { and, left, right } => logic(*and, left, right, input),
            Node::Case { branches, otherwise } => {
                let lazy = otherwise.can_fail
                    || branches.iter().any(|(_, value)| value.can_fail)
                    || branches.iter().skip(1).any(|(condition, _)| condition.can_fail);
                if lazy { lazy_case(branches, otherwise, input) } else { eager_case(branches, otherwise, input) }
            }
        }
    }

    /// Evaluates for the rows that `mask` selects only.
    fn eval_where(&self, mask: &BooleanArray, input: &Input<'_>) -> Result<Value> {
        let predicate = FilterBuilder::new(mask).optimize().build();
        let mut columns = input.columns.to_vec();
        for index in &self.columns {
            if let Some(column) = columns.get_mut(*index) {
                *column = predicate.filter(column).map_err(arrow_error)?;
            }
        }
        let context = EvalContext { rows: predicate.count(), ..input.context.clone() };
        self.eval(&Input { columns: &columns, context: &context })
    }

    fn place(&self, error: Error) -> Error {
        match self.position {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

/// The columns that an expression reads, each once.
fn columns_of(expr: &Expr) -> Vec<usize> {
    fn collect(expr: &Expr, columns: &mut Vec<usize>) {
        if let ExprKind::Column(index) = expr.kind {
            columns.push(index);
        }
        for child in expr.children() {
            collect(child, columns);
        }
    }
    let mut columns = Vec::new();
    collect(expr, &mut columns);
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn logic(and: bool, left: &Step, right: &Step, input: &Input<'_>) -> Result<Value> {
    let left = left.eval(input)?;
    if let Some(decided) = decided(and, &left)? {
        return Ok(if decided { left } else { right.eval(input)? });
    }
    let rows = input.context.rows;
    let left = left.into_column(rows)?;
    let left = booleans(&left)?;
    let open = if and { not_false(left) } else { not_true(left) };
    let selected = open.true_count();
    if selected == 0 {
        return Ok(Value::Array(Arc::new(left.clone())));
    }
    let right = if right.can_fail && selected < rows {
        scattered(right.eval_where(&open, input)?, &open)?
    } else {
        right.eval(input)?
    };
    let right = right.into_column(rows)?;
    let combine = if and { compute::and_kleene } else { compute::or_kleene };
    Ok(Value::Array(Arc::new(combine(left, booleans(&right)?).map_err(arrow_error)?)))
}

/// Where the left side is constant: whether it decides the result; `None` where both sides count.
fn decided(and: bool, left: &Value) -> Result<Option<bool>> {
    if !left.is_scalar() || left.is_null_scalar() {
        return Ok(None);
    }
    Ok(Some(is_true(left)? != and))
}

/// The values of the rows that `mask` selected, back in their places; NULL elsewhere.
fn scattered(value: Value, mask: &BooleanArray) -> Result<Value> {
    let Value::Array(array) = value else { return Ok(value) };
    let mut next = 0;
    let places = mask.values().iter().map(|selected| {
        let place = selected.then_some(next);
        next += u32::from(selected);
        place
    });
    compute::take(&array, &places.collect::<UInt32Array>(), None).map(Value::Array).map_err(arrow_error)
}

fn eager_case(branches: &[(Step, Step)], otherwise: &Step, input: &Input<'_>) -> Result<Value> {
    let mut chosen = Vec::with_capacity(branches.len());
    let mut rest = None;
    for (condition, value) in branches {
        let condition = condition.eval(input)?;
        if !condition.is_scalar() {
            chosen.push((without_nulls(booleans(condition.array())?), value.eval(input)?));
        } else if is_true(&condition)? {
            rest = Some(value.eval(input)?);
            break;
        }
    }
    let mut result = match rest {
        Some(rest) => rest,
        None => otherwise.eval(input)?,
    };
    for (mask, value) in chosen.iter().rev() {
        result = Value::Array(compute::kernels::zip::zip(mask, value.datum(), result.datum()).map_err(arrow_error)?);
    }
    Ok(result)
}

fn lazy_case(branches: &[(Step, Step)], otherwise: &Step, input: &Input<'_>) -> Result<Value> {
    let rows = input.context.rows;
    let mut open = BooleanArray::new(BooleanBuffer::new_set(rows), None);
    let mut parts: Vec<(BooleanArray, Value)> = Vec::with_capacity(branches.len() + 1);
    for (condition, value) in branches {
        if open.true_count() == 0 {
            break;
        }
        let holds = if condition.can_fail && open.true_count() < rows {
            scattered(condition.eval_where(&open, input)?, &open)?
        } else {
            condition.eval(input)?
        };
        let holds = holds.into_column(rows)?;
        let taken = BooleanArray::new(without_nulls(booleans(&holds)?).values() & open.values(), None);
        if taken.true_count() > 0 {
            open = BooleanArray::new(open.values() & &!taken.values(), None);
            let value = value.eval_where(&taken, input)?;
            parts.push((taken, value));
        }
    }
    if open.true_count() > 0 || parts.is_empty() {
        let value = otherwise.eval_where(&open, input)?;
        parts.push((open, value));
    }
    assembled(parts, rows)
}

/// A column from parts that each have the values of the rows they cover; together they cover every row once.
fn assembled(parts: Vec<(BooleanArray, Value)>, rows: usize) -> Result<Value> {
    let mut places = vec![(0, 0); rows];
    for (n, (mask, value)) in parts.iter().enumerate() {
        let step = usize::from(!value.is_scalar());
        for (k, row) in mask.values().set_indices().enumerate() {
            places[row] = (n, k * step);
        }
    }
    let arrays: Vec<&dyn Array> = parts.iter().map(|(_, value)| value.array()).collect();
    compute::interleave(&arrays, &places).map(Value::Array).map_err(arrow_error)
}

fn booleans(array: &dyn Array) -> Result<&BooleanArray> {
    array.as_boolean_opt().ok_or_else(|| Error::internal(format!("a condition of type {}", array.data_type())))
}

fn is_true(value: &Value) -> Result<bool> {
    let array = booleans(value.array())?;
    Ok(array.is_valid(0) && array.value(0))
}

/// NULL as false.
fn without_nulls(array: &BooleanArray) -> BooleanArray {
    match array.nulls() {
        None => array.clone(),
        Some(nulls) => BooleanArray::new(array.values() & nulls.inner(), None),
    }
}

fn not_true(array: &BooleanArray) -> BooleanArray {
    BooleanArray::new(!without_nulls(array).values(), None)
}

fn not_false(array: &BooleanArray) -> BooleanArray {
    let invalid = array.nulls().map(|nulls: &NullBuffer| !nulls.inner());
    BooleanArray::new(
        match invalid {
            None => array.values().clone(),
            Some(invalid) => array.values() | &invalid,
        },
        None,
    )
}
