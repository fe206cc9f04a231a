//! What the families' tests call functions with, and what must hold for every function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Scalar};
use arrow::compute;
use chrono_tz::Tz;
use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType as L, arrow_type};

use super::{Argument, Bound, all, lookup, names};
use crate::cast::{cast, text};
use crate::eval::{EvalContext, Value};
use crate::expr::CastMode;

/// An argument: its type and value.
pub(crate) type Arg = (DataType, Value);

pub(crate) fn nullable(logical: L) -> DataType {
    DataType::nullable(logical)
}

/// Where the tests evaluate: 2026-05-17 13:45:56.789 UTC.
pub(crate) fn context(rows: usize, zone: Tz) -> EvalContext {
    EvalContext { rows, zone, now: 1_779_025_556_789, watermark: Some(5_000) }
}

/// A constant of Rust's counterpart of a type.
pub(crate) trait Constant {
    fn arg(self) -> Arg;
}

macro_rules! constants {
    ($($type:ty, $array:ident, $logical:expr;)*) => {
        $(impl Constant for $type {
            fn arg(self) -> Arg {
                let logical = $logical(&self);
                (DataType::not_null(logical), Value::scalar(Arc::new(arrow::array::$array::from(vec![self]))))
            }
        })*
    };
}

constants! {
    &str, StringArray, |text: &&str| L::Char(u32::try_from(text.chars().count()).unwrap());
    i8, Int8Array, |_: &i8| L::TinyInt;
    i16, Int16Array, |_: &i16| L::SmallInt;
    i32, Int32Array, |_: &i32| L::Int;
    i64, Int64Array, |_: &i64| L::BigInt;
    f32, Float32Array, |_: &f32| L::Float;
    f64, Float64Array, |_: &f64| L::Double;
    bool, BooleanArray, |_: &bool| L::Boolean;
}

pub(crate) fn constant(value: impl Constant) -> Arg {
    value.arg()
}

/// A constant of any type that text can be cast to.
pub(crate) fn typed(value: &str, logical: L) -> Arg {
    let text = constant(value);
    let target = DataType::not_null(logical);
    let value = cast(&text.1, &text.0, &target, CastMode::Strict, &context(1, Tz::UTC)).unwrap();
    (target, value)
}

/// A constant NULL.
pub(crate) fn null(logical: L) -> Arg {
    let value = Value::null(&arrow_type(&logical));
    (DataType::nullable(logical), value)
}

/// Binds a function as the binder does.
pub(crate) fn bind(name: &str, args: &[Arg]) -> Result<Bound> {
    let arguments: Vec<Argument> = args
        .iter()
        .map(|(data_type, value)| Argument {
            data_type: data_type.clone(),
            literal: value.is_scalar().then(|| Scalar::new(value.to_array())),
        })
        .collect();
    lookup(name).unwrap_or_else(|| panic!("no function {name}")).bind(&arguments)
}

fn run(bound: &Bound, args: &[Arg], context: &EvalContext) -> Result<Value> {
    let cast_args = args
        .iter()
        .zip(&bound.arguments)
        .map(|((from, value), to)| {
            if crate::types::needs_cast(from, to) {
                cast(value, from, to, CastMode::Implicit, context)
            } else {
                Ok(value.clone())
            }
        })
        .collect::<Result<Vec<_>>>()?;
    (bound.kernel)(&cast_args, context)
}

/// Binds and runs a function; its type and value.
pub(crate) fn call(name: &str, args: &[Arg], rows: usize) -> Result<(DataType, Value)> {
    call_in(name, args, &context(rows, Tz::UTC))
}

/// The same in another context.
pub(crate) fn call_in(name: &str, args: &[Arg], context: &EvalContext) -> Result<(DataType, Value)> {
    let bound = bind(name, args)?;
    let value = run(&bound, args, context)?;
    assert_eq!(
        value.array().data_type(),
        &arrow_type(&bound.returns.logical),
        "{name} returns another type than it says"
    );
    Ok((bound.returns, value))
}

/// What a function of constants gives, printed; `NULL` for NULL.
pub(crate) fn text_of(name: &str, args: &[Arg]) -> String {
    text_in(name, args, Tz::UTC)
}

/// The same in a zone.
pub(crate) fn text_in(name: &str, args: &[Arg], zone: Tz) -> String {
    let (data_type, value) = call_in(name, args, &context(1, zone)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text::cell_text(value.array(), 0, &data_type, zone).unwrap()
}

/// The type that a function of these arguments has, printed.
pub(crate) fn type_of(name: &str, args: &[Arg]) -> String {
    bind(name, args).unwrap_or_else(|error| panic!("{name}: {error}")).returns.to_string()
}

/// Why a function does not take these arguments, or fails on them.
pub(crate) fn error_of(name: &str, args: &[Arg]) -> String {
    match call(name, args, 1) {
        Err(error) => error.to_string(),
        Ok((data_type, value)) => {
            panic!("{name} gives {}", text::cell_text(value.array(), 0, &data_type, Tz::UTC).unwrap())
        }
    }
}

/// The types that columns are made of below, each with cells that reach its edges.
fn columns() -> Vec<(DataType, ArrayRef)> {
    let of = |logical: L, texts: &[&str]| {
        let texts: ArrayRef = Arc::new(arrow::array::StringArray::from(
            texts.iter().map(|text| if *text == "NULL" { None } else { Some(*text) }).collect::<Vec<_>>(),
        ));
        let target = nullable(logical);
        let value =
            cast(&Value::Array(texts), &nullable(L::STRING), &target, CastMode::Strict, &context(6, Tz::UTC)).unwrap();
        (target, value.to_array())
    };
    let array = |element: L, cells: &[&str]| {
        let (element, cells) = of(element, cells);
        let field = Arc::new(riverrun_data::field("element", &element));
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1, 0, 2, 1]);
        let nulls = arrow::buffer::NullBuffer::from(vec![true, true, true, false, true, true]);
        let list: ArrayRef = Arc::new(arrow::array::ListArray::new(field, offsets, cells, Some(nulls)));
        (nullable(L::Array(Box::new(element))), list)
    };
    let map = {
        let data_type = L::Map(Box::new(nullable(L::STRING)), Box::new(nullable(L::Int)));
        let (_, keys) = of(L::STRING, &["a", "b", "a", "c", "b", "x"]);
        let (_, values) = of(L::Int, &["1", "NULL", "3", "4", "5", "6"]);
        let arrow::datatypes::DataType::Map(entries, _) = arrow_type(&data_type) else { panic!() };
        let arrow::datatypes::DataType::Struct(fields) = entries.data_type().clone() else { panic!() };
        let structs = arrow::array::StructArray::new(fields, vec![keys, values], None);
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1, 0, 2, 1]);
        let nulls = arrow::buffer::NullBuffer::from(vec![true, true, true, false, true, true]);
        let map: ArrayRef = Arc::new(arrow::array::MapArray::new(entries, offsets, structs, Some(nulls), false));
        (nullable(data_type), map)
    };
    vec![
        of(L::Boolean, &["true", "false", "NULL", "true", "false", "true"]),
        of(L::TinyInt, &["1", "-128", "NULL", "127", "0", "3"]),
        of(L::Int, &["1", "-2147483648", "NULL", "2", "3", "-1"]),
        of(L::BigInt, &["2", "-9223372036854775808", "NULL", "9223372036854775807", "1", "-3"]),
        of(L::Float, &["0.5", "-1.5", "NULL", "NaN", "3.25", "0"]),
        of(L::Double, &["1.5", "-2.25", "NULL", "Infinity", "0", "1e10"]),
        of(L::Decimal(10, 2), &["1.25", "-99999999.99", "NULL", "99999999.99", "0", "2.5"]),
        of(L::Decimal(38, 18), &["1.25", "-0.000000000000000001", "NULL", "12345678901234567890.5", "0", "3"]),
        of(L::Char(3), &["abc", "", "NULL", "é", "a%", "A1 "]),
        of(L::STRING, &["ab", "a,b", "NULL", "日本", "2026-01-02 03:04:05", "x"]),
        of(L::BYTES, &["ab", "", "NULL", "é", "abc", "x"]),
        of(L::Date, &["2026-01-02", "1969-12-31", "NULL", "2024-02-29", "0001-01-01", "9999-12-31"]),
        of(L::Time(0), &["10:20:30", "00:00:00", "NULL", "23:59:59", "12:00:00", "01:02:03"]),
        of(
            L::Timestamp(3),
            &[
                "2026-01-02 03:04:05.678",
                "1969-12-31 23:59:59.999",
                "NULL",
                "2024-02-29 00:00:00",
                "0001-01-01 00:00:00",
                "2026-03-29 02:30:00",
            ],
        ),
        of(
            L::Timestamp(6),
            &[
                "2026-01-02 03:04:05.678901",
                "1969-12-31 23:59:59.999999",
                "NULL",
                "2024-02-29 00:00:00",
                "1970-01-01 00:00:00",
                "2026-10-25 02:30:00",
            ],
        ),
        of(
            L::TimestampLtz(3),
            &[
                "2026-01-02 03:04:05.678",
                "1969-12-31 23:59:59.999",
                "NULL",
                "2026-03-29 00:59:59",
                "1970-01-01 00:00:00",
                "2026-10-25 00:30:00",
            ],
        ),
        (
            nullable(L::IntervalDayTime),
            Arc::new(arrow::array::DurationMillisecondArray::from(vec![
                Some(1),
                Some(-86_400_000),
                None,
                Some(90_061_001),
                Some(0),
                Some(-1),
            ])),
        ),
        (
            nullable(L::IntervalYearMonth),
            Arc::new(arrow::array::IntervalYearMonthArray::from(vec![
                Some(1),
                Some(-13),
                None,
                Some(24),
                Some(0),
                Some(-1),
            ])),
        ),
        array(L::Int, &["1", "2", "NULL", "2", "2", "7"]),
        array(L::STRING, &["a", "b", "NULL", "x", "x", ""]),
        map,
    ]
}

/// The rows of a result as text, or that it failed.
fn rows_of(result: Result<Value>, data_type: &DataType, rows: usize, zone: Tz) -> Option<Vec<String>> {
    let column = result.ok()?.into_column(rows).unwrap();
    assert_eq!(column.len(), rows);
    Some((0..rows).map(|row| text::cell_text(&column, row, data_type, zone).unwrap()).collect())
}

/// Calls with every choice of arguments out of `pool` that the function takes, up to three of them.
fn calls<'a>(name: &str, pool: &'a [(DataType, ArrayRef)]) -> Vec<Vec<&'a (DataType, ArrayRef)>> {
    let takes = |args: &[&(DataType, ArrayRef)]| {
        let args: Vec<Arg> = args.iter().map(|(t, array)| (t.clone(), Value::Array(Arc::clone(array)))).collect();
        bind(name, &args)
    };
    let mut found = Vec::new();
    for arity in 0..=3 {
        let any: Vec<&(DataType, ArrayRef)> = pool.iter().cycle().take(arity).collect();
        if takes(&any).is_err_and(|error| error.message().starts_with("Invalid number of arguments")) {
            continue;
        }
        // Three arguments of every type would be too many.
        let types = if arity < 3 { pool.len() } else { 10 };
        let mut choices: Vec<Vec<&(DataType, ArrayRef)>> = vec![Vec::new()];
        for _ in 0..arity {
            let longer = |args: &Vec<&'a (DataType, ArrayRef)>, next| args.iter().copied().chain([next]).collect();
            choices = choices.iter().flat_map(|args| pool.iter().take(types).map(|next| longer(args, next))).collect();
        }
        found.extend(choices.into_iter().filter(|args| takes(args).is_ok()));
    }
    found
}

#[test]
fn every_function_computes_a_column_as_it_computes_each_row() {
    let zone = Tz::Europe__Paris;
    let mut pool = columns();
    // The types that are in most signatures come first.
    pool.sort_by_key(|(data_type, _)| !matches!(data_type.logical, L::STRING | L::Int | L::BigInt | L::Array(_)));
    let mut called = 0;
    for function in all() {
        let name = function.names[0];
        for args in calls(name, &pool) {
            let columns: Vec<Arg> =
                args.iter().map(|(data_type, array)| (data_type.clone(), Value::Array(Arc::clone(array)))).collect();
            let bound = bind(name, &columns).unwrap();
            if !bound.deterministic {
                continue;
            }
            called += 1;
            let shown = || {
                format!(
                    "{name}({})",
                    args.iter().map(|(data_type, _)| data_type.to_string()).collect::<Vec<_>>().join(", ")
                )
            };
            let rows = if args.is_empty() { 1 } else { 6 };
            let whole = rows_of(run(&bound, &columns, &context(rows, zone)), &bound.returns, rows, zone);
            let one_by_one: Option<Vec<String>> = (0..rows)
                .map(|row| {
                    let cells: Vec<Arg> = args
                        .iter()
                        .map(|(data_type, array)| (data_type.clone(), Value::scalar(array.slice(row, 1))))
                        .collect();
                    rows_of(run(&bound, &cells, &context(1, zone)), &bound.returns, 1, zone).map(|rows| rows[0].clone())
                })
                .collect();
            assert_eq!(whole, one_by_one, "{}", shown());
            if whole.is_none() {
                assert!(
                    bound.can_fail
                        || columns
                            .iter()
                            .zip(&bound.arguments)
                            .any(|((from, _), to)| crate::cast::can_fail(&from.logical, &to.logical)),
                    "{} fails but says it cannot",
                    shown()
                );
            }
            // One argument constant, the others columns.
            for fixed in 0..args.len() {
                if args.len() < 2 {
                    continue;
                }
                let mixed: Vec<Arg> = columns
                    .iter()
                    .enumerate()
                    .map(|(n, (data_type, value))| {
                        (
                            data_type.clone(),
                            if n == fixed { Value::scalar(value.to_array().slice(0, 1)) } else { value.clone() },
                        )
                    })
                    .collect();
                let spread: Vec<Arg> = mixed
                    .iter()
                    .map(|(data_type, value)| {
                        (data_type.clone(), Value::Array(value.clone().into_column(rows).unwrap()))
                    })
                    .collect();
                let mixed = rows_of(run(&bound, &mixed, &context(rows, zone)), &bound.returns, rows, zone);
                assert_eq!(
                    mixed,
                    rows_of(run(&bound, &spread, &context(rows, zone)), &bound.returns, rows, zone),
                    "{} with argument {fixed} constant",
                    shown()
                );
            }
        }
    }
    assert!(called > 1000, "{called} calls");
}

#[test]
fn a_function_of_nullable_arguments_says_so_and_one_of_others_gives_no_null() {
    // What Flink declares NOT NULL although a value can be missing.
    let exempt = [
        "REGEXP_REPLACE",
        "LPAD",
        "RPAD",
        "+",
        "-",
        "*",
        "/",
        "MOD",
        "ROUND",
        "TRUNCATE",
        "FLOOR",
        "CEIL",
        "ARRAY_POSITION",
        "MAP_FROM_ARRAYS",
        "IN",
        "ELEMENT",
    ];
    for function in all() {
        let name = function.names[0];
        for args in calls(name, &columns()) {
            let rows: Vec<usize> = (0..6).filter(|row| args.iter().all(|(_, array)| array.is_valid(*row))).collect();
            let keep = arrow::array::UInt32Array::from_iter_values(rows.iter().map(|row| u32::try_from(*row).unwrap()));
            let full: Vec<Arg> = args
                .iter()
                .map(|(data_type, array)| {
                    (
                        DataType::not_null(data_type.logical.clone()),
                        Value::Array(compute::take(array, &keep, None).unwrap()),
                    )
                })
                .collect();
            let Ok(bound) = bind(name, &full) else { continue };
            let Ok(value) = run(&bound, &full, &context(rows.len(), Tz::UTC)) else { continue };
            let column = value.into_column(rows.len()).unwrap();
            if !bound.returns.nullable && !exempt.contains(&name) {
                assert_eq!(column.null_count(), 0, "{name}{:?} is NOT NULL", bound.arguments);
            }
        }
    }
}

#[test]
fn names_are_unique_upper_case_and_found_in_any_case() {
    let mut seen = HashSet::new();
    for name in names() {
        assert!(seen.insert(name), "{name} stands twice");
        assert_eq!(name, name.to_uppercase());
        assert!(lookup(&name.to_lowercase()).is_some());
    }
    assert!(seen.len() > 180, "{}", seen.len());
    for function in all() {
        assert!(!function.usage.is_empty() && function.description.ends_with('.'), "{}", function.names[0]);
    }
}

#[test]
fn errors_name_the_call_and_how_it_should_be() {
    assert_eq!(
        error_of("UPPER", &[constant(1)]),
        "Cannot apply 'UPPER' to arguments of type 'UPPER(INT)'; it is called as UPPER(string)"
    );
    assert_eq!(
        error_of("UPPER", &[constant("a"), constant("b")]),
        "Invalid number of arguments to function 'UPPER': 2; it is called as UPPER(string)"
    );
    assert_eq!(
        error_of("+", &[constant("1"), constant(1)]),
        "Cannot apply '+' to arguments of type 'CHAR(1) + INT'; it is called as number + number, time + interval"
    );
    assert_eq!(
        error_of("=", &[constant("a"), constant(1)]),
        "implicit type conversion between CHAR(1) and INT is not supported; cast one side to the type of the other"
    );
}
