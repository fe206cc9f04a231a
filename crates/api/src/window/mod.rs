//! Windows: which there are, which records belong to them, when their results come, and what is left out of them.
//!
//! A [`WindowAssigner`] says to which windows a record belongs. What is known of the records of one key in one window is a *pane*. A
//! [`Trigger`] says when a pane's result comes out; without one of your own, when time has passed the window's end. A pane ends when time
//! has passed the window's end by the allowed lateness; a record that comes later is *late* and goes into the late side output, or is
//! dropped and counted as `numLateRecordsDropped`. These are the rules of Flink's `WindowOperator`.
//!
//! ```
//! use std::time::Duration;
//!
//! use riverrun::prelude::*;
//! use riverrun::window::TumblingEventTimeWindows;
//!
//! let env = StreamExecutionEnvironment::new();
//! let clicks = env.from_collection(vec![("home", 1_000), ("help", 2_000), ("home", 3_000), ("home", 61_000)]);
//! let strategy = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|click: &(&str, i64), _| click.1);
//! let sums = clicks
//!     .assign_timestamps_and_watermarks(strategy)
//!     .map(|(page, _)| (page.to_owned(), 1))
//!     .key_by(|(page, _)| page.clone())
//!     .window(TumblingEventTimeWindows::of(Duration::from_secs(60)))
//!     .reduce(|(page, a), (_, b)| (page, a + b));
//! let mut sums = sums.execute_and_collect("clicks")?;
//! sums.sort();
//! assert_eq!(sums, [("help".to_owned(), 1), ("home".to_owned(), 1), ("home".to_owned(), 2)]);
//! # Ok::<(), riverrun::Error>(())
//! ```

mod assigners;
mod contents;
mod evictors;
mod function;
mod operator;
mod pane;
mod tagged;
#[cfg(test)]
mod tests;
mod time_window;
mod triggers;

pub use assigners::{
    AssignerContext, DynamicEventTimeSessionWindows, DynamicProcessingTimeSessionWindows, EventTimeSessionWindows,
    GlobalWindows, GlobalWindowsUntilEnd, ProcessingTimeSessionWindows, SlidingEventTimeWindows,
    SlidingProcessingTimeWindows, TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner,
};
pub(crate) use contents::{Aggregating, Listing, Plain, Processed, Reducing};
pub use contents::{Contents, Evicts, NoEvictor, With};
pub use evictors::{CountEvictor, DeltaEvictor, Evictor, TimeEvictor, TimestampedValue};
pub(crate) use function::WindowClosure;
pub use function::{ProcessWindowFunction, WindowContext};
pub(crate) use operator::{WindowOperator, Windowing};
pub(crate) use tagged::TaggedInput;
pub use tagged::TaggedUnion;
pub use time_window::{GlobalWindow, TimeWindow, Window};
pub use triggers::{
    ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountTrigger, DeltaTrigger, EndOfStreamTrigger,
    EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger, PurgingTrigger, Trigger, TriggerContext, TriggerResult,
};
