//! Records of Kafka to values of a program.

use std::marker::PhantomData;
use std::ops::Range;

use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, TaskContext};
use riverrun_data::Records;
use riverrun_formats::{BoxError, DeserializationSchema};

use crate::batch_queue::Messages;
use crate::decode::{Decode, at};

/// A record as it was received. Nothing of it is copied.
pub struct ConsumerRecord<'a> {
    messages: &'a Messages,
    index: usize,
    topic: &'a str,
}

impl<'a> ConsumerRecord<'a> {
    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.messages.partition()
    }

    /// The offset in the partition.
    pub fn offset(&self) -> i64 {
        self.messages.offset(self.index)
    }

    /// The key's bytes, if it has a key.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.messages.key(self.index)
    }

    /// The value's bytes; `None` for a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.messages.value(self.index)
    }

    /// When it was made or written, in milliseconds since 1970, if it has a time.
    pub fn timestamp(&self) -> Option<i64> {
        Some(self.messages.timestamp(self.index).millis).filter(|millis| *millis >= 0)
    }

    /// What its time says, as Kafka's `TimestampType` names it: `CreateTime`, `LogAppendTime`, `NoTimestampType`.
    pub fn timestamp_type(&self) -> &'static str {
        self.messages.timestamp(self.index).kind
    }

    /// The epoch of the leader that wrote it, where the broker tells it.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.messages.leader_epoch(self.index)
    }

    /// Calls `each` with the name and value of every header, in order.
    pub fn for_each_header(&self, each: impl FnMut(&str, Option<&[u8]>)) {
        self.messages.for_each_header(self.index, each);
    }

    /// The value of the last header of this name, if there is one that has a value.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut found = None;
        self.for_each_header(|known, value| {
            if known == name {
                found = value.map(<[u8]>::to_vec);
            }
        });
        found
    }
}

/// Takes what a record gives. The values have the record's time.
pub struct RecordCollector<'a, T> {
    records: &'a mut Records<T>,
    timestamp: Option<i64>,
}

impl<T> RecordCollector<'_, T> {
    /// Adds a value.
    #[inline]
    pub fn collect(&mut self, value: T) {
        self.records.push(value, self.timestamp);
    }
}

/// Reads values from records: any number from each. Each reader owns a clone.
///
/// A closure is one too: `|record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, Click>| { ...; Ok::<_, BoxError>(()) }`.
pub trait KafkaRecordDeserializationSchema<T>: Clone + Send + Sync + 'static {
    /// Collects the values of a record, none or many.
    ///
    /// # Errors
    /// The record cannot be read. The job fails with its topic, partition and offset, unless
    /// [`set_ignore_parse_errors`](super::KafkaSourceBuilder::set_ignore_parse_errors) leaves it out.
    fn deserialize(&mut self, record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, T>) -> Result<(), BoxError>;
}

impl<T, E, F> KafkaRecordDeserializationSchema<T> for F
where
    F: FnMut(&ConsumerRecord<'_>, &mut RecordCollector<'_, T>) -> Result<(), E> + Clone + Send + Sync + 'static,
    E: Into<BoxError>,
{
    #[inline]
    fn deserialize(&mut self, record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, T>) -> Result<(), BoxError> {
        self(record, out).map_err(Into::into)
    }
}

/// Reads the value of each record; a record without one gives nothing.
#[derive(Clone, Copy, Debug)]
pub struct ValueOnly<S>(pub(super) S);

impl<T, S: DeserializationSchema<T>> KafkaRecordDeserializationSchema<T> for ValueOnly<S> {
    #[inline]
    fn deserialize(&mut self, record: &ConsumerRecord<'_>, out: &mut RecordCollector<'_, T>) -> Result<(), BoxError> {
        if let Some(message) = record.value()
            && let Some(value) = self.0.deserialize(message)?
        {
            out.collect(value);
        }
        Ok(())
    }
}

/// Turns batches of records into batches of values.
pub(super) struct Deserializer<T, D> {
    schema: D,
    /// Whether a record that cannot be read is left out.
    skips: bool,
    errors: Counter,
    nulls: Counter,
    values: PhantomData<fn() -> T>,
}

impl<T, D> Deserializer<T, D> {
    pub(super) fn new(schema: D, skips: bool, context: &TaskContext) -> Self {
        Self {
            schema,
            skips,
            errors: context.counters.counter("numRecordsInErrors"),
            nulls: context.counters.counter("numRecordsInNull"),
            values: PhantomData,
        }
    }
}

impl<T: Send, D: KafkaRecordDeserializationSchema<T>> Decode for Deserializer<T, D> {
    type Batch = Records<T>;

    fn decode(&mut self, messages: &Messages, range: Range<usize>) -> Result<Option<Records<T>>> {
        let topic = messages.topic();
        let mut records = Records::with_capacity(range.len());
        let (mut errors, mut nulls) = (0, 0);
        for index in range {
            let record = ConsumerRecord { messages, index, topic: &topic };
            let before = records.len();
            let timestamp = record.timestamp();
            let read = self.schema.deserialize(&record, &mut RecordCollector { records: &mut records, timestamp });
            match read {
                Ok(()) if records.len() == before && record.value().is_none() => nulls += 1,
                Ok(()) => {}
                Err(_) if self.skips => {
                    records.truncate(before);
                    errors += 1;
                }
                Err(error) => return Err(at(unreadable(error), messages, index)),
            }
        }
        self.errors.add(errors);
        self.nulls.add(nulls);
        Ok(Some(records).filter(|records| !records.is_empty()))
    }
}

/// What a schema failed with; an error of ours keeps its kind.
fn unreadable(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::data("a record cannot be read").caused_by(error),
    }
}
