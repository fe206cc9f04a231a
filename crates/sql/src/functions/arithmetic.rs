//! `+`, `-`, `*`, `/`, `%`: between numbers; with intervals they are those of [`super::temporal`].

use arrow::array::{Array, AsArray, PrimitiveArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    ArrowNativeTypeOp, ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, Refusal, any_nullable, bad_value, exactly};
use super::{Argument, Bound, ScalarFunction, decimal, temporal};
use crate::eval::{EvalContext, Rows, Value, arrow_error};
use crate::types::{ArithmeticOperator as Operator, arithmetic_type};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["+"],
        usage: "number + number, time + interval",
        description: "The sum; integers wrap around.",
        choose: |args| binary(Operator::Add, args),
    },
    ScalarFunction {
        names: &["-"],
        usage: "number - number, time - interval",
        description: "The difference; integers wrap around.",
        choose: |args| binary(Operator::Subtract, args),
    },
    ScalarFunction {
        names: &["*"],
        usage: "number * number, interval * integer",
        description: "The product; integers wrap around.",
        choose: |args| binary(Operator::Multiply, args),
    },
    ScalarFunction {
        names: &["/"],
        usage: "number / number",
        description: "The quotient; that of integers is an integer, and a division of integers or decimals by zero fails.",
        choose: |args| binary(Operator::Divide, args),
    },
    ScalarFunction {
        names: &["MOD", "%"],
        usage: "MOD(integer or decimal, integer or decimal)",
        description: "The remainder of a division, with the sign of the first number.",
        choose: |args| binary(Operator::Modulo, args),
    },
    ScalarFunction {
        names: &["NEG"],
        usage: "-number",
        description: "The number with its sign turned.",
        choose: negative,
    },
];

fn binary(op: Operator, args: &[Argument]) -> Choice {
    let [left, right] = exactly(args)?;
    let (a, b) = (&left.data_type.logical, &right.data_type.logical);
    if a.is_datetime() || a.is_interval() || b.is_datetime() || b.is_interval() {
        return temporal::interval_arithmetic(op, left, right);
    }
    // A bare NULL takes the type of the other side.
    let (a, b) = match (a, b) {
        (L::Null, L::Null) => return Err(Refusal::Types),
        (L::Null, b) => (b, b),
        (a, L::Null) => (a, a),
        both => both,
    };
    let result = arithmetic_type(op, a, b).ok_or(Refusal::Types)?;
    let returns = DataType { logical: result.clone(), nullable: any_nullable(args) };
    if let L::Decimal(precision, scale) = result {
        let exact = |logical: &L| {
            logical.as_decimal().map(|(precision, scale)| L::Decimal(precision, scale)).ok_or(Refusal::Types)
        };
        let (a, b) = (exact(a)?, exact(b)?);
        return Ok(decimal::arithmetic(op, (left.as_type(a), right.as_type(b)), returns, (precision, scale)));
    }
    // The remainder of integers is computed in the wider type, then it fits the divisor's.
    let wide = match op {
        Operator::Modulo => arithmetic_type(Operator::Add, a, b).ok_or(Refusal::Types)?,
        _ => result.clone(),
    };
    let arguments = vec![left.as_type(wide.clone()), right.as_type(wide.clone())];
    let integer = wide.is_integer();
    let bound = match op {
        Operator::Add => {
            Bound::new(arguments, returns, |args, context| with_arrow(numeric::add_wrapping, args, context))
        }
        Operator::Subtract => {
            Bound::new(arguments, returns, |args, context| with_arrow(numeric::sub_wrapping, args, context))
        }
        Operator::Multiply => {
            Bound::new(arguments, returns, |args, context| with_arrow(numeric::mul_wrapping, args, context))
        }
        Operator::Divide => Bound::new(arguments, returns, move |args, context| divide(&wide, args, context)),
        Operator::Modulo => Bound::new(arguments, returns, move |args, context| modulo(&wide, &result, args, context)),
    };
    Ok(if integer && matches!(op, Operator::Divide | Operator::Modulo) { bound.failing() } else { bound })
}

type ArrowArithmetic =
    fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> std::result::Result<arrow::array::ArrayRef, ArrowError>;

fn sides(args: &[Value]) -> Result<(&Value, &Value)> {
    match args {
        [left, right] => Ok((left, right)),
        _ => Err(Error::internal("an operator without its two sides")),
    }
}

fn with_arrow(compute: ArrowArithmetic, args: &[Value], context: &EvalContext) -> Result<Value> {
    let (left, right) = sides(args)?;
    let result = compute(left.datum(), right.datum()).map_err(arrow_error)?;
    Ok(Rows::all(args, context).value(result))
}

fn divide(wide: &L, args: &[Value], context: &EvalContext) -> Result<Value> {
    match wide {
        L::TinyInt => integers::<Int8Type>(args, context, i8::wrapping_div),
        L::SmallInt => integers::<Int16Type>(args, context, i16::wrapping_div),
        L::Int => integers::<Int32Type>(args, context, i32::wrapping_div),
        L::BigInt => integers::<Int64Type>(args, context, i64::wrapping_div),
        L::Float => floats::<Float32Type>(args, context, |a, b| a / b),
        _ => floats::<Float64Type>(args, context, |a, b| a / b),
    }
}

fn modulo(wide: &L, result: &L, args: &[Value], context: &EvalContext) -> Result<Value> {
    let value = match wide {
        L::TinyInt => integers::<Int8Type>(args, context, i8::wrapping_rem),
        L::SmallInt => integers::<Int16Type>(args, context, i16::wrapping_rem),
        L::Int => integers::<Int32Type>(args, context, i32::wrapping_rem),
        _ => integers::<Int64Type>(args, context, i64::wrapping_rem),
    }?;
    let (from, to) = (DataType::nullable(wide.clone()), DataType::nullable(result.clone()));
    crate::cast::cast(&value, &from, &to, crate::expr::CastMode::Implicit, context)
}

/// A division of integers: it fails where a divisor is zero and the row is not NULL.
fn integers<T: ArrowPrimitiveType>(
    args: &[Value],
    context: &EvalContext,
    compute: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<Value>
where
    T::Native: ArrowNativeTypeOp,
{
    let (left, right) = sides(args)?;
    let divisors = right.array().as_primitive::<T>();
    let rows = Rows::strict(args, context);
    if rows.count() > 0 && right.is_scalar() && divisors.is_valid(0) {
        let divisor = divisors.value(0);
        let dividends = left.array().as_primitive::<T>();
        if divisor.is_zero() {
            return if dividends.null_count() == dividends.len() {
                Ok(rows.value(PrimitiveArray::<T>::new_null(rows.count())))
            } else {
                Err(by_zero())
            };
        }
        return Ok(rows.value(dividends.unary::<_, T>(|dividend| compute(dividend, divisor))));
    }
    let (a, b) = (left.cells::<PrimitiveArray<T>>()?, right.cells::<PrimitiveArray<T>>()?);
    let no_zero = divisors.values().iter().all(|divisor| !divisor.is_zero());
    if no_zero {
        return Ok(rows.numbers::<T>(&T::DATA_TYPE, |row| compute(a.at(row), b.at(row))));
    }
    rows.try_numbers::<T>(&T::DATA_TYPE, |row| {
        let divisor = b.at(row);
        if divisor.is_zero() { Err(by_zero()) } else { Ok(Some(compute(a.at(row), divisor))) }
    })
}

/// The failure of a division of integers or decimals.
pub(super) fn by_zero() -> Error {
    bad_value("Division by zero")
}

fn floats<T: ArrowPrimitiveType>(
    args: &[Value],
    context: &EvalContext,
    compute: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<Value> {
    let (left, right) = sides(args)?;
    let (a, b) = (left.cells::<PrimitiveArray<T>>()?, right.cells::<PrimitiveArray<T>>()?);
    Ok(Rows::strict(args, context).numbers::<T>(&T::DATA_TYPE, |row| compute(a.at(row), b.at(row))))
}

fn negative(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.own(|logical| logical.is_numeric() || logical.is_interval(), L::Int)?;
    Ok(Bound::new(vec![data_type.clone()], data_type, |args, context| {
        let value = super::logic::one(args)?;
        let array = value.array();
        let negated: arrow::array::ArrayRef =
            match array.as_primitive_opt::<arrow::datatypes::DurationMillisecondType>() {
                Some(durations) => std::sync::Arc::new(
                    durations.unary::<_, arrow::datatypes::DurationMillisecondType>(i64::wrapping_neg),
                ),
                None => numeric::neg_wrapping(array).map_err(arrow_error)?,
            };
        Ok(Rows::all(args, context).value(negated))
    }))
}
