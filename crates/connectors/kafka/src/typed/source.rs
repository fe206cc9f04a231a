//! The source of a program.

use std::marker::PhantomData;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Boundedness, Source, SourceReader, SplitEnumerator, TaskContext};
use riverrun_data::Records;
use riverrun_formats::DeserializationSchema;

use super::deserialize::Deserializer;
use super::{Client, KafkaRecordDeserializationSchema, OffsetsInitializer, ValueOnly};
use crate::enumerator::Scan;
use crate::scan::{self, Start, Stop, Topics};
use crate::source::Clients;

/// How often partitions are looked for unless the user says otherwise, as in Flink.
const DISCOVERY: Duration = Duration::from_secs(5 * 60);

/// Reads topics of Kafka as values of a type. The records' times are those of Kafka's records; every partition has a watermark of its own.
///
/// ```
/// use riverrun_formats::SimpleStringSchema;
/// use riverrun_kafka::{KafkaSource, OffsetResetStrategy, OffsetsInitializer};
///
/// let source = KafkaSource::builder()
///     .set_bootstrap_servers("localhost:9092")
///     .set_topics(["clicks"])
///     .set_group_id("click-count")
///     .set_starting_offsets(OffsetsInitializer::committed_offsets(OffsetResetStrategy::Earliest))
///     .set_value_only_deserializer(SimpleStringSchema)
///     .build()?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct KafkaSource<T, D> {
    clients: Clients,
    deserializer: D,
    skips: bool,
    parallelism: Option<usize>,
    values: PhantomData<fn() -> T>,
}

impl KafkaSource<(), ()> {
    /// What it needs: brokers, topics, a deserializer.
    pub fn builder() -> KafkaSourceBuilder<(), ()> {
        KafkaSourceBuilder {
            client: Client::default(),
            topics: None,
            pattern: None,
            start: OffsetsInitializer::earliest(),
            stop: None,
            skips: false,
            parallelism: None,
            deserializer: (),
            values: PhantomData,
        }
    }
}

impl<T, D> Source<Records<T>> for KafkaSource<T, D>
where
    T: Send + 'static,
    D: KafkaRecordDeserializationSchema<T>,
{
    fn boundedness(&self) -> Boundedness {
        self.clients.boundedness()
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        self.clients.enumerator(context)
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<Records<T>>>> {
        let decoder = Deserializer::<T, D>::new(self.deserializer.clone(), self.skips, context);
        self.clients.reader(decoder, context)
    }
}

/// Makes a [`KafkaSource`].
#[derive(Clone)]
#[must_use = "a builder makes nothing before build()"]
pub struct KafkaSourceBuilder<T, D> {
    client: Client,
    topics: Option<Vec<String>>,
    pattern: Option<String>,
    start: OffsetsInitializer,
    stop: Option<OffsetsInitializer>,
    skips: bool,
    parallelism: Option<usize>,
    deserializer: D,
    values: PhantomData<fn() -> T>,
}

impl<T, D> KafkaSourceBuilder<T, D> {
    /// The brokers to ask first, `host:port`, separated by commas.
    pub fn set_bootstrap_servers(self, servers: impl Into<String>) -> Self {
        self.set_property("bootstrap.servers", servers)
    }

    /// The topics to read.
    pub fn set_topics<I: Into<String>>(mut self, topics: impl IntoIterator<Item = I>) -> Self {
        self.topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Reads the topics whose whole names match a regular expression, those too that are made later.
    pub fn set_topic_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// The consumer group, to which offsets are committed with each checkpoint. Nothing depends on these commits but
    /// [`OffsetsInitializer::committed_offsets`].
    pub fn set_group_id(self, group: impl Into<String>) -> Self {
        self.set_property("group.id", group)
    }

    /// What the names of the clients start with.
    pub fn set_client_id_prefix(self, prefix: impl Into<String>) -> Self {
        self.set_property("client.id.prefix", prefix)
    }

    /// Where reading starts in a job without a checkpoint; at the beginning unless this says otherwise. Partitions that are found later
    /// are read from their beginning.
    pub fn set_starting_offsets(mut self, offsets: OffsetsInitializer) -> Self {
        self.start = offsets;
        self
    }

    /// Reads up to here, and ends.
    pub fn set_bounded(mut self, offsets: OffsetsInitializer) -> Self {
        self.stop = Some(offsets);
        self
    }

    /// Passes a property to the Kafka client; names of the Java client are translated. `partition.discovery.interval.ms` says how often new
    /// partitions are looked for (300000; never with 0), `commit.offsets.on.checkpoint` whether offsets are committed (true).
    pub fn set_property(mut self, key: &str, value: impl Into<String>) -> Self {
        self.client.set(key, value);
        self
    }

    /// Passes properties on, as [`Self::set_property`] does.
    pub fn set_properties<K: AsRef<str>, V: Into<String>>(
        mut self,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        properties.into_iter().for_each(|(key, value)| self.client.set(key.as_ref(), value));
        self
    }

    /// Leaves out records that cannot be read, and counts them (`numRecordsInErrors`). Otherwise the first fails the job, with its topic,
    /// partition and offset.
    pub fn set_ignore_parse_errors(mut self, ignore: bool) -> Self {
        self.skips = ignore;
        self
    }

    /// How many readers there are; that of the job otherwise.
    pub fn set_parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism);
        self
    }

    /// Reads the values of records: a schema, or a closure of a message. Records without a value (tombstones) are left out.
    pub fn set_value_only_deserializer<U, S>(self, schema: S) -> KafkaSourceBuilder<U, ValueOnly<S>>
    where
        S: DeserializationSchema<U>,
    {
        self.with(ValueOnly(schema))
    }

    /// Reads whole records: key, value, headers, topic, partition, offset, time.
    pub fn set_deserializer<U, S>(self, schema: S) -> KafkaSourceBuilder<U, S>
    where
        S: KafkaRecordDeserializationSchema<U>,
    {
        self.with(schema)
    }

    fn with<U, S>(self, deserializer: S) -> KafkaSourceBuilder<U, S> {
        let Self { client, topics, pattern, start, stop, skips, parallelism, .. } = self;
        KafkaSourceBuilder {
            client,
            topics,
            pattern,
            start,
            stop,
            skips,
            parallelism,
            deserializer,
            values: PhantomData,
        }
    }
}

impl<T, D> KafkaSourceBuilder<T, D>
where
    T: Send + 'static,
    D: KafkaRecordDeserializationSchema<T>,
{
    /// The source; nothing is connected yet.
    ///
    /// # Errors
    /// Brokers or topics are missing, or a property is wrong.
    pub fn build(mut self) -> Result<KafkaSource<T, D>> {
        let bootstrap = self.client.bootstrap("KafkaSource")?;
        let topics = topics(self.topics, self.pattern)?;
        let interval = self.client.take("partition.discovery.interval.ms");
        let group = self.client.take("group.id").filter(|group| !group.is_empty());
        let (start, reset) = self.start.start();
        let stop = self.stop.map_or(Ok(Stop::Never), OffsetsInitializer::stop)?;
        if group.is_none() && (start == Start::Committed || stop == Stop::Committed) {
            return Err(Error::user("committed offsets are those of a consumer group, and there is none")
                .hint("call set_group_id(\"...\")"));
        }
        if self.parallelism == Some(0) {
            return Err(Error::user("0 is not a parallelism").hint("set_parallelism() takes 1 or more"));
        }
        let scan = Scan {
            reset: match reset {
                Some(reset) => reset,
                None => scan::reset(&self.client.properties, &start)?,
            },
            discovery: discovery(interval.as_deref())?.filter(|_| stop == Stop::Never),
            topics,
            start,
            stop,
            group,
            bootstrap,
        };
        let clients = Clients::new("program", scan, &self.client.properties)?;
        let Self { deserializer, skips, parallelism, .. } = self;
        Ok(KafkaSource { clients, deserializer, skips, parallelism, values: PhantomData })
    }
}

fn topics(list: Option<Vec<String>>, pattern: Option<String>) -> Result<Topics> {
    match (&list, &pattern) {
        (Some(_), Some(_)) => {
            Err(Error::user("set_topics() and set_topic_pattern() cannot both be said").hint("keep one of them"))
        }
        (None, None) => Err(Error::user("a KafkaSource needs topics").hint("call set_topics([\"...\"])")),
        (Some(list), None) if list.is_empty() => Err(Error::user("set_topics() names no topic")),
        _ => Topics::new(list, pattern),
    }
}

fn discovery(millis: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = millis else { return Ok(Some(DISCOVERY)) };
    match text.parse::<i64>() {
        Ok(millis) => Ok(u64::try_from(millis).ok().filter(|millis| *millis > 0).map(Duration::from_millis)),
        Err(_) => Err(Error::user(format!("'{text}' is not a number of milliseconds"))
            .with("property", "partition.discovery.interval.ms")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use riverrun_formats::SimpleStringSchema;

    use super::super::OffsetResetStrategy;
    use super::*;

    fn builder() -> KafkaSourceBuilder<String, ValueOnly<SimpleStringSchema>> {
        KafkaSource::builder()
            .set_bootstrap_servers("localhost:1")
            .set_topics(["t"])
            .set_value_only_deserializer(SimpleStringSchema)
    }

    fn refused<D: KafkaRecordDeserializationSchema<String>>(builder: KafkaSourceBuilder<String, D>) -> String {
        match builder.build() {
            Ok(_) => "nothing was refused".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_refused_with_the_call_that_helps() {
        let none = KafkaSource::builder().set_value_only_deserializer(SimpleStringSchema);
        assert!(refused(none.clone()).contains("set_bootstrap_servers"));
        assert!(refused(none.set_bootstrap_servers("localhost:1")).contains("set_topics"));
        assert!(refused(builder().set_topic_pattern("t.*")).contains("cannot both"));
        let committed = OffsetsInitializer::committed_offsets(OffsetResetStrategy::None);
        assert!(refused(builder().set_starting_offsets(committed)).contains("set_group_id"));
        assert!(refused(builder().set_bounded(OffsetsInitializer::earliest())).contains("read nothing"));
        let error = refused(builder().set_property("isolation.levle", "read_committed"));
        assert!(error.contains("isolation.level"), "{error}");
        assert!(refused(builder().set_property("partition.discovery.interval.ms", "5 s")).contains("milliseconds"));
    }

    #[test]
    fn partitions_are_looked_for_as_flink_does() {
        let interval = |builder: KafkaSourceBuilder<_, _>| builder.build().unwrap().clients.scan().discovery;
        assert_eq!(interval(builder()), Some(DISCOVERY));
        let named = |millis: &str| builder().set_property("partition.discovery.interval.ms", millis);
        assert_eq!(interval(named("1000")), Some(Duration::from_secs(1)));
        assert_eq!(interval(named("0")), None);
        assert_eq!(interval(builder().set_bounded(OffsetsInitializer::latest())), None);
    }
}
