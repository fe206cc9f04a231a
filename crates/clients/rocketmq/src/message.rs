//! A message to be sent, and a message that was received.

use std::net::SocketAddr;

use bytes::Bytes;
use riverrun_base::{Error, Result};

use crate::properties;

// Bits of a message's flags (`MessageSysFlag`).
pub(crate) const COMPRESSED: i32 = 1;
pub(crate) const TRANSACTION_PREPARED: i32 = 1 << 2;
pub(crate) const BORN_HOST_V6: i32 = 1 << 4;
pub(crate) const STORE_HOST_V6: i32 = 1 << 5;
pub(crate) const NEED_UNWRAP: i32 = 1 << 6;
pub(crate) const INNER_BATCH: i32 = 1 << 7;

/// The highest delay level a broker has by default: two hours.
pub const DELAY_LEVEL_MAX: u8 = 18;

const TOPIC_CHARS_MAX: usize = 127;

/// A message to be sent.
///
/// ```
/// use riverrun_rocketmq_client::Message;
///
/// let message = Message::new("orders", "body").tags("new").keys(["k1", "k2"]).delay_level(3).property("shop", "7");
/// assert!(message.check().is_ok());
/// assert!(message.property("TAGS", "reserved").check().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Message {
    pub(crate) topic: String,
    pub(crate) body: Bytes,
    tags: String,
    keys: String,
    delay_level: u8,
    pub(crate) flag: i32,
    properties: Vec<(String, String)>,
}

impl Message {
    /// A message for this topic, without tags, keys and properties.
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            body: body.into(),
            tags: String::new(),
            keys: String::new(),
            delay_level: 0,
            flag: 0,
            properties: Vec::new(),
        }
    }

    /// The tag, by which consumers filter. Empty: none.
    #[must_use]
    pub fn tags(mut self, tags: impl Into<String>) -> Self {
        self.tags = tags.into();
        self
    }

    /// The keys, by which brokers index messages; joined by spaces, as Java's client does.
    #[must_use]
    pub fn keys<K: AsRef<str>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys.clear();
        for key in keys {
            if !self.keys.is_empty() {
                self.keys.push(' ');
            }
            self.keys.push_str(key.as_ref());
        }
        self
    }

    /// When consumers get it: level 1 is one second, 18 two hours, by the brokers' defaults; 0 is at once.
    #[must_use]
    pub fn delay_level(mut self, level: u8) -> Self {
        self.delay_level = level;
        self
    }

    /// Java's `flag`: a number that goes with the message and means nothing to RocketMQ.
    #[must_use]
    pub fn flag(mut self, flag: i32) -> Self {
        self.flag = flag;
        self
    }

    /// A property of the user's own.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// The topic it is for.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its body, as it is before compression.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether it can be sent, as far as can be told without asking a broker. Sending checks it too.
    ///
    /// # Errors
    /// The topic's name, the delay level or a property is one that RocketMQ does not take.
    pub fn check(&self) -> Result<()> {
        check_topic(&self.topic)?;
        if self.delay_level > DELAY_LEVEL_MAX {
            let message = format!("the delay level {} is not one of 0 to {DELAY_LEVEL_MAX}", self.delay_level);
            return Err(Error::data(message).with("topic", &self.topic));
        }
        for (what, text) in [("tag", &self.tags), ("key", &self.keys)] {
            if !text.is_empty() {
                properties::check_text(what, text)?;
            }
        }
        self.properties.iter().try_for_each(|(name, value)| properties::check(name, value))
    }

    pub(crate) fn is_delayed(&self) -> bool {
        self.delay_level > 0
    }

    /// The properties as they are sent, with the message's unique key.
    pub(crate) fn encode_properties(&self, unique_key: &str) -> String {
        let mut text = String::with_capacity(96 + self.tags.len() + self.keys.len());
        for (name, value) in &self.properties {
            properties::push(&mut text, name, value);
        }
        if !self.keys.is_empty() {
            properties::push(&mut text, properties::KEYS, &self.keys);
        }
        if !self.tags.is_empty() {
            properties::push(&mut text, properties::TAGS, &self.tags);
        }
        if self.is_delayed() {
            properties::push(&mut text, properties::DELAY, &self.delay_level.to_string());
        }
        properties::push(&mut text, properties::UNIQUE_KEY, unique_key);
        properties::push(&mut text, properties::WAIT, "true");
        text
    }
}

/// Whether RocketMQ takes the name for a topic.
///
/// # Errors
/// It is empty, longer than 127 characters, or holds others than letters, digits, `%`, `|`, `-` and `_`.
pub fn check_topic(topic: &str) -> Result<()> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "%|-_".contains(c);
    let why = if topic.is_empty() {
        "it is empty"
    } else if topic.len() > TOPIC_CHARS_MAX {
        "it is longer than 127 characters"
    } else if !topic.chars().all(is_allowed) {
        "it may hold letters, digits, %, |, - and _ only"
    } else {
        return Ok(());
    };
    Err(Error::user(format!("'{topic}' is no name for a topic: {why}")))
}

/// A message as a broker gave it. Its parts share the memory of the answer it came in.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// The number of its queue, on the broker that was asked.
    pub queue_id: i32,
    /// Its place in the queue.
    pub queue_offset: i64,
    /// Its place in the broker's commit log.
    pub commit_log_offset: i64,
    /// Java's `flag`: the sender's own number.
    pub flag: i32,
    /// When the sender made it, in milliseconds since 1970, by the sender's clock.
    pub born_timestamp: i64,
    /// Where the sender was.
    pub born_host: SocketAddr,
    /// When the broker stored it, in milliseconds since 1970, by the broker's clock. A delayed message is stored, under its
    /// topic, when its time has come.
    pub store_timestamp: i64,
    /// The broker that stored it.
    pub store_host: SocketAddr,
    /// How often a consumer has given it back.
    pub reconsume_times: i32,
    /// Of a message that a transaction made visible, where in the commit log its half was; otherwise 0.
    pub prepared_transaction_offset: i64,
    pub(crate) system_flags: i32,
    pub(crate) body: Bytes,
    /// The topic, a few bytes, and the properties; all of it UTF-8.
    pub(crate) text: Bytes,
    pub(crate) topic_end: usize,
    pub(crate) properties_start: usize,
}

impl ReceivedMessage {
    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        text(self.text.get(..self.topic_end))
    }

    /// Its body, decompressed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Takes the body.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Its tag.
    #[must_use]
    pub fn tags(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// Its keys, separated by spaces.
    #[must_use]
    pub fn keys(&self) -> Option<&str> {
        self.property(properties::KEYS)
    }

    /// What its sender gave it as its identity: Java's message id, and a transaction's id. The copies that several
    /// commits of one transaction make share it.
    #[must_use]
    pub fn unique_key(&self) -> Option<&str> {
        self.property(properties::UNIQUE_KEY)
    }

    /// A property, the user's own or RocketMQ's.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All properties, the user's own and RocketMQ's, in the order they are stored.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        properties::pairs(text(self.text.get(self.properties_start..)))
    }
}

/// What was UTF-8 when it was decoded.
fn text(bytes: Option<&[u8]>) -> &str {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_would_refuse_or_misread_is_refused_before() {
        let error = |message: Message| message.check().unwrap_err().to_string();
        assert_eq!(error(Message::new("", "b")), "'' is no name for a topic: it is empty");
        assert!(error(Message::new("a b", "b")).contains("letters, digits"));
        assert!(error(Message::new("a".repeat(128), "b")).contains("longer than 127"));
        assert!(error(Message::new("t", "b").delay_level(19)).contains("19 is not one of 0 to 18"));
        assert!(error(Message::new("t", "b").tags("a\u{1}")).contains("the tag holds U+0001"));
        assert!(error(Message::new("t", "b").keys(["a", "\u{2}"])).contains("the key holds"));
        assert!(error(Message::new("t", "b").property("KEYS", "x")).contains("RocketMQ's own"));
    }

    #[test]
    fn properties_are_sent_as_java_names_them() {
        let message = Message::new("t", "b").tags("a").keys(["k1", "k2"]).delay_level(3).property("x", "y");
        let text = message.encode_properties("U").replace('\u{1}', "=").replace('\u{2}', ";");
        assert_eq!(text, "x=y;KEYS=k1 k2;TAGS=a;DELAY=3;UNIQ_KEY=U;WAIT=true;");
    }
}
