//! The functions that a program gives to its operators, under Flink's names.
//!
//! Where a closure says it all, the stream's methods take one (`map`, `filter`, `key_by`, ...). A *rich* function is a struct that
//! implements one of these traits: it has [`open`](MapFunction::open) and [`close`](MapFunction::close), a [`RuntimeContext`], and in a
//! keyed stream state and timers. Each subtask owns a clone of it, and calls it from one thread.

mod aggregate;
mod async_function;
mod async_retry;
mod broadcast;
mod checkpointed;
mod collector;
mod connected;
mod context;
mod error;
mod key_selector;
mod process;
mod simple;

pub use aggregate::{AggregateFunction, ReduceFunction};
pub use async_function::AsyncFunction;
pub use async_retry::{AsyncRetryStrategies, AsyncRetryStrategy, RetryPredicates};
pub use broadcast::{
    BroadcastContext, BroadcastProcessFunction, KeyedBroadcastContext, KeyedBroadcastProcessFunction,
    KeyedReadOnlyBroadcastContext, ReadOnlyBroadcastContext,
};
pub use checkpointed::CheckpointedFunction;
pub use collector::Collector;
pub(crate) use collector::Sink as CollectorSink;
pub use connected::{CoFlatMapFunction, CoMapFunction, CoProcessFunction, KeyedCoProcessFunction};
pub use context::RuntimeContext;
pub use error::{BoxError, FnResult};
pub(crate) use error::{at_record, function_failed};
pub use key_selector::{KeyByRef, KeyRef, KeySelector, SelectedKey};
pub use process::{KeyedContext, KeyedProcessFunction, ProcessContext, ProcessFunction, TimerService};
pub use simple::{FilterFunction, FlatMapFunction, MapFunction};
