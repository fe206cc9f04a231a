//! Mathematical functions.

use std::f64::consts;
use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::logic::one;
use super::signature::{Choice, any_nullable, count, exactly};
use super::{Argument, Bound, ScalarFunction};
use crate::cast::decimals::power;
use crate::eval::{EvalContext, Rows, Value};

macro_rules! of_double {
    ($name:literal, $description:literal, $compute:expr) => {
        ScalarFunction {
            names: &[$name],
            usage: concat!($name, "(number)"),
            description: $description,
            choose: |args| double(args, $compute),
        }
    };
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ABS"],
        usage: "ABS(number)",
        description: "The number without its sign.",
        choose: |args| same_type(args, absolute),
    },
    ScalarFunction {
        names: &["SIGN"],
        usage: "SIGN(number)",
        description: "-1, 0 or 1, in the type of the number.",
        choose: |args| same_type(args, sign),
    },
    ScalarFunction {
        names: &["POWER", "POW"],
        usage: "POWER(number, exponent)",
        description: "The number raised to a power.",
        choose: |args| two_doubles(args, f64::powf),
    },
    of_double!("SQRT", "The square root; NaN of a negative number.", f64::sqrt),
    of_double!("EXP", "The number e raised to a power.", f64::exp),
    of_double!("LN", "The natural logarithm.", f64::ln),
    of_double!("LOG10", "The logarithm to base 10.", f64::log10),
    of_double!("LOG2", "The logarithm to base 2.", f64::log2),
    ScalarFunction {
        names: &["LOG"],
        usage: "LOG([base,] number)",
        description: "The logarithm to a base, or the natural one.",
        choose: log,
    },
    of_double!("SIN", "The sine.", f64::sin),
    of_double!("COS", "The cosine.", f64::cos),
    of_double!("TAN", "The tangent.", f64::tan),
    of_double!("COT", "The cotangent.", |value| 1.0 / value.tan()),
    of_double!("ASIN", "The arc sine.", f64::asin),
    of_double!("ACOS", "The arc cosine.", f64::acos),
    of_double!("ATAN", "The arc tangent.", f64::atan),
    ScalarFunction {
        names: &["ATAN2"],
        usage: "ATAN2(y, x)",
        description: "The angle of a point.",
        choose: |args| two_doubles(args, f64::atan2),
    },
    of_double!("SINH", "The hyperbolic sine.", f64::sinh),
    of_double!("COSH", "The hyperbolic cosine.", f64::cosh),
    of_double!("TANH", "The hyperbolic tangent.", f64::tanh),
    of_double!("DEGREES", "Radians in degrees.", f64::to_degrees),
    of_double!("RADIANS", "Degrees in radians.", f64::to_radians),
    ScalarFunction {
        names: &["PI"],
        usage: "PI()",
        description: "The number pi.",
        choose: |args| constant(args, consts::PI),
    },
    ScalarFunction {
        names: &["E"],
        usage: "E()",
        description: "The number e.",
        choose: |args| constant(args, consts::E),
    },
    ScalarFunction { names: &["BIN"], usage: "BIN(integer)", description: "An integer in binary digits.", choose: bin },
];

/// A function from double to double.
fn double(args: &[Argument], compute: fn(f64) -> f64) -> Choice {
    let [arg] = exactly(args)?;
    let returns = arg.as_type(L::Double);
    Ok(Bound::new(vec![arg.double()?], returns, move |args, context| {
        let array = one(args)?.array().as_primitive::<Float64Type>();
        Ok(Rows::all(args, context).value(array.unary::<_, Float64Type>(compute)))
    }))
}

/// A function from two doubles to double.
fn two_doubles(args: &[Argument], compute: fn(f64, f64) -> f64) -> Choice {
    let [left, right] = exactly(args)?;
    let returns = DataType { logical: L::Double, nullable: any_nullable(args) };
    Ok(Bound::new(vec![left.double()?, right.double()?], returns, move |args, context| {
        let [left, right] = args else { return Err(Error::internal("a function without its two arguments")) };
        let (a, b) = (left.cells::<Float64Array>()?, right.cells::<Float64Array>()?);
        Ok(Rows::strict(args, context)
            .numbers::<Float64Type>(&arrow::datatypes::DataType::Float64, |row| compute(a.at(row), b.at(row))))
    }))
}

fn log(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    match args {
        [_] => double(args, f64::ln),
        _ => two_doubles(args, |base, number| number.ln() / base.ln()),
    }
}

fn constant(args: &[Argument], value: f64) -> Choice {
    let [] = exactly(args)?;
    Ok(Bound::new(Vec::new(), DataType::not_null(L::Double), move |_, _| {
        Ok(Value::scalar(std::sync::Arc::new(Float64Array::from(vec![value]))))
    }))
}

/// A function whose result has the type of its argument.
fn same_type(args: &[Argument], compute: fn(&dyn Array) -> Result<ArrayRef>) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.number()?;
    Ok(Bound::new(vec![data_type.clone()], data_type, move |args: &[Value], _: &EvalContext| {
        let value = one(args)?;
        let result = compute(value.array())?;
        Ok(if value.is_scalar() { Value::scalar(result) } else { Value::Array(result) })
    }))
}

macro_rules! per_number {
    ($array:expr, $integer:expr, $float32:expr, $float64:expr, $decimal:expr) => {{
        let array = $array;
        let result: ArrayRef = if let Some(cells) = array.as_primitive_opt::<Int8Type>() {
            std::sync::Arc::new(cells.unary::<_, Int8Type>($integer))
        } else if let Some(cells) = array.as_primitive_opt::<Int16Type>() {
            std::sync::Arc::new(cells.unary::<_, Int16Type>($integer))
        } else if let Some(cells) = array.as_primitive_opt::<Int32Type>() {
            std::sync::Arc::new(cells.unary::<_, Int32Type>($integer))
        } else if let Some(cells) = array.as_primitive_opt::<Int64Type>() {
            std::sync::Arc::new(cells.unary::<_, Int64Type>($integer))
        } else if let Some(cells) = array.as_primitive_opt::<Float32Type>() {
            std::sync::Arc::new(cells.unary::<_, Float32Type>($float32))
        } else if let Some(cells) = array.as_primitive_opt::<Float64Type>() {
            std::sync::Arc::new(cells.unary::<_, Float64Type>($float64))
        } else if let Some(cells) = array.as_primitive_opt::<Decimal128Type>() {
            std::sync::Arc::new(
                cells.unary::<_, Decimal128Type>($decimal(cells)).with_data_type(cells.data_type().clone()),
            )
        } else {
            return Err(Error::internal(format!("{} is no number", array.data_type())));
        };
        Ok(result)
    }};
}

fn absolute(array: &dyn Array) -> Result<ArrayRef> {
    per_number!(array, |value| value.wrapping_abs(), f32::abs, f64::abs, |_: &Decimal128Array| i128::wrapping_abs)
}

fn sign(array: &dyn Array) -> Result<ArrayRef> {
    per_number!(
        array,
        |value| value.signum(),
        |value| if value == 0.0 || value.is_nan() { value } else { value.signum() },
        |value| if value == 0.0 || value.is_nan() { value } else { value.signum() },
        |cells: &Decimal128Array| {
            let unit = power(u8::try_from(cells.scale()).unwrap_or_default());
            move |value: i128| value.signum() * unit
        }
    )
}

fn bin(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let returns = arg.as_type(L::STRING);
    Ok(Bound::new(vec![arg.integer()?], returns, |args, context| {
        let value = one(args)?.cells::<Int64Array>()?;
        Rows::strict(args, context).texts(|row, out| {
            // Writing to a builder cannot fail.
            let _infallible = write!(out, "{:b}", value.at(row));
            Ok(true)
        })
    }))
}
