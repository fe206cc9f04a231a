//! Sending messages: one after another, many at a time, several at once, or without an answer.
//!
//! A message for no queue in particular goes to the writable queues in turn, and when that fails, to another broker's. What
//! was sent and not answered is sent again, so that a message may be stored twice: at least once is what a send promises.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use riverrun_base::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::backoff;
use crate::client::{Access, Client};
use crate::codes;
use crate::compression::{Compression, compress};
use crate::connection::{Answer, Failure};
use crate::endpoint::Endpoint;
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::message::{Message, TRANSACTION_PREPARED};
use crate::message_codec::{PROPERTIES_BYTES_MAX, encode_in_batch};
use crate::properties;
use crate::route::{NEW_TOPIC, NEW_TOPIC_QUEUES, Queue, Route};

/// How messages are sent.
///
/// ```
/// use riverrun_rocketmq_client::{Compression, ProducerOptions};
///
/// let mut options = ProducerOptions::new("my-group");
/// options.compression = Compression::Zstd;
/// options.retries = 5;
/// ```
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// The producer group (`producer.group`).
    pub group: String,
    /// How long one try may take (`producer.timeout`). 3 s.
    pub send_timeout: Duration,
    /// How often a message is sent again when a try failed in a way that may pass (`producer.retry.times`). 3.
    pub retries: u32,
    /// How bodies are compressed. zlib.
    pub compression: Compression,
    /// Bodies are compressed from this size on, in bytes. 4096.
    pub compress_from: usize,
    /// The largest body, in bytes, before compression; brokers have a limit of their own. 4 MiB.
    pub body_bytes_max: usize,
    /// How many messages may be under way; who wants to send one more waits. 1000.
    pub in_flight_max: usize,
}

impl ProducerOptions {
    /// The defaults, for this group.
    #[must_use]
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            send_timeout: Duration::from_secs(3),
            retries: 3,
            compression: Compression::default(),
            compress_from: 4096,
            body_bytes_max: 4 << 20,
            in_flight_max: 1000,
        }
    }
}

/// How many times the limit of one try is waited for others to come to an end.
const SLOT_PATIENCE: u32 = 4;

/// How far a broker has secured a message that it has stored. Anything but `Ok` comes only from brokers that are set to
/// wait for their disk or their copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStatus {
    /// As far as it is set to.
    Ok,
    /// It was not on disk in time.
    FlushDiskTimeout,
    /// The copy did not have it in time.
    FlushSlaveTimeout,
    /// There is no copy.
    SlaveNotAvailable,
}

/// What a broker answered to a message.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// How far it is secured.
    pub status: SendStatus,
    /// Where it is stored.
    pub queue: Queue,
    /// Its place in the queue; of several sent at once, that of the first. Of a half message, its place among the halves.
    pub queue_offset: i64,
    /// Its identity, given by us: Java's message id. Of several sent at once, those of all, separated by commas.
    pub unique_key: String,
    /// Its identity, given by the broker: where it is in the commit log.
    pub offset_message_id: String,
    /// The transaction, of a half message.
    pub transaction_id: Option<String>,
}

/// Sends messages. Clones share everything.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    options: ProducerOptions,
    /// Whose turn it is among a topic's queues.
    turn: AtomicUsize,
    slots: Arc<Semaphore>,
}

impl Client {
    /// Sends messages, as a member of a producer group. Nothing is asked of any server yet.
    ///
    /// # Errors
    /// The group has no name.
    pub fn producer(&self, options: ProducerOptions) -> Result<Producer> {
        if options.group.is_empty() {
            return Err(Error::user("the producer group has no name"));
        }
        self.join_producers(&options.group);
        let slots = Arc::new(Semaphore::new(options.in_flight_max.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Producer {
            inner: Arc::new(Inner {
                client: self.clone(),
                options,
                turn: AtomicUsize::new(fastrand::usize(..)),
                slots,
            }),
        })
    }
}

/// An answer to come. The message has been handed to the connection, and is on its way whether this is awaited or not; a try
/// that fails is repeated only while it is.
#[must_use = "whether the message is stored is known only when this is awaited"]
pub struct Pending<T = Receipt>(Pin<Box<dyn Future<Output = Result<T>> + Send>>);

impl<T> Pending<T> {
    pub(crate) fn new(future: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

/// What is sent, but for the queue.
pub(crate) struct Prepared {
    code: i16,
    topic: String,
    /// Where it must go.
    queue: Option<Queue>,
    unique_key: String,
    properties: String,
    body: Bytes,
    flags: i32,
    flag: i32,
    /// When it was born, in milliseconds since 1970; with each try anew where this says nothing.
    born: Option<i64>,
}

/// A half message that is to be sent, and when its lifetime is over.
pub(crate) struct PreparedHalf {
    pub(crate) message: Prepared,
    pub(crate) until: Option<i64>,
}

/// One try.
struct Attempt {
    queue: Queue,
    broker: Arc<Endpoint>,
    answer: Result<Answer, Failure>,
}

impl Producer {
    /// Sends a message to any queue of its topic; returns when it is stored.
    ///
    /// A topic that does not exist is made by brokers that are set to (`autoCreateTopicEnable`).
    ///
    /// # Errors
    /// The message is one that RocketMQ does not take; there is no such topic; or every try failed.
    pub async fn send(&self, message: Message) -> Result<Receipt> {
        self.submit(message).await?.await
    }

    /// Sends a message to this queue; returns when it is stored. Tries again on the same queue.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_to(&self, queue: &Queue, message: Message) -> Result<Receipt> {
        self.submit_to(queue, message).await?.await
    }

    /// Hands a message over for sending to any queue of its topic; waits only while too many are under way, which is until an
    /// answer comes to one of them, awaited or not.
    ///
    /// ```no_run
    /// use riverrun_rocketmq_client::{Message, Producer};
    ///
    /// # async fn example(producer: Producer) -> riverrun_base::Result<()> {
    /// let mut pending = Vec::new();
    /// for n in 0..100 {
    ///     pending.push(producer.submit(Message::new("orders", format!("order {n}"))).await?);
    /// }
    /// for answer in pending {
    ///     answer.await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The message is one that RocketMQ does not take; there is no such topic; or too many are under way and none is answered.
    pub async fn submit(&self, message: Message) -> Result<Pending> {
        self.begin(self.prepare(&message, None)?).await
    }

    /// As [`submit`](Self::submit), to this queue.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub async fn submit_to(&self, queue: &Queue, message: Message) -> Result<Pending> {
        self.begin(self.prepare(&message, Some(queue))?).await
    }

    /// Sends several messages of one topic at once, to one queue, where they are stored one behind another; returns when they
    /// are. Their bodies are not compressed.
    ///
    /// # Errors
    /// There is none, they are of different topics, one is delayed, or together they are too large; otherwise as
    /// [`send`](Self::send).
    pub async fn send_batch(&self, messages: &[Message], queue: Option<&Queue>) -> Result<Receipt> {
        self.begin(self.prepare_batch(messages, queue)?).await?.await
    }

    /// Sends a message to any queue of its topic, without an answer: whether it is stored is never known.
    ///
    /// # Errors
    /// The message is one that RocketMQ does not take, there is no such topic, or no broker can be reached.
    pub async fn send_one_way(&self, message: Message) -> Result<()> {
        let prepared = self.prepare(&message, None)?;
        let (queue, broker) = self.target(&prepared, None).await?;
        let fields = self.fields(&prepared, &queue);
        broker.tell(prepared.code, fields, &prepared.body, self.deadline()).await
    }

    /// The group it sends in.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.inner.options.group
    }

    /// The client it was made from.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// A half message; under this unique key, where there is one. It is the same message, with the same birth, however often it is tried.
    pub(crate) fn prepare_half(
        &self,
        message: &Message,
        queue: &Queue,
        unique_key: Option<&str>,
        (born, lifetime): (i64, Option<u64>),
    ) -> Result<PreparedHalf> {
        if message.is_delayed() {
            return Err(Error::user("a message of a transaction cannot be delayed").with("topic", message.topic()));
        }
        let mut prepared = match unique_key {
            None => self.prepare(message, Some(queue))?,
            Some(key) => self.prepare_as(message, Some(queue), key.to_owned())?,
        };
        prepared.born = Some(born);
        if let Some(seconds) = lifetime {
            properties::push(&mut prepared.properties, properties::LIFETIME, &seconds.to_string());
        }
        prepared.flags |= TRANSACTION_PREPARED;
        properties::push(&mut prepared.properties, properties::TRANSACTION_PREPARED, "true");
        properties::push(&mut prepared.properties, properties::PRODUCER_GROUP, self.group());
        let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        Ok(PreparedHalf { message: prepared, until: lifetime.map(|seconds| born.saturating_add(millis(seconds))) })
    }

    /// Sends what was prepared; the answer is awaited apart.
    pub(crate) async fn begin(&self, prepared: Prepared) -> Result<Pending> {
        let slot = self.slot().await?;
        let attempt = match self.attempt(&prepared, slot).await {
            Err(error) if !error.is_retryable() => return Err(error),
            attempt => attempt,
        };
        Ok(Pending::new(self.clone().finish(prepared, attempt)))
    }

    /// Waits until one more may be under way. Those under way come to an end in this time, or their broker does not answer.
    async fn slot(&self) -> Result<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.inner.slots);
        let slot = timeout(self.inner.options.send_timeout.saturating_mul(SLOT_PATIENCE), slots.acquire_owned()).await;
        slot.ok().and_then(Result::ok).ok_or_else(|| {
            let count = self.inner.options.in_flight_max;
            Error::external(format!("{count} messages are under way, and RocketMQ answers none of them")).retryable()
        })
    }

    async fn finish(self, mut prepared: Prepared, first: Result<Attempt>) -> Result<Receipt> {
        let mut attempt = first;
        let mut failures = 0;
        loop {
            let (error, tried) = match attempt {
                Ok(Attempt { queue, broker, answer }) => {
                    let outcome = match answer {
                        Ok(answer) => answer.wait().await,
                        Err(failure) => Err(failure),
                    };
                    let outcome = outcome.map_err(|failure| failure.error);
                    match outcome.and_then(|frame| receipt(&frame, &queue, &broker, &mut prepared.unique_key)) {
                        Ok(receipt) => return Ok(receipt),
                        Err(error) => (error.with("queue", &queue), Some(queue.broker)),
                    }
                }
                Err(error) => (error, None),
            };
            if !error.is_retryable() || failures >= self.inner.options.retries {
                return Err(if failures == 0 { error } else { error.with("tries", failures + 1) });
            }
            failures += 1;
            tracing::debug!(%error, topic = %prepared.topic, "a message is sent again");
            attempt = self.attempt_later(&prepared, tried, failures).await;
        }
    }

    /// The next try: at once where another broker can take the message, otherwise after a pause.
    async fn attempt_later(&self, prepared: &Prepared, tried: Option<Arc<str>>, failures: u32) -> Result<Attempt> {
        let target = match self.target(prepared, tried.as_deref()).await {
            Ok(target) if Some(&target.0.broker) != tried.as_ref() => target,
            _ => {
                sleep(backoff::pause(failures, self.inner.client.inner.options.pause_max, fastrand::f64())).await;
                self.target(prepared, tried.as_deref()).await?
            }
        };
        let slot = self.slot().await?;
        self.attempt_at(prepared, target, slot).await
    }

    async fn attempt(&self, prepared: &Prepared, slot: OwnedSemaphorePermit) -> Result<Attempt> {
        let target = self.target(prepared, None).await?;
        self.attempt_at(prepared, target, slot).await
    }

    async fn attempt_at(
        &self,
        prepared: &Prepared,
        (queue, broker): (Queue, Arc<Endpoint>),
        slot: OwnedSemaphorePermit,
    ) -> Result<Attempt> {
        let request = broker.request(prepared.code, self.fields(prepared, &queue), &prepared.body)?;
        let answer = broker.send(request, self.deadline(), Some(slot)).await;
        Ok(Attempt { queue, broker, answer })
    }

    /// Where the message goes: to its queue, or to that whose turn it is, if possible of a broker that can be reached and is not
    /// the one to avoid.
    async fn target(&self, prepared: &Prepared, avoid: Option<&str>) -> Result<(Queue, Arc<Endpoint>)> {
        let client = &self.inner.client;
        if let Some(queue) = &prepared.queue {
            return Ok((queue.clone(), client.broker(&queue.topic, &queue.broker, Access::Write).await?));
        }
        let route = self.route(&prepared.topic).await?;
        let queues = route.writable();
        if queues.is_empty() {
            let message = format!("no queue of the topic '{}' can be written to now", prepared.topic);
            // a route without them is asked for again with the next try
            client.inner.forget_route(&prepared.topic);
            return Err(Error::external(message).retryable().hint("is a broker up, and the topic writable?"));
        }
        let start = self.inner.turn.fetch_add(1, Ordering::Relaxed) % queues.len();
        let in_turn = || queues.iter().cycle().skip(start).take(queues.len());
        for queue in in_turn().filter(|queue| avoid != Some(&*queue.broker)) {
            if let Some(broker) = client.inner.broker(&queue.broker, Access::Write)
                && !broker.is_pausing()
            {
                return Ok((queue.clone(), broker));
            }
        }
        let queue = in_turn().next().unwrap_or(&queues[start]);
        Ok((queue.clone(), client.broker(&queue.topic, &queue.broker, Access::Write).await?))
    }

    /// The topic's route; for a topic that brokers will make, the one it will have.
    async fn route(&self, topic: &str) -> Result<Arc<Route>> {
        let client = &self.inner.client;
        if let Some(route) = client.route(topic).await? {
            return Ok(route);
        }
        if let Some(route) = client.refresh_route(NEW_TOPIC).await? {
            return Ok(Arc::new(route.for_new_topic(topic)));
        }
        // the same again, for the error
        client.existing_route(topic).await
    }

    fn prepare(&self, message: &Message, queue: Option<&Queue>) -> Result<Prepared> {
        self.prepare_as(message, queue, self.inner.client.inner.unique_keys.next())
    }

    fn prepare_as(&self, message: &Message, queue: Option<&Queue>, unique_key: String) -> Result<Prepared> {
        message.check()?;
        let options = &self.inner.options;
        let properties = message.encode_properties(&unique_key);
        check_lengths(message.topic(), message.body.len(), options.body_bytes_max, &properties)?;
        let (body, flags) = if message.body.len() >= options.compress_from {
            compress(options.compression, &message.body)?.unwrap_or((message.body.clone(), 0))
        } else {
            (message.body.clone(), 0)
        };
        Ok(Prepared {
            code: codes::SEND_MESSAGE_V2,
            topic: message.topic.clone(),
            queue: queue.cloned(),
            unique_key,
            properties,
            body,
            flags,
            flag: message.flag,
            born: None,
        })
    }

    fn prepare_batch(&self, messages: &[Message], queue: Option<&Queue>) -> Result<Prepared> {
        let Some(first) = messages.first() else { return Err(Error::user("there is no message to be sent")) };
        let mut body = BytesMut::new();
        let mut unique_keys = String::new();
        for message in messages {
            message.check()?;
            if message.topic != first.topic {
                return Err(Error::user("messages sent at once must have the same topic"));
            }
            if message.is_delayed() {
                return Err(Error::user("a message sent with others cannot be delayed").with("topic", message.topic()));
            }
            let unique_key = self.inner.client.inner.unique_keys.next();
            let properties = message.encode_properties(&unique_key);
            check_lengths(message.topic(), message.body.len(), self.inner.options.body_bytes_max, &properties)?;
            encode_in_batch(&mut body, message.flag, &message.body, &properties);
            if !unique_keys.is_empty() {
                unique_keys.push(',');
            }
            unique_keys.push_str(&unique_key);
        }
        check_lengths(first.topic(), body.len(), self.inner.options.body_bytes_max, "")?;
        let mut properties = String::new();
        properties::push(&mut properties, properties::WAIT, "true");
        Ok(Prepared {
            code: codes::SEND_BATCH_MESSAGE,
            topic: first.topic.clone(),
            queue: queue.cloned(),
            unique_key: unique_keys,
            properties,
            body: body.freeze(),
            flags: 0,
            flag: 0,
            born: None,
        })
    }

    fn fields(&self, prepared: &Prepared, queue: &Queue) -> FieldsBuilder {
        let options = &self.inner.options;
        let born = prepared.born.unwrap_or_else(now);
        let variable = options.group.len() + prepared.topic.len() + queue.broker.len() + prepared.properties.len();
        FieldsBuilder::with_capacity(200 + variable)
            .text("a", &options.group)
            .text("b", &prepared.topic)
            .text("c", NEW_TOPIC)
            .number("d", NEW_TOPIC_QUEUES)
            .number("e", queue.id)
            .number("f", prepared.flags)
            .number("g", born)
            .number("h", prepared.flag)
            .text("i", &prepared.properties)
            .text("j", "0")
            .text("k", "false")
            .flag("m", prepared.code == codes::SEND_BATCH_MESSAGE)
            .text("n", &queue.broker)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.inner.options.send_timeout
    }
}

fn check_lengths(topic: &str, body: usize, most: usize, properties: &str) -> Result<()> {
    if body > most {
        return Err(Error::data(format!("a message of {body} bytes is larger than {most}")).with("topic", topic));
    }
    if properties.len() > PROPERTIES_BYTES_MAX {
        let length = properties.len();
        let message =
            format!("the properties of a message take {length} bytes, and {PROPERTIES_BYTES_MAX} is the limit");
        return Err(Error::data(message).with("topic", topic));
    }
    Ok(())
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// What an answer to a message says. The unique key is taken where it says that the message is stored.
fn receipt(frame: &Frame, queue: &Queue, broker: &Endpoint, unique_key: &mut String) -> Result<Receipt> {
    let status = match frame.code {
        codes::SUCCESS => SendStatus::Ok,
        codes::FLUSH_DISK_TIMEOUT => SendStatus::FlushDiskTimeout,
        codes::FLUSH_SLAVE_TIMEOUT => SendStatus::FlushSlaveTimeout,
        codes::SLAVE_NOT_AVAILABLE => SendStatus::SlaveNotAvailable,
        code => return Err(codes::refusal(code, frame.remark(), "take a message", broker.address())),
    };
    let incomplete = || Error::external("the broker's answer to a message does not say where it is stored");
    let queue_id = frame.fields.number("queueId").and_then(|id| i32::try_from(id).ok()).ok_or_else(incomplete)?;
    Ok(Receipt {
        status,
        queue: Queue { id: queue_id, ..queue.clone() },
        queue_offset: frame.fields.number("queueOffset").ok_or_else(incomplete)?,
        unique_key: std::mem::take(unique_key),
        offset_message_id: frame.fields.get("msgId").ok_or_else(incomplete)?.to_owned(),
        transaction_id: frame.fields.get("transactionId").map(str::to_owned),
    })
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}
