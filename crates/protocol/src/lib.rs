//! The decisions of the engine as state machines: events in, actions out.
//!
//! Nothing here reads a clock, draws a random number, spawns, waits, or does input and output; `clippy.toml` beside
//! this crate refuses the means. Who calls carries the actions out, so that a simulation can run the same decisions
//! through every order of events.
//!
//! | module | decides |
//! |---|---|
//! | [`watermark`] | the one watermark of many inputs |
//! | [`alignment`] | which inputs wait for a checkpoint's barrier, and when it has arrived |
//! | [`assignment`] | which reader reads which split of a source |
//! | [`job_state`] | how a job ends, and whose error it ends with |

pub mod alignment;
pub mod assignment;
pub mod job_state;
#[cfg(test)]
mod simulation;
pub mod watermark;

pub use alignment::{BarrierAlignment, CheckpointId};
pub use assignment::SplitAssignment;
pub use job_state::{JobState, JobStatus};
pub use watermark::{MAX_WATERMARK, NO_WATERMARK, Timestamp, WatermarkMerge};
