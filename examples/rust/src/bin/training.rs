//! An exercise of the training on generated rides, printed.
//!
//! `training ride-cleansing | rides-and-fares | hourly-tips | long-rides [rides]`: 10,000 rides without the number.

use riverrun::prelude::*;
use riverrun::{Error, Result};
use riverrun_examples::training::{fares, hourly_tips, long_rides, ride_cleansing, rides, rides_and_fares};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let exercise = arguments.next().unwrap_or_default();
    let count = match arguments.next() {
        Some(count) => {
            count.parse().map_err(|error| Error::user(format!("'{count}' is no number")).caused_by(error))?
        }
        None => 10_000,
    };
    let env = StreamExecutionEnvironment::new();
    match exercise.as_str() {
        "ride-cleansing" => ride_cleansing(rides(&env, count)).print(),
        "rides-and-fares" => rides_and_fares(rides(&env, count), fares(&env, count)).print(),
        "hourly-tips" => hourly_tips(fares(&env, count)).print(),
        "long-rides" => long_rides(rides(&env, count)).print(),
        _ => {
            return Err(Error::user(format!("there is no exercise '{exercise}'"))
                .hint("ride-cleansing, rides-and-fares, hourly-tips or long-rides"));
        }
    };
    env.execute(exercise).map(drop)
}
