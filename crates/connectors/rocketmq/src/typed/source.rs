//! The source of a program.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use riverrun_base::Result;
use riverrun_connect::{Boundedness, Source, SourceReader, SplitEnumerator, TaskContext};
use riverrun_data::Records;
use riverrun_rocketmq_client::Queue;

use super::KeyValueDeserializationSchema;
use super::config::scan;
use super::deserialize::Deserializer;
use crate::options::Reset;
use crate::scan::{Scan, Start, Stop};
use crate::source::Reading;

/// Where a queue starts for which the group has committed nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetResetStrategy {
    /// At the end.
    #[default]
    Latest,
    /// At the first message that is there.
    Earliest,
}

impl OffsetResetStrategy {
    fn reset(self) -> Reset {
        match self {
            Self::Latest => Reset::Latest,
            Self::Earliest => Reset::Earliest,
        }
    }
}

/// Reads a topic of RocketMQ as values of a type. The records' times are those at which messages were born; every queue has a watermark of
/// its own.
///
/// Where it starts is for a job without a checkpoint: otherwise it goes on where that was. Without a word of the program it starts
/// where the group has committed, and at the end where it has not.
///
/// ```
/// use riverrun_rocketmq::{OffsetResetStrategy, RocketMQConfig, RocketMqSource, SimpleKeyValueDeserializationSchema};
///
/// let source = RocketMqSource::new(
///     SimpleKeyValueDeserializationSchema::new("id", "address"),
///     [
///         (RocketMQConfig::NAME_SERVER_ADDR, "localhost:9876"),
///         (RocketMQConfig::CONSUMER_GROUP, "c002"),
///         (RocketMQConfig::CONSUMER_TOPIC, "flink-source2"),
///     ],
/// )?
/// .set_start_from_group_offsets(OffsetResetStrategy::Latest);
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct RocketMqSource<T, D> {
    reading: Reading,
    deserializer: D,
    parallelism: Option<usize>,
    values: PhantomData<fn() -> T>,
}

impl<T, D> RocketMqSource<T, D>
where
    T: Send + 'static,
    D: KeyValueDeserializationSchema<T>,
{
    /// Reads what the properties say ([`RocketMQConfig`](super::RocketMQConfig)); nothing is connected yet.
    ///
    /// # Errors
    /// A property is missing, unknown or wrong.
    pub fn new<K: Into<String>, V: Into<String>>(
        schema: D,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let properties = properties.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let (scan, connection) = scan(properties)?;
        let reading = Reading { scan: Arc::new(scan), connection };
        Ok(Self { reading, deserializer: schema, parallelism: None, values: PhantomData })
    }

    /// Starts at the first message that is there.
    #[must_use]
    pub fn set_start_from_earliest(self) -> Self {
        self.starting(Start::Earliest)
    }

    /// Starts at the end: only messages that come from now on.
    #[must_use]
    pub fn set_start_from_latest(self) -> Self {
        self.starting(Start::Latest)
    }

    /// Starts at the first message of each queue that was stored at this time or later, in milliseconds since 1970.
    #[must_use]
    pub fn set_start_from_timestamp(self, millis: i64) -> Self {
        self.starting(Start::Timestamp(millis))
    }

    /// Starts where the group has committed, and where it has not as the strategy says.
    #[must_use]
    pub fn set_start_from_group_offsets(self, reset: OffsetResetStrategy) -> Self {
        self.starting(Start::Group(reset.reset()))
    }

    /// Starts at these offsets; queues that are not among them where the group has committed, and at the end where it has not.
    #[must_use]
    pub fn set_start_from_specific_offsets(self, offsets: impl IntoIterator<Item = (Queue, i64)>) -> Self {
        let offsets: BTreeMap<_, _> =
            offsets.into_iter().map(|(queue, offset)| ((queue.broker.to_string(), queue.id), offset)).collect();
        self.starting(Start::Offsets(offsets, Reset::Latest))
    }

    /// Ends where the queues end when the job starts.
    #[must_use]
    pub fn set_bounded_at_end(self) -> Self {
        self.stopping(Stop::Latest)
    }

    /// Ends before the first message of each queue that was stored at this time or later, in milliseconds since 1970, which may be to come.
    #[must_use]
    pub fn set_bounded_at_timestamp(self, millis: i64) -> Self {
        self.stopping(Stop::Timestamp(millis))
    }

    /// How many readers there are; that of the job otherwise.
    #[must_use]
    pub fn set_parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism.max(1));
        self
    }

    fn starting(self, start: Start) -> Self {
        self.with(|scan| scan.start = start)
    }

    fn stopping(self, stop: Stop) -> Self {
        self.with(|scan| {
            scan.stop = stop;
            scan.discovery = None;
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Scan)) -> Self {
        change(Arc::make_mut(&mut self.reading.scan));
        self
    }
}

impl<T, D> Source<Records<T>> for RocketMqSource<T, D>
where
    T: Send + 'static,
    D: KeyValueDeserializationSchema<T>,
{
    fn boundedness(&self) -> Boundedness {
        self.reading.boundedness()
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        self.reading.enumerator(context)
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<Records<T>>>> {
        self.reading.reader(Deserializer::<T, D>::new(self.deserializer.clone(), context), context)
    }
}
