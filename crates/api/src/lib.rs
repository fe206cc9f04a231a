//! Flink's DataStream API in Rust: streams of typed values, with event time, keyed state, timers, windows and exactly-once checkpoints, in
//! one process.
//!
//! ```
//! use riverrun::prelude::*;
//!
//! let env = StreamExecutionEnvironment::new();
//! let counts = env
//!     .from_collection(["to be or not", "to be"].map(str::to_owned).to_vec())
//!     .flat_map(|line: String, out| line.split(' ').for_each(|word| out.collect((word.to_owned(), 1u64))))
//!     .key_by(|(word, _)| word.clone())
//!     .reduce(|(word, a), (_, b)| (word, a + b));
//! let mut counts = counts.execute_and_collect("word count")?;
//! counts.sort();
//! assert_eq!(counts.last(), Some(&("to".to_owned(), 2)));
//! # Ok::<(), riverrun::Error>(())
//! ```
//!
//! A program builds a graph of streams from a [`StreamExecutionEnvironment`]; nothing runs before
//! [`execute`](StreamExecutionEnvironment::execute). Each operator runs in as many subtasks as its parallelism says, each subtask in a thread,
//! and operators that hand records on one to one share a thread. What a function keeps in [`state`] is part of the checkpoints, and comes
//! back after a failure, a restart of the process, or at another parallelism.

pub mod accumulators;
mod configuration;
pub mod connectors;
pub mod functions;
mod operators;
pub mod sinks;
pub mod sources;
pub mod state;
mod stream;
#[cfg(feature = "sql")]
pub mod table;
pub mod test_harness;
pub mod watermark;
pub mod window;

use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use configuration::ParameterTool;
pub use riverrun_base::{Error, Kind, Result};
pub use riverrun_connect as connect;
pub use riverrun_data::{NO_TIMESTAMP, Records};
pub use riverrun_runtime::{JobStatus, RestartStrategy};
pub use stream::{
    AllWindowedStream, AsyncDataStream, BroadcastConnectedStream, BroadcastStream, CoGroup, CoGroupedStreams,
    ConnectWith, ConnectedStreams, DataStream, DataStreamSink, IntervalJoin, IntervalJoined, JobClient,
    JobExecutionResult, Join, JoinContext, JoinedStreams, KeyedBroadcastConnectedStream, KeyedConnectedStreams,
    KeyedStream, OutputTag, Pair, PairByKey, PairWhere, ProcessJoinFunction, StreamExecutionEnvironment, WindowedPair,
    WindowedStream,
};

/// How values become bytes, and bytes values, for sources and sinks whose messages are bytes.
pub mod serialization {
    pub use riverrun_formats::{
        DeserializationSchema, JsonDeserializationSchema, JsonSerializationSchema, SerializationSchema,
        SimpleStringSchema,
    };
}

/// What most programs need.
pub mod prelude {
    pub use crate::functions::{
        AggregateFunction, AsyncFunction, AsyncRetryStrategies, BoxError, BroadcastContext, BroadcastProcessFunction,
        CheckpointedFunction, CoFlatMapFunction, CoMapFunction, CoProcessFunction, Collector, FilterFunction,
        FlatMapFunction, FnResult, KeySelector, KeyedBroadcastContext, KeyedBroadcastProcessFunction,
        KeyedCoProcessFunction, KeyedContext, KeyedProcessFunction, KeyedReadOnlyBroadcastContext, MapFunction,
        ProcessContext, ProcessFunction, ReadOnlyBroadcastContext, ReduceFunction, RuntimeContext,
    };
    pub use crate::state::{
        AggregatingState, AggregatingStateDescriptor, BroadcastState, ListState, ListStateDescriptor, MapState,
        MapStateDescriptor, ReducingState, ReducingStateDescriptor, ValueState, ValueStateDescriptor,
    };
    pub use crate::watermark::WatermarkStrategy;
    pub use crate::window::{ProcessWindowFunction, TimeWindow, WindowContext};
    pub use crate::{
        AsyncDataStream, BroadcastStream, ConnectedStreams, DataStream, KeyedStream, OutputTag,
        StreamExecutionEnvironment,
    };
}

/// What flows in a stream. Every type that can be cloned and sent to another thread is a record; it is cloned only where a stream has
/// several consumers, or is broadcast.
pub trait Record: Clone + Send + 'static {}

impl<T: Clone + Send + 'static> Record for T {}

/// What can be kept as state: `#[derive(Clone, Serialize, Deserialize)]`.
pub trait State: Clone + Send + Serialize + DeserializeOwned + 'static {}

impl<T: Clone + Send + Serialize + DeserializeOwned + 'static> State for T {}

/// What a stream can be keyed by. Equal keys hash alike in every run: a `HashMap`, or an address, is no key.
pub trait Key: State + Hash + Eq + Debug {}

impl<T: State + Hash + Eq + Debug> Key for T {}

/// The programs of the guide compile, and do what it says.
#[cfg(all(doctest, feature = "http", feature = "kafka"))]
#[doc = include_str!("../../../docs/datastream.md")]
mod guide {}
