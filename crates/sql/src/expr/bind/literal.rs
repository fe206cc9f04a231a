//! Constants, typed as narrowly as Flink types them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, NullArray,
    Scalar, StringArray, Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType};
use sqlparser::ast::{self, TypedString, Value};

use crate::expr::{Expr, ExprKind};

/// A constant of a type that is not NULL.
pub(super) fn literal(array: ArrayRef, logical: LogicalType) -> Expr {
    Expr { kind: ExprKind::Literal(Scalar::new(array)), data_type: DataType::not_null(logical), position: None }
}

/// NULL, of the type of NULL.
pub(crate) fn null_literal() -> Expr {
    Expr {
        kind: ExprKind::Literal(Scalar::new(Arc::new(NullArray::new(1)))),
        data_type: DataType::nullable(LogicalType::Null),
        position: None,
    }
}

/// A string: `CHAR(n)`.
pub(super) fn string_literal(text: &str) -> Expr {
    // Flink counts UTF-16 units, as Java does.
    let length = u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX);
    literal(Arc::new(StringArray::from(vec![text])), LogicalType::Char(length))
}

pub(super) fn value(value: &Value) -> Result<Expr> {
    match value {
        Value::Number(text, _) => number(text),
        Value::SingleQuotedString(text) | Value::UnicodeStringLiteral(text) | Value::NationalStringLiteral(text) => {
            Ok(string_literal(text))
        }
        Value::Boolean(value) => Ok(literal(Arc::new(BooleanArray::from(vec![*value])), LogicalType::Boolean)),
        Value::Null => Ok(null_literal()),
        Value::HexStringLiteral(text) => hex(text),
        Value::DoubleQuotedString(text) => {
            Err(Error::user(format!("\"{text}\": double quotes are not used in Flink SQL"))
                .hint("write names in `backticks` and strings in 'single quotes'"))
        }
        other => Err(Error::not_supported(format!("the literal {other}"))),
    }
}

/// An exact number is INT, BIGINT or DECIMAL; one with an exponent is DOUBLE.
pub(super) fn number(text: &str) -> Result<Expr> {
    let bad = || Error::user(format!("'{text}' is not a number that any type can hold"));
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().map_err(|_| bad())?;
        return Ok(literal(Arc::new(Float64Array::from(vec![value])), LogicalType::Double));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    if let Ok(value) = text.parse::<i32>() {
        return Ok(literal(Arc::new(Int32Array::from(vec![value])), LogicalType::Int));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Ok(literal(Arc::new(Int64Array::from(vec![value])), LogicalType::BigInt));
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return Err(Error::user(format!("Numeric literal '{text}' out of range")));
    };
    let value: i128 = format!("{whole}{fraction}").parse().map_err(|_| bad())?;
    let scale = u8::try_from(fraction.len()).map_err(|_| bad())?;
    // The digits count as they are written: 0.1 is DECIMAL(2, 1), .1 is DECIMAL(1, 1).
    let digits = whole.trim_start_matches('-').len() + fraction.len();
    let precision = u8::try_from(digits).map_err(|_| bad())?;
    if precision > 38 {
        return Err(bad());
    }
    let array = Decimal128Array::from(vec![value])
        .with_precision_and_scale(precision, i8::try_from(scale).map_err(|_| bad())?)
        .map_err(|_| bad())?;
    Ok(literal(Arc::new(array), LogicalType::Decimal(precision, scale)))
}

fn hex(text: &str) -> Result<Expr> {
    let bad = || Error::user(format!("X'{text}' is not an even number of hexadecimal digits"));
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(bad());
    }
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|n| u8::from_str_radix(&text[n..n + 2], 16))
        .collect::<Result<_, _>>()
        .map_err(|_| bad())?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Ok(literal(Arc::new(BinaryArray::from(vec![bytes.as_slice()])), LogicalType::Binary(length)))
}

/// `DATE '...'`, `TIME '...'`, `TIMESTAMP '...'`.
pub(super) fn typed_string(typed: &TypedString) -> Result<Expr> {
    let text = match &typed.value.value {
        Value::SingleQuotedString(text) => text.trim(),
        other => return Err(Error::user(format!("a string in single quotes is expected, not {other}"))),
    };
    match &typed.data_type {
        ast::DataType::Date => date(text),
        ast::DataType::Time(None, _) => time(text),
        ast::DataType::Timestamp(None, _) => timestamp(text),
        other => Err(Error::not_supported(format!("a literal of type {other}"))),
    }
}

fn date(text: &str) -> Result<Expr> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_| Error::user(format!("'{text}' is not a date")).hint("write DATE 'yyyy-MM-dd'"))?;
    let days =
        date.num_days_from_ce() - NaiveDate::from_ymd_opt(1970, 1, 1).map_or(0, |epoch| epoch.num_days_from_ce());
    Ok(literal(Arc::new(Date32Array::from(vec![days])), LogicalType::Date))
}

fn time(text: &str) -> Result<Expr> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f")
        .map_err(|_| Error::user(format!("'{text}' is not a time")).hint("write TIME 'HH:mm:ss'"))?;
    let millis = time.num_seconds_from_midnight() * 1000 + time.nanosecond() / 1_000_000;
    let millis = i32::try_from(millis).map_err(|_| Error::internal("a time beyond a day"))?;
    Ok(literal(Arc::new(Time32MillisecondArray::from(vec![millis])), LogicalType::Time(fraction_digits(text).min(3))))
}

fn timestamp(text: &str) -> Result<Expr> {
    let bad = || Error::user(format!("'{text}' is not a timestamp")).hint("write TIMESTAMP 'yyyy-MM-dd HH:mm:ss'");
    let value = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN)))
        .map_err(|_| bad())?
        .and_utc();
    let precision = fraction_digits(text).min(9);
    let array: ArrayRef = match precision {
        0..=3 => Arc::new(TimestampMillisecondArray::from(vec![value.timestamp_millis()])),
        4..=6 => Arc::new(TimestampMicrosecondArray::from(vec![value.timestamp_micros()])),
        _ => Arc::new(TimestampNanosecondArray::from(vec![value.timestamp_nanos_opt().ok_or_else(bad)?])),
    };
    Ok(literal(array, LogicalType::Timestamp(precision)))
}

fn fraction_digits(text: &str) -> u8 {
    text.rsplit_once('.').map_or(0, |(_, digits)| u8::try_from(digits.len()).unwrap_or(u8::MAX))
}
