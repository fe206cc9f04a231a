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
//! | [`checkpoint`] | when checkpoints are taken, complete, committed and removed |
//! | [`checkpoint_log`] | which checkpoint an attempt restores, and which slot of the log it takes |
//! | [`commit`] | in which order sinks commit, and whether lost rows can be replayed |
//! | [`restart`] | whether a job that has failed runs again, and when |
//! | [`job_state`] | how an attempt ends, and whose error it ends with |
//! | [`job_master`] | how a job goes from attempt to attempt |

pub mod alignment;
pub mod assignment;
pub mod checkpoint;
pub mod checkpoint_log;
pub mod commit;
pub mod job_master;
pub mod job_state;
pub mod restart;
#[cfg(test)]
mod simulation;
pub mod watermark;

pub use alignment::{BarrierAlignment, CheckpointId};
pub use assignment::SplitAssignment;
pub use job_state::{JobState, JobStatus};
pub use watermark::{MAX_WATERMARK, NO_WATERMARK, Timestamp, WatermarkMerge};
