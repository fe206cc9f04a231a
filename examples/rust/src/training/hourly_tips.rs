//! Who gets the most tips in an hour: a window for each driver, and one over all of them.

use std::time::Duration;

use riverrun::prelude::*;
use riverrun::window::{ProcessWindowFunction, TimeWindow, TumblingEventTimeWindows, WindowContext};

use super::TaxiFare;

/// For each hour: its end in epoch milliseconds, the driver who got the most tips in it, and how much.
pub fn hourly_tips(fares: DataStream<TaxiFare>) -> DataStream<(i64, i64, f32)> {
    let hour = TumblingEventTimeWindows::of(Duration::from_secs(3600));
    fares
        .key_by(|fare| fare.driver_id)
        .window(hour.clone())
        .aggregate_with(SumOfTips, WithHourAndDriver)
        .name("Tips of each driver")
        .uid("tips-of-each-driver")
        .window_all(hour)
        .reduce(|a: (i64, i64, f32), b: (i64, i64, f32)| if b.2 > a.2 { b } else { a })
        .name("The most tips")
        .uid("the-most-tips")
}

/// Adds up tips.
#[derive(Clone)]
struct SumOfTips;

impl AggregateFunction for SumOfTips {
    type In = TaxiFare;
    type Accumulator = f32;
    type Out = f32;

    fn create_accumulator(&self) -> f32 {
        0.0
    }

    fn add(&self, fare: &TaxiFare, sum: &mut f32) {
        *sum += fare.tip;
    }

    fn get_result(&self, sum: &f32) -> f32 {
        *sum
    }

    fn merge(&self, a: f32, b: f32) -> f32 {
        a + b
    }
}

/// Says whose tips these are, and of which hour.
#[derive(Clone)]
struct WithHourAndDriver;

impl ProcessWindowFunction<f32, (i64, i64, f32), i64, TimeWindow> for WithHourAndDriver {
    fn process(
        &mut self,
        driver: &i64,
        context: &mut WindowContext<'_, TimeWindow>,
        sums: &[f32],
        out: &mut Collector<'_, (i64, i64, f32)>,
    ) -> FnResult {
        let end = context.window().end();
        sums.iter().for_each(|sum| out.collect((end, *driver, *sum)));
        Ok(())
    }
}
