//! Half messages that nobody may commit any more, sent again by who takes over.

use std::time::Duration;

use riverrun_base::{Error, Result};

use crate::client::{Access, Client};
use crate::codes;
use crate::endpoint::Repeat;
use crate::fields::FieldsBuilder;
use crate::message::{Message, ReceivedMessage};
use crate::message_codec::decode_stored;
use crate::producer::{Pending, Producer};
use crate::properties;
use crate::route::Queue;
use crate::transaction::HalfMessage;

impl Client {
    /// A half message as its broker has stored it.
    ///
    /// # Errors
    /// The broker does not answer, or does not have it any more.
    pub async fn read_half(&self, half: &HalfMessage) -> Result<ReceivedMessage> {
        let HalfMessage { queue, commit_log_offset, unique_key, .. } = half;
        let broker = self.broker(&queue.topic, &queue.broker, Access::Write).await?;
        let fields = FieldsBuilder::with_capacity(128).text("topic", &queue.topic).number("offset", *commit_log_offset);
        let answer = broker.call(codes::VIEW_MESSAGE_BY_ID, fields, &[], self.deadline(), Repeat::Harmless);
        let frame = answer.await.map_err(|failure| failure.error.with("queue", queue))?;
        if frame.code != codes::SUCCESS {
            let refusal = codes::refusal(frame.code, frame.remark(), "show a half message", broker.address());
            return Err(refusal.with("queue", queue));
        }
        let mut messages = decode_stored(frame.body, self.inner.options.body_bytes_max)?;
        match messages.pop() {
            Some(message) if message.unique_key() == Some(unique_key) => Ok(message),
            _ => {
                let message = "where a half message was stored, the broker has another";
                Err(Error::external(message)
                    .with("queue", queue)
                    .with("transaction", unique_key)
                    .hint("has the broker lost its data, or removed it? It keeps messages for fileReservedTime hours"))
            }
        }
    }
}

impl Producer {
    /// Hands a copy of a half message over for sending, with the same unique key and birth: what becomes visible by it is the same message.
    /// `stored` is what [`Client::read_half`] gave. Its lifetime is over at `until`, in milliseconds since 1970, at the latest; but see
    /// [`submit_half`](Self::submit_half) for the broker's least.
    ///
    /// # Errors
    /// As [`submit_half`](Self::submit_half).
    pub async fn send_half_again(
        &self,
        half: &HalfMessage,
        stored: &ReceivedMessage,
        until: i64,
    ) -> Result<Pending<HalfMessage>> {
        let mut message = Message::new(&*half.queue.topic, stored.body().clone()).flag(stored.flag);
        message = message.tags(stored.tags().unwrap_or_default()).keys(stored.keys());
        for (name, value) in stored.properties().filter(|(name, _)| !properties::is_reserved(name)) {
            message = message.property(name, value);
        }
        let born = stored.born_timestamp;
        let seconds = u64::try_from(until.saturating_sub(born) / 1000).unwrap_or_default();
        let prepared = self.prepare_half(&message, &half.queue, Some(&half.unique_key), (born, Some(seconds)))?;
        self.submit_prepared_half(prepared, half.scan_from).await
    }

    /// A half message that will never be visible, whose lifetime is over `lifetime` after `born`, in milliseconds since 1970. Of a later one it
    /// is known that its broker refuses it later.
    ///
    /// # Errors
    /// As [`send_half`](Self::send_half).
    pub async fn send_timer(&self, queue: &Queue, born: i64, lifetime: Duration) -> Result<HalfMessage> {
        let message = Message::new(&*queue.topic, "timer");
        let prepared = self.prepare_half(&message, queue, None, (born, Some(lifetime.as_secs())))?;
        self.submit_prepared_half(prepared, 0).await?.await
    }

    /// The time now by the clock of the queue's broker, in milliseconds since 1970: not before this was called, and not after it returns.
    ///
    /// # Errors
    /// As [`send_half`](Self::send_half).
    pub async fn broker_time(&self, queue: &Queue) -> Result<i64> {
        let half = self.send_half(queue, Message::new(&*queue.topic, "time"), 0, None).await?;
        let stored = self.client().read_half(&half).await?;
        self.client().roll_back(&[half]).await?;
        Ok(stored.store_timestamp)
    }
}
