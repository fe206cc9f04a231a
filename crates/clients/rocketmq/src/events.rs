//! What brokers ask and tell of themselves.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::codes;
use crate::connection::Inbox;
use crate::frame::Frame;
use crate::message::ReceivedMessage;
use crate::message_codec::decode_stored;

/// What a broker asks or tells of itself.
#[derive(Debug)]
pub enum BrokerEvent {
    /// What has become of a transaction? Answer with
    /// [`Client::answer_check`](crate::Client::answer_check), or not at all: then the broker asks again, 15 times by default.
    CheckTransaction(Box<TransactionCheck>),
    /// Another client has joined a consumer group of ours, or has left it.
    ConsumersChanged {
        /// The group.
        group: String,
    },
}

/// A broker's question about a half message whose transaction was not ended in time. It asks any producer of the group.
#[derive(Debug)]
pub struct TransactionCheck {
    /// The address of the broker.
    pub(crate) server: String,
    pub(crate) commit_log_offset: i64,
    pub(crate) half_offset: i64,
    pub(crate) transaction_id: String,
    pub(crate) message_id: String,
    /// The half message. The broker appends a copy of it before it asks, which has other offsets and the same unique key.
    pub message: ReceivedMessage,
}

impl TransactionCheck {
    /// The producer group that sent the half message.
    #[must_use]
    pub fn group(&self) -> &str {
        self.message.property(crate::properties::PRODUCER_GROUP).unwrap_or_default()
    }

    /// The unique key of the message: what a committable remembers.
    #[must_use]
    pub fn unique_key(&self) -> &str {
        self.message.unique_key().unwrap_or(&self.transaction_id)
    }
}

/// Hands brokers' requests to who wants them.
#[derive(Default)]
pub(crate) struct Events(RwLock<Option<mpsc::Sender<BrokerEvent>>>);

impl Events {
    pub(crate) fn subscribe(&self, capacity: usize) -> mpsc::Receiver<BrokerEvent> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }
}

impl Inbox for Events {
    fn take(&self, server: &str, request: &Frame) -> bool {
        let event = match request.code {
            codes::CHECK_TRANSACTION_STATE => check(server, request),
            codes::NOTIFY_CONSUMER_IDS_CHANGED => request
                .fields
                .get("consumerGroup")
                .map(|group| BrokerEvent::ConsumersChanged { group: group.to_owned() }),
            _ => return false,
        };
        let subscriber = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let (Some(event), Some(subscriber)) = (event, &*subscriber) {
            // a full queue drops what is asked again; nobody is told twice of a change he has not seen yet
            let _ = subscriber.try_send(event);
        }
        true
    }
}

/// A half message is small enough to be asked about, or it would not have been stored.
const HALF_BYTES_MAX: usize = 64 << 20;

fn check(server: &str, request: &Frame) -> Option<BrokerEvent> {
    let body: Bytes = request.body.clone();
    let message = match decode_stored(body, HALF_BYTES_MAX) {
        Ok(messages) => messages.into_iter().next()?,
        Err(error) => {
            // unanswered, it stays as it is
            tracing::warn!(%server, %error, "a broker asks about a transaction that cannot be read");
            return None;
        }
    };
    let text = |key| request.fields.get(key).unwrap_or_default().to_owned();
    Some(BrokerEvent::CheckTransaction(Box::new(TransactionCheck {
        server: server.to_owned(),
        commit_log_offset: request.fields.number("commitLogOffset")?,
        half_offset: request.fields.number("tranStateTableOffset")?,
        transaction_id: text("transactionId"),
        message_id: text("msgId"),
        message,
    })))
}
