//! `EXTRACT` and its short forms.

use arrow::array::{DurationMillisecondArray, IntervalYearMonthArray};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use riverrun_base::Error;
use riverrun_data::LogicalType as L;

use super::unit::Unit;
use super::walls::Walls;
use crate::cast::calendar::{MILLIS_PER_DAY, WallTime, iso_day_of_week, iso_week};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::signature::{Choice, Refusal, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

macro_rules! short {
    ($name:literal, $unit:ident, $description:literal) => {
        ScalarFunction {
            names: &[$name],
            usage: concat!($name, "(time)"),
            description: $description,
            choose: |args| of_one(args, Unit::$unit),
        }
    };
}

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["EXTRACT"],
        usage: "EXTRACT(unit FROM time)",
        description: "A field of a date, time, timestamp or interval.",
        choose: extract,
    },
    short!("YEAR", Year, "The year."),
    short!("QUARTER", Quarter, "The quarter, 1 to 4."),
    short!("MONTH", Month, "The month, 1 to 12."),
    short!("WEEK", Week, "The week of the year, 1 to 53, as ISO 8601 counts."),
    short!("DAYOFYEAR", DayOfYear, "The day of the year, 1 to 366."),
    short!("DAYOFMONTH", Day, "The day of the month, 1 to 31."),
    short!("DAYOFWEEK", DayOfWeek, "The day of the week, Sunday 1 to Saturday 7."),
    short!("HOUR", Hour, "The hour, 0 to 23."),
    short!("MINUTE", Minute, "The minute, 0 to 59."),
    short!("SECOND", Second, "The second, 0 to 59."),
];

fn extract(args: &[Argument]) -> Choice {
    let [unit, time] = exactly(args)?;
    let bound = field(Unit::of(unit)?, time, 1)?;
    Ok(Bound { arguments: vec![unit.data_type.clone(), time.data_type.clone()], ..bound })
}

fn of_one(args: &[Argument], unit: Unit) -> Choice {
    let [time] = exactly(args)?;
    field(unit, time, 0)
}

/// The field of the argument at `place`.
fn field(unit: Unit, time: &Argument, place: usize) -> Choice {
    let logical = time.data_type.logical.clone();
    let allowed = match &logical {
        L::Date | L::Timestamp(_) | L::TimestampLtz(_) | L::Null => true,
        L::Time(_) => matches!(
            unit,
            Unit::Hour
                | Unit::Minute
                | Unit::Second
                | Unit::Millisecond
                | Unit::Microsecond
                | Unit::Nanosecond
                | Unit::Epoch
        ),
        L::IntervalDayTime => matches!(unit, Unit::Day | Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond),
        L::IntervalYearMonth => matches!(unit, Unit::Year | Unit::Quarter | Unit::Month),
        _ => return Err(Refusal::Types),
    };
    if !allowed {
        return Err(Refusal::because(format!("the unit {} cannot be taken from {logical}", unit.name())));
    }
    let wanted = time.own(|_| true, L::Timestamp(3))?;
    Ok(Bound::new(vec![wanted], time.as_type(L::BigInt), move |args: &[Value], context: &EvalContext| {
        let value = args.get(place).ok_or_else(|| Error::internal("EXTRACT without a time"))?;
        let rows = Rows::strict(std::slice::from_ref(value), context);
        let to = &ArrowType::Int64;
        Ok(match &logical {
            L::IntervalYearMonth => {
                let months = value.cells::<IntervalYearMonthArray>()?;
                rows.numbers::<Int64Type>(to, |row| of_months(unit, months.at(row).into()))
            }
            L::IntervalDayTime => {
                let millis = value.cells::<DurationMillisecondArray>()?;
                rows.numbers::<Int64Type>(to, |row| of_millis(unit, millis.at(row)))
            }
            _ => {
                let walls = Walls::new(value, context)?;
                rows.numbers::<Int64Type>(to, |row| {
                    if unit == Unit::Epoch { walls.instant(row).seconds() } else { of_wall(unit, walls.at(row)) }
                })
            }
        })
    }))
}

fn of_months(unit: Unit, months: i64) -> i64 {
    match unit {
        Unit::Year => months / 12,
        Unit::Quarter => months % 12 / 3 + 1,
        _ => months % 12,
    }
}

fn of_millis(unit: Unit, millis: i64) -> i64 {
    match unit {
        Unit::Day => millis / MILLIS_PER_DAY,
        Unit::Hour => millis / 3_600_000 % 24,
        Unit::Minute => millis / 60_000 % 60,
        Unit::Second => millis / 1_000 % 60,
        _ => millis % 1_000,
    }
}

#[inline]
fn of_wall(unit: Unit, wall: WallTime) -> i64 {
    match unit {
        Unit::Hour => wall.second_of_day / 3600,
        Unit::Minute => wall.second_of_day / 60 % 60,
        Unit::Second => wall.second_of_day % 60,
        Unit::Millisecond => wall.nano / 1_000_000,
        Unit::Microsecond => wall.nano / 1_000,
        Unit::Nanosecond => wall.nano,
        Unit::Epoch => wall.seconds(),
        Unit::DayOfWeek => iso_day_of_week(wall.days) % 7 + 1,
        Unit::IsoDayOfWeek => iso_day_of_week(wall.days),
        Unit::Week => iso_week(wall.days).1,
        Unit::IsoYear => iso_week(wall.days).0,
        Unit::Year => wall.date().year,
        Unit::Quarter => wall.date().quarter(),
        Unit::Month => wall.date().month,
        Unit::Day => wall.date().day,
        Unit::DayOfYear => wall.date().day_of_year(),
        Unit::Decade => wall.date().year.div_euclid(10),
        // The first century is that of the years 1 to 100.
        Unit::Century => (wall.date().year - 1).div_euclid(100) + 1,
        Unit::Millennium => (wall.date().year - 1).div_euclid(1000) + 1,
    }
}
