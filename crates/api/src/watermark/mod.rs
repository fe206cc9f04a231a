//! Event time: the time of each record, and how far the stream has come.

mod alignment;
mod generators;
mod source;
mod strategy;

pub(crate) use alignment::AlignmentGroup;
pub use generators::{BoundedOutOfOrderness, NoWatermarks, WatermarkGenerator, WatermarkOutput};
pub(crate) use source::SplitEventTime;
pub use strategy::{RecordTimestamps, TimestampAssigner, WatermarkAlignment, WatermarkStrategy};
