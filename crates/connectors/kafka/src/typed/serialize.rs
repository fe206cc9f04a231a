//! Values of a program to records of Kafka.

use std::sync::Arc;

use rdkafka::message::{Header, OwnedHeaders};
use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_formats::{BoxError, SerializationSchema};

use crate::output::{Outgoing, Output};
use crate::writer::Encode;

/// A record to be written. A writer fills the same one again and again, so that its memory is used again.
#[derive(Clone, Debug, Default)]
pub struct ProducerRecord {
    topic: String,
    partition: Option<i32>,
    timestamp: Option<i64>,
    key: Vec<u8>,
    has_key: bool,
    value: Vec<u8>,
    has_value: bool,
    headers: Vec<(String, Option<Vec<u8>>)>,
    is_left_out: bool,
}

impl ProducerRecord {
    /// Where it goes.
    pub fn set_topic(&mut self, topic: &str) {
        self.topic.clear();
        self.topic.push_str(topic);
    }

    /// Which partition it goes to; the partitioner, or the client, chooses otherwise.
    pub fn set_partition(&mut self, partition: i32) {
        self.partition = Some(partition);
    }

    /// Its time in milliseconds since 1970. It is the event time of the value unless this says otherwise; the time of day without either.
    pub fn set_timestamp(&mut self, timestamp: Option<i64>) {
        self.timestamp = timestamp;
    }

    /// Gives it a key, whose bytes are written behind what is returned. Without this call it has none.
    pub fn key(&mut self) -> &mut Vec<u8> {
        self.has_key = true;
        &mut self.key
    }

    /// Gives it a value, whose bytes are written behind what is returned. Without this call it is a tombstone.
    pub fn value(&mut self) -> &mut Vec<u8> {
        self.has_value = true;
        &mut self.value
    }

    /// Adds a header.
    pub fn add_header(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) {
        self.headers.push((name.into(), value));
    }

    /// Does not write it.
    pub fn leave_out(&mut self) {
        self.is_left_out = true;
    }

    /// The key's bytes.
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.has_key.then_some(self.key.as_slice())
    }

    /// The value's bytes.
    pub fn value_bytes(&self) -> Option<&[u8]> {
        self.has_value.then_some(self.value.as_slice())
    }

    fn clear(&mut self, timestamp: Option<i64>) {
        self.key.clear();
        self.value.clear();
        self.headers.clear();
        (self.has_key, self.has_value, self.is_left_out) = (false, false, false);
        self.partition = None;
        self.timestamp = timestamp.filter(|millis| *millis >= 0);
    }

    fn headers(&self) -> Option<OwnedHeaders> {
        if self.headers.is_empty() {
            return None;
        }
        let mut headers = OwnedHeaders::new_with_capacity(self.headers.len());
        for (key, value) in &self.headers {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        Some(headers)
    }
}

/// Writes values as records. Each writer owns a clone. [`KafkaRecordSerializationSchema::builder`] makes one of parts.
pub trait KafkaRecordSerializer<T>: Clone + Send + Sync + 'static {
    /// Fills a record, which has no key, value, headers and partition yet, and the event time of the value.
    ///
    /// # Errors
    /// The value has no such form; the job fails.
    fn serialize(&mut self, element: &T, record: &mut ProducerRecord) -> Result<(), BoxError>;

    /// The partition of a record for which [`Self::serialize`] has named none: from 0, below `partitions`. `None` leaves it to the client, as
    /// Kafka's default partitioner does: by murmur2 of the key; without a key, one partition for a while and then another.
    fn partition(&self, element: &T, record: &ProducerRecord, subtask: usize, partitions: i32) -> Option<i32> {
        let (_, _, _, _) = (element, record, subtask, partitions);
        None
    }
}

type Choose<T> = dyn Fn(&T, i32) -> i32 + Send + Sync;

/// How records are spread over the partitions of a topic.
pub struct KafkaPartitioner<T>(Spread<T>);

enum Spread<T> {
    Default,
    Fixed,
    By(Arc<Choose<T>>),
}

impl<T> Clone for KafkaPartitioner<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Spread::Default => Spread::Default,
            Spread::Fixed => Spread::Fixed,
            Spread::By(choose) => Spread::By(Arc::clone(choose)),
        })
    }
}

impl<T> KafkaPartitioner<T> {
    /// Each writer to one partition, as Flink's `FlinkFixedPartitioner`.
    pub fn fixed() -> Self {
        Self(Spread::Fixed)
    }

    /// By a function of the value and the number of partitions.
    pub fn by(choose: impl Fn(&T, i32) -> i32 + Send + Sync + 'static) -> Self {
        Self(Spread::By(Arc::new(choose)))
    }
}

type SelectTopic<T> = dyn Fn(&T) -> String + Send + Sync;

enum Topic<T> {
    Unknown,
    Always(Arc<str>),
    Of(Arc<SelectTopic<T>>),
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Always(topic) => Self::Always(Arc::clone(topic)),
            Self::Of(select) => Self::Of(Arc::clone(select)),
        }
    }
}

/// Writes values as records of a topic, with a schema for the value, and one for the key if there are keys.
///
/// ```
/// use riverrun_formats::JsonSerializationSchema;
/// use riverrun_kafka::KafkaRecordSerializationSchema;
///
/// let serializer = KafkaRecordSerializationSchema::builder()
///     .set_topic("counts")
///     .set_key_serialization_schema(|(page, _): &(String, u64)| page.clone())
///     .set_value_serialization_schema(JsonSerializationSchema)
///     .build()?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
pub struct KafkaRecordSerializationSchema<T, K, V> {
    topic: Topic<T>,
    key: K,
    value: V,
    partitioner: KafkaPartitioner<T>,
}

impl<T, K: Clone, V: Clone> Clone for KafkaRecordSerializationSchema<T, K, V> {
    fn clone(&self) -> Self {
        Self {
            topic: self.topic.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            partitioner: self.partitioner.clone(),
        }
    }
}

/// Records have no keys.
#[derive(Clone, Copy, Debug)]
pub struct NoKey;

/// Makes a [`KafkaRecordSerializationSchema`].
#[must_use = "a builder makes nothing before build()"]
pub struct RecordSerializationBuilder<T, K, V>(KafkaRecordSerializationSchema<T, K, V>);

impl<T> KafkaRecordSerializationSchema<T, NoKey, ()> {
    /// What it needs: a topic, a schema for the value.
    pub fn builder() -> RecordSerializationBuilder<T, NoKey, ()> {
        let partitioner = KafkaPartitioner(Spread::Default);
        RecordSerializationBuilder(Self { topic: Topic::Unknown, key: NoKey, value: (), partitioner })
    }
}

impl<T, K, V> RecordSerializationBuilder<T, K, V> {
    /// The topic of all records.
    pub fn set_topic(mut self, topic: impl Into<String>) -> Self {
        self.0.topic = Topic::Always(topic.into().into());
        self
    }

    /// The topic of each record.
    pub fn set_topic_selector(mut self, select: impl Fn(&T) -> String + Send + Sync + 'static) -> Self {
        self.0.topic = Topic::Of(Arc::new(select));
        self
    }

    /// How keys are written: a schema, or a closure whose result holds bytes.
    pub fn set_key_serialization_schema<S>(self, key: S) -> RecordSerializationBuilder<T, Key<S>, V>
    where
        S: SerializationSchema<T>,
    {
        let KafkaRecordSerializationSchema { topic, value, partitioner, .. } = self.0;
        RecordSerializationBuilder(KafkaRecordSerializationSchema { topic, key: Key(key), value, partitioner })
    }

    /// How values are written: a schema, or a closure whose result holds bytes.
    pub fn set_value_serialization_schema<S>(self, value: S) -> RecordSerializationBuilder<T, K, S>
    where
        S: SerializationSchema<T>,
    {
        let KafkaRecordSerializationSchema { topic, key, partitioner, .. } = self.0;
        RecordSerializationBuilder(KafkaRecordSerializationSchema { topic, key, value, partitioner })
    }

    /// How records are spread over partitions; as Kafka's default partitioner does, unless this says otherwise.
    pub fn set_partitioner(mut self, partitioner: KafkaPartitioner<T>) -> Self {
        self.0.partitioner = partitioner;
        self
    }
}

impl<T, K: KeyPart<T>, V: SerializationSchema<T>> RecordSerializationBuilder<T, K, V> {
    /// The serializer.
    ///
    /// # Errors
    /// There is no topic.
    pub fn build(self) -> Result<KafkaRecordSerializationSchema<T, K, V>> {
        match &self.0.topic {
            Topic::Unknown => Err(Error::user("records have no topic to go to").hint("call set_topic(\"...\")")),
            Topic::Always(topic) if topic.is_empty() => Err(Error::user("set_topic() names no topic")),
            _ => Ok(self.0),
        }
    }
}

/// A key, or none.
pub trait KeyPart<T>: Clone + Send + Sync + 'static {
    /// Writes the key.
    ///
    /// # Errors
    /// The value has none.
    fn write(&mut self, element: &T, record: &mut ProducerRecord) -> Result<(), BoxError>;
}

impl<T> KeyPart<T> for NoKey {
    #[inline]
    fn write(&mut self, _: &T, _: &mut ProducerRecord) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Records have keys.
#[derive(Clone, Copy, Debug)]
pub struct Key<S>(S);

impl<T, S: SerializationSchema<T>> KeyPart<T> for Key<S> {
    #[inline]
    fn write(&mut self, element: &T, record: &mut ProducerRecord) -> Result<(), BoxError> {
        self.0.serialize(element, record.key())
    }
}

impl<T, K, V> KafkaRecordSerializer<T> for KafkaRecordSerializationSchema<T, K, V>
where
    T: 'static,
    K: KeyPart<T>,
    V: SerializationSchema<T>,
{
    #[inline]
    fn serialize(&mut self, element: &T, record: &mut ProducerRecord) -> Result<(), BoxError> {
        match &self.topic {
            Topic::Always(topic) => record.set_topic(topic),
            Topic::Of(select) => record.set_topic(&select(element)),
            Topic::Unknown => {}
        }
        self.key.write(element, record)?;
        self.value.serialize(element, record.value())
    }

    #[inline]
    fn partition(&self, element: &T, _: &ProducerRecord, subtask: usize, partitions: i32) -> Option<i32> {
        match &self.partitioner.0 {
            Spread::Default => None,
            Spread::Fixed => {
                let count = usize::try_from(partitions).ok().filter(|count| *count > 0)?;
                i32::try_from(subtask % count).ok()
            }
            Spread::By(choose) => Some(choose(element, partitions)),
        }
    }
}

/// Sends values as records. One writer owns it.
pub(super) struct Serializer<T, S> {
    schema: S,
    record: ProducerRecord,
    values: std::marker::PhantomData<fn(T)>,
}

impl<T, S> Serializer<T, S> {
    pub(super) fn new(schema: S) -> Self {
        Self { schema, record: ProducerRecord::default(), values: std::marker::PhantomData }
    }
}

impl<T: Send, S: KafkaRecordSerializer<T>> Encode for Serializer<T, S> {
    type Batch = Records<T>;

    fn write(&mut self, batch: Records<T>, output: &mut Output) -> Result<()> {
        let record = &mut self.record;
        for (index, element) in batch.values().iter().enumerate() {
            record.clear(batch.timestamp(index));
            self.schema.serialize(element, record).map_err(unwritable)?;
            if record.is_left_out {
                continue;
            }
            if record.topic.is_empty() {
                return Err(Error::data("a record has no topic to go to").hint("name one with record.set_topic()"));
            }
            let partitions = output.partitions(&record.topic)?;
            let chosen =
                record.partition.or_else(|| self.schema.partition(element, record, output.subtask, partitions));
            if let Some(partition) = chosen.filter(|partition| *partition < 0 || *partition >= partitions) {
                return Err(Error::user("a partitioner names a partition that there is not")
                    .with("partition", partition)
                    .with("partitions", partitions)
                    .with("topic", &record.topic));
            }
            output.send(Outgoing {
                topic: &record.topic,
                partition: chosen,
                key: record.key_bytes(),
                value: record.value_bytes(),
                timestamp: record.timestamp,
                headers: record.headers(),
            })?;
        }
        output.report(std::time::Duration::ZERO)
    }
}

/// What a schema failed with; an error of ours keeps its kind.
fn unwritable(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::data("a record cannot be written").caused_by(error),
    }
}
