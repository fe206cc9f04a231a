//! The exercises of the training: the answers that Flink's own tests expect, and what holds of generated rides.

use std::collections::{BTreeMap, BTreeSet};

use riverrun::prelude::*;
use riverrun_examples::training::{
    TaxiFare, TaxiRide, fares, hourly_tips, long_rides, ride_cleansing, rides, rides_and_fares,
};

const BEGIN: i64 = 1_577_880_000_000;
const MINUTE: i64 = 60_000;

fn minutes(minutes: i64) -> i64 {
    BEGIN + minutes * MINUTE
}

fn ride(ride_id: i64, is_start: bool, event_time: i64) -> TaxiRide {
    let (start_lon, start_lat, end_lon, end_lat) = (-73.987_75, 40.768, -73.966, 40.781);
    let (passenger_count, taxi_id, driver_id) = (1, ride_id, ride_id);
    TaxiRide {
        ride_id,
        is_start,
        event_time,
        start_lon,
        start_lat,
        end_lon,
        end_lat,
        passenger_count,
        taxi_id,
        driver_id,
    }
}

fn fare(driver_id: i64, start_time: i64, tip: f32) -> TaxiFare {
    let payment_type = "CARD".to_owned();
    TaxiFare { ride_id: 1, taxi_id: 1, driver_id, start_time, payment_type, tip, tolls: 0.0, total_fare: tip }
}

/// Elements one after another, each with a watermark behind it.
fn in_order<T: Clone + Send + Sync + 'static>(
    env: &StreamExecutionEnvironment,
    elements: Vec<T>,
    time: fn(&T) -> i64,
) -> DataStream<T> {
    env.set_buffer_timeout(std::time::Duration::ZERO);
    env.from_collection(elements).assign_timestamps_and_watermarks(
        WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(move |element: &T, _| time(element)),
    )
}

fn tips(given: Vec<TaxiFare>) -> Vec<(i64, i64, f32)> {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let fares = in_order(&env, given, |fare| fare.start_time);
    let mut told = hourly_tips(fares).execute_and_collect("hourly tips").unwrap();
    told.sort_by_key(|(end, ..)| *end);
    told
}

#[test]
fn one_driver_with_one_tip_has_the_most_tips() {
    assert_eq!(tips(vec![fare(1, minutes(0), 1.0)]), [(minutes(60), 1, 1.0)]);
}

#[test]
fn tips_are_summed_by_hour_and_compared_between_drivers() {
    let given = vec![fare(1, minutes(0), 1.0), fare(1, minutes(15), 5.0), fare(1, minutes(90), 10.0)];
    assert_eq!(tips(given.clone()), [(minutes(60), 1, 6.0), (minutes(120), 1, 10.0)]);
    let more = given.into_iter().chain([fare(2, minutes(90), 20.0)]).collect();
    assert_eq!(tips(more), [(minutes(60), 1, 6.0), (minutes(120), 2, 20.0)]);
}

fn alerts(given: Vec<TaxiRide>) -> Vec<i64> {
    let env = StreamExecutionEnvironment::new();
    let rides = in_order(&env, given, |ride| ride.event_time);
    long_rides(rides).execute_and_collect("long rides").unwrap()
}

#[test]
fn a_ride_of_more_than_two_hours_is_told_once_and_shorter_ones_never() {
    assert!(alerts(vec![ride(1, true, minutes(0)), ride(1, false, minutes(30))]).is_empty());
    assert_eq!(alerts(vec![ride(1, true, minutes(0)), ride(1, false, minutes(121))]), [1]);
    // The end never comes: the timer tells.
    assert_eq!(alerts(vec![ride(1, true, minutes(0)), ride(2, true, minutes(130))]), [1, 2]);
    // The end comes before the start.
    assert!(alerts(vec![ride(7, false, minutes(1)), ride(7, true, minutes(1))]).is_empty());
}

#[test]
fn rides_that_leave_the_city_are_left_out() {
    let env = StreamExecutionEnvironment::new();
    let out_of_town = TaxiRide { end_lon: -80.0, ..ride(2, true, minutes(0)) };
    let to_thessaloniki = TaxiRide { start_lat: 40.6, start_lon: 22.9, ..ride(3, true, minutes(0)) };
    let given = vec![ride(1, true, minutes(0)), out_of_town, to_thessaloniki];
    let kept = ride_cleansing(env.from_collection(given)).execute_and_collect("ride cleansing").unwrap();
    assert_eq!(kept, [ride(1, true, minutes(0))]);
}

#[test]
fn every_generated_ride_meets_its_fare() {
    let count = 3_000;
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let joined =
        rides_and_fares(rides(&env, count), fares(&env, count)).execute_and_collect("rides and fares").unwrap();
    let ids: BTreeSet<i64> = joined.iter().map(|(ride, _)| ride.ride_id).collect();
    assert_eq!((joined.len() as u64, ids.len() as u64), (count, count));
    assert!(
        joined.iter().all(|(ride, fare)| ride.is_start && ride.ride_id == fare.ride_id && ride.taxi_id == fare.taxi_id)
    );
}

#[test]
fn generated_rides_are_told_as_a_batch_computation_tells_them() {
    let count = 5_000;
    let env = StreamExecutionEnvironment::new();
    let all = rides(&env, count).execute_and_collect("rides").unwrap();
    let mut times: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for ride in &all {
        let times = times.entry(ride.ride_id).or_default();
        *(if ride.is_start { &mut times.0 } else { &mut times.1 }) = ride.event_time;
    }
    let expected: BTreeSet<i64> =
        times.iter().filter(|(_, (start, end))| end - start > 120 * MINUTE).map(|(ride, _)| *ride).collect();
    assert!(expected.len() > 10, "{expected:?}");

    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let told = long_rides(rides(&env, count)).execute_and_collect("long rides").unwrap();
    assert_eq!(told.len(), expected.len());
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
}
