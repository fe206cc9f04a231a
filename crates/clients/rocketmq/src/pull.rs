//! Reading a queue: one answer after another, from an offset that the caller keeps.
//!
//! A pull that finds nothing is held by the broker until something comes or the time is up (*long polling*). Each
//! [`Puller`] is for one queue; any number of them wait at the same time on one connection.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_base::{Error, Result};
use serde_json::json;
use tokio::time::sleep;

use crate::backoff;
use crate::client::{Access, Client};
use crate::codes;
use crate::endpoint::{Endpoint, Repeat};
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::message::ReceivedMessage;
use crate::message_codec::decode_stored;
use crate::route::Queue;

const SUSPEND: i32 = 1 << 1;
const SUBSCRIPTION: i32 = 1 << 2;

/// Which messages are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those with one of these tags. The broker selects by their hashes; others with the same hash are left out here.
    Tags(BTreeSet<String>),
    /// Those for which an expression over their properties holds, in RocketMQ's SQL 92; brokers take it where
    /// `enablePropertyFilter` is set.
    Sql(String),
}

impl Filter {
    /// Tags as Java writes them: `a || b`; `*` or nothing for all.
    ///
    /// ```
    /// use riverrun_rocketmq_client::Filter;
    ///
    /// assert_eq!(Filter::tags("*"), Filter::All);
    /// assert!(matches!(Filter::tags("a || b"), Filter::Tags(tags) if tags.len() == 2));
    /// ```
    #[must_use]
    pub fn tags(text: &str) -> Self {
        let tags: BTreeSet<_> =
            text.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        if tags.is_empty() || tags.contains("*") { Self::All } else { Self::Tags(tags) }
    }

    /// The expression, and its language, as the protocol has them.
    fn expression(&self) -> (String, &'static str) {
        match self {
            Self::All => ("*".to_owned(), "TAG"),
            Self::Tags(tags) => (tags.iter().map(String::as_str).collect::<Vec<_>>().join(" || "), "TAG"),
            Self::Sql(expression) => (expression.clone(), "SQL92"),
        }
    }

    /// Whether the message is wanted, as far as can be told here.
    fn admits(&self, message: &ReceivedMessage) -> bool {
        match self {
            Self::Tags(tags) => message.tags().is_some_and(|tag| tags.contains(tag)),
            Self::All | Self::Sql(_) => true,
        }
    }

    /// `SubscriptionData`.
    pub(crate) fn subscription(&self, topic: &str) -> serde_json::Value {
        let (expression, language) = self.expression();
        let tags: Vec<&String> = if let Self::Tags(tags) = self { tags.iter().collect() } else { Vec::new() };
        let codes: Vec<i32> = tags.iter().map(|tag| java_hash(tag)).collect();
        json!({
            "topic": topic,
            "subString": expression,
            "tagsSet": tags,
            "codeSet": codes,
            "subVersion": 0,
            "expressionType": language,
            "classFilterMode": false,
        })
    }
}

/// Java's `String.hashCode`.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// How a queue is read.
///
/// ```
/// use std::time::Duration;
/// use riverrun_rocketmq_client::{Filter, PullOptions};
///
/// let mut options = PullOptions::new("my-group");
/// options.filter = Filter::tags("new || paid");
/// options.suspend = Duration::from_secs(5);
/// ```
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// The consumer group; brokers make it on first use, by default.
    pub group: String,
    /// Which messages are wanted. All.
    pub filter: Filter,
    /// How many messages one answer may hold; a broker has a limit of its own, 32 by default. 32.
    pub batch: u32,
    /// How long the broker may hold a pull that finds nothing. 15 s; zero: it answers at once.
    pub suspend: Duration,
}

impl PullOptions {
    /// The defaults, for this group.
    #[must_use]
    pub fn new(group: impl Into<String>) -> Self {
        Self { group: group.into(), filter: Filter::All, batch: 32, suspend: Duration::from_secs(15) }
    }
}

/// What a pull brought.
#[derive(Debug)]
pub struct Pulled {
    /// What the broker found.
    pub outcome: Outcome,
    /// The messages, in the order of their offsets.
    pub messages: Vec<ReceivedMessage>,
    /// Where to go on. A checkpoint stores this, and not the last message's offset: behind it may be messages that were
    /// filtered out.
    pub next_offset: i64,
    /// The offset of the first message that is still there.
    pub min_offset: i64,
    /// The offset that the next message will get.
    pub max_offset: i64,
}

/// What the broker found at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Messages, though perhaps none of those that are wanted.
    Found,
    /// Nothing yet.
    Nothing,
    /// Only messages that were filtered out, or a part of the queue that is being removed: go on at the next offset, now.
    Skipped,
    /// There is no such offset (messages were removed, or it is behind the end): `next_offset` is the nearest there is. The
    /// caller decides whether that is a loss. A broker that has lost a queue's data answers so too, with 0.
    OffsetMoved,
}

/// Reads one queue.
///
/// ```no_run
/// use riverrun_rocketmq_client::{Client, PullOptions};
///
/// # async fn example(client: Client) -> riverrun_base::Result<()> {
/// for queue in client.existing_route("orders").await?.readable() {
///     let mut offset = client.min_offset(queue).await?;
///     let mut puller = client.puller(queue, PullOptions::new("my-group"));
///     let pulled = puller.pull(offset).await?;
///     for message in &pulled.messages {
///         println!("{} {:?} {}", message.queue_offset, message.tags(), message.body().len());
///     }
///     offset = pulled.next_offset;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Puller {
    client: Client,
    queue: Queue,
    options: PullOptions,
    access: Access,
    failures: u32,
    /// Whether the broker has said that it understands the filter.
    is_checked: bool,
}

impl Client {
    /// Reads this queue. Nothing is asked of the broker yet.
    #[must_use]
    pub fn puller(&self, queue: &Queue, options: PullOptions) -> Puller {
        Puller {
            client: self.clone(),
            queue: queue.clone(),
            options,
            access: Access::Read,
            failures: 0,
            is_checked: false,
        }
    }
}

impl Puller {
    /// Reads from the master only, whose copies may lag behind it.
    pub(crate) fn master_only(mut self) -> Self {
        self.access = Access::Write;
        self
    }

    /// The queue it reads.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Reads from `offset` on. May be dropped while it waits: nothing is lost then, since only the caller keeps offsets.
    ///
    /// After an error that a retry may mend, call it again with the same offset: it waits a while first, longer after each
    /// failure in a row, and finds the broker again if it has moved.
    ///
    /// # Errors
    /// The broker cannot be reached or does not answer (a retry may help); it refuses; a message cannot be read.
    pub async fn pull(&mut self, offset: i64) -> Result<Pulled> {
        if self.failures > 0 {
            sleep(backoff::pause(self.failures, self.client.inner.options.pause_max, fastrand::f64())).await;
        }
        let outcome = self.attempt(offset).await;
        self.failures = if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) };
        outcome
    }

    async fn attempt(&mut self, offset: i64) -> Result<Pulled> {
        let broker = self.client.broker(&self.queue.topic, &self.queue.broker, self.access).await?;
        if !self.is_checked {
            self.check_filter(&broker).await.map_err(|error| error.with("queue", &self.queue))?;
            self.is_checked = true;
        }
        let place = |error: Error| error.with("queue", &self.queue).with("offset", offset);
        let deadline = self.client.deadline() + self.options.suspend;
        let answer = broker.call(codes::PULL_MESSAGE, self.request(offset), &[], deadline, Repeat::No).await;
        let frame = answer.map_err(|failure| place(failure.error))?;
        let outcome = match frame.code {
            codes::SUCCESS => Outcome::Found,
            codes::PULL_NOT_FOUND => Outcome::Nothing,
            codes::PULL_RETRY_IMMEDIATELY => Outcome::Skipped,
            codes::PULL_OFFSET_MOVED => Outcome::OffsetMoved,
            code => return Err(place(codes::refusal(code, frame.remark(), "read", broker.address()))),
        };
        self.read(outcome, offset, &frame).map_err(place)
    }

    /// Asks the broker whether it understands the filter: given an expression that it does not, a pull brings everything.
    async fn check_filter(&self, broker: &Endpoint) -> Result<()> {
        let Filter::Sql(expression) = &self.options.filter else { return Ok(()) };
        let subscription = self.options.filter.subscription(&self.queue.topic);
        let body =
            json!({ "clientId": self.client.id(), "group": self.options.group, "subscriptionData": subscription });
        let (code, fields, body) = (codes::CHECK_CLIENT_CONFIG, FieldsBuilder::default(), body.to_string());
        let answer = broker.call(code, fields, body.as_bytes(), self.client.deadline(), Repeat::Harmless).await;
        let frame = answer.map_err(|failure| failure.error)?;
        match frame.code {
            codes::SUCCESS => Ok(()),
            code => {
                let error = codes::refusal(code, frame.remark(), "filter messages", broker.address());
                Err(error.with("expression", expression))
            }
        }
    }

    fn request(&self, offset: i64) -> FieldsBuilder {
        let suspend = if self.options.suspend.is_zero() { 0 } else { SUSPEND };
        let (expression, language) = self.options.filter.expression();
        FieldsBuilder::with_capacity(384)
            .text("consumerGroup", &self.options.group)
            .text("topic", &self.queue.topic)
            .number("queueId", self.queue.id)
            .number("queueOffset", offset)
            .number("maxMsgNums", self.options.batch.max(1))
            .number("sysFlag", SUBSCRIPTION | suspend)
            .number("commitOffset", 0)
            .number("suspendTimeoutMillis", self.options.suspend.as_millis())
            .text("subscription", &expression)
            .number("subVersion", 0)
            .text("expressionType", language)
    }

    fn read(&self, outcome: Outcome, offset: i64, frame: &Frame) -> Result<Pulled> {
        let number = |key| {
            frame
                .fields
                .number(key)
                .ok_or_else(|| Error::external(format!("the broker's answer to a pull holds no {key}")))
        };
        let mut messages = Vec::new();
        if outcome == Outcome::Found {
            messages = decode_stored(frame.body.clone(), self.client.inner.options.body_bytes_max)?;
            // a batch that is kept as one message is handed out as a whole
            messages.retain(|message| message.queue_offset >= offset && self.options.filter.admits(message));
        }
        Ok(Pulled {
            outcome,
            messages,
            next_offset: number("nextBeginOffset")?,
            min_offset: number("minOffset")?,
            max_offset: number("maxOffset")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_java_writes_them() {
        assert_eq!(Filter::tags(" "), Filter::All);
        assert_eq!(Filter::tags("a || *"), Filter::All);
        assert_eq!(Filter::tags("b||a || b").expression(), ("a || b".to_owned(), "TAG"));
        assert_eq!(Filter::Sql("x > 1".to_owned()).expression(), ("x > 1".to_owned(), "SQL92"));
    }

    #[test]
    fn a_subscription_holds_javas_hashes() {
        let subscription = Filter::tags("TagA || é").subscription("t");
        assert_eq!(subscription["codeSet"], json!([2_598_919, 233]));
        assert_eq!(subscription["subString"], "TagA || é");
    }
}
