//! Tests of the typing rules, with answers of Flink 2.3.
#![allow(clippy::unwrap_used, reason = "tests")]

use riverrun_data::{DataType, LogicalType as L, RowField};

use super::ArithmeticOperator::{Add, Divide, Modulo, Multiply, Subtract};
use super::*;

fn common(a: L, b: L) -> Option<L> {
    common_type(&[DataType::nullable(a), DataType::nullable(b)]).map(|common| common.logical)
}

#[test]
fn numbers_meet_in_the_type_that_holds_both() {
    let de = || L::Decimal(10, 2);
    let cases = [
        (L::TinyInt, L::Int, L::Int),
        (L::Int, L::BigInt, L::BigInt),
        (L::BigInt, L::Float, L::Float),
        (L::Int, de(), L::Decimal(12, 2)),
        (L::BigInt, de(), L::Decimal(21, 2)),
        (L::TinyInt, de(), de()),
        (L::Float, de(), L::Double),
        (de(), L::Double, L::Double),
        (L::Float, L::Double, L::Float),
        (L::Double, L::Float, L::Double),
        (L::Int, L::Decimal(2, 1), L::Decimal(11, 1)),
        (L::Decimal(38, 0), L::Decimal(38, 10), L::Decimal(38, 0)),
    ];
    for (a, b, expected) in cases {
        assert_eq!(common(a.clone(), b.clone()), Some(expected), "{a} {b}");
    }
}

#[test]
fn other_types_meet_in_their_family_only() {
    let cases = [
        (L::Char(1), L::Char(3), Some(L::VarChar(3))),
        (L::Char(3), L::Char(3), Some(L::Char(3))),
        (L::Char(3), L::VarChar(5), Some(L::VarChar(5))),
        (L::Binary(2), L::VarBinary(3), Some(L::VarBinary(3))),
        (L::Time(0), L::Time(3), Some(L::Time(3))),
        (L::Timestamp(3), L::Timestamp(6), Some(L::Timestamp(6))),
        (L::Timestamp(6), L::TimestampLtz(3), Some(L::TimestampLtz(6))),
        (L::Date, L::Timestamp(3), None),
        (L::Int, L::STRING, None),
        (L::Boolean, L::Int, None),
        (L::IntervalDayTime, L::IntervalYearMonth, None),
        (L::Null, L::Date, Some(L::Date)),
    ];
    for (a, b, expected) in cases {
        assert_eq!(common(a.clone(), b.clone()), expected, "{a} {b}");
        assert_eq!(common(b.clone(), a.clone()), expected, "{b} {a}");
    }
    let array = |element: DataType| L::Array(Box::new(element));
    assert_eq!(
        common(array(DataType::not_null(L::Int)), array(DataType::nullable(L::BigInt))),
        Some(array(DataType::nullable(L::BigInt)))
    );
    let row = |data_type: L| L::Row(vec![RowField { name: "a".into(), data_type: DataType::not_null(data_type) }]);
    assert_eq!(common(row(L::Char(1)), row(L::Char(2))), Some(row(L::VarChar(2))));
    assert!(common_type(&[DataType::not_null(L::Int), DataType::nullable(L::Null)]).unwrap().nullable);
    assert!(!common_type(&[DataType::not_null(L::Int), DataType::not_null(L::BigInt)]).unwrap().nullable);
    assert_eq!(common_type(&[]), None);
}

#[test]
fn arithmetic_of_decimals_keeps_its_digits() {
    let d = L::Decimal;
    let cases = [
        (Add, d(5, 2), d(7, 3), d(8, 3)),
        (Add, d(38, 0), d(38, 10), d(38, 6)),
        (Subtract, d(10, 2), L::Int, d(13, 2)),
        (Multiply, d(5, 2), d(7, 3), d(13, 5)),
        (Multiply, d(20, 10), d(20, 10), d(38, 17)),
        (Multiply, d(38, 18), d(38, 18), d(38, 6)),
        (Multiply, d(10, 2), L::TinyInt, d(14, 2)),
        (Divide, d(5, 2), d(7, 3), d(16, 10)),
        (Divide, d(38, 18), d(38, 18), d(38, 6)),
        (Divide, d(10, 2), L::Int, d(21, 13)),
        (Divide, d(10, 2), L::SmallInt, d(16, 8)),
        (Divide, d(2, 1), d(2, 1), d(8, 6)),
        (Modulo, d(5, 2), d(7, 3), d(6, 3)),
        (Modulo, d(5, 2), L::Int, d(5, 2)),
        (Modulo, d(3, 2), d(2, 1), d(3, 2)),
        (Add, d(2, 1), L::BigInt, d(21, 1)),
    ];
    for (op, a, b, expected) in cases {
        assert_eq!(arithmetic_type(op, &a, &b), Some(expected), "{a} {op:?} {b}");
    }
}

#[test]
fn arithmetic_of_other_numbers() {
    let cases = [
        (Add, L::TinyInt, L::TinyInt, Some(L::TinyInt)),
        (Divide, L::BigInt, L::Int, Some(L::BigInt)),
        (Modulo, L::BigInt, L::Int, Some(L::Int)),
        (Modulo, L::Int, L::TinyInt, Some(L::TinyInt)),
        (Add, L::Float, L::Double, Some(L::Float)),
        (Add, L::Double, L::Float, Some(L::Double)),
        (Add, L::Float, L::Int, Some(L::Float)),
        (Add, L::Float, L::Decimal(2, 1), Some(L::Double)),
        (Modulo, L::Double, L::Int, None),
        (Add, L::Int, L::Boolean, None),
    ];
    for (op, a, b, expected) in cases {
        assert_eq!(arithmetic_type(op, &a, &b), expected, "{a} {op:?} {b}");
    }
}

#[test]
fn aggregates_and_rounding() {
    let of = |logical: L| DataType::nullable(logical);
    assert_eq!(sum_type(&of(L::TinyInt)), Some(of(L::TinyInt)));
    assert_eq!(sum_type(&DataType::not_null(L::Decimal(10, 2))), Some(DataType::not_null(L::Decimal(38, 2))));
    assert_eq!(sum_type(&of(L::STRING)), None);
    assert_eq!(avg_type(&of(L::Int)), Some(of(L::Int)));
    assert_eq!(avg_type(&of(L::Decimal(10, 2))), Some(of(L::Decimal(38, 6))));
    assert_eq!(avg_type(&of(L::Decimal(3, 2))), Some(of(L::Decimal(38, 6))));
    assert_eq!(avg_type(&of(L::Date)), None);
    for (digits, expected) in
        [(0, L::Decimal(9, 0)), (1, L::Decimal(10, 1)), (3, L::Decimal(10, 2)), (-1, L::Decimal(9, 0))]
    {
        assert_eq!(round_type(10, 2, digits), expected);
    }
}

#[test]
fn casts_exist_where_flink_has_them() {
    // Rows and columns: BOOLEAN, INT, DOUBLE, DECIMAL, CHAR, STRING, BINARY, BYTES, DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ.
    let types = [
        L::Boolean,
        L::Int,
        L::Double,
        L::Decimal(10, 2),
        L::Char(3),
        L::STRING,
        L::Binary(2),
        L::BYTES,
        L::Date,
        L::Time(0),
        L::Timestamp(3),
        L::TimestampLtz(3),
    ];
    let explicit = [
        "YYYYYY------",
        "YYYYYY------",
        "YYYYYY------",
        "YYYYYY------",
        "YYYYYYYYYYYY",
        "YYYYYYYYYYYY",
        "----YYYY----",
        "----YYYY----",
        "----YY--Y-YY",
        "----YY---YYY",
        "----YY--YYYY",
        "----YY--YYYY",
    ];
    let implicit = [
        "Y-----------",
        "-YYY--------",
        "--YY--------",
        "--YY--------",
        "----YY------",
        "-----Y------",
        "------YY----",
        "-------Y----",
        "--------Y---",
        "---------Y--",
        "--------YYYY",
        "----------YY",
    ];
    let line = |allowed: fn(&L, &L) -> bool, from: &L| -> String {
        types.iter().map(|to| if allowed(from, to) { 'Y' } else { '-' }).collect()
    };
    for (n, from) in types.iter().enumerate() {
        assert_eq!(line(explicit_cast_allowed, from), explicit[n], "explicit from {from}");
        assert_eq!(line(implicit_cast_allowed, from), implicit[n], "implicit from {from}");
    }
    let array = |logical: L| L::Array(Box::new(DataType::nullable(logical)));
    assert!(
        explicit_cast_allowed(&array(L::STRING), &array(L::Int))
            && !explicit_cast_allowed(&array(L::STRING), &L::Int)
            && explicit_cast_allowed(&array(L::Int), &L::STRING)
    );
    assert!(
        implicit_cast_allowed(&array(L::Int), &array(L::BigInt))
            && !implicit_cast_allowed(&array(L::BigInt), &array(L::Int))
    );
    assert!(implicit_cast_allowed(&L::Null, &L::Date));
}

#[test]
fn comparisons_exist_where_flink_has_them() {
    assert_eq!(comparison_type(&L::Float, &L::Double, false), Some(L::Double));
    assert_eq!(comparison_type(&L::STRING, &L::Date, true), Some(L::Date));
    assert_eq!(comparison_type(&L::STRING, &L::Int, true), Some(L::Int));
    assert_eq!(comparison_type(&L::STRING, &L::Int, false), None);
    assert_eq!(comparison_type(&L::Date, &L::Timestamp(3), false), None);
    assert_eq!(comparison_type(&L::Boolean, &L::Int, false), None);
    let array = L::Array(Box::new(DataType::nullable(L::Int)));
    assert_eq!(comparison_type(&array, &array, false), Some(array.clone()));
    assert_eq!(comparison_type(&array, &array, true), None);
}

#[test]
fn what_only_widens_needs_no_cast() {
    let cast = |from: L, to: L| needs_cast(&DataType::nullable(from), &DataType::nullable(to));
    assert!(
        !cast(L::Char(3), L::STRING)
            && !cast(L::VarChar(3), L::VarChar(3))
            && cast(L::VarChar(5), L::VarChar(3))
            && cast(L::Char(3), L::Char(5))
            && cast(L::Int, L::BigInt)
    );
}
