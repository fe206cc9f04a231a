//! The sink of a program.

use std::marker::PhantomData;

use riverrun_base::Result;
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};
use riverrun_rocketmq_client::Message;

use super::config::sending;
use super::serialize::{KeyValueMessages, Serializer};
use super::{KeyValueSerializationSchema, Messages, RocketMqSerializer, TopicSelector};
use crate::options::Guarantee;
use crate::sink::Sending;

/// Writes values as messages of RocketMQ.
///
/// Each message is answered before the next is sent, unless [`with_async`](Self::with_async) says otherwise; one that is not stored fails the
/// job. What an asynchronous sink promises, [`with_batch_flush_on_checkpoint`](Self::with_batch_flush_on_checkpoint) says.
///
/// ```
/// use riverrun_rocketmq::{Message, RocketMQConfig, RocketMqSink};
///
/// let properties = [(RocketMQConfig::NAME_SERVER_ADDR, "localhost:9876")];
/// // a stream of messages
/// let sink = RocketMqSink::new(properties)?.with_batch_flush_on_checkpoint(true);
/// // a stream of anything
/// let by_closure = |name: String| Ok::<_, riverrun_base::Error>(Message::new("greetings", format!("Hello, {name}!")));
/// let sink = RocketMqSink::with_serializer(by_closure, properties)?.with_async(true);
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct RocketMqSink<T, S> {
    sending: Sending,
    serializer: S,
    is_exactly_once: bool,
    flushes: bool,
    values: PhantomData<fn(T)>,
}

impl RocketMqSink<Message, Messages> {
    /// Writes messages, which name their topics, as the properties say ([`RocketMQConfig`](super::RocketMQConfig)).
    ///
    /// # Errors
    /// A property is missing, unknown or wrong.
    pub fn new<K: Into<String>, V: Into<String>>(properties: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        Self::with_serializer(Messages, properties)
    }
}

impl<T, S, P> RocketMqSink<T, KeyValueMessages<S, P>>
where
    S: KeyValueSerializationSchema<T>,
    P: TopicSelector<T>,
{
    /// Writes values whose keys and bodies the schema makes, to the topics that the selector says.
    ///
    /// # Errors
    /// As [`RocketMqSink::new`].
    pub fn with_schema<K: Into<String>, V: Into<String>>(
        schema: S,
        selector: P,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::with_serializer(KeyValueMessages { schema, selector }, properties)
    }
}

impl<T, S: RocketMqSerializer<T>> RocketMqSink<T, S> {
    /// Writes the messages that the serializer makes of values.
    ///
    /// # Errors
    /// As [`RocketMqSink::new`].
    pub fn with_serializer<K: Into<String>, V: Into<String>>(
        serializer: S,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let properties = properties.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let sending = sending(properties)?;
        Ok(Self { sending, serializer, is_exactly_once: false, flushes: false, values: PhantomData })
    }

    /// Sends messages without waiting for the ones before, in no particular order.
    #[must_use]
    pub fn with_async(mut self, is_async: bool) -> Self {
        self.sending.is_async = is_async;
        self
    }

    /// Has each checkpoint wait until every message is stored: at least once. Without it, messages that an asynchronous sink has not seen
    /// stored may be missing after a failure.
    #[must_use]
    pub fn with_batch_flush_on_checkpoint(mut self, flushes: bool) -> Self {
        self.flushes = flushes;
        self
    }

    /// Makes messages visible when their checkpoint is complete, each once. It needs checkpoints and a `producer.group` that no other program
    /// has; messages cannot be delayed.
    #[must_use]
    pub fn with_exactly_once(mut self, is_exactly_once: bool) -> Self {
        self.is_exactly_once = is_exactly_once;
        self
    }

    fn sending(&self) -> Sending {
        let guarantee = match (self.is_exactly_once, self.flushes) {
            (true, _) => Guarantee::ExactlyOnce,
            (false, true) => Guarantee::AtLeastOnce,
            (false, false) => Guarantee::None,
        };
        Sending { guarantee, ..self.sending.clone() }
    }
}

impl<T, S> Sink<Records<T>> for RocketMqSink<T, S>
where
    T: Send + 'static,
    S: RocketMqSerializer<T>,
{
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        let sending = self.sending();
        sending.check(false)?;
        sending.writer(Serializer::new(self.serializer.clone()), None, context)
    }

    fn commits(&self) -> Commits {
        self.sending().commits()
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let sending = self.sending();
        sending.check(false)?;
        sending.committer(context)
    }
}
