//! Values of a program to messages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_formats::BoxError;
use riverrun_rocketmq_client::Message;

use crate::writer::Encode;

/// Makes a message of each value. Each writer owns a clone.
///
/// A closure is one too: `|order: Order| Ok::<_, BoxError>(Message::new("orders", order.text).tags("new").delay_level(3))`.
pub trait RocketMqSerializer<T>: Clone + Send + Sync + 'static {
    /// The message.
    ///
    /// # Errors
    /// The value has no such form.
    fn serialize(&mut self, element: T) -> Result<Message, BoxError>;
}

impl<T, E, F> RocketMqSerializer<T> for F
where
    F: FnMut(T) -> Result<Message, E> + Clone + Send + Sync + 'static,
    E: Into<BoxError>,
{
    #[inline]
    fn serialize(&mut self, element: T) -> Result<Message, BoxError> {
        self(element).map_err(Into::into)
    }
}

/// The stream holds messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

impl RocketMqSerializer<Message> for Messages {
    #[inline]
    fn serialize(&mut self, element: Message) -> Result<Message, BoxError> {
        Ok(element)
    }
}

/// Makes keys and body of a value.
pub trait KeyValueSerializationSchema<T>: Clone + Send + Sync + 'static {
    /// The keys; `None` for none.
    ///
    /// # Errors
    /// The value has no such form.
    fn serialize_key(&mut self, element: &T) -> Result<Option<String>, BoxError>;

    /// The body.
    ///
    /// # Errors
    /// The value has no such form.
    fn serialize_value(&mut self, element: &T) -> Result<Vec<u8>, BoxError>;
}

/// Says where a value goes.
pub trait TopicSelector<T>: Clone + Send + Sync + 'static {
    /// The topic.
    fn topic<'a>(&'a self, element: &'a T) -> Cow<'a, str>;

    /// The tag; empty for none.
    fn tag<'a>(&'a self, element: &'a T) -> Cow<'a, str>;
}

/// Takes two entries of a map: one is the key, the other the body. What is missing is no key, and an empty body.
#[derive(Clone, Debug)]
pub struct SimpleKeyValueSerializationSchema {
    key: String,
    value: String,
}

impl SimpleKeyValueSerializationSchema {
    /// The entries of these names.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Default for SimpleKeyValueSerializationSchema {
    /// The entries `key` and `value`.
    fn default() -> Self {
        Self::new("key", "value")
    }
}

impl KeyValueSerializationSchema<BTreeMap<String, String>> for SimpleKeyValueSerializationSchema {
    fn serialize_key(&mut self, element: &BTreeMap<String, String>) -> Result<Option<String>, BoxError> {
        Ok(element.get(&self.key).cloned())
    }

    fn serialize_value(&mut self, element: &BTreeMap<String, String>) -> Result<Vec<u8>, BoxError> {
        Ok(element.get(&self.value).map(|value| value.clone().into_bytes()).unwrap_or_default())
    }
}

/// Every value goes to one topic, under one tag.
#[derive(Clone, Debug)]
pub struct DefaultTopicSelector {
    topic: String,
    tag: String,
}

impl DefaultTopicSelector {
    /// To this topic, without a tag.
    pub fn new(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), tag: String::new() }
    }

    /// Under this tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = tag.into();
        self
    }
}

impl<T> TopicSelector<T> for DefaultTopicSelector {
    fn topic<'a>(&'a self, _: &'a T) -> Cow<'a, str> {
        Cow::Borrowed(&self.topic)
    }

    fn tag<'a>(&'a self, _: &'a T) -> Cow<'a, str> {
        Cow::Borrowed(&self.tag)
    }
}

/// Takes topic and tag from entries of a map.
#[derive(Clone, Debug)]
pub struct SimpleTopicSelector {
    topic: (String, String),
    tag: (String, String),
}

impl SimpleTopicSelector {
    /// From the entries `topic_key` and `tag_key`; the defaults where there are none.
    pub fn new(
        topic_key: impl Into<String>,
        default_topic: impl Into<String>,
        tag_key: impl Into<String>,
        default_tag: impl Into<String>,
    ) -> Self {
        Self { topic: (topic_key.into(), default_topic.into()), tag: (tag_key.into(), default_tag.into()) }
    }
}

impl TopicSelector<BTreeMap<String, String>> for SimpleTopicSelector {
    fn topic<'a>(&'a self, element: &'a BTreeMap<String, String>) -> Cow<'a, str> {
        Cow::Borrowed(element.get(&self.topic.0).unwrap_or(&self.topic.1))
    }

    fn tag<'a>(&'a self, element: &'a BTreeMap<String, String>) -> Cow<'a, str> {
        Cow::Borrowed(element.get(&self.tag.0).unwrap_or(&self.tag.1))
    }
}

/// Makes messages by a schema and a selector.
#[derive(Clone, Debug)]
pub struct KeyValueMessages<S, P> {
    pub(super) schema: S,
    pub(super) selector: P,
}

impl<T, S, P> RocketMqSerializer<T> for KeyValueMessages<S, P>
where
    S: KeyValueSerializationSchema<T>,
    P: TopicSelector<T>,
{
    fn serialize(&mut self, element: T) -> Result<Message, BoxError> {
        let key = self.schema.serialize_key(&element)?;
        let body = self.schema.serialize_value(&element)?;
        let message = Message::new(self.selector.topic(&element), body).tags(self.selector.tag(&element));
        Ok(message.keys(key.filter(|key| !key.is_empty())))
    }
}

/// Turns batches of values into messages.
pub(super) struct Serializer<T, S> {
    serializer: S,
    values: PhantomData<fn(T)>,
}

impl<T, S> Serializer<T, S> {
    pub(super) fn new(serializer: S) -> Self {
        Self { serializer, values: PhantomData }
    }
}

impl<T: Send, S: RocketMqSerializer<T>> Encode for Serializer<T, S> {
    type Batch = Records<T>;

    fn encode(&mut self, batch: Records<T>) -> Result<Vec<Message>> {
        let (values, _) = batch.into_parts();
        let message = |value| self.serializer.serialize(value).map_err(unwritable);
        values.into_iter().map(message).collect()
    }
}

/// What a schema failed with; an error of ours keeps its kind.
fn unwritable(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::data("a value cannot be written").caused_by(error),
    }
}
