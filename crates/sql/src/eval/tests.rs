//! Tests of evaluation: it must be what evaluating row by row, side by side, would give.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, RecordBatchOptions, Scalar, StringArray,
};
use arrow::datatypes::{Int32Type, Schema};
use chrono_tz::Tz;
use proptest::prelude::*;
use riverrun_data::{DataType, LogicalType as L, field};

use super::{EvalContext, Evaluator, Value, fold};
use crate::cast;
use crate::expr::{Call, CastMode, Expr, ExprKind};
use crate::functions::{Argument, lookup};

fn context(rows: usize) -> EvalContext {
    EvalContext { rows, zone: Tz::UTC, now: 0, watermark: None }
}

fn literal(array: ArrayRef, logical: L) -> Expr {
    let data_type = DataType { nullable: array.is_null(0), logical };
    Expr { kind: ExprKind::Literal(Scalar::new(array)), data_type, position: None }
}

fn int(value: impl Into<Option<i32>>) -> Expr {
    literal(Arc::new(Int32Array::from(vec![value.into()])), L::Int)
}

fn boolean(value: impl Into<Option<bool>>) -> Expr {
    literal(Arc::new(BooleanArray::from(vec![value.into()])), L::Boolean)
}

fn text(value: &str) -> Expr {
    literal(Arc::new(StringArray::from(vec![value])), L::Char(u32::try_from(value.len()).unwrap()))
}

fn column(index: usize, logical: L) -> Expr {
    Expr::column(index, DataType::nullable(logical))
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let function = lookup(name).unwrap();
    let arguments: Vec<Argument> =
        args.iter().map(|arg| Argument { data_type: arg.data_type.clone(), literal: arg.literal().cloned() }).collect();
    let bound = function.bind(&arguments).unwrap();
    let data_type = bound.returns.clone();
    let args = args
        .into_iter()
        .zip(&bound.arguments)
        .map(|(arg, to)| {
            if arg.data_type.logical == to.logical { arg } else { to_type(arg, to.logical.clone(), CastMode::Implicit) }
        })
        .collect();
    Expr { kind: ExprKind::Call(Call { name: function.names[0].into(), bound, args }), data_type, position: None }
}

fn to_type(expr: Expr, logical: L, mode: CastMode) -> Expr {
    Expr { kind: ExprKind::Cast(Box::new(expr), mode), data_type: DataType::nullable(logical), position: None }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr {
        kind: ExprKind::And(Box::new(left), Box::new(right)),
        data_type: DataType::nullable(L::Boolean),
        position: None,
    }
}

fn or(left: Expr, right: Expr) -> Expr {
    Expr {
        kind: ExprKind::Or(Box::new(left), Box::new(right)),
        data_type: DataType::nullable(L::Boolean),
        position: None,
    }
}

fn case(branches: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let data_type = DataType::nullable(otherwise.data_type.logical.clone());
    Expr { kind: ExprKind::Case { branches, otherwise: Box::new(otherwise) }, data_type, position: None }
}

/// A batch of two columns of INT and one of BOOLEAN.
fn batch(rows: &[(Option<i32>, Option<i32>, Option<bool>)]) -> RecordBatch {
    let fields = [("a", L::Int), ("b", L::Int), ("c", L::Boolean)]
        .map(|(name, logical)| field(name, &DataType::nullable(logical)));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
    ];
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields.to_vec())),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(rows.len())),
    )
    .unwrap()
}

fn a() -> Expr {
    column(0, L::Int)
}

fn b() -> Expr {
    column(1, L::Int)
}

fn c() -> Expr {
    column(2, L::Boolean)
}

fn printed(expr: &Expr, rows: &RecordBatch) -> Option<Vec<String>> {
    let context = context(rows.num_rows());
    let column = Evaluator::new(expr).unwrap().eval_column(rows, &context).ok()?;
    assert_eq!(column.len(), rows.num_rows());
    Some((0..column.len()).map(|row| cast::text::cell_text(&column, row, &expr.data_type, Tz::UTC).unwrap()).collect())
}

#[test]
fn a_side_is_not_evaluated_for_rows_that_the_other_decides() {
    let rows = batch(&[(Some(0), None, None), (Some(3), None, None), (None, None, None)]);
    let divides = || call(">", vec![call("/", vec![int(10), a()]), int(2)]);
    let not_zero = || call("<>", vec![a(), int(0)]);
    assert_eq!(printed(&and(not_zero(), divides()), &rows).unwrap(), ["FALSE", "TRUE", "NULL"]);
    assert_eq!(printed(&or(call("=", vec![a(), int(0)]), divides()), &rows).unwrap(), ["TRUE", "TRUE", "NULL"]);
    assert_eq!(printed(&and(divides(), not_zero()), &rows), None);
    let guarded = case(vec![(call("=", vec![a(), int(0)]), int(-1))], call("/", vec![int(10), a()]));
    assert_eq!(printed(&guarded, &rows).unwrap(), ["-1", "3", "NULL"]);
}

#[test]
fn constants_are_repeated_and_masks_have_no_nulls() {
    let rows = batch(&[(Some(1), None, Some(true)), (None, None, None)]);
    assert_eq!(printed(&int(7), &rows).unwrap(), ["7", "7"]);
    assert_eq!(printed(&int(None), &rows).unwrap(), ["NULL", "NULL"]);
    let mask = |expr: &Expr| Evaluator::new(expr).unwrap().eval_mask(&rows, &context(2)).unwrap();
    assert_eq!(mask(&c()), BooleanArray::from(vec![true, false]));
    assert_eq!(mask(&boolean(true)), BooleanArray::from(vec![true, true]));
    assert_eq!(mask(&boolean(None)), BooleanArray::from(vec![false, false]));
    assert_eq!(mask(&c()).null_count(), 0);
}

#[test]
fn an_empty_batch_gives_an_empty_column() {
    let rows = batch(&[]);
    for expr in [
        call("/", vec![int(1), int(0)]),
        and(c(), call("=", vec![call("/", vec![int(1), a()]), int(1)])),
        case(vec![(c(), call("/", vec![a(), b()]))], int(1)),
    ] {
        let result = Evaluator::new(&expr).unwrap().eval_column(&rows, &context(0));
        // A constant that fails does so even where there are no rows.
        assert!(result.is_err() || result.unwrap().is_empty());
    }
}

#[test]
fn errors_keep_the_place_of_the_call() {
    let position = riverrun_base::Position { line: 1, column: 8, length: 5 };
    let expr = Expr { position: Some(position), ..call("/", vec![a(), b()]) };
    let error = Evaluator::new(&expr).unwrap().eval(&batch(&[(Some(1), Some(0), None)]), &context(1)).unwrap_err();
    assert_eq!(error.position(), Some(position));
    assert_eq!(error.message(), "Division by zero");
}

#[test]
fn folding_computes_what_is_constant() {
    let folded = |expr: Expr| fold(expr, &context(1));
    let value = |expr: &Expr| -> Option<i32> {
        Some(expr.literal()?.clone().into_inner().as_primitive::<Int32Type>().value(0))
    };
    assert_eq!(value(&folded(call("+", vec![int(1), call("*", vec![int(2), int(3)])]))), Some(7));
    assert_eq!(value(&folded(to_type(text("12"), L::Int, CastMode::Strict))), Some(12));
    assert_eq!(value(&folded(case(vec![(boolean(None), int(1)), (boolean(true), int(2))], int(3)))), Some(2));
    assert_eq!(value(&folded(case(vec![(boolean(false), int(1))], int(3)))), Some(3));
    // What fails stays, and so does what changes from row to row.
    assert!(matches!(folded(call("/", vec![int(1), int(0)])).kind, ExprKind::Call(_)));
    assert!(matches!(folded(to_type(text("x"), L::Int, CastMode::Strict)).kind, ExprKind::Cast(..)));
    assert!(matches!(folded(call("RAND", vec![])).kind, ExprKind::Call(_)));
    // One side can be enough.
    assert!(matches!(folded(and(boolean(true), c())).kind, ExprKind::Column(2)));
    assert!(matches!(folded(or(c(), boolean(false))).kind, ExprKind::Column(2)));
    assert!(folded(and(c(), boolean(false))).literal().is_some());
    assert!(matches!(folded(and(c(), boolean(None))).kind, ExprKind::And(..)));
    // Constants keep to the length of their type.
    let upper = folded(call("UPPER", vec![literal(Arc::new(StringArray::from(vec!["straße"])), L::Char(6))]));
    assert_eq!(upper.literal().unwrap().clone().into_inner().as_string::<i32>().value(0), "STRASS");
    // A column that has no NULLs equals itself, even where it is NaN.
    let x = || Expr::column(0, DataType::not_null(L::Double));
    assert!(folded(call("=", vec![x(), x()])).literal().is_some());
    assert!(folded(call("=", vec![a(), a()])).literal().is_none());
}

/// What a row gives, evaluated as SQL defines it; `Err` where it fails.
fn naive(expr: &Expr, row: &RecordBatch) -> Result<Value, ()> {
    let truth = |value: &Value| {
        let array = value.array().as_boolean();
        array.is_valid(0).then(|| array.value(0))
    };
    let boolean = |value: Option<bool>| Value::scalar(Arc::new(BooleanArray::from(vec![value])) as ArrayRef);
    match &expr.kind {
        ExprKind::Column(index) => Ok(Value::scalar(Arc::clone(row.column(*index)))),
        ExprKind::Literal(value) => Ok(Value::Scalar(value.clone())),
        ExprKind::Call(call) => {
            let args = call.args.iter().map(|arg| naive(arg, row)).collect::<Result<Vec<_>, _>>()?;
            (call.bound.kernel)(&args, &context(1)).map_err(|_| ())
        }
        ExprKind::Cast(input, mode) => {
            cast::cast(&naive(input, row)?, &input.data_type, &expr.data_type, *mode, &context(1)).map_err(|_| ())
        }
        ExprKind::And(left, right) | ExprKind::Or(left, right) => {
            let decides = matches!(expr.kind, ExprKind::Or(..));
            let left = truth(&naive(left, row)?);
            if left == Some(decides) {
                return Ok(boolean(left));
            }
            let right = truth(&naive(right, row)?);
            Ok(boolean(if right == Some(decides) { right } else { left.and(right) }))
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                if truth(&naive(condition, row)?) == Some(true) {
                    return naive(value, row);
                }
            }
            naive(otherwise, row)
        }
    }
}

fn numbers(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![Just(a()), Just(b()), (-2..3).prop_map(int), Just(int(None))];
    if depth == 0 {
        return leaf.boxed();
    }
    let operand = || numbers(depth - 1);
    prop_oneof![
        leaf,
        (prop_oneof![Just("+"), Just("*"), Just("/"), Just("MOD")], operand(), operand())
            .prop_map(|(name, left, right)| call(name, vec![left, right])),
        (conditions(depth - 1), operand(), conditions(depth - 1), operand(), operand())
            .prop_map(|(first, x, second, y, z)| case(vec![(first, x), (second, y)], z)),
        operand().prop_map(|x| to_type(to_type(x, L::STRING, CastMode::Strict), L::Int, CastMode::Try)),
    ]
    .boxed()
}

fn conditions(depth: u32) -> BoxedStrategy<Expr> {
    let leaf = prop_oneof![Just(c()), Just(boolean(true)), Just(boolean(false)), Just(boolean(None))];
    if depth == 0 {
        return leaf.boxed();
    }
    let operand = || conditions(depth - 1);
    prop_oneof![
        leaf,
        (prop_oneof![Just("="), Just("<"), Just("IS DISTINCT FROM")], numbers(depth - 1), numbers(depth - 1))
            .prop_map(|(name, left, right)| call(name, vec![left, right])),
        (operand(), operand()).prop_map(|(left, right)| and(left, right)),
        (operand(), operand()).prop_map(|(left, right)| or(left, right)),
        operand().prop_map(|x| call("NOT", vec![x])),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_batch_gives_what_its_rows_give(
        expr in prop_oneof![numbers(3), conditions(3)],
        rows in prop::collection::vec((prop::option::of(-2..4), prop::option::of(-2..4), prop::option::of(any::<bool>())), 1..9),
    ) {
        let rows = batch(&rows);
        let by_rows: Result<Vec<String>, ()> = (0..rows.num_rows())
            .map(|n| {
                let value = naive(&expr, &rows.slice(n, 1))?;
                Ok(cast::text::cell_text(value.array(), 0, &expr.data_type, Tz::UTC).unwrap())
            })
            .collect();
        prop_assert_eq!(printed(&expr, &rows), by_rows.clone().ok());
        // Folding may drop a part that would fail, and changes no result.
        let folded = printed(&fold(expr, &context(1)), &rows);
        prop_assert!(by_rows.is_err() || folded == by_rows.ok());
    }
}
