//! PostgreSQL's binary values: a column as an array on the way in, a row's cells on the way out.
//!
//! Formats: the `*_send` and `*_recv` functions of the server's source (array, numeric, date, time, timestamp). Days
//! and microseconds count from 2000-01-01 there.

use std::error::Error as StdError;
use std::fmt;

use bytes::{BufMut, BytesMut};
use riverrun_base::{Error, Result};
use riverrun_data::LogicalType;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::calendar::{self, NANOS_PER_SECOND, SECONDS_PER_DAY};
use crate::values::{Column, RowsBuilder, Scalar, write_decimal};

/// The days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const EPOCH_SECONDS: i64 = EPOCH_DAYS * SECONDS_PER_DAY;
/// The base of a numeric's digits.
const NUMERIC_BASE: u128 = 10_000;

/// Some rows of a column as a PostgreSQL array.
#[derive(Debug)]
pub(super) struct ColumnArray<'a> {
    column: &'a Column<'a>,
    rows: &'a [u32],
    element: Type,
}

/// A value that PostgreSQL cannot hold.
#[derive(Debug)]
pub(super) struct Unwritable(&'static str);

impl Unwritable {
    pub(super) fn to_error(&self) -> Error {
        Error::data(self.0)
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Unwritable {}

type Written = Result<(), Box<dyn StdError + Sync + Send>>;

impl<'a> ColumnArray<'a> {
    /// The array, and its type.
    pub(super) fn new(column: &'a Column<'a>, rows: &'a [u32], logical: &LogicalType) -> (Self, Type) {
        let (element, array) = match logical {
            LogicalType::Boolean => (Type::BOOL, Type::BOOL_ARRAY),
            LogicalType::TinyInt | LogicalType::SmallInt => (Type::INT2, Type::INT2_ARRAY),
            LogicalType::Int => (Type::INT4, Type::INT4_ARRAY),
            LogicalType::BigInt => (Type::INT8, Type::INT8_ARRAY),
            LogicalType::Float => (Type::FLOAT4, Type::FLOAT4_ARRAY),
            LogicalType::Double => (Type::FLOAT8, Type::FLOAT8_ARRAY),
            LogicalType::Decimal(..) => (Type::NUMERIC, Type::NUMERIC_ARRAY),
            LogicalType::Binary(_) | LogicalType::VarBinary(_) => (Type::BYTEA, Type::BYTEA_ARRAY),
            LogicalType::Date => (Type::DATE, Type::DATE_ARRAY),
            LogicalType::Time(_) => (Type::TIME, Type::TIME_ARRAY),
            LogicalType::Timestamp(_) => (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
            LogicalType::TimestampLtz(_) => (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
            _ => (Type::TEXT, Type::TEXT_ARRAY),
        };
        (Self { column, rows, element }, array)
    }

    fn write_element(&self, value: Scalar<'_>, out: &mut BytesMut) -> Written {
        match value {
            Scalar::Null => {}
            Scalar::Boolean(value) => out.put_u8(u8::from(value)),
            Scalar::Int(value) if self.element == Type::INT2 => out.put_i16(i16::try_from(value)?),
            Scalar::Int(value) if self.element == Type::INT4 => out.put_i32(i32::try_from(value)?),
            Scalar::Int(value) => out.put_i64(value),
            Scalar::Unsigned(value) => out.put_i64(i64::try_from(value)?),
            Scalar::Float(value) => out.put_f32(value),
            Scalar::Double(value) => out.put_f64(value),
            Scalar::Decimal(value, scale) => write_numeric(out, value, scale),
            Scalar::Text(text) => out.put_slice(text.as_bytes()),
            Scalar::Bytes(bytes) => out.put_slice(bytes),
            Scalar::Date(days) => out.put_i32(i32::try_from(days - EPOCH_DAYS)?),
            Scalar::Time(nanos) => out.put_i64(nanos / 1_000),
            Scalar::Timestamp(seconds, nanos) => {
                let micros = (seconds - EPOCH_SECONDS)
                    .checked_mul(1_000_000)
                    .and_then(|micros| micros.checked_add(i64::from(nanos) / 1_000));
                out.put_i64(micros.ok_or(Unwritable("a timestamp is out of PostgreSQL's range"))?);
            }
            Scalar::List(elements, start, end) => {
                let mut text = Vec::new();
                write_array_text(&mut text, elements, start, end)?;
                out.put_slice(&text);
            }
        }
        Ok(())
    }
}

impl ToSql for ColumnArray<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_i32(i32::from(!self.rows.is_empty()));
        // there may be NULLs
        out.put_i32(1);
        out.put_u32(self.element.oid());
        if !self.rows.is_empty() {
            out.put_i32(i32::try_from(self.rows.len())?);
            out.put_i32(1);
        }
        for row in self.rows {
            let value = self.column.scalar(*row as usize);
            let length_at = out.len();
            out.put_i32(-1);
            if !matches!(value, Scalar::Null) {
                self.write_element(value, out)?;
                let length = i32::try_from(out.len() - length_at - 4)?;
                out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A parameter of a statement, as the type that the server gives to it.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) Scalar<'a>);

impl ToSql for Parameter<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let whole = |value: Scalar<'_>| -> Option<i64> {
            match value {
                Scalar::Boolean(value) => Some(i64::from(value)),
                Scalar::Int(value) => Some(value),
                Scalar::Unsigned(value) => i64::try_from(value).ok(),
                _ => None,
            }
        };
        let text = |value| if let Scalar::Text(text) = value { Some(text) } else { None };
        let range = || Unwritable("a number is out of the range of its parameter's type");
        let is_text = matches!(wanted.kind(), Kind::Enum(_))
            || [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::JSON, Type::XML, Type::UNKNOWN]
                .contains(wanted);
        match (self.0, wanted) {
            (Scalar::Null, _) => return Ok(IsNull::Yes),
            (Scalar::Boolean(value), &Type::BOOL) => out.put_u8(u8::from(value)),
            (value, &Type::INT2) if whole(value).is_some() => {
                out.put_i16(whole(value).and_then(|value| i16::try_from(value).ok()).ok_or_else(range)?);
            }
            (value, &Type::INT4) if whole(value).is_some() => {
                out.put_i32(whole(value).and_then(|value| i32::try_from(value).ok()).ok_or_else(range)?);
            }
            (value, &Type::INT8) if whole(value).is_some() => out.put_i64(whole(value).ok_or_else(range)?),
            (Scalar::Float(value), &Type::FLOAT4) => out.put_f32(value),
            (Scalar::Float(value), &Type::FLOAT8) => out.put_f64(f64::from(value)),
            (Scalar::Double(value), &Type::FLOAT8) => out.put_f64(value),
            #[allow(clippy::cast_precision_loss, reason = "as the server rounds a number in a column of this type")]
            (value, &Type::FLOAT8) if whole(value).is_some() => out.put_f64(whole(value).unwrap_or_default() as f64),
            #[allow(
                clippy::cast_possible_truncation,
                reason = "as the server rounds a number in a column of this type"
            )]
            (Scalar::Double(value), &Type::FLOAT4) => out.put_f32(value as f32),
            (Scalar::Decimal(value, scale), &Type::NUMERIC) => write_numeric(out, value, scale),
            (Scalar::Unsigned(value), &Type::NUMERIC) => write_numeric(out, i128::from(value), 0),
            (value, &Type::NUMERIC) if whole(value).is_some() => {
                write_numeric(out, i128::from(whole(value).unwrap_or_default()), 0);
            }
            (Scalar::Text(text), _) if is_text => out.put_slice(text.as_bytes()),
            (Scalar::Text(text), &Type::JSONB) => {
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
            (Scalar::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (Scalar::Bytes(bytes), &Type::UUID) if bytes.len() == 16 => out.put_slice(bytes),
            (value, &Type::UUID) if text(value).is_some() => {
                let digits: String = text(value).unwrap_or_default().chars().filter(|c| *c != '-').collect();
                let uuid = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
                out.put_u128(uuid.ok_or(Unwritable("a text is no UUID"))?);
            }
            (Scalar::Date(days), &Type::DATE) => out.put_i32(i32::try_from(days - EPOCH_DAYS)?),
            (Scalar::Time(nanos), &Type::TIME) => out.put_i64(nanos / 1_000),
            (Scalar::Timestamp(seconds, nanos), &(Type::TIMESTAMP | Type::TIMESTAMPTZ)) => {
                let micros = (seconds - EPOCH_SECONDS)
                    .checked_mul(1_000_000)
                    .and_then(|micros| micros.checked_add(i64::from(nanos) / 1_000));
                out.put_i64(micros.ok_or(Unwritable("a timestamp is out of PostgreSQL's range"))?);
            }
            _ => {
                return Err(Box::new(Unwritable(
                    "a value does not go with the type that PostgreSQL gives to its parameter; set one of that type, or cast the \
                     parameter in the statement, as in CAST(? AS TEXT)",
                )));
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// `{1,NULL,"a \"quoted\" one"}`.
fn write_array_text(out: &mut Vec<u8>, elements: &Column<'_>, start: usize, end: usize) -> Result<(), Unwritable> {
    out.push(b'{');
    for row in start..end {
        if row > start {
            out.push(b',');
        }
        match elements.scalar(row) {
            Scalar::Null => out.extend_from_slice(b"NULL"),
            Scalar::Boolean(value) => out.push(if value { b't' } else { b'f' }),
            Scalar::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Scalar::Unsigned(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            // "NaN", "inf" and exponents are what the server reads
            Scalar::Float(value) => out.extend_from_slice(format!("{value:e}").as_bytes()),
            Scalar::Double(value) => out.extend_from_slice(format!("{value:e}").as_bytes()),
            Scalar::Decimal(value, scale) => write_decimal(out, value, scale),
            Scalar::Text(text) => {
                out.push(b'"');
                for byte in text.bytes() {
                    if matches!(byte, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
                out.push(b'"');
            }
            Scalar::Bytes(bytes) => {
                out.extend_from_slice(b"\"\\\\x");
                for byte in bytes {
                    out.extend_from_slice(format!("{byte:02x}").as_bytes());
                }
                out.push(b'"');
            }
            Scalar::Date(days) => in_range(calendar::write_date(out, days))?,
            Scalar::Time(nanos) => calendar::write_time(out, nanos, 6),
            Scalar::Timestamp(seconds, nanos) => {
                out.push(b'"');
                in_range(calendar::write_timestamp(out, seconds, nanos, 6))?;
                // without meaning for a type without zone
                out.extend_from_slice(b"+00\"");
            }
            Scalar::List(..) => return Err(Unwritable("an array of arrays cannot be written")),
        }
    }
    out.push(b'}');
    Ok(())
}

fn in_range(written: bool) -> Result<(), Unwritable> {
    if written { Ok(()) } else { Err(Unwritable("a date in an array has no year from 0 to 9999")) }
}

fn write_numeric(out: &mut BytesMut, unscaled: i128, scale: u8) {
    // groups of four digits, aligned to the point: the last one may have fewer, and is filled with zeros
    let in_last = match u32::from(scale) % 4 {
        0 => 4,
        digits => digits,
    };
    let (mut whole, mut fraction) = split_at_point(unscaled.unsigned_abs(), scale);
    let mut groups = [0i16; 24];
    let fraction_groups = usize::from(scale).div_ceil(4);
    let mut first = groups.len();
    for place in 0..fraction_groups {
        let digits = if place == 0 { in_last } else { 4 };
        first -= 1;
        groups[first] = group(fraction % 10u128.pow(digits) * 10u128.pow(4 - digits));
        fraction /= 10u128.pow(digits);
    }
    while whole > 0 {
        first -= 1;
        groups[first] = group(whole);
        whole /= NUMERIC_BASE;
    }
    let whole_groups = groups.len() - first - fraction_groups;
    let digits = &groups[first..];
    let count = |number: usize| i16::try_from(number).unwrap_or_default();
    out.put_i16(count(digits.len()));
    out.put_i16(count(whole_groups) - 1);
    out.put_u16(if unscaled < 0 { 0x4000 } else { 0 });
    out.put_u16(u16::from(scale));
    for digit in digits {
        out.put_i16(*digit);
    }
}

fn split_at_point(magnitude: u128, scale: u8) -> (u128, u128) {
    match 10u128.checked_pow(u32::from(scale)) {
        Some(divisor) => (magnitude / divisor, magnitude % divisor),
        None => (0, magnitude),
    }
}

fn group(number: u128) -> i16 {
    i16::try_from(number % NUMERIC_BASE).unwrap_or_default()
}

/// Appends a row of a scan.
pub(super) fn append(row: &Row, logicals: &[LogicalType], rows: &mut RowsBuilder) -> Result<()> {
    for (index, logical) in logicals.iter().enumerate() {
        let column = &row.columns()[index];
        let named = |error: Error| error.with("column", column.name());
        let cell: Option<Raw<'_>> = row
            .try_get(index)
            .map_err(|error| Error::internal("a cell cannot be taken").caused_by(error))
            .map_err(named)?;
        match (cell, logical, column.type_().kind()) {
            (None, _, _) => rows.push(index, Scalar::Null)?,
            (Some(Raw(bytes)), LogicalType::Array(_), Kind::Array(element)) => {
                append_array(rows, index, bytes, element).map_err(named)?;
            }
            (Some(Raw(bytes)), _, _) => rows.push(index, scalar(bytes, column.type_()).map_err(named)?)?,
        }
    }
    rows.end_row();
    Ok(())
}

/// A cell's bytes as they came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn scalar<'a>(bytes: &'a [u8], column_type: &Type) -> Result<Scalar<'a>> {
    Ok(match *column_type {
        Type::BOOL => Scalar::Boolean(fixed::<1>(bytes)?[0] != 0),
        Type::INT2 => Scalar::Int(i64::from(i16::from_be_bytes(fixed(bytes)?))),
        Type::INT4 => Scalar::Int(i64::from(i32::from_be_bytes(fixed(bytes)?))),
        Type::INT8 => Scalar::Int(i64::from_be_bytes(fixed(bytes)?)),
        Type::FLOAT4 => Scalar::Float(f32::from_be_bytes(fixed(bytes)?)),
        Type::FLOAT8 => Scalar::Double(f64::from_be_bytes(fixed(bytes)?)),
        Type::NUMERIC => numeric(bytes)?,
        Type::BYTEA => Scalar::Bytes(bytes),
        Type::DATE => match i32::from_be_bytes(fixed(bytes)?) {
            i32::MIN | i32::MAX => return Err(infinity()),
            days => Scalar::Date(i64::from(days) + EPOCH_DAYS),
        },
        // 24:00 is a time there
        Type::TIME => Scalar::Time(
            i64::from_be_bytes(fixed(bytes)?).saturating_mul(1_000).min(SECONDS_PER_DAY * NANOS_PER_SECOND - 1),
        ),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => match i64::from_be_bytes(fixed(bytes)?) {
            i64::MIN | i64::MAX => return Err(infinity()),
            micros => {
                let nanos = u32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
                Scalar::Timestamp(micros.div_euclid(1_000_000) + EPOCH_SECONDS, nanos)
            }
        },
        Type::TEXT => {
            Scalar::Text(std::str::from_utf8(bytes).map_err(|_| Error::data("a string of the database is not UTF-8"))?)
        }
        ref other => return Err(Error::internal(format!("a cell of type {other} was not asked for"))),
    })
}

fn infinity() -> Error {
    Error::data("'infinity' is no date or timestamp here")
        .hint("read the column as STRING, or leave such rows out by a view")
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| short())
}

fn short() -> Error {
    Error::external("the server sent a value of another length than its type has")
}

/// Takes bytes from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk::<N>().ok_or_else(short)?;
    *bytes = rest;
    Ok(*front)
}

fn numeric<'a>(mut bytes: &[u8]) -> Result<Scalar<'a>> {
    let groups = i16::from_be_bytes(take(&mut bytes)?);
    let weight = i32::from(i16::from_be_bytes(take(&mut bytes)?));
    let sign = u16::from_be_bytes(take(&mut bytes)?);
    let scale = i32::from(i16::from_be_bytes(take(&mut bytes)?));
    if !matches!(sign, 0 | 0x4000) {
        return Err(Error::data("NaN and infinity are no DECIMAL").hint("read the column as DOUBLE or STRING"));
    }
    let large = || Error::data("a number has more than 38 digits").hint("read the column as STRING");
    // the last group stands at 10000^(weight - groups + 1); zeros behind the number's own scale are left out
    let mut behind = (weight - i32::from(groups) + 1) * 4 + scale;
    let mut unscaled = 0i128;
    for place in 0..groups {
        let mut digits = i128::from(i16::from_be_bytes(take(&mut bytes)?));
        let mut factor = 10_000;
        while place == groups - 1 && behind < 0 {
            (digits, factor, behind) = (digits / 10, factor / 10, behind + 1);
        }
        unscaled = unscaled.checked_mul(factor).and_then(|sum| sum.checked_add(digits)).ok_or_else(large)?;
    }
    while behind > 0 && unscaled != 0 {
        unscaled = unscaled.checked_mul(10).ok_or_else(large)?;
        behind -= 1;
    }
    let scale = u8::try_from(scale).map_err(|_| large())?;
    Ok(Scalar::Decimal(if sign == 0 { unscaled } else { -unscaled }, scale))
}

fn append_array(rows: &mut RowsBuilder, index: usize, mut bytes: &[u8], element: &Type) -> Result<()> {
    let dimensions = i32::from_be_bytes(take(&mut bytes)?);
    let (_, _) = (take::<4>(&mut bytes)?, take::<4>(&mut bytes)?);
    if dimensions > 1 {
        return Err(Error::not_supported("an array of several dimensions").hint("read the column as STRING"));
    }
    let length = if dimensions == 0 { 0 } else { i32::from_be_bytes(take(&mut bytes)?) };
    if dimensions == 1 {
        take::<4>(&mut bytes)?;
    }
    for _ in 0..length {
        match usize::try_from(i32::from_be_bytes(take(&mut bytes)?)) {
            Err(_) => rows.push_element(index, Scalar::Null)?,
            Ok(bytes_of_element) => {
                let (value, rest) = bytes.split_at_checked(bytes_of_element).ok_or_else(short)?;
                rows.push_element(index, scalar(value, element)?)?;
                bytes = rest;
            }
        }
    }
    rows.end_list(index);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unscaled: i128, scale: u8) -> BytesMut {
        let mut out = BytesMut::new();
        write_numeric(&mut out, unscaled, scale);
        out
    }

    #[test]
    fn numerics_are_read_as_they_were_written() {
        let mut numbers =
            vec![0, 1, -1, 9_999, 10_000, 123_456_789, -10i128.pow(37), 10i128.pow(38) - 1, 1 - 10i128.pow(38)];
        numbers.extend((0..38).map(|exponent| 10i128.pow(exponent)));
        for unscaled in numbers {
            for scale in 0..=38 {
                let bytes = written(unscaled, scale);
                assert!(
                    matches!(numeric(&bytes).unwrap(), Scalar::Decimal(u, s) if (u, s) == (unscaled, scale)),
                    "{unscaled} {scale}"
                );
            }
        }
    }

    #[test]
    fn a_numeric_has_the_servers_form() {
        // what numeric_send gives for 12345.67
        let expected = [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 0x09, 0x29, 0x1a, 0x2c];
        assert_eq!(written(1_234_567, 2).as_ref(), expected);
    }
}
