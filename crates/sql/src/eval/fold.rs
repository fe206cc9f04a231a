//! Constant folding.

use std::sync::Arc;

use arrow::array::{AsArray, Datum, RecordBatch, RecordBatchOptions, Scalar};
use arrow::datatypes::Schema;
use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType};

use super::{EvalContext, Evaluator, Value};
use crate::cast;
use crate::expr::{CastMode, Expr, ExprKind};

/// The expression with its constant parts computed.
///
/// A constant part that fails (`1 / 0`) stays as it is and fails when a row needs it. `context` gives the session's zone; its time and
/// watermark are not looked at, since functions that depend on them are not constant.
pub(crate) fn fold(expr: Expr, context: &EvalContext) -> Expr {
    let expr = simplified(expr.map_children(&mut |child| fold(child, context)));
    if !is_constant(&expr) {
        return expr;
    }
    match computed(&expr, context) {
        Ok(value) => Expr { kind: ExprKind::Literal(value), ..expr },
        Err(_) => expr,
    }
}

/// Whether everything it is made of is constant.
fn is_constant(expr: &Expr) -> bool {
    let pure = match &expr.kind {
        ExprKind::Column(_) | ExprKind::Literal(_) => false,
        ExprKind::Call(call) => call.bound.deterministic,
        _ => true,
    };
    pure && expr.children().iter().all(|child| child.literal().is_some())
}

fn computed(expr: &Expr, context: &EvalContext) -> Result<Scalar<arrow::array::ArrayRef>> {
    let context = EvalContext { rows: 1, ..context.clone() };
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let no_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(super::arrow_error)?;
    let mut value = Evaluator::new(expr)?.eval(&no_columns, &context)?;
    if expr.data_type.logical.is_character() {
        // A constant keeps to the length of its type, as in Flink: UPPER('straße') is CHAR(6).
        let unbounded = DataType { logical: LogicalType::STRING, nullable: expr.data_type.nullable };
        value = cast::cast(&value, &unbounded, &expr.data_type, CastMode::Implicit, &context)?;
    }
    Ok(Scalar::new(Value::into_column(value, 1)?))
}

/// What can be said without evaluating: branches that are never or always taken, a side that decides, a column compared with itself.
fn simplified(expr: Expr) -> Expr {
    let Expr { kind, data_type, position } = expr;
    match kind {
        ExprKind::And(left, right) => logic(true, *left, *right, data_type, position),
        ExprKind::Or(left, right) => logic(false, *left, *right, data_type, position),
        ExprKind::Case { branches, otherwise } => {
            let mut kept = Vec::with_capacity(branches.len());
            let mut last = None;
            for (condition, value) in branches {
                match truth(&condition) {
                    None => kept.push((condition, value)),
                    Some(true) => {
                        last = Some(value);
                        break;
                    }
                    Some(false) => {}
                }
            }
            let otherwise = last.unwrap_or(*otherwise);
            if kept.is_empty() {
                return Expr { data_type, ..otherwise };
            }
            Expr { kind: ExprKind::Case { branches: kept, otherwise: Box::new(otherwise) }, data_type, position }
        }
        ExprKind::Call(call) => {
            let same_column = match call.args.as_slice() {
                [Expr { kind: ExprKind::Column(a), data_type, .. }, Expr { kind: ExprKind::Column(b), .. }] => {
                    a == b && !data_type.nullable
                }
                _ => false,
            };
            let kind = match &*call.name {
                "=" | "<=" | ">=" if same_column => ExprKind::Literal(boolean(true)),
                "<>" | "<" | ">" if same_column => ExprKind::Literal(boolean(false)),
                _ => ExprKind::Call(call),
            };
            Expr { kind, data_type, position }
        }
        kind => Expr { kind, data_type, position },
    }
}

fn logic(and: bool, left: Expr, right: Expr, data_type: DataType, position: Option<riverrun_base::Position>) -> Expr {
    let known = |side: &Expr| side.literal().filter(|value| value.get().0.is_valid(0)).and_then(|_| truth(side));
    let kind = match (known(&left), known(&right)) {
        (Some(decides), _) | (_, Some(decides)) if decides != and => ExprKind::Literal(boolean(decides)),
        (Some(_), _) => return Expr { data_type, ..right },
        (_, Some(_)) => return Expr { data_type, ..left },
        _ if and => ExprKind::And(Box::new(left), Box::new(right)),
        _ => ExprKind::Or(Box::new(left), Box::new(right)),
    };
    Expr { kind, data_type, position }
}

/// Whether a constant condition holds; NULL does not.
fn truth(condition: &Expr) -> Option<bool> {
    let array = condition.literal()?.get().0;
    if array.is_null(0) {
        return Some(false);
    }
    array.as_boolean_opt().map(|value| value.value(0))
}

fn boolean(value: bool) -> Scalar<arrow::array::ArrayRef> {
    match Value::boolean(value) {
        Value::Scalar(scalar) => scalar,
        Value::Array(array) => Scalar::new(array),
    }
}
