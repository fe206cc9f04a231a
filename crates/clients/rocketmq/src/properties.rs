//! Properties of a message: names and values in one text, `name \x01 value \x02` one behind another.

use memchr::memchr;
use riverrun_base::{Error, Result};

/// The name under which the tag is kept.
pub(crate) const TAGS: &str = "TAGS";
pub(crate) const KEYS: &str = "KEYS";
pub(crate) const DELAY: &str = "DELAY";
pub(crate) const WAIT: &str = "WAIT";
pub(crate) const UNIQUE_KEY: &str = "UNIQ_KEY";
pub(crate) const TRANSACTION_PREPARED: &str = "TRAN_MSG";
pub(crate) const PRODUCER_GROUP: &str = "PGROUP";
/// For so many seconds from its birth a broker asks nobody about a half message, and then takes no commit of it.
pub(crate) const LIFETIME: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";

const VALUE: u8 = 1;
const NEXT: u8 = 2;

/// What RocketMQ keeps under these names is its own: a user who sets one breaks retries, transactions or delays.
const RESERVED: &[&str] = &[
    "BUYER_ID",
    LIFETIME,
    "CLUSTER",
    "CONSUME_START_TIME",
    "CORRELATION_ID",
    DELAY,
    "EXTEND_UNIQ_INFO",
    "INNER_BASE",
    "INNER_NUM",
    "INSTANCE_ID",
    KEYS,
    "MAX_OFFSET",
    "MAX_RECONSUME_TIMES",
    "MIN_OFFSET",
    "MSG_REGION",
    "MSG_TYPE",
    "ORIGIN_MESSAGE_ID",
    PRODUCER_GROUP,
    "REAL_QID",
    "REAL_TOPIC",
    "RECONSUME_TIME",
    "REPLY_TO_CLIENT",
    "RETRY_TOPIC",
    TAGS,
    "TRACE_ON",
    TRANSACTION_PREPARED,
    "TRANSACTION_CHECK_TIMES",
    "TRAN_PREPARED_QUEUE_OFFSET",
    "TRANSFER_FLAG",
    "TTL",
    "UNIQ_KEY",
    WAIT,
];

/// Adds a property that the caller knows to be writable.
pub(crate) fn push(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push(char::from(VALUE));
    text.push_str(value);
    text.push(char::from(NEXT));
}

/// Checks a property of the user's own.
///
/// # Errors
/// Name or value is empty or holds a separator, or the name is one of RocketMQ's.
pub(crate) fn check(name: &str, value: &str) -> Result<()> {
    if is_reserved(name) {
        return Err(Error::data(format!("the property '{name}' is RocketMQ's own"))
            .hint("give it another name; tags, keys and delay level have methods of their own"));
    }
    check_text("name of a property", name)?;
    check_text(&format!("property '{name}'"), value)
}

/// Whether RocketMQ keeps something of its own under the name.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("__")
}

/// Checks a text that becomes a property's name or value.
///
/// # Errors
/// It is empty, or holds a separator.
pub(crate) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::data(format!("the {what} is empty, which RocketMQ does not keep")));
    }
    if text.bytes().any(|byte| byte == VALUE || byte == NEXT) {
        let message = format!("the {what} holds U+0001 or U+0002, with which RocketMQ separates properties");
        return Err(Error::data(message));
    }
    Ok(())
}

/// Names and values, in the order they stand. What has no value is left out, as Apache's client does.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr(NEXT, rest.as_bytes()).unwrap_or(rest.len());
            let (property, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            if let Some(middle) = memchr(VALUE, property.as_bytes())
                && let (name, Some(value)) = (&property[..middle], property.get(middle + 1..))
                && !value.is_empty()
            {
                return Some((name, value));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_rocketmq_would_misread_is_refused() {
        check("k", "v").unwrap();
        assert!(check("TAGS", "v").unwrap_err().to_string().contains("RocketMQ's own"));
        assert!(check("__k", "v").is_err());
        assert!(check("k", "").unwrap_err().to_string().contains("the property 'k' is empty"));
        assert!(check("", "v").unwrap_err().to_string().contains("the name of a property is empty"));
        assert!(check("k", "a\u{2}b").unwrap_err().to_string().contains("U+0001 or U+0002"));
    }

    #[test]
    fn properties_without_a_value_are_left_out() {
        assert_eq!(pairs("a\u{1}1\u{2}b\u{1}\u{2}c\u{2}\u{2}d\u{1}4").collect::<Vec<_>>(), [("a", "1"), ("d", "4")]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(texts in proptest::collection::vec(("[a-zé]{1,9}", "[^\u{1}\u{2}]{1,30}"), 0..9)) {
            let mut text = String::new();
            for (name, value) in &texts {
                push(&mut text, name, value);
            }
            let read: Vec<_> = pairs(&text).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(read, texts);
        }
    }
}
