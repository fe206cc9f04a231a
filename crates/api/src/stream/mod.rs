//! Streams, as a program joins them.

mod blueprint;
mod both;
mod broadcast;
mod connected;
mod data_stream;
mod environment;
mod job;
mod keyed_stream;
mod output_tag;
mod time;

pub(crate) use blueprint::{NodeId, Origin, Settings, Way};
pub(crate) use both::Both;
pub use broadcast::{BroadcastConnectedStream, BroadcastStream, KeyedBroadcastConnectedStream};
pub use connected::{ConnectWith, ConnectedStreams, KeyedConnectedStreams};
pub use data_stream::{DataStream, DataStreamSink};
pub use environment::StreamExecutionEnvironment;
pub use job::{JobClient, JobExecutionResult};
pub use keyed_stream::KeyedStream;
pub use output_tag::OutputTag;
pub(crate) use output_tag::{Listeners, MainOutput, SideOutput, SideOutputs, Sided};
