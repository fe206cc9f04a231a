//! The time of evaluation: `CURRENT_TIMESTAMP`, `PROCTIME`, `CURRENT_WATERMARK` and their kin.

use std::sync::Arc;

use arrow::array::{Array, Date32Array};
use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType as L, arrow_type};

use crate::cast::calendar::WallTime;
use crate::cast::times::{in_zone, per_second, times, timestamps};
use crate::cast::zone::Zone;
use crate::eval::{EvalContext, Value};
use crate::functions::signature::{Choice, Refusal, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["CURRENT_TIMESTAMP"],
        usage: "CURRENT_TIMESTAMP",
        description: "The instant of evaluation.",
        choose: instant,
    },
    ScalarFunction { names: &["NOW"], usage: "NOW()", description: "The instant of evaluation.", choose: instant },
    ScalarFunction {
        names: &["CURRENT_ROW_TIMESTAMP"],
        usage: "CURRENT_ROW_TIMESTAMP()",
        description: "The instant of evaluation.",
        choose: instant,
    },
    ScalarFunction {
        names: &["PROCTIME"],
        usage: "PROCTIME()",
        description: "The instant of processing, a time attribute.",
        choose: instant,
    },
    ScalarFunction {
        names: &["LOCALTIMESTAMP"],
        usage: "LOCALTIMESTAMP",
        description: "The time of evaluation in the session's zone.",
        choose: |args| {
            local(args, L::Timestamp(3), |wall| {
                timestamps(vec![wall.units(1_000).unwrap_or_default()], None, &L::Timestamp(3))
            })
        },
    },
    ScalarFunction {
        names: &["CURRENT_DATE"],
        usage: "CURRENT_DATE",
        description: "The day of evaluation in the session's zone.",
        choose: |args| {
            local(args, L::Date, |wall| Arc::new(Date32Array::from(vec![i32::try_from(wall.days).unwrap_or_default()])))
        },
    },
    ScalarFunction {
        names: &["CURRENT_TIME", "LOCALTIME"],
        usage: "CURRENT_TIME",
        description: "The time of the day in the session's zone, in seconds.",
        choose: |args| local(args, L::Time(0), clock),
    },
    ScalarFunction {
        names: &["CURRENT_WATERMARK"],
        usage: "CURRENT_WATERMARK(rowtime)",
        description: "The watermark of the operator that evaluates this; NULL before there is one.",
        choose: watermark,
    },
];

fn instant(args: &[Argument]) -> Choice {
    let [] = exactly(args)?;
    let logical = L::TimestampLtz(3);
    Ok(Bound::new(Vec::new(), DataType::not_null(logical.clone()), move |_, context| {
        Ok(Value::scalar(timestamps(vec![context.now], None, &logical)))
    })
    .volatile())
}

fn local(args: &[Argument], logical: L, of: fn(WallTime) -> Arc<dyn Array>) -> Choice {
    let [] = exactly(args)?;
    Ok(Bound::new(
        Vec::new(),
        DataType::not_null(logical),
        move |_: &[Value], context: &EvalContext| -> Result<Value> {
            Ok(Value::scalar(of(in_zone(WallTime::of(context.now, 1_000), &Zone::new(context.zone)))))
        },
    )
    .volatile())
}

fn clock(wall: WallTime) -> Arc<dyn Array> {
    times(vec![wall.second_of_day * 1_000], None, &L::Time(0))
}

fn watermark(args: &[Argument]) -> Choice {
    let [time] = exactly(args)?;
    let logical = match &time.data_type.logical {
        logical @ (L::Timestamp(_) | L::TimestampLtz(_)) => logical.clone(),
        _ => return Err(Refusal::Types),
    };
    let precision = match logical {
        L::Timestamp(precision) | L::TimestampLtz(precision) => precision,
        _ => 3,
    };
    Ok(Bound::new(vec![time.data_type.clone()], DataType::nullable(logical.clone()), move |_, context| {
        Ok(match context.watermark {
            None => Value::null(&arrow_type(&logical)),
            Some(millis) => {
                Value::scalar(timestamps(vec![millis.saturating_mul(per_second(precision) / 1_000)], None, &logical))
            }
        })
    })
    .volatile())
}
