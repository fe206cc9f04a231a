//! Generated rides and fares: the same in every run, in the order of their times.

use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

use super::{TaxiFare, TaxiRide};

/// A ride starts so often.
const STEP: i64 = 20_000;
/// 2020-01-01 12:00:00 UTC.
const BEGIN: i64 = 1_577_880_000_000;
/// The longest ride, in steps: two hours and a half.
const LONGEST: u64 = 450;

/// The starts and ends of so many rides.
pub fn rides(env: &StreamExecutionEnvironment, count: u64) -> DataStream<TaxiRide> {
    let steps = GeneratorSource::new(|step| step).count(count + LONGEST).parallelism(1);
    env.add_source(steps, "taxi rides")
        .flat_map(move |step, out| {
            let ends =
                (step.saturating_sub(LONGEST)..step).filter(|ride| *ride < count && ride + duration(*ride) == step);
            ends.for_each(|ride| out.collect(event(ride, false)));
            if step < count {
                out.collect(event(step, true));
            }
        })
        .assign_timestamps_and_watermarks(
            WatermarkStrategy::for_monotonous_timestamps()
                .with_timestamp_assigner(|ride: &TaxiRide, _| ride.event_time),
        )
}

/// What was paid for so many rides.
pub fn fares(env: &StreamExecutionEnvironment, count: u64) -> DataStream<TaxiFare> {
    env.from_source(
        GeneratorSource::new(fare).count(count).parallelism(1),
        WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|fare: &TaxiFare, _| fare.start_time),
        "taxi fares",
    )
}

/// Numbers that look like chance and are the same in every run: SplitMix64.
fn mixed(ride: u64, what: u64) -> u64 {
    let value = (ride ^ (what << 56)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A part of one.
fn part(ride: u64, what: u64) -> f32 {
    f32::from(u16::try_from(mixed(ride, what) >> 48).unwrap_or(0)) / 65_536.0
}

/// How long a ride takes, in steps: few take longer than two hours.
fn duration(ride: u64) -> u64 {
    if mixed(ride, 1).is_multiple_of(100) { 361 + mixed(ride, 2) % (LONGEST - 361) } else { 6 + mixed(ride, 2) % 120 }
}

fn time(step: u64) -> i64 {
    BEGIN + STEP * i64::try_from(step).unwrap_or(0)
}

fn event(ride: u64, is_start: bool) -> TaxiRide {
    TaxiRide {
        ride_id: i64::try_from(ride).unwrap_or(0) + 1,
        is_start,
        event_time: time(if is_start { ride } else { ride + duration(ride) }),
        start_lon: -74.1 + 0.45 * part(ride, 3),
        start_lat: 40.45 + 0.6 * part(ride, 4),
        end_lon: -74.1 + 0.45 * part(ride, 5),
        end_lat: 40.45 + 0.6 * part(ride, 6),
        passenger_count: 1 + i16::try_from(mixed(ride, 7) % 4).unwrap_or(0),
        taxi_id: 2_013_000_000 + i64::try_from(mixed(ride, 8) % 1_000).unwrap_or(0),
        driver_id: driver(ride),
    }
}

fn driver(ride: u64) -> i64 {
    2_013_000_000 + i64::try_from(mixed(ride, 9) % 200).unwrap_or(0)
}

fn fare(ride: u64) -> TaxiFare {
    let (tip, tolls) =
        ((part(ride, 10) * 40.0).round() / 4.0, if mixed(ride, 11).is_multiple_of(10) { 5.5 } else { 0.0 });
    TaxiFare {
        ride_id: i64::try_from(ride).unwrap_or(0) + 1,
        taxi_id: 2_013_000_000 + i64::try_from(mixed(ride, 8) % 1_000).unwrap_or(0),
        driver_id: driver(ride),
        start_time: time(ride),
        payment_type: if mixed(ride, 12).is_multiple_of(2) { "CARD" } else { "CASH" }.to_owned(),
        tip,
        tolls,
        total_fare: tip + tolls + 2.5 + (part(ride, 13) * 120.0).round() / 4.0,
    }
}
