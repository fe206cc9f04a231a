//! `PRINTF`: the conversions of Java's `Formatter` that apply to SQL's types.

use std::fmt::Write;

use arrow::array::{AsArray, BooleanArray, StringArray};
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::characters;
use crate::cast::digits::{write_double, write_float};
use crate::cast::text::write_decimal;
use crate::eval::{EvalContext, Rows, Text, Value};
use crate::functions::signature::{Choice, count};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction {
    names: &["PRINTF"],
    usage: "PRINTF(format, value, ...)",
    description: "Values written in a format as that of Java's String.format: %s, %d, %x, %o, %c, %b, %f, %e; NULL where format and values do not fit.",
    choose: printf,
}];

fn printf(args: &[Argument]) -> Choice {
    count(args, 1..=usize::MAX)?;
    let mut arguments = vec![args[0].text()?];
    for arg in &args[1..] {
        arguments.push(
            arg.own(|logical| logical.is_numeric() || logical.is_character() || *logical == L::Boolean, L::STRING)?,
        );
    }
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), kernel))
}

/// One value of a row.
enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64, f32),
    Decimal(i128, u8),
    Text(&'a str),
}

fn cell(value: &Value, row: usize) -> Cell<'_> {
    let (array, row) = (value.array(), if value.is_scalar() { 0 } else { row });
    if array.is_null(row) {
        return Cell::Null;
    }
    macro_rules! number {
        ($type:ty, $wrap:expr) => {
            if let Some(cells) = array.as_primitive_opt::<$type>() {
                return $wrap(cells.value(row));
            }
        };
    }
    number!(Int32Type, |value: i32| Cell::Integer(value.into()));
    number!(Int64Type, Cell::Integer);
    number!(Int8Type, |value: i8| Cell::Integer(value.into()));
    number!(Int16Type, |value: i16| Cell::Integer(value.into()));
    number!(Float64Type, |value: f64| Cell::Double(value, 0.0));
    number!(Float32Type, |value: f32| Cell::Double(value.into(), value));
    if let Some(cells) = array.as_primitive_opt::<Decimal128Type>() {
        return Cell::Decimal(cells.value(row), u8::try_from(cells.scale()).unwrap_or_default());
    }
    if let Some(cells) = array.as_any().downcast_ref::<BooleanArray>() {
        return Cell::Boolean(cells.value(row));
    }
    array.as_string_opt::<i32>().map_or(Cell::Null, |cells| Cell::Text(cells.value(row)))
}

fn kernel(args: &[Value], context: &EvalContext) -> Result<Value> {
    let [format, values @ ..] = args else { return Err(Error::internal("PRINTF without a format")) };
    let format = format.cells::<StringArray>()?;
    let mut text = String::new();
    Rows::all(args, context).texts(|row, out| {
        text.clear();
        let written = format
            .get(row)
            .and_then(|format| write(format, &|n: usize| values.get(n).map(|value| cell(value, row)), &mut text));
        Ok(written.inspect(|()| out.push(&text)).is_some())
    })
}

/// What stands between `%` and the conversion.
#[derive(Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    group: bool,
    parentheses: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

fn write<'v>(format: &str, value: &dyn Fn(usize) -> Option<Cell<'v>>, out: &mut String) -> Option<()> {
    let mut next = 0;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let index = match rest[digits..].strip_prefix('$') {
            Some(behind) if digits > 0 => {
                let index = rest[..digits].parse::<usize>().ok()?.checked_sub(1)?;
                rest = behind;
                Some(index)
            }
            _ => None,
        };
        let mut spec = Spec::default();
        loop {
            let flag = match rest.as_bytes().first()? {
                b'-' => &mut spec.left,
                b'0' => &mut spec.zeros,
                b'+' => &mut spec.plus,
                b' ' => &mut spec.space,
                b',' => &mut spec.group,
                b'(' => &mut spec.parentheses,
                b'#' => &mut spec.alternate,
                _ => break,
            };
            *flag = true;
            rest = &rest[1..];
        }
        spec.width = number(&mut rest)?.unwrap_or(0);
        if let Some(behind) = rest.strip_prefix('.') {
            rest = behind;
            spec.precision = Some(number(&mut rest)??);
        }
        let conversion = rest.chars().next()?;
        rest = &rest[conversion.len_utf8()..];
        match conversion {
            '%' => out.push('%'),
            'n' => out.push('\n'),
            _ => {
                let place = index.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                let mut text = String::new();
                convert(conversion, &spec, value(place)?, &mut text)?;
                if conversion.is_ascii_uppercase() {
                    text = text.to_uppercase();
                }
                pad(&spec, &text, out);
            }
        }
    }
    out.push_str(rest);
    Some(())
}

/// The digits at the start; `Some(None)` without any, `None` where they are too many.
fn number(rest: &mut &str) -> Option<Option<usize>> {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits == 0 {
        return Some(None);
    }
    let value = rest[..digits].parse().ok().filter(|value: &usize| *value <= 100_000)?;
    *rest = &rest[digits..];
    Some(Some(value))
}

fn pad(spec: &Spec, text: &str, out: &mut String) {
    let missing = spec.width.saturating_sub(characters(text));
    if spec.left {
        out.push_str(text);
    }
    out.extend(std::iter::repeat_n(' ', missing));
    if !spec.left {
        out.push_str(text);
    }
}

fn convert(conversion: char, spec: &Spec, cell: Cell<'_>, out: &mut String) -> Option<()> {
    match (conversion.to_ascii_lowercase(), cell) {
        ('b', cell) => out.push_str(if matches!(cell, Cell::Null | Cell::Boolean(false)) { "false" } else { "true" }),
        (_, Cell::Null) => out.push_str("null"),
        ('s', cell) => {
            match cell {
                Cell::Boolean(value) => out.push_str(if value { "true" } else { "false" }),
                Cell::Integer(value) => write!(out, "{value}").ok()?,
                Cell::Double(value, 0.0) => write_double(out, value),
                Cell::Double(_, float) => write_float(out, float),
                Cell::Decimal(value, scale) => write_decimal(out, value, scale),
                Cell::Text(text) => out.push_str(text),
                Cell::Null => {}
            }
            if let Some(precision) = spec.precision {
                out.truncate(super::offset_of(out, precision));
            }
        }
        ('c', Cell::Integer(value)) => out.push(char::from_u32(u32::try_from(value).ok()?)?),
        ('c', Cell::Text(text)) if characters(text) == 1 => out.push_str(text),
        ('d', Cell::Integer(value)) if spec.precision.is_none() => {
            signed(spec, value < 0, &grouped(spec, &value.unsigned_abs().to_string()), out)
        }
        ('x', Cell::Integer(value)) => {
            prefixed(spec, if spec.alternate { "0x" } else { "" }, &format!("{value:x}"), out)
        }
        ('o', Cell::Integer(value)) => {
            prefixed(spec, if spec.alternate { "0" } else { "" }, &format!("{value:o}"), out)
        }
        ('f', Cell::Double(value, _)) if value.is_finite() => {
            let text = format!("{:.*}", spec.precision.unwrap_or(6), value.abs());
            signed(spec, value.is_sign_negative(), &grouped(spec, &text), out);
        }
        ('f', Cell::Decimal(value, scale)) => {
            let places = spec.precision.unwrap_or(6);
            let kept = u8::try_from(places).ok().filter(|places| *places <= 38)?;
            let rounded = crate::cast::decimals::rescale(value.checked_abs()?, scale, kept, 38)?;
            let mut text = String::new();
            write_decimal(&mut text, rounded, kept);
            signed(spec, value < 0, &grouped(spec, &text), out);
        }
        ('e', Cell::Double(value, _)) if value.is_finite() => {
            let text = format!("{:.*e}", spec.precision.unwrap_or(6), value.abs());
            let (mantissa, exponent) = text.split_once('e')?;
            let exponent: i32 = exponent.parse().ok()?;
            signed(
                spec,
                value.is_sign_negative(),
                &format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
                out,
            );
        }
        ('f' | 'e', Cell::Double(value, _)) => write_double(out, value),
        _ => return None,
    }
    Some(())
}

/// The digits in groups of three, where the flag says so.
fn grouped(spec: &Spec, digits: &str) -> String {
    if !spec.group {
        return digits.to_owned();
    }
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

fn signed(spec: &Spec, negative: bool, digits: &str, out: &mut String) {
    let (before, after) = match (negative, spec.parentheses, spec.plus, spec.space) {
        (true, true, ..) => ("(", ")"),
        (true, ..) => ("-", ""),
        (false, _, true, _) => ("+", ""),
        (false, _, _, true) => (" ", ""),
        _ => ("", ""),
    };
    out.push_str(before);
    zeros(spec, before.len() + digits.len() + after.len(), out);
    out.push_str(digits);
    out.push_str(after);
}

fn prefixed(spec: &Spec, prefix: &str, digits: &str, out: &mut String) {
    out.push_str(prefix);
    zeros(spec, prefix.len() + digits.len(), out);
    out.push_str(digits);
}

fn zeros(spec: &Spec, length: usize, out: &mut String) {
    if spec.zeros && !spec.left {
        out.extend(std::iter::repeat_n('0', spec.width.saturating_sub(length)));
    }
}
