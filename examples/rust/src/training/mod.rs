//! The exercises of Flink's training: rides and fares of New York's taxis.
//!
//! Each exercise is a function from streams to a stream, so that its tests can feed it what they like; the programs in `src/bin` feed them
//! generated rides.

mod generator;
mod hourly_tips;
mod long_rides;
mod ride_cleansing;
mod rides_and_fares;

use serde::{Deserialize, Serialize};

pub use generator::{fares, rides};
pub use hourly_tips::hourly_tips;
pub use long_rides::long_rides;
pub use ride_cleansing::ride_cleansing;
pub use rides_and_fares::rides_and_fares;

/// The start, or the end, of a ride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaxiRide {
    /// The same for start and end.
    pub ride_id: i64,
    /// Whether it is the start.
    pub is_start: bool,
    /// When it happened, in epoch milliseconds.
    pub event_time: i64,
    /// Where the ride starts, in degrees east.
    pub start_lon: f32,
    /// Where the ride starts, in degrees north.
    pub start_lat: f32,
    /// Where the ride ends, in degrees east.
    pub end_lon: f32,
    /// Where the ride ends, in degrees north.
    pub end_lat: f32,
    /// How many ride along.
    pub passenger_count: i16,
    /// The taxi.
    pub taxi_id: i64,
    /// Who drives.
    pub driver_id: i64,
}

/// What was paid for a ride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaxiFare {
    /// The ride.
    pub ride_id: i64,
    /// The taxi.
    pub taxi_id: i64,
    /// Who drives.
    pub driver_id: i64,
    /// When the ride started, in epoch milliseconds.
    pub start_time: i64,
    /// `CASH` or `CARD`.
    pub payment_type: String,
    /// The tip.
    pub tip: f32,
    /// What roads and bridges cost.
    pub tolls: f32,
    /// All together.
    pub total_fare: f32,
}
