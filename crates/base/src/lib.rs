//! What every crate of Riverrun knows: errors that tell the reader what to do, options that are defined once,
//! durations and sizes as Flink writes them, secrets that never print, and the nearest known name.
//!
//! This crate depends on nothing of Riverrun and does no input or output.

mod duration;
mod error;
mod memory_size;
mod nearest;
pub mod options;
mod secret;

pub use duration::{format_duration, parse_duration};
pub use error::{Error, Kind, Position, Result};
pub use memory_size::MemorySize;
pub use nearest::nearest;
pub use secret::Secret;
