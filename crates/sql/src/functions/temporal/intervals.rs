//! Times and intervals added and subtracted: `+`, `-`, `*`, `TIMESTAMPADD`, `TIMESTAMPDIFF`.
#![allow(clippy::cast_possible_truncation, reason = "a difference or a date beyond its type wraps, as in Flink")]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Date32Array, DurationMillisecondArray, Int64Array, IntervalYearMonthArray};
use arrow::datatypes::{DataType as ArrowType, DurationMillisecondType, Int32Type, IntervalYearMonthType};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::unit::Unit;
use super::walls::Walls;
use crate::cast::calendar::{Date, MILLIS_PER_DAY, NANOS_PER_SECOND, WallTime};
use crate::cast::times::{Times, Timestamps, per_second, times, timestamps};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::signature::{Choice, Refusal, any_nullable, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::ArithmeticOperator as Operator;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["TIMESTAMPADD"],
        usage: "TIMESTAMPADD(unit, count, time)",
        description: "The time some units later.",
        choose: timestamp_add,
    },
    ScalarFunction {
        names: &["TIMESTAMPDIFF"],
        usage: "TIMESTAMPDIFF(unit, from, to)",
        description: "How many whole units lie between two times.",
        choose: timestamp_diff,
    },
];

/// `time + interval`, `time - interval`, `interval + interval`, `interval * integer`.
pub(in crate::functions) fn arithmetic(op: Operator, left: &Argument, right: &Argument) -> Choice {
    let (a, b) = (&left.data_type.logical, &right.data_type.logical);
    let arguments = vec![left.data_type.clone(), right.data_type.clone()];
    let nullable = left.is_nullable() || right.is_nullable();
    let negate = op == Operator::Subtract;
    match (op, a, b) {
        (Operator::Add | Operator::Subtract, time, interval) if time.is_datetime() && interval.is_interval() => {
            let logical = time.clone();
            let returns = DataType { logical: logical.clone(), nullable };
            Ok(Bound::new(arguments, returns, move |args, context| {
                moved(&logical, args, (0, 1), if negate { -1 } else { 1 }, context)
            }))
        }
        (Operator::Add, interval, time) if interval.is_interval() && time.is_datetime() => {
            let logical = time.clone();
            let returns = DataType { logical: logical.clone(), nullable };
            Ok(Bound::new(arguments, returns, move |args, context| moved(&logical, args, (1, 0), 1, context)))
        }
        (Operator::Add | Operator::Subtract, a, b) if a.is_interval() && a == b => {
            let returns = DataType { logical: a.clone(), nullable };
            Ok(Bound::new(arguments, returns, move |args, context| {
                of_intervals(args, context, |a, b| if negate { a.wrapping_sub(b) } else { a.wrapping_add(b) })
            }))
        }
        (Operator::Multiply, interval, number)
            if interval.is_interval() && (number.is_integer() || *number == L::Null) =>
        {
            let returns = DataType { logical: interval.clone(), nullable };
            Ok(Bound::new(vec![left.data_type.clone(), right.integer()?], returns, |args, context| {
                of_intervals(args, context, i64::wrapping_mul)
            }))
        }
        (Operator::Multiply, number, interval)
            if interval.is_interval() && (number.is_integer() || *number == L::Null) =>
        {
            let returns = DataType { logical: interval.clone(), nullable };
            Ok(Bound::new(vec![left.integer()?, right.data_type.clone()], returns, |args, context| {
                let swapped: Vec<Value> = args.iter().rev().cloned().collect();
                of_intervals(&swapped, context, i64::wrapping_mul)
            }))
        }
        (Operator::Subtract, a, b) if a.is_datetime() && b.is_datetime() => Err(Refusal::Because(
            Error::user(format!("Cannot apply '-' to arguments of type '{a} - {b}'"))
                .hint("TIMESTAMPDIFF(unit, from, to) gives the difference"),
        )),
        _ => Err(Refusal::Types),
    }
}

/// The cells of an interval or of an integer, as milliseconds, months or a number.
struct Amounts<'a> {
    cells: AmountCells<'a>,
    mask: usize,
}

enum AmountCells<'a> {
    Millis(&'a DurationMillisecondArray),
    Months(&'a IntervalYearMonthArray),
    Number(&'a Int64Array),
}

impl<'a> Amounts<'a> {
    fn new(value: &'a Value) -> Result<Self> {
        let any = value.array().as_any();
        let cells = if let Some(cells) = any.downcast_ref() {
            AmountCells::Millis(cells)
        } else if let Some(cells) = any.downcast_ref() {
            AmountCells::Months(cells)
        } else if let Some(cells) = any.downcast_ref() {
            AmountCells::Number(cells)
        } else {
            return Err(Error::internal(format!("{} is no interval", value.array().data_type())));
        };
        Ok(Self { cells, mask: if value.is_scalar() { 0 } else { usize::MAX } })
    }

    fn at(&self, row: usize) -> i64 {
        let row = row & self.mask;
        match self.cells {
            AmountCells::Millis(cells) => cells.value(row),
            AmountCells::Months(cells) => cells.value(row).into(),
            AmountCells::Number(cells) => cells.value(row),
        }
    }

    fn in_months(&self) -> bool {
        matches!(self.cells, AmountCells::Months(_))
    }
}

fn of_intervals(args: &[Value], context: &EvalContext, compute: impl Fn(i64, i64) -> i64) -> Result<Value> {
    let [left, right] = args else { return Err(Error::internal("an operator without its two sides")) };
    let (a, b) = (Amounts::new(left)?, Amounts::new(right)?);
    let rows = Rows::strict(args, context);
    let to = left.array().data_type();
    Ok(if a.in_months() {
        rows.numbers::<IntervalYearMonthType>(to, |row| compute(a.at(row), b.at(row)) as i32)
    } else {
        rows.numbers::<DurationMillisecondType>(to, |row| compute(a.at(row), b.at(row)))
    })
}

/// How far a time is moved.
#[derive(Clone, Copy)]
enum Step {
    /// A length, in nanoseconds of which only whole milliseconds are used by types that keep no more.
    Nanos(i128),
    Months(i64),
}

fn moved(
    logical: &L,
    args: &[Value],
    (time, interval): (usize, usize),
    sign: i64,
    context: &EvalContext,
) -> Result<Value> {
    let (Some(time), Some(interval)) = (args.get(time), args.get(interval)) else {
        return Err(Error::internal("no time or no interval"));
    };
    let amounts = Amounts::new(interval)?;
    let rows = Rows::strict(args, context);
    // The common case: milliseconds added to a column of timestamps.
    if let (false, Some(from)) = (amounts.in_months(), Timestamps::of(time.array())) {
        let (factor, mask) = (from.per_second / 1_000 * sign, if time.is_scalar() { 0 } else { usize::MAX });
        let values = (0..rows.count())
            .map(|row| from.values[row & mask].wrapping_add(amounts.at(row).wrapping_mul(factor)))
            .collect();
        return with_nulls(&rows, timestamps(values, None, logical));
    }
    let step = |row: usize| {
        let amount = amounts.at(row).wrapping_mul(sign);
        if amounts.in_months() { Step::Months(amount) } else { Step::Nanos(i128::from(amount) * 1_000_000) }
    };
    stepped(logical, time, &rows, step, context)
}

/// The time of each row moved by a step, in the type `logical`.
fn stepped(
    logical: &L,
    time: &Value,
    rows: &Rows,
    step: impl Fn(usize) -> Step,
    context: &EvalContext,
) -> Result<Value> {
    let walls = Walls::new(time, context)?;
    // Instants are moved as if in UTC, as Flink does.
    let wall = |row: usize| walls.instant(row);
    let array: ArrayRef = match logical {
        L::Date => Arc::new(Date32Array::from_iter_values((0..rows.count()).map(|row| match step(row) {
            Step::Months(months) => wall(row).date().plus_months(months).days() as i32,
            Step::Nanos(nanos) => (wall(row).days + (nanos / (i128::from(MILLIS_PER_DAY) * 1_000_000)) as i64) as i32,
        }))),
        L::Time(_) => {
            let from = Times::of(time.array()).ok_or_else(|| Error::internal("no column of times"))?;
            let mask = if time.is_scalar() { 0 } else { usize::MAX };
            let values = (0..rows.count()).map(|row| match step(row) {
                Step::Months(_) => from.millis(row & mask),
                Step::Nanos(nanos) => (from.millis(row & mask) + (nanos / 1_000_000) as i64).rem_euclid(MILLIS_PER_DAY),
            });
            times(values.collect(), None, logical)
        }
        L::Timestamp(precision) | L::TimestampLtz(precision) => {
            let per_second = per_second(*precision);
            let values = (0..rows.count()).map(|row| {
                let wall = wall(row);
                match step(row) {
                    Step::Months(months) => WallTime { days: wall.date().plus_months(months).days(), ..wall }
                        .units(per_second)
                        .unwrap_or_default(),
                    Step::Nanos(nanos) => wall
                        .units(per_second)
                        .unwrap_or_default()
                        .wrapping_add((nanos / i128::from(NANOS_PER_SECOND / per_second)) as i64),
                }
            });
            timestamps(values.collect(), None, logical)
        }
        _ => return Err(Error::internal(format!("{logical} cannot be moved"))),
    };
    with_nulls(rows, array)
}

/// NULL wherever an argument is.
fn with_nulls(rows: &Rows, array: ArrayRef) -> Result<Value> {
    let array = match rows.nulls() {
        None => array,
        Some(nulls) => {
            let data =
                array.to_data().into_builder().nulls(Some(nulls.clone())).build().map_err(crate::eval::arrow_error)?;
            arrow::array::make_array(data)
        }
    };
    Ok(if rows.is_constant() { Value::scalar(array) } else { Value::Array(array) })
}

fn timestamp_add(args: &[Argument]) -> Choice {
    let [unit, count, time] = exactly(args)?;
    let of = Unit::of(unit)?;
    let small = matches!(of, Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond);
    if !small && of.months().is_none() && !matches!(of, Unit::Day | Unit::Week) {
        return Err(Refusal::because(format!("TIMESTAMPADD does not know the unit {}", of.name())));
    }
    let own = time.own(L::is_datetime, L::Timestamp(3))?;
    let logical = match &own.logical {
        L::Date if small => L::Timestamp(6),
        other => other.clone(),
    };
    let argument = DataType { logical: logical.clone(), nullable: own.nullable };
    let returns = DataType { logical: logical.clone(), nullable: any_nullable(args) };
    Ok(Bound::new(vec![unit.data_type.clone(), count.integer()?, argument], returns, move |args, context| {
        let [_, count, time] = args else { return Err(Error::internal("TIMESTAMPADD without its arguments")) };
        let counts = count.cells::<Int64Array>()?;
        let rows = Rows::strict(&args[1..], context);
        let step = |row: usize| match (of.months(), of.nanos()) {
            (Some(months), _) => Step::Months(counts.at(row).wrapping_mul(months)),
            (None, nanos) => Step::Nanos(i128::from(counts.at(row)) * i128::from(nanos.unwrap_or_default())),
        };
        stepped(&logical, time, &rows, step, context)
    }))
}

fn timestamp_diff(args: &[Argument]) -> Choice {
    let [unit, from, to] = exactly(args)?;
    let of = Unit::of(unit)?;
    if of.months().is_none() && of.nanos().is_none() {
        return Err(Refusal::because(format!("TIMESTAMPDIFF does not know the unit {}", of.name())));
    }
    let (a, b) = (from.own(L::is_datetime, L::Timestamp(3))?, to.own(L::is_datetime, L::Timestamp(3))?);
    if matches!(a.logical, L::TimestampLtz(_)) != matches!(b.logical, L::TimestampLtz(_)) {
        return Err(Refusal::because("TIMESTAMPDIFF takes TIMESTAMP_LTZ only together with TIMESTAMP_LTZ"));
    }
    let returns = DataType { logical: L::Int, nullable: any_nullable(args) };
    Ok(Bound::new(vec![unit.data_type.clone(), a, b], returns, move |args, context| {
        let [_, from, to] = args else { return Err(Error::internal("TIMESTAMPDIFF without its arguments")) };
        let (a, b) = (Walls::new(from, context)?, Walls::new(to, context)?);
        let difference = |row: usize| match (of.months(), of.nanos()) {
            (Some(months), _) => (months_between(a.instant(row), b.instant(row)) / months) as i32,
            (None, unit) => {
                let nanos =
                    |wall: WallTime| i128::from(wall.seconds()) * i128::from(NANOS_PER_SECOND) + i128::from(wall.nano);
                ((nanos(b.instant(row)) - nanos(a.instant(row))) / i128::from(unit.unwrap_or(1))) as i32
            }
        };
        Ok(Rows::strict(&args[1..], context).numbers::<Int32Type>(&ArrowType::Int32, difference))
    }))
}

/// Whole months from one time to another.
fn months_between(from: WallTime, to: WallTime) -> i64 {
    let months = months_of_days(from.days, to.days);
    let reached = Date::of(from.days).plus_months(months).days();
    let clock = |wall: WallTime| (wall.second_of_day, wall.nano);
    if reached == to.days && clock(to) < clock(from) { months - 1 } else { months }
}

/// Whole months from one day to another. A month is over on the same day, or on the last day of a shorter month.
fn months_of_days(from: i64, to: i64) -> i64 {
    if to < from {
        return -months_of_days(to, from);
    }
    let (first, last) = (Date::of(from), Date::of(to));
    let months = (last.year - first.year) * 12 + last.month - first.month;
    if first.plus_months(months).days() > to { months - 1 } else { months }
}
