//! Streams, as a program joins them.

mod blueprint;
mod data_stream;
mod environment;
mod job;
mod keyed_stream;
mod output_tag;
mod time;

pub(crate) use blueprint::{NodeId, Origin, Settings, Way};
pub use data_stream::{DataStream, DataStreamSink};
pub use environment::StreamExecutionEnvironment;
pub use job::{JobClient, JobExecutionResult};
pub use keyed_stream::KeyedStream;
pub use output_tag::OutputTag;
pub(crate) use output_tag::{Listeners, MainOutput, SideOutput, SideOutputs, Sided};
