//! Tests of the casts, with answers of Flink 2.3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use chrono_tz::Tz;
use proptest::prelude::*;
use riverrun_data::{DataType, LogicalType as L, RowField};

use super::{can_fail, cast, text};
use crate::eval::{EvalContext, Value};
use crate::expr::CastMode;
use crate::types::explicit_cast_allowed;

fn context(zone: Tz) -> EvalContext {
    EvalContext { rows: 1, zone, now: 0, watermark: None }
}

/// A constant of a type, from text.
fn of(text: &str, logical: L) -> (DataType, Value) {
    let value = Value::scalar(Arc::new(StringArray::from(vec![text])));
    let target = DataType::nullable(logical);
    let value = cast(&value, &DataType::not_null(L::STRING), &target, CastMode::Strict, &context(Tz::UTC)).unwrap();
    (target, value)
}

fn shown((data_type, value): &(DataType, Value), zone: Tz) -> String {
    text::cell_text(value.array(), 0, data_type, zone).unwrap()
}

fn try_in(zone: Tz, (from, value): &(DataType, Value), to: L, mode: CastMode) -> Result<String, String> {
    let to = DataType::nullable(to);
    match cast(value, from, &to, mode, &context(zone)) {
        Ok(value) => Ok(shown(&(to, value), zone)),
        Err(error) => Err(error.to_string()),
    }
}

/// `CAST(CAST('text' AS from) AS to)`, printed.
fn to(text: &str, from: L, to: L) -> String {
    try_in(Tz::UTC, &of(text, from), to, CastMode::Strict).unwrap()
}

#[test]
fn integers_wrap_and_doubles_saturate() {
    let d = |p, s| L::Decimal(p, s);
    let cases = [
        ("200", L::Int, L::TinyInt, "-56"),
        ("40000", L::Int, L::SmallInt, "-25536"),
        ("3000000000", L::BigInt, L::Int, "-1294967296"),
        ("1.9", L::Double, L::Int, "1"),
        ("-1.9", L::Double, L::Int, "-1"),
        ("1e10", L::Double, L::Int, "2147483647"),
        ("-1e20", L::Double, L::BigInt, "-9223372036854775808"),
        ("300", L::Double, L::TinyInt, "44"),
        ("NaN", L::Double, L::Int, "0"),
        ("Infinity", L::Double, L::BigInt, "9223372036854775807"),
        ("300.7", d(4, 1), L::TinyInt, "44"),
        ("3000000000.5", d(11, 1), L::Int, "-1294967296"),
        ("-1.9", d(2, 1), L::Int, "-1"),
        ("16777217", L::Int, L::Float, "1.6777216E7"),
        ("9007199254740993", L::BigInt, L::Double, "9.007199254740992E15"),
        ("1e300", L::Double, L::Float, "Infinity"),
    ];
    for (text, from, target, expected) in cases {
        assert_eq!(to(text, from.clone(), target.clone()), expected, "{text} {from} {target}");
    }
}

#[test]
fn decimals_round_half_up_and_are_null_where_they_do_not_fit() {
    let d = |p, s| L::Decimal(p, s);
    let cases = [
        ("1.25", d(3, 2), d(5, 1), "1.3"),
        ("-1.25", d(3, 2), d(5, 1), "-1.3"),
        ("1.5", d(2, 1), d(5, 0), "2"),
        ("12345.6", d(6, 1), d(5, 2), "NULL"),
        ("123456", L::Int, d(5, 2), "NULL"),
        ("1.255", L::Double, d(5, 2), "1.26"),
        ("0.1", L::Double, d(38, 20), "0.10000000000000000000"),
        ("-0.005", L::Double, d(5, 2), "-0.01"),
        ("1e300", L::Double, d(38, 0), "NULL"),
        ("0.1", L::Float, d(20, 17), "0.10000000149011612"),
        ("1", L::Boolean, d(3, 1), "1.0"),
        ("1", L::Boolean, d(1, 1), "NULL"),
        ("12345678901234567890.123456789", d(38, 9), L::Double, "1.2345678901234567E19"),
    ];
    for (text, from, target, expected) in cases {
        assert_eq!(to(text, from.clone(), target.clone()), expected, "{text} {from} {target}");
    }
    let error = try_in(Tz::UTC, &of("NaN", L::Double), d(5, 2), CastMode::Strict).unwrap_err();
    assert_eq!(error, "Cannot cast 'NaN' from DOUBLE to DECIMAL(5, 2): it is not finite; TRY_CAST gives NULL instead");
    assert_eq!(try_in(Tz::UTC, &of("NaN", L::Double), d(5, 2), CastMode::Try).unwrap(), "NULL");
}

#[test]
fn truth_values_and_numbers() {
    for (text, from, target, expected) in [
        ("true", L::Boolean, L::Int, "1"),
        ("false", L::Boolean, L::BigInt, "0"),
        ("true", L::Boolean, L::Double, "1.0"),
        ("-7", L::Int, L::Boolean, "TRUE"),
        ("0", L::Double, L::Boolean, "FALSE"),
        ("NaN", L::Double, L::Boolean, "TRUE"),
        ("0.5", L::Decimal(2, 1), L::Boolean, "TRUE"),
    ] {
        assert_eq!(to(text, from, target), expected);
    }
}

#[test]
fn text_is_cut_and_padded() {
    for (text, target, expected) in [
        ("ab", L::Char(4), "ab  "),
        ("abcdef", L::Char(3), "abc"),
        ("abcdef", L::VarChar(3), "abc"),
        ("Zoë!", L::VarChar(3), "Zoë"),
        ("", L::Char(2), "  "),
        ("abc", L::Char(0), ""),
    ] {
        assert_eq!(to(text, L::STRING, target), expected);
    }
    assert_eq!(to("12345", L::Int, L::Char(3)), "123");
    assert_eq!(to("12", L::Int, L::Char(4)), "12  ");
    assert_eq!(to("true", L::Boolean, L::VarChar(2)), "TR");
    for (text, target, expected) in [
        ("abc", L::Binary(2), "x'6162'"),
        ("a", L::Binary(3), "x'610000'"),
        ("abc", L::VarBinary(2), "x'6162'"),
        ("é", L::BYTES, "x'c3a9'"),
    ] {
        assert_eq!(to(text, L::STRING, target), expected);
    }
    assert_eq!(to("é", L::BYTES, L::STRING), "é");
}

#[test]
fn bad_text_fails_or_is_null() {
    for (text, target) in [
        ("x", L::Int),
        ("", L::Int),
        ("200", L::TinyInt),
        ("on", L::Boolean),
        (" true ", L::Boolean),
        ("inf", L::Double),
        ("1234.5", L::Decimal(5, 2)),
        ("2026-02-30", L::Date),
        ("25:00:00", L::Time(0)),
        ("2026-01-02T03:04:05", L::Timestamp(3)),
    ] {
        let value = of(text, L::STRING);
        assert_eq!(try_in(Tz::UTC, &value, target.clone(), CastMode::Try).unwrap(), "NULL", "{text} {target}");
        let error = try_in(Tz::UTC, &value, target.clone(), CastMode::Strict).unwrap_err();
        assert!(error.contains(&format!("'{text}' from STRING to {target}")), "{error}");
    }
    let long = "x".repeat(100);
    let error = try_in(Tz::UTC, &of(&long, L::STRING), L::Int, CastMode::Strict).unwrap_err();
    assert!(error.contains(&format!("'{}...'", "x".repeat(60))), "{error}");
}

#[test]
fn times_are_cut_to_their_precision() {
    let (t, ltz) = (L::Timestamp, L::TimestampLtz);
    for (text, from, target, expected) in [
        ("2026-01-02 03:04:05.9996", t(4), t(3), "2026-01-02 03:04:05.999"),
        ("2026-01-02 03:04:05.999", t(3), t(0), "2026-01-02 03:04:05"),
        ("1969-12-31 23:59:59.9996", t(4), t(3), "1969-12-31 23:59:59.999"),
        ("2026-01-02 03:04:05", t(0), t(9), "2026-01-02 03:04:05.000000000"),
        ("2026-01-02 03:04:05", t(3), L::Date, "2026-01-02"),
        ("1969-12-31 23:59:59", t(3), L::Date, "1970-01-01"),
        ("1969-12-31 00:00:00", t(3), L::Date, "1969-12-31"),
        ("2026-01-02", L::Date, t(3), "2026-01-02 00:00:00.000"),
        ("2026-01-02 03:04:05.678", t(3), L::Time(3), "03:04:05.678"),
        ("03:04:05.678", L::Time(3), L::Time(0), "03:04:05"),
        ("03:04:05", L::Time(0), t(3), "1970-01-01 03:04:05.000"),
        ("03:04:05", L::Time(0), ltz(3), "1970-01-01 03:04:05.000"),
        ("03:04:05.120", L::Time(3), L::STRING, "03:04:05.12"),
        ("03:04:05", L::Time(3), L::STRING, "03:04:05.0"),
        ("03:04:05.678", L::Time(3), L::Time(6), "03:04:05.678"),
        ("2026-01-02 03:04:05", t(0), L::Char(25), "2026-01-02 03:04:05      "),
        ("0001-01-01", L::Date, L::STRING, "0001-01-01"),
    ] {
        assert_eq!(to(text, from.clone(), target.clone()), expected, "{text} {from} {target}");
    }
    assert!(try_in(Tz::UTC, &of("0001-01-01", L::Date), t(9), CastMode::Strict).is_err());
    assert_eq!(try_in(Tz::UTC, &of("0001-01-01", L::Date), t(9), CastMode::Try).unwrap(), "NULL");
}

#[test]
fn instants_are_seen_in_the_session_s_zone() {
    let paris = Tz::Europe__Paris;
    let in_paris = |value: &(DataType, Value), target: L| try_in(paris, value, target, CastMode::Strict).unwrap();
    let wall = of("2026-07-01 12:00:00", L::Timestamp(3));
    assert_eq!(in_paris(&wall, L::TimestampLtz(3)), "2026-07-01 12:00:00.000");
    let instant = of("2026-07-01 12:00:00", L::TimestampLtz(3));
    assert_eq!(in_paris(&instant, L::Timestamp(3)), "2026-07-01 14:00:00.000");
    assert_eq!(in_paris(&instant, L::STRING), "2026-07-01 14:00:00.000");
    assert_eq!(in_paris(&of("2026-07-01 23:00:00", L::TimestampLtz(3)), L::Date), "2026-07-02");
    assert_eq!(in_paris(&instant, L::Time(0)), "14:00:00");
    // A time that the clocks skip moves forward.
    assert_eq!(in_paris(&of("2026-03-29 02:30:00", L::Timestamp(3)), L::TimestampLtz(3)), "2026-03-29 03:30:00.000");
    assert_eq!(in_paris(&of("2026-07-01", L::Date), L::TimestampLtz(3)), "2026-07-01 00:00:00.000");
    assert_eq!(in_paris(&instant, L::TimestampLtz(6)), "2026-07-01 14:00:00.000000");
}

fn call(name: &str, args: &[crate::functions::tests::Arg]) -> (DataType, Value) {
    crate::functions::tests::call(name, args, 1).unwrap()
}

#[test]
fn nested_values_are_cast_part_by_part() {
    use crate::functions::tests::{constant as c, null};
    let nullable = DataType::nullable;
    let array = |logical: L| L::Array(Box::new(nullable(logical)));
    let row = |types: &[L]| {
        L::Row(
            types
                .iter()
                .enumerate()
                .map(|(n, logical)| RowField { name: format!("f{n}"), data_type: nullable(logical.clone()) })
                .collect(),
        )
    };
    let map = |key: L, value: L| L::Map(Box::new(nullable(key)), Box::new(nullable(value)));
    let strict = |value: &(DataType, Value), target: L| try_in(Tz::UTC, value, target, CastMode::Strict);
    assert_eq!(strict(&call("ARRAY", &[c(1), c(2)]), array(L::BigInt)).unwrap(), "[1, 2]");
    assert_eq!(strict(&call("ARRAY", &[c("1"), c("2")]), array(L::Int)).unwrap(), "[1, 2]");
    assert!(strict(&call("ARRAY", &[c("1"), c("x")]), array(L::Int)).is_err());
    assert_eq!(try_in(Tz::UTC, &call("ARRAY", &[c("1"), c("x")]), array(L::Int), CastMode::Try).unwrap(), "NULL");
    assert_eq!(strict(&call("ROW", &[c(1), c("x")]), row(&[L::BigInt, L::STRING])).unwrap(), "(1, x)");
    assert_eq!(
        try_in(Tz::UTC, &call("ROW", &[c("x"), c("1")]), row(&[L::Int, L::Int]), CastMode::Try).unwrap(),
        "NULL"
    );
    assert_eq!(strict(&call("MAP", &[c("1"), c(2)]), map(L::Int, L::STRING)).unwrap(), "{1=2}");
    assert_eq!(try_in(Tz::UTC, &call("MAP", &[c("a"), c("1")]), map(L::Int, L::Int), CastMode::Try).unwrap(), "NULL");
    assert_eq!(strict(&call("ARRAY", &[c(1), null(L::Int)]), L::STRING).unwrap(), "[1, NULL]");
    assert_eq!(strict(&call("ROW", &[null(L::STRING), c(1)]), L::STRING).unwrap(), "(NULL, 1)");
    assert_eq!(strict(&call("MAP", &[c("a"), c(1)]), L::STRING).unwrap(), "{a=1}");
    assert_eq!(shown(&call("ARRAY", &[of("\n", L::BYTES)]), Tz::UTC), "[x'0a']");
    assert_eq!(strict(&call("ARRAY", &[of("a", L::BYTES)]), L::STRING).unwrap(), "[a]");
    let not_null = L::Array(Box::new(DataType::not_null(L::BigInt)));
    assert!(strict(&call("ARRAY", &[c(1), null(L::Int)]), not_null).unwrap_err().contains("NOT NULL"));
}

#[test]
fn every_cast_that_exists_works_on_a_column_as_on_each_cell() {
    let texts = [
        "1",
        "0",
        "NULL",
        "-128.5",
        "2026-01-02 03:04:05.678",
        "2026-01-02",
        "10:20:30",
        "true",
        "x",
        "1e10",
        "99999999999",
        "",
    ];
    let texts: ArrayRef = Arc::new(StringArray::from(
        texts.iter().map(|text| if *text == "NULL" { None } else { Some(*text) }).collect::<Vec<_>>(),
    ));
    let types = [
        L::Boolean,
        L::TinyInt,
        L::SmallInt,
        L::Int,
        L::BigInt,
        L::Float,
        L::Double,
        L::Decimal(5, 2),
        L::Decimal(38, 18),
        L::Char(3),
        L::VarChar(4),
        L::STRING,
        L::Binary(2),
        L::VarBinary(3),
        L::BYTES,
        L::Date,
        L::Time(0),
        L::Time(6),
        L::Timestamp(0),
        L::Timestamp(3),
        L::Timestamp(6),
        L::Timestamp(9),
        L::TimestampLtz(3),
        L::TimestampLtz(6),
    ];
    let zone = Tz::America__New_York;
    let context = context(zone);
    let string = DataType::nullable(L::STRING);
    for from in &types {
        let from_type = DataType::nullable(from.clone());
        let column =
            cast(&Value::Array(Arc::clone(&texts)), &string, &from_type, CastMode::Try, &context).unwrap().to_array();
        for target in types.iter().filter(|target| explicit_cast_allowed(from, target)) {
            let target_type = DataType::nullable(target.clone());
            for mode in [CastMode::Strict, CastMode::Try] {
                let print = |value: Value| {
                    let array = value.to_array();
                    assert_eq!(array.data_type(), &riverrun_data::arrow_type(target), "{from} {target}");
                    (0..array.len())
                        .map(|row| text::cell_text(&array, row, &target_type, zone).unwrap())
                        .collect::<Vec<_>>()
                };
                let whole =
                    cast(&Value::Array(Arc::clone(&column)), &from_type, &target_type, mode, &context).map(print).ok();
                let cells: Option<Vec<String>> = (0..column.len())
                    .map(|row| {
                        cast(&Value::scalar(column.slice(row, 1)), &from_type, &target_type, mode, &context)
                            .ok()
                            .map(|value| print(value).remove(0))
                    })
                    .collect();
                assert_eq!(whole, cells, "{from} to {target}");
                assert!(
                    whole.is_some() || (mode == CastMode::Strict && can_fail(from, target)),
                    "{from} to {target} fails with {mode:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn numbers_survive_the_way_through_text(double: f64, float: f32, integer: i64, unscaled in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..39) {
        let context = context(Tz::UTC);
        let there_and_back = |array: ArrayRef, logical: L| {
            let (own, string) = (DataType::nullable(logical), DataType::nullable(L::STRING));
            let text = cast(&Value::Array(Arc::clone(&array)), &own, &string, CastMode::Strict, &context).unwrap();
            let back = cast(&text, &string, &own, CastMode::Strict, &context).unwrap();
            (array, back.to_array())
        };
        let (there, back) = there_and_back(Arc::new(arrow::array::Int64Array::from(vec![integer])), L::BigInt);
        prop_assert_eq!(&there, &back);
        let decimals = arrow::array::Decimal128Array::from(vec![unscaled]).with_precision_and_scale(38, i8::try_from(scale).unwrap()).unwrap();
        let (there, back) = there_and_back(Arc::new(decimals), L::Decimal(38, scale));
        prop_assert_eq!(&there, &back);
        if !double.is_nan() {
            let (there, back) = there_and_back(Arc::new(arrow::array::Float64Array::from(vec![double])), L::Double);
            prop_assert_eq!(&there, &back);
        }
        if !float.is_nan() {
            let (there, back) = there_and_back(Arc::new(arrow::array::Float32Array::from(vec![float])), L::Float);
            prop_assert_eq!(&there, &back);
        }
    }

    #[test]
    fn times_survive_the_way_through_text_and_zones(micros in -62_135_596_800_000_000_i64..253_402_214_400_000_000, days in -719_162_i32..2_932_896) {
        for zone in [Tz::UTC, Tz::Asia__Kolkata] {
            let context = context(zone);
            let timestamp = DataType::nullable(L::Timestamp(6));
            let array: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![micros]));
            for way in [L::STRING, L::TimestampLtz(6)] {
                let way = DataType::nullable(way);
                let there = cast(&Value::Array(Arc::clone(&array)), &timestamp, &way, CastMode::Strict, &context).unwrap();
                let back = cast(&there, &way, &timestamp, CastMode::Strict, &context).unwrap().to_array();
                prop_assert_eq!(&array, &back);
            }
            let date = DataType::nullable(L::Date);
            let array: ArrayRef = Arc::new(arrow::array::Date32Array::from(vec![days]));
            for way in [L::STRING, L::Timestamp(3)] {
                let way = DataType::nullable(way);
                let there = cast(&Value::Array(Arc::clone(&array)), &date, &way, CastMode::Strict, &context).unwrap();
                let back = cast(&there, &way, &date, CastMode::Strict, &context).unwrap().to_array();
                prop_assert_eq!(&array, &back);
            }
        }
    }
}
