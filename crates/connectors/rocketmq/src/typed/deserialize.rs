//! Messages to values of a program.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, TaskContext};
use riverrun_data::Records;
use riverrun_formats::BoxError;
use riverrun_rocketmq_client::{Queue, ReceivedMessage};

use crate::decode::{Decode, at};

/// Reads values from the keys and bodies of messages. Each reader owns a clone.
///
/// A closure over whole messages is one too: `|message: &ReceivedMessage| Ok::<_, BoxError>(Some(message.body().len()))`.
pub trait KeyValueDeserializationSchema<T>: Clone + Send + Sync + 'static {
    /// The value that a message's keys, if it has any, and body give; `None` for none.
    ///
    /// # Errors
    /// The message cannot be read. The job fails with its queue and offset.
    fn deserialize_key_and_value(&mut self, key: Option<&[u8]>, value: &[u8]) -> Result<Option<T>, BoxError>;

    /// The value that a whole message gives, with its tag, properties, times; by default that of keys and body.
    ///
    /// # Errors
    /// As [`Self::deserialize_key_and_value`].
    fn deserialize_message(&mut self, message: &ReceivedMessage) -> Result<Option<T>, BoxError> {
        self.deserialize_key_and_value(message.keys().map(str::as_bytes), message.body())
    }
}

impl<T, E, F> KeyValueDeserializationSchema<T> for F
where
    F: FnMut(&ReceivedMessage) -> Result<Option<T>, E> + Clone + Send + Sync + 'static,
    E: Into<BoxError>,
{
    fn deserialize_key_and_value(&mut self, _: Option<&[u8]>, _: &[u8]) -> Result<Option<T>, BoxError> {
        Err("a closure reads whole messages".into())
    }

    #[inline]
    fn deserialize_message(&mut self, message: &ReceivedMessage) -> Result<Option<T>, BoxError> {
        self(message).map_err(Into::into)
    }
}

/// Reads a map with two entries: the keys, where the message has some, and the body, as texts in UTF-8.
///
/// ```
/// use riverrun_rocketmq::{KeyValueDeserializationSchema, SimpleKeyValueDeserializationSchema};
///
/// let mut schema = SimpleKeyValueDeserializationSchema::new("id", "address");
/// let map = schema.deserialize_key_and_value(Some(b"7"), b"1 High Street, Hubei").unwrap().unwrap();
/// assert_eq!((map["id"].as_str(), map["address"].as_str()), ("7", "1 High Street, Hubei"));
/// ```
#[derive(Clone, Debug)]
pub struct SimpleKeyValueDeserializationSchema {
    key: String,
    value: String,
}

impl SimpleKeyValueDeserializationSchema {
    /// A map with these names.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Default for SimpleKeyValueDeserializationSchema {
    /// A map with the names `key` and `value`.
    fn default() -> Self {
        Self::new("key", "value")
    }
}

impl KeyValueDeserializationSchema<BTreeMap<String, String>> for SimpleKeyValueDeserializationSchema {
    fn deserialize_key_and_value(
        &mut self,
        key: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Option<BTreeMap<String, String>>, BoxError> {
        let mut map = BTreeMap::new();
        if let Some(key) = key {
            map.insert(self.key.clone(), std::str::from_utf8(key)?.to_owned());
        }
        map.insert(self.value.clone(), std::str::from_utf8(value)?.to_owned());
        Ok(Some(map))
    }
}

/// Reads the body as a text in UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleStringDeserializationSchema;

impl KeyValueDeserializationSchema<String> for SimpleStringDeserializationSchema {
    fn deserialize_key_and_value(&mut self, _: Option<&[u8]>, value: &[u8]) -> Result<Option<String>, BoxError> {
        Ok(Some(std::str::from_utf8(value)?.to_owned()))
    }
}

/// Turns messages into batches of values, with the times at which they were born.
pub(super) struct Deserializer<T, D> {
    schema: D,
    nulls: Counter,
    values: PhantomData<fn() -> T>,
}

impl<T, D> Deserializer<T, D> {
    pub(super) fn new(schema: D, context: &TaskContext) -> Self {
        Self { schema, nulls: context.counters.counter("numRecordsInNull"), values: PhantomData }
    }
}

impl<T: Send, D: KeyValueDeserializationSchema<T>> Decode for Deserializer<T, D> {
    type Batch = Records<T>;

    fn decode(&mut self, queue: &Queue, messages: &[ReceivedMessage]) -> Result<Option<Records<T>>> {
        let mut records = Records::with_capacity(messages.len());
        for message in messages {
            match self.schema.deserialize_message(message) {
                Ok(Some(value)) => records.push(value, Some(message.born_timestamp)),
                Ok(None) => {}
                Err(error) => return Err(at(unreadable(error), queue, Some(message))),
            }
        }
        self.nulls.add((messages.len() - records.len()) as u64);
        Ok(Some(records).filter(|records| !records.is_empty()))
    }
}

/// What a schema failed with; an error of ours keeps its kind.
fn unreadable(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::data("a message cannot be read").caused_by(error),
    }
}
