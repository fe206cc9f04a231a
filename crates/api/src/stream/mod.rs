//! Streams, as a program joins them.

mod aggregations;
mod async_data_stream;
mod blueprint;
mod both;
mod broadcast;
mod configure;
mod connected;
mod data_stream;
mod environment;
mod harness;
mod interval_join;
mod job;
mod keyed_stream;
mod output_tag;
mod signals;
mod time;
mod window_join;
mod windowed_stream;

pub use async_data_stream::AsyncDataStream;
#[cfg(feature = "sql")]
pub(crate) use blueprint::Made;
pub(crate) use blueprint::{NodeId, Origin, Settings, Way};
pub(crate) use both::Both;
pub use broadcast::{BroadcastConnectedStream, BroadcastStream, KeyedBroadcastConnectedStream};
pub use connected::{ConnectWith, ConnectedStreams, KeyedConnectedStreams};
pub use data_stream::{DataStream, DataStreamSink};
pub use environment::StreamExecutionEnvironment;
pub use interval_join::{IntervalJoin, IntervalJoined, JoinContext, ProcessJoinFunction};
pub use job::{JobClient, JobExecutionResult};
pub use keyed_stream::KeyedStream;
pub use output_tag::OutputTag;
pub(crate) use output_tag::{Listeners, MainOutput, SideOutput, SideOutputs, Sided};
pub use window_join::{CoGroup, CoGroupedStreams, Join, JoinedStreams, Pair, PairByKey, PairWhere, WindowedPair};
pub use windowed_stream::{AllWindowedStream, WindowedStream};
