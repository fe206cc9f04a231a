//! Rides within New York City: a filter.

use riverrun::prelude::*;

use super::TaxiRide;

const WEST: f32 = -74.05;
const EAST: f32 = -73.7;
const SOUTH: f32 = 40.5;
const NORTH: f32 = 41.0;

/// The rides that start and end in New York City.
pub fn ride_cleansing(rides: DataStream<TaxiRide>) -> DataStream<TaxiRide> {
    rides
        .filter(|ride| is_in_nyc(ride.start_lon, ride.start_lat) && is_in_nyc(ride.end_lon, ride.end_lat))
        .name("Rides in New York")
        .uid("rides-in-new-york")
}

/// Whether a place is in the box around the city.
fn is_in_nyc(lon: f32, lat: f32) -> bool {
    (WEST..=EAST).contains(&lon) && (SOUTH..=NORTH).contains(&lat)
}
