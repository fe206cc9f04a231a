//! `FLOOR(time TO unit)` and `CEIL(time TO unit)`.

use arrow::array::AsArray;
use arrow::datatypes::Date32Type;
use riverrun_base::{Error, Result};
use riverrun_data::LogicalType as L;

use super::unit::Unit;
use crate::cast::calendar::Date;
use crate::cast::times::{Times, Timestamps, times, timestamps};
use crate::cast::zone::Zone;
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::signature::{Choice, Refusal, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["FLOOR TO"],
        usage: "FLOOR(time TO unit)",
        description: "The time's last start of a unit; weeks start on Sunday.",
        choose: |args| round(args, false),
    },
    ScalarFunction {
        names: &["CEIL TO"],
        usage: "CEIL(time TO unit)",
        description: "The time's next start of a unit, or itself.",
        choose: |args| round(args, true),
    },
];

fn round(args: &[Argument], up: bool) -> Choice {
    let [time, unit] = exactly(args)?;
    let unit = Unit::of(unit)?;
    if matches!(unit, Unit::DayOfWeek | Unit::IsoDayOfWeek | Unit::DayOfYear | Unit::IsoYear | Unit::Epoch) {
        return Err(Refusal::because(format!("a time cannot be rounded to {}", unit.name())));
    }
    let data_type = time.own(L::is_datetime, L::Timestamp(3))?;
    let logical = data_type.logical.clone();
    let kernel = move |args: &[Value], context: &EvalContext| {
        let value = args.first().ok_or_else(|| Error::internal("no time to round"))?;
        rounded(value, &logical, unit, up, context)
    };
    Ok(Bound::new(vec![data_type.clone(), args[1].data_type.clone()], data_type, kernel))
}

fn rounded(value: &Value, logical: &L, unit: Unit, up: bool, context: &EvalContext) -> Result<Value> {
    let array = value.array();
    let rows = Rows::all(std::slice::from_ref(value), context);
    let not_a_time = || Error::internal(format!("{} is no time", array.data_type()));
    let result = match logical {
        L::Date => {
            let days = array.as_primitive::<Date32Type>();
            return Ok(rows.value(days.unary::<_, Date32Type>(|days| {
                // A day is not made of smaller days, and dates stay near their unit's start.
                i32::try_from(days_rounded(days.into(), unit, up)).unwrap_or(days)
            })));
        }
        L::Time(_) => {
            let from = Times::of(array).ok_or_else(not_a_time)?;
            let millis = unit.nanos().map(|nanos| nanos / 1_000_000).filter(|millis| (1..86_400_000).contains(millis));
            let values = (0..array.len())
                .map(|row| millis.map_or_else(|| from.millis(row), |unit| to_multiple(from.millis(row), unit, up)))
                .collect();
            times(values, array.nulls().cloned(), logical)
        }
        _ => {
            let from = Timestamps::of(array).ok_or_else(not_a_time)?;
            let zone = Zone::new(if matches!(logical, L::TimestampLtz(_)) { context.zone } else { chrono_tz::Tz::UTC });
            let values = from.values.iter();
            let nanos_per_unit = 1_000_000_000 / from.per_second;
            let fixed = unit.nanos().filter(|_| unit != Unit::Week).map(|nanos| nanos / nanos_per_unit);
            let rounded: Vec<i64> = match fixed {
                // Finer than the values are.
                Some(0 | 1) => values.copied().collect(),
                Some(unit) if zone.is_utc() => all_to_multiple(from.values, unit, up),
                _ => values
                    .map(|value| {
                        // The offset at the time itself is taken for its unit's start too, as Flink does.
                        let offset = zone.offset_at(value.div_euclid(from.per_second)).wrapping_mul(from.per_second);
                        let local = value.wrapping_add(offset);
                        let rounded = match fixed {
                            Some(unit) => to_multiple(local, unit, up),
                            None => calendar_rounded(local, from.per_second.wrapping_mul(86_400), unit, up),
                        };
                        rounded.wrapping_sub(offset)
                    })
                    .collect(),
            };
            timestamps(rounded, from.nulls.cloned(), logical)
        }
    };
    Ok(if value.is_scalar() { Value::scalar(result) } else { Value::Array(result) })
}

/// Every value at a multiple of a unit. The usual units are constants of their own loop, where no division is left.
fn all_to_multiple(values: &[i64], unit: i64, up: bool) -> Vec<i64> {
    macro_rules! loops {
        ($($constant:literal),*) => {
            match unit {
                $($constant => values.iter().map(|value| to_multiple(*value, $constant, up)).collect(),)*
                _ => values.iter().map(|value| to_multiple(*value, unit, up)).collect(),
            }
        };
    }
    // Second, minute, hour and day, in milliseconds and in microseconds.
    loops!(1_000, 60_000, 3_600_000, 86_400_000, 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000)
}

#[inline]
fn to_multiple(value: i64, unit: i64, up: bool) -> i64 {
    let rest = value.rem_euclid(unit);
    if up && rest > 0 { value.wrapping_add(unit - rest) } else { value.wrapping_sub(rest) }
}

/// Only the day counts, as in Flink: `CEIL(TIMESTAMP '2026-05-01 13:45:00' TO MONTH)` is 2026-05-01 00:00:00.
fn calendar_rounded(value: i64, per_day: i64, unit: Unit, up: bool) -> i64 {
    days_rounded(value.div_euclid(per_day), unit, up).wrapping_mul(per_day)
}

/// The first day of the unit that a day is in, or of the next one unless the day is a first day itself.
fn days_rounded(days: i64, unit: Unit, up: bool) -> i64 {
    let date = Date::of(days);
    let start = match unit {
        // 1970-01-04 was a Sunday.
        Unit::Week => days - (days - 3).rem_euclid(7),
        Unit::Month => Date { day: 1, ..date }.days(),
        Unit::Quarter => Date { month: (date.month - 1) / 3 * 3 + 1, day: 1, ..date }.days(),
        _ => match years(unit) {
            Some((_, first)) => first_of_years(date.year, unit, first),
            None => days,
        },
    };
    if !up || start == days {
        return start;
    }
    let first = Date::of(start);
    match unit {
        Unit::Week => start + 7,
        Unit::Month => Date { month: first.month + 1, ..first }.days(),
        Unit::Quarter => Date { month: first.month + 3, ..first }.days(),
        _ => years(unit).map_or(start, |(length, _)| Date { year: first.year + length, ..first }.days()),
    }
}

/// How many years a unit has, and which year is the first of one.
fn years(unit: Unit) -> Option<(i64, i64)> {
    Some(match unit {
        Unit::Year => (1, 0),
        Unit::Decade => (10, 0),
        Unit::Century => (100, 1),
        Unit::Millennium => (1000, 1),
        _ => return None,
    })
}

fn first_of_years(year: i64, unit: Unit, first: i64) -> i64 {
    let length = years(unit).map_or(1, |(length, _)| length);
    Date { year: (year - first).div_euclid(length) * length + first, month: 1, day: 1 }.days()
}
