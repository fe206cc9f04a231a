//! `TO_DATE`, `TO_TIMESTAMP`, `TO_TIMESTAMP_LTZ` and `UNIX_TIMESTAMP`.

use arrow::array::{Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::format::PatternArgument;
use super::pattern::Flavour;
use super::zones::named_zone;
use crate::cast::calendar::WallTime;
use crate::cast::parse_time::{parse_date, parse_sql_timestamp, parse_timestamp};
use crate::cast::times::per_second;
use crate::cast::zone::{Overlap, Zone};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, bad_value, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["TO_DATE"],
        usage: "TO_DATE(string [, pattern])",
        description: "The date that a text gives; NULL where it gives none.",
        choose: to_date,
    },
    ScalarFunction {
        names: &["TO_TIMESTAMP"],
        usage: "TO_TIMESTAMP(string [, pattern])",
        description: "The timestamp that a text gives, as TIMESTAMP(3); NULL where it gives none.",
        choose: to_timestamp,
    },
    ScalarFunction {
        names: &["TO_TIMESTAMP_LTZ"],
        usage: "TO_TIMESTAMP_LTZ(number [, precision]) or TO_TIMESTAMP_LTZ(string [, pattern [, zone]])",
        description: "The instant that is some seconds (precision 0), milliseconds (3) or smaller units after 1970, or that a text gives, in UTC unless a zone is named.",
        choose: to_timestamp_ltz,
    },
    ScalarFunction {
        names: &["UNIX_TIMESTAMP"],
        usage: "UNIX_TIMESTAMP([string [, pattern]])",
        description: "Seconds since 1970: now, or of a text in the session's zone; the smallest BIGINT where it gives no time.",
        choose: unix_timestamp,
    },
];

fn texts(args: &[Argument]) -> Result<Vec<DataType>, Refusal> {
    args.iter().map(Argument::text).collect()
}

fn first(args: &[Value]) -> Result<&Value> {
    args.first().ok_or_else(|| Error::internal("a function without its argument"))
}

fn to_date(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let pattern = PatternArgument::new(args.get(1), Flavour::SimpleDateFormat)?;
    let with_pattern = args.len() == 2;
    let bound = Bound::new(texts(args)?, DataType::nullable(L::Date), move |args: &[Value], context: &EvalContext| {
        let (text, mut patterns) = (first(args)?.cells::<StringArray>()?, pattern.rows(args.get(1))?);
        Rows::strict(args, context).try_numbers::<Date32Type>(&ArrowType::Date32, |row| {
            let days = if with_pattern {
                patterns.at(row)?.read(text.at(row)).map(|parsed| parsed.wall.days)
            } else {
                parse_date(text.at(row))
            };
            Ok(days.and_then(|days| i32::try_from(days).ok()))
        })
    });
    Ok(bound.failing())
}

fn to_timestamp(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let pattern = PatternArgument::new(args.get(1), Flavour::DateTimeFormatter)?;
    let with_pattern = args.len() == 2;
    let returns = DataType::nullable(L::Timestamp(3));
    let arrow_type = arrow(&returns);
    let bound = Bound::new(texts(args)?, returns, move |args: &[Value], context: &EvalContext| {
        let (text, mut patterns) = (first(args)?.cells::<StringArray>()?, pattern.rows(args.get(1))?);
        Rows::strict(args, context).try_numbers::<TimestampMillisecondType>(&arrow_type, |row| {
            let text = text.at(row);
            let wall = if with_pattern {
                // Where the pattern does not fit, Flink tries the form of SQL.
                patterns.at(row)?.read(text).map(|parsed| parsed.wall).or_else(|| parse_sql_timestamp(text))
            } else {
                parse_timestamp(text)
            };
            Ok(wall.and_then(|wall| wall.units(1_000)))
        })
    });
    Ok(if with_pattern { bound.failing() } else { bound })
}

fn to_timestamp_ltz(args: &[Argument]) -> Choice {
    count(args, 1..=3)?;
    if args[0].data_type.logical.is_numeric() {
        return ltz_of_number(args);
    }
    let pattern = PatternArgument::new(args.get(1), Flavour::DateTimeFormatter)?;
    let with_pattern = args.len() > 1;
    let returns = DataType::nullable(L::TimestampLtz(3));
    let arrow_type = arrow(&returns);
    Ok(Bound::new(texts(args)?, returns, move |args: &[Value], context: &EvalContext| {
        let (text, mut patterns) = (first(args)?.cells::<StringArray>()?, pattern.rows(args.get(1))?);
        let zones = args.get(2).map(|zone| zone.cells::<StringArray>()).transpose()?;
        let mut last: Option<(&str, Zone)> = None;
        Rows::strict(args, context).try_numbers::<TimestampMillisecondType>(&arrow_type, |row| {
            let text = text.at(row);
            let parsed = if with_pattern {
                patterns.at(row)?.read(text).map(|parsed| parsed.wall)
            } else {
                parse_timestamp(text)
            };
            let wall = parsed.ok_or_else(|| bad_value(format!("TO_TIMESTAMP_LTZ cannot read '{text}'")))?;
            let Some(zones) = &zones else { return Ok(wall.units(1_000)) };
            let name = zones.at(row);
            if last.as_ref().is_none_or(|(known, _)| *known != name) {
                last = Some((name, Zone::new(named_zone(name))));
            }
            let seconds =
                last.as_ref().map_or(wall.seconds(), |(_, zone)| zone.instant_of(wall.seconds(), Overlap::Earlier));
            Ok(WallTime { nano: wall.nano, ..WallTime::of(seconds, 1) }.units(1_000))
        })
    })
    .failing())
}

fn ltz_of_number(args: &[Argument]) -> Choice {
    count(args, 1..=2)?;
    let digits = match args.get(1) {
        None => 3,
        Some(precision) => {
            precision.integer()?;
            precision
                .literal_integer()
                .ok_or_else(|| Refusal::because("the precision of TO_TIMESTAMP_LTZ must be a constant"))?
        }
    };
    let digits = u8::try_from(digits)
        .ok()
        .filter(|digits| *digits <= 9)
        .ok_or_else(|| Refusal::because(format!("a precision is from 0 to 9, not {digits}")))?;
    let precision = digits.max(3);
    let returns = DataType::nullable(L::TimestampLtz(precision));
    let arrow_type = arrow(&returns);
    let fractional = args[0].data_type.logical.is_approximate();
    let number = args[0].as_type(if fractional { L::Double } else { L::BigInt });
    let arguments =
        [Some(number), args.get(1).map(|precision| precision.data_type.clone())].into_iter().flatten().collect();
    let scale = per_second(precision) / 10_i64.pow(digits.into());
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let number = first(args)?;
        let rows = Rows::strict(args, context);
        let units: Box<dyn Fn(usize) -> Option<i64> + '_> = if fractional {
            let cells = number.cells::<Float64Array>()?;
            #[allow(clippy::cast_possible_truncation, reason = "an instant beyond 64 bits saturates")]
            Box::new(move |row| Some((cells.at(row) * scale as f64) as i64).filter(|_| cells.at(row).is_finite()))
        } else {
            let cells = number.cells::<Int64Array>()?;
            Box::new(move |row| cells.at(row).checked_mul(scale))
        };
        match per_second(precision) {
            1_000 => rows.try_numbers::<TimestampMillisecondType>(&arrow_type, |row| Ok(units(row))),
            1_000_000 => rows.try_numbers::<TimestampMicrosecondType>(&arrow_type, |row| Ok(units(row))),
            _ => rows.try_numbers::<TimestampNanosecondType>(&arrow_type, |row| Ok(units(row))),
        }
    }))
}

fn unix_timestamp(args: &[Argument]) -> Choice {
    count(args, 0..=2)?;
    if args.is_empty() {
        let [] = exactly(args)?;
        return Ok(Bound::new(Vec::new(), DataType::not_null(L::BigInt), |_, context| {
            let seconds = context.now.div_euclid(1_000);
            Ok(Value::scalar(std::sync::Arc::new(Int64Array::from(vec![seconds])) as std::sync::Arc<dyn Array>))
        })
        .volatile());
    }
    let pattern = PatternArgument::new(args.get(1), Flavour::SimpleDateFormat)?;
    let can_fail = pattern.can_fail();
    let bound = Bound::new(
        texts(args)?,
        DataType { logical: L::BigInt, nullable: any_nullable(args) },
        move |args: &[Value], context: &EvalContext| {
            let (text, mut patterns) = (first(args)?.cells::<StringArray>()?, pattern.rows(args.get(1))?);
            let zone = Zone::new(context.zone);
            Rows::strict(args, context).try_numbers::<Int64Type>(&ArrowType::Int64, |row| {
                let Some(parsed) = patterns.at(row)?.read(text.at(row)) else { return Ok(Some(i64::MIN)) };
                let wall = parsed.wall.seconds();
                Ok(Some(match parsed.offset {
                    Some(offset) => wall - offset,
                    None => zone.instant_of(wall, Overlap::Later),
                }))
            })
        },
    );
    Ok(if can_fail { bound.failing() } else { bound })
}
