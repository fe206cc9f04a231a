//! Who gets the most tips in an hour: a window for each driver, and one over all of them.

use riverrun::prelude::*;
use riverrun::window::{TimeWindow, TumblingEventTimeWindows};
use std::time::Duration;

use super::TaxiFare;

/// For each hour: its end in epoch milliseconds, the driver who got the most tips in it, and how much.
pub fn hourly_tips(fares: DataStream<TaxiFare>) -> DataStream<(i64, i64, f32)> {
    let hour = TumblingEventTimeWindows::of(Duration::from_secs(3600));
    fares
        .key_by(|fare| fare.driver_id)
        .window(hour.clone())
        .aggregate_with(Tips, WithHourAndDriver)
        .name("Tips of each driver")
        .uid("tips-of-each-driver")
        .window_all(hour)
        .reduce(|a: (i64, i64, f32), b: (i64, i64, f32)| if b.2 > a.2 { b } else { a })
        .name("The most tips")
        .uid("the-most-tips")
}
