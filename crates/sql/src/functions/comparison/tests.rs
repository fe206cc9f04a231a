//! Tests of the comparisons.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array, Int32Array};
use riverrun_data::LogicalType as L;

use crate::eval::Value;
use crate::functions::tests::{Arg, call, constant, error_of, null, nullable, text_of, type_of, typed};

#[test]
fn numbers_of_different_types_are_compared_exactly() {
    assert_eq!(text_of("=", &[constant(1), typed("1.0", L::Decimal(2, 1))]), "TRUE");
    assert_eq!(text_of("<", &[constant(1), typed("1.5", L::Decimal(2, 1))]), "TRUE");
    assert_eq!(text_of("=", &[constant(0.1_f32), constant(0.1)]), "FALSE");
    assert_eq!(text_of("=", &[typed("0.1", L::Decimal(2, 1)), constant(0.1)]), "TRUE");
    // No decimal type holds both.
    let (wide, fine) =
        (typed("12345678901234567890123456789012345678", L::Decimal(38, 0)), typed("0.5", L::Decimal(38, 37)));
    assert_eq!(text_of(">", &[wide.clone(), fine.clone()]), "TRUE");
    assert_eq!(text_of("=", &[typed("1", L::Decimal(38, 0)), typed("1", L::Decimal(38, 37))]), "TRUE");
    assert_eq!(text_of("<", &[wide, fine]), "FALSE");
}

#[test]
fn nan_equals_nothing() {
    let nan = || constant(f64::NAN);
    for (operator, holds) in
        [("=", "FALSE"), ("<>", "TRUE"), ("<", "FALSE"), (">", "FALSE"), ("<=", "FALSE"), (">=", "FALSE")]
    {
        assert_eq!(text_of(operator, &[nan(), nan()]), holds);
        assert_eq!(text_of(operator, &[nan(), constant(1.0)]), holds);
    }
    assert_eq!(text_of("=", &[constant(0.0), constant(-0.0)]), "TRUE");
}

#[test]
fn texts_are_compared_by_bytes_and_padding_counts() {
    for (left, right) in [("a", "b"), ("B", "a"), ("a", "aa"), ("", "a"), ("z", "é")] {
        assert_eq!(text_of("<", &[constant(left), constant(right)]), "TRUE", "{left} {right}");
    }
    assert_eq!(text_of("=", &[constant("a"), constant("a ")]), "FALSE");
    assert_eq!(text_of("=", &[typed("a", L::Char(3)), constant("a  ")]), "TRUE");
}

#[test]
fn times_are_compared_with_texts_and_across_precisions() {
    let timestamp = || typed("2026-01-01 00:00:00", L::Timestamp(0));
    assert_eq!(text_of("=", &[timestamp(), constant("2026-01-01 00:00:00")]), "TRUE");
    assert_eq!(text_of("<", &[timestamp(), typed("2026-01-01 00:00:00.001", L::Timestamp(3))]), "TRUE");
    assert_eq!(text_of("=", &[timestamp(), typed("2026-01-01 00:00:00", L::TimestampLtz(3))]), "TRUE");
    assert_eq!(text_of("<", &[typed("10:00:00", L::Time(0)), constant("11")]), "TRUE");
    assert!(error_of("=", &[typed("2026-01-01", L::Date), timestamp()]).starts_with("Cannot apply '='"));
    assert!(error_of("=", &[constant(true), constant(1)]).starts_with("Cannot apply '='"));
    assert!(error_of("<", &[typed("2026-01-01", L::Date), constant("x")]).contains("'x'"));
}

#[test]
fn a_text_is_ordered_against_a_number_but_does_not_equal_one() {
    assert_eq!(text_of("<", &[constant("3"), constant(5)]), "TRUE");
    assert!(error_of("=", &[constant("3"), constant(5)]).contains("implicit type conversion"));
    assert!(error_of("<", &[constant("Ada"), constant(5)]).contains("'Ada'"));
    assert_eq!(text_of("IN", &[constant(1), constant("1"), constant("2")]), "TRUE");
}

#[test]
fn membership_is_unknown_where_the_list_has_a_null() {
    let column =
        |values: Vec<Option<i32>>| -> Arg { (nullable(L::Int), Value::Array(Arc::new(Int32Array::from(values)))) };
    for extra in [0, 10] {
        // A short list is compared item by item, a long one is a set.
        let mut args = vec![column(vec![Some(7), Some(8), None]), constant(7), null(L::Int)];
        args.extend((0..extra).map(|n| constant(100 + n)));
        let (_, value) = call("IN", &args, 3).unwrap();
        assert_eq!(value.array().as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, None]);
        args.remove(2);
        let (_, value) = call("IN", &args, 3).unwrap();
        assert_eq!(value.array().as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    }
    let words: Vec<Arg> = ["b", "a", "c", "d", "e", "f", "g", "b"].map(constant).to_vec();
    assert_eq!(text_of("IN", &words), "TRUE");
}

#[test]
fn distinctness_is_never_null() {
    assert_eq!(type_of("IS DISTINCT FROM", &[null(L::Int), constant(1)]), "BOOLEAN NOT NULL");
    assert_eq!(text_of("IS DISTINCT FROM", &[null(L::Int), constant(1)]), "TRUE");
    assert_eq!(text_of("IS NOT DISTINCT FROM", &[null(L::Int), null(L::Int)]), "TRUE");
}

#[test]
fn nested_values_are_equal_part_by_part() {
    let array = |values: &[Arg]| {
        let (data_type, value) = call("ARRAY", values, 1).unwrap();
        (data_type, value)
    };
    assert_eq!(text_of("=", &[array(&[constant(1), null(L::Int)]), array(&[constant(1), null(L::Int)])]), "TRUE");
    assert_eq!(text_of("=", &[array(&[constant(1)]), array(&[constant(1), constant(2)])]), "FALSE");
    assert_eq!(text_of("=", &[array(&[constant(1)]), array(&[typed("1.0", L::Decimal(2, 1))])]), "TRUE");
    let map = |values: &[Arg]| call("MAP", values, 1).unwrap();
    let (one, two) = (
        map(&[constant("a"), constant(1), constant("b"), constant(2)]),
        map(&[constant("b"), constant(2), constant("a"), constant(1)]),
    );
    assert_eq!(text_of("=", &[one, two]), "TRUE");
    assert!(error_of("<", &[array(&[constant(1)]), array(&[constant(2)])]).starts_with("Cannot apply '<'"));
}

#[test]
fn a_pattern_may_come_from_a_column() {
    assert_eq!(text_of("LIKE", &[constant("a_b"), constant("a!_b"), constant("!")]), "TRUE");
    let texts = |values: [&str; 3]| -> Arg {
        (nullable(L::STRING), Value::Array(Arc::new(arrow::array::StringArray::from(values.to_vec()))))
    };
    let (_, value) = call("LIKE", &[texts(["abc", "abc", "abc"]), texts(["a%", "%b", "_b_"])], 3).unwrap();
    assert_eq!(value.array().as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
    assert!(error_of("LIKE", &[constant("a"), constant("a!"), constant("!")]).contains("escape"));
}

#[test]
fn doubles_of_a_column_are_compared_with_a_constant() {
    let column: Arg = (
        nullable(L::Double),
        Value::Array(Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(3.0)]))),
    );
    let (_, value) = call(">=", &[column, constant(2.0)], 4).unwrap();
    assert_eq!(value.array().as_boolean().iter().collect::<Vec<_>>(), [Some(false), None, Some(false), Some(true)]);
}
