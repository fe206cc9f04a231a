//! Carries a job out: a graph of operators becomes tasks, which are threads joined by bounded channels.
//!
//! # From graph to threads
//! A [`JobGraph`] holds sources, operators and sinks, joined by streams. Operators that hand batches to each other one
//! to one are *chained*: they run in one thread, a call after another. Everywhere else a stream crosses an
//! [`Exchange`], and each consumer has a *gate* with a bounded queue for each producer. The head of a chain times its
//! parallelism gives the *tasks*; a task is an OS thread that owns its operators.
//!
//! # What flows
//! [`Element`]s: batches, and between them watermarks, idleness, barriers and the end. Each passes every operator in
//! the order in which it was sent. A gate hands its task the combined watermark of its inputs, one barrier when it has
//! arrived on all of them, one end when all have ended.
//!
//! # Promises
//! - *Nothing hangs.* Whatever waits, waits in a gate, in a source's mailbox or in a connector; the first two are
//!   closed and the third is told when the job stops. A barrier blocks a channel only until it arrives on the others,
//!   and a producer sends a barrier to all its consumers before any row after it, so that a graph without cycles always
//!   moves.
//! - *Memory is bounded.* A producer waits when its queue is full, and so on back to the source.
//! - *A job ends with its cause.* An error or a panic of a task ends the job with that error and the operator's name,
//!   not with a closed channel.
//! - *Nothing is left behind.* When [`Attempt::wait`] returns, or the handle is dropped, no thread of the job runs,
//!   except one that is stuck in user code for longer than `task.cancellation.timeout`; it is named.
//!
//! The decisions among these (alignment, watermarks, assignment, the job's life) are made in `riverrun-protocol`.

mod configuration;
mod crash;
mod data;
mod element;
mod exchange;
mod gate;
mod graph;
mod job;
mod key_groups;
mod metrics;
mod operator;
mod state;
mod task;
mod time;

pub use configuration::{JobConfiguration, is_of_flinks_processes, read_configuration_file};
pub use data::Data;
pub use element::{Barrier, Element};
pub use exchange::{Director, Exchange, Partitioner};
pub use graph::{JobGraph, JobSettings, NodeSettings, Stream};
pub use job::{
    Attempt, AttemptControl, AttemptEvent, Checkpointing, Harness, JobControl, JobHandle, JobSummary, Recovery,
    Retention, StoredSplits,
};
pub use key_groups::{KeyGroupRange, key_group, subtask_of_key_group};
pub use metrics::{
    CheckpointStatistics, MetricsServer, MetricsSnapshot, OperatorKind, OperatorSnapshot, TaskSnapshot, prometheus_text,
};
pub use operator::{EventTime, Operator, OperatorContext, Output, SplitOperator, TaskHandle};
pub use riverrun_checkpoints::{StoreOptions, Stores};
pub use riverrun_protocol::restart::RestartStrategy;
pub use riverrun_protocol::{CheckpointId, JobStatus, MAX_WATERMARK, NO_WATERMARK, Timestamp};
pub use state::{Delta, Freeze, FreezeOwn, NodeState, Restored, RestoredChain, Snapshot, SnapshotRequest};
pub use time::Clock;
