//! `ROUND`, `TRUNCATE`, `FLOOR` and `CEIL` of numbers.
#![allow(clippy::cast_possible_truncation, reason = "a result that its type does not hold wraps, as in Java")]

use arrow::array::{AsArray, Decimal128Array, Int64Array, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as ArrowType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type,
};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::logic::one;
use super::signature::{Choice, any_nullable, arrow, count, exactly};
use super::{Argument, Bound, ScalarFunction};
use crate::cast::decimals::{divide_half_up, fits, power};
use crate::cast::digits::Digits;
use crate::eval::{EvalContext, Rows, Value};
use crate::types::round_type;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ROUND"],
        usage: "ROUND(number [, digits])",
        description: "The number rounded half up to digits behind the point, or before it where negative.",
        choose: |args| to_digits(args, Mode::HalfUp),
    },
    ScalarFunction {
        names: &["TRUNCATE"],
        usage: "TRUNCATE(number [, digits])",
        description: "The number cut off after digits behind the point, or before it where negative.",
        choose: |args| to_digits(args, Mode::Cut),
    },
    ScalarFunction {
        names: &["FLOOR"],
        usage: "FLOOR(number) or FLOOR(time TO unit)",
        description: "The largest whole number that is not above.",
        choose: |args| to_whole(args, Mode::Down),
    },
    ScalarFunction {
        names: &["CEIL", "CEILING"],
        usage: "CEIL(number) or CEIL(time TO unit)",
        description: "The smallest whole number that is not below.",
        choose: |args| to_whole(args, Mode::Up),
    },
];

/// Which neighbour a number is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The nearer; of two as near, the one further from zero.
    HalfUp,
    /// The one nearer to zero.
    Cut,
    /// The lower.
    Down,
    /// The upper.
    Up,
}

impl Mode {
    /// A multiple of `unit`, in units.
    fn units(self, value: i128, unit: i128) -> i128 {
        match self {
            Self::HalfUp => divide_half_up(value, unit),
            Self::Cut => value / unit,
            Self::Down => value.div_euclid(unit),
            Self::Up => -(-value).div_euclid(unit),
        }
    }
}

fn to_whole(args: &[Argument], mode: Mode) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.number()?;
    let L::Decimal(precision, scale) = data_type.logical else {
        return Ok(Bound::new(vec![data_type.clone()], data_type, move |args, context| {
            let value = one(args)?;
            let rows = Rows::all(args, context);
            Ok(if let Some(cells) = value.array().as_primitive_opt::<Float64Type>() {
                rows.value(
                    cells.unary::<_, Float64Type>(|value| if mode == Mode::Up { value.ceil() } else { value.floor() }),
                )
            } else if let Some(cells) = value.array().as_primitive_opt::<Float32Type>() {
                rows.value(
                    cells.unary::<_, Float32Type>(|value| if mode == Mode::Up { value.ceil() } else { value.floor() }),
                )
            } else {
                value.clone()
            })
        }));
    };
    let returns = DataType { logical: L::Decimal(precision, 0), nullable: data_type.nullable };
    let arrow_type = arrow(&returns);
    Ok(Bound::new(vec![data_type], returns, move |args, context| {
        let cells = one(args)?.array().as_primitive::<Decimal128Type>();
        let unit = power(scale);
        let rounded: PrimitiveArray<Decimal128Type> =
            cells.unary_opt(|value| Some(mode.units(value, unit)).filter(|value| fits(*value, precision)));
        Ok(Rows::all(args, context).value(rounded.with_data_type(arrow_type.clone())))
    }))
}

fn to_digits(args: &[Argument], mode: Mode) -> Choice {
    count(args, 1..=2)?;
    let number = args[0].number()?;
    let digits = match args.get(1) {
        None => Some(0),
        Some(digits) => digits.literal_integer(),
    };
    let mut arguments = vec![number.clone()];
    if let Some(digits) = args.get(1) {
        arguments.push(digits.integer()?);
    }
    let logical = match (&number.logical, digits) {
        (L::Decimal(precision, scale), Some(digits)) => round_type(*precision, *scale, digits),
        _ => number.logical.clone(),
    };
    let returns = DataType { logical, nullable: any_nullable(args) };
    let (from, to) = (number.logical, arrow(&returns));
    let result_scale = match returns.logical {
        L::Decimal(precision, scale) => (precision, scale),
        _ => (38, 0),
    };
    Ok(Bound::new(arguments, returns, move |args, context| round(mode, &from, &to, result_scale, args, context)))
}

fn round(
    mode: Mode,
    from: &L,
    to: &ArrowType,
    result: (u8, u8),
    args: &[Value],
    context: &EvalContext,
) -> Result<Value> {
    match from {
        L::TinyInt => integers::<Int8Type>(mode, args, context, |value| value as i8),
        L::SmallInt => integers::<Int16Type>(mode, args, context, |value| value as i16),
        L::Int => integers::<Int32Type>(mode, args, context, |value| value as i32),
        L::BigInt => integers::<Int64Type>(mode, args, context, |value| value as i64),
        L::Float => floats::<Float32Type>(mode, args, context, |value| value as f32),
        L::Double => floats::<Float64Type>(mode, args, context, |value| value),
        L::Decimal(_, scale) => decimals(mode, *scale, to, result, args, context),
        _ => Err(Error::internal(format!("{from} is no number"))),
    }
}

/// How many digits behind the point each row keeps.
fn digits<'a>(args: &'a [Value]) -> Result<impl Fn(usize) -> i64 + 'a> {
    let cells = args.get(1).map(|digits| digits.cells::<Int64Array>()).transpose()?;
    Ok(move |row| cells.as_ref().map_or(0, |cells| cells.at(row)))
}

fn integers<T: ArrowPrimitiveType>(
    mode: Mode,
    args: &[Value],
    context: &EvalContext,
    narrow: impl Fn(i128) -> T::Native,
) -> Result<Value>
where
    T::Native: Into<i128>,
{
    let values = args.first().ok_or_else(|| Error::internal("no number"))?.cells::<PrimitiveArray<T>>()?;
    let digits = digits(args)?;
    Ok(Rows::strict(args, context).numbers::<T>(&T::DATA_TYPE, |row| match digits(row) {
        0.. => values.at(row),
        before => {
            let unit = power(u8::try_from(before.unsigned_abs()).unwrap_or(38).min(38));
            narrow(mode.units(values.at(row).into(), unit) * unit)
        }
    }))
}

fn floats<T: ArrowPrimitiveType>(
    mode: Mode,
    args: &[Value],
    context: &EvalContext,
    narrow: impl Fn(f64) -> T::Native,
) -> Result<Value>
where
    T::Native: Into<f64>,
{
    let values = args.first().ok_or_else(|| Error::internal("no number"))?.cells::<PrimitiveArray<T>>()?;
    let digits = digits(args)?;
    Ok(Rows::strict(args, context).numbers::<T>(&T::DATA_TYPE, |row| {
        let value: f64 = values.at(row).into();
        if !value.is_finite() {
            return narrow(value);
        }
        let digits = digits(row);
        let shortest = Digits::of(value);
        narrow(if mode == Mode::HalfUp { shortest.rounded(digits) } else { shortest.cut(digits) }.unwrap_or(value))
    }))
}

fn decimals(
    mode: Mode,
    scale: u8,
    to: &ArrowType,
    (precision, result_scale): (u8, u8),
    args: &[Value],
    context: &EvalContext,
) -> Result<Value> {
    let values = args.first().ok_or_else(|| Error::internal("no number"))?.cells::<Decimal128Array>()?;
    let digits = digits(args)?;
    let scale = i64::from(scale);
    Rows::strict(args, context).try_numbers::<Decimal128Type>(to, |row| {
        let value = values.at(row);
        let kept = digits(row).min(scale);
        // How many digits of the unscaled value are given up, of at most 38.
        let dropped = scale.saturating_sub(kept);
        if dropped > 38 {
            return Ok(Some(0));
        }
        let unit = power(u8::try_from(dropped).unwrap_or(38));
        let rounded = mode.units(value, unit).checked_mul(unit);
        // From the argument's scale to the result's, which only cuts zeros.
        let given_up = u8::try_from(scale - i64::from(result_scale)).unwrap_or_default();
        Ok(rounded.map(|value| value / power(given_up)).filter(|value| fits(*value, precision)))
    })
}
