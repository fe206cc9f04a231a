//! Messages that become visible together with something else, or not at all.
//!
//! A *half message* is stored where no consumer sees it. Ending its transaction with a commit appends the message itself to
//! its queue. **That is not idempotent**: each commit appends another copy, and one after a rollback appends it too. The
//! copies share the message's unique key. So who does not know what became of a commit must look: [`Client::commit_again`]
//! reads the queue from where it ended before the half message was sent, finds which keys are visible, and commits the
//! rest. A committable therefore remembers all of [`HalfMessage`].
//!
//! While a transaction is open the broker asks a producer of the group about it, by default after 6 s and 15 times in all
//! ([`BrokerEvent::CheckTransaction`](crate::BrokerEvent)), each time about a new copy of the half message. A commit of the
//! first one works at any of these times, and does not settle the copy: so the check of a transaction that is committed, or
//! may be, must be answered by a rollback or not at all, never by a commit. A transaction nobody ends stays invisible.
//!
//! Two processes that commit the same half message at the same time would make it visible twice. What keeps one of them out is a half
//! message's *lifetime*: a broker (5.0 and later) that was told one refuses to commit the half message when it is over, by its own clock. So
//! who takes over waits until all lifetimes are over (`Client::are_expired`), looks what is visible, and sends the rest again as
//! half messages of its own ([`Producer::send_half_again`](crate::Producer::send_half_again)).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use riverrun_base::{Error, Result};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::client::{Access, Client};
use crate::codes;
use crate::connection::{Answer, Failure};
use crate::endpoint::{Endpoint, Repeat};
use crate::events::TransactionCheck;
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::message::Message;
use crate::message_id::commit_log_offset;
use crate::producer::{Pending, PreparedHalf, Producer, now};
use crate::pull::{Outcome, PullOptions};
use crate::route::Queue;

/// How many transactions are being ended at a time.
const ENDED_AT_ONCE: usize = 256;

/// How long a broker may take to make visible what it has stored before.
const DISPATCH_LIMIT: Duration = Duration::from_secs(30);

/// What is waited where the broker does not say how far it is: 300 ms were seen to suffice.
const DISPATCH_GUESS: Duration = Duration::from_secs(1);

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The message becomes visible.
    Commit,
    /// It does not.
    RollBack,
}

/// A half message that is stored: all that it takes to end its transaction, and to find out later whether it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfMessage {
    /// The queue in which the message will be visible.
    pub queue: Queue,
    /// The producer group that sent it.
    pub group: String,
    /// What its copies share: the message's unique key.
    pub unique_key: String,
    /// The transaction, as the broker calls it.
    pub transaction_id: String,
    /// Its place among the half messages.
    pub half_offset: i64,
    /// Its place in the broker's commit log.
    pub commit_log_offset: i64,
    /// An offset of the queue before which the message cannot be visible: where the queue ended before it was sent.
    pub scan_from: i64,
    /// When its lifetime is over, in milliseconds since 1970 by the clock of who sent it; none: it has no lifetime.
    pub until: Option<i64>,
}

impl Producer {
    /// Hands a half message over for sending to this queue. `scan_from` is an end of the queue asked for earlier
    /// ([`Client::max_offset`]), such as when the transaction began. After `lifetime`, in whole seconds, the broker takes no commit of it
    /// any more, by its own clock and counted from its birth by ours; a broker takes at least its `transactionTimeOut` (6 s), and one
    /// before 5.0 heeds none.
    ///
    /// A try that failed is repeated on the same queue, under the same unique key; should both have been stored, one is never
    /// ended and never seen.
    ///
    /// # Errors
    /// The message is one that RocketMQ does not take, or is delayed; or there is no such topic.
    pub async fn submit_half(
        &self,
        queue: &Queue,
        message: Message,
        scan_from: i64,
        lifetime: Option<Duration>,
    ) -> Result<Pending<HalfMessage>> {
        let (born, seconds) = (now(), lifetime.map(|lifetime| lifetime.as_secs()));
        self.submit_prepared_half(self.prepare_half(&message, queue, None, (born, seconds))?, scan_from).await
    }

    /// Sends a half message to this queue; returns when it is stored. Otherwise as [`submit_half`](Self::submit_half).
    ///
    /// # Errors
    /// As [`submit_half`](Self::submit_half), and when every try failed.
    pub async fn send_half(
        &self,
        queue: &Queue,
        message: Message,
        scan_from: i64,
        lifetime: Option<Duration>,
    ) -> Result<HalfMessage> {
        self.submit_half(queue, message, scan_from, lifetime).await?.await
    }

    pub(crate) async fn submit_prepared_half(
        &self,
        prepared: PreparedHalf,
        scan_from: i64,
    ) -> Result<Pending<HalfMessage>> {
        let PreparedHalf { message, until } = prepared;
        let pending = self.begin(message).await?;
        let group = self.group().to_owned();
        Ok(Pending::new(async move {
            let receipt = pending.await?;
            let commit_log_offset = commit_log_offset(&receipt.offset_message_id).ok_or_else(|| {
                Error::external("the broker's answer to a half message does not say where it is stored")
                    .with("message id", &receipt.offset_message_id)
            })?;
            Ok(HalfMessage {
                queue: receipt.queue,
                group,
                transaction_id: receipt.transaction_id.unwrap_or_else(|| receipt.unique_key.clone()),
                unique_key: receipt.unique_key,
                half_offset: receipt.queue_offset,
                commit_log_offset,
                scan_from,
                until,
            })
        }))
    }
}

impl Client {
    /// Commits transactions that nobody has tried to commit before.
    ///
    /// ```no_run
    /// use riverrun_rocketmq_client::{Client, Message, Producer};
    ///
    /// # async fn example(client: Client, producer: Producer) -> riverrun_base::Result<()> {
    /// let queue = client.existing_route("orders").await?.writable()[0].clone();
    /// let scan_from = client.max_offset(&queue).await?;
    /// let half = producer.send_half(&queue, Message::new("orders", "hello"), scan_from, None).await?;
    /// // ... store what `half` holds; then:
    /// if client.commit(&[half.clone()]).await.is_err() {
    ///     client.commit_again(&[half]).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A broker does not answer, or refuses. Some may be committed then: go on with [`commit_again`](Self::commit_again).
    pub async fn commit(&self, halves: &[HalfMessage]) -> Result<()> {
        let taken = self.end_all(halves, Decision::Commit).await?;
        match halves.iter().zip(taken).find(|(_, taken)| !taken) {
            None => Ok(()),
            Some((half, _)) => Err(Error::external("RocketMQ refuses to end a transaction: its lifetime is over")
                .with("queue", &half.queue)
                .with("transaction", &half.transaction_id)),
        }
    }

    /// As [`commit`](Self::commit); whether all of them were taken. A broker refuses those whose lifetime is over.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_in_time(&self, halves: &[HalfMessage]) -> Result<bool> {
        Ok(self.end_all(halves, Decision::Commit).await?.into_iter().all(|taken| taken))
    }

    /// Whether each broker refuses from now on to commit any of these half messages, which must have a lifetime. It is asked by
    /// rolling them back, which changes nothing for one that is committed, and does not keep others from committing it.
    ///
    /// # Errors
    /// A broker does not answer, or refuses for another reason.
    pub async fn are_expired(&self, halves: &[HalfMessage]) -> Result<bool> {
        Ok(self.end_all(halves, Decision::RollBack).await?.into_iter().all(|taken| !taken))
    }

    /// Rolls transactions back. That may be done again, but not to a transaction that was committed: it stays visible.
    ///
    /// # Errors
    /// A broker does not answer, or refuses. Some may be rolled back then.
    pub async fn roll_back(&self, halves: &[HalfMessage]) -> Result<()> {
        // one whose lifetime is over is as good as rolled back
        self.end_all(halves, Decision::RollBack).await.map(drop)
    }

    /// Commits those of the transactions that are not committed yet, as far as can be seen; how many that were. May be called any
    /// number of times, by one caller at a time.
    ///
    /// A commit that another process has sent and the broker has not carried out yet cannot be seen: who takes over from
    /// a process that died waits until the half messages' lifetimes are over; without one, until brokers have dropped what they did
    /// not get to (`waitTimeMillsInTransactionQueue`, 3 s), which is no guarantee.
    ///
    /// # Errors
    /// A broker does not answer, or refuses; or messages since the transactions began have been removed from a queue, so
    /// that it cannot be told which of them are committed.
    pub async fn commit_again(&self, halves: &[HalfMessage]) -> Result<usize> {
        let missing = self.uncommitted(halves).await?;
        self.commit(&missing).await?;
        Ok(missing.len())
    }

    /// Those of the transactions whose messages are not visible. What brokers had stored when this was called is looked at in full.
    ///
    /// # Errors
    /// A broker does not answer; or messages since the transactions began have been removed from a queue, so that it cannot be told.
    pub async fn uncommitted(&self, halves: &[HalfMessage]) -> Result<Vec<HalfMessage>> {
        let mut by_queue: BTreeMap<&Queue, Vec<&HalfMessage>> = BTreeMap::new();
        for half in halves {
            by_queue.entry(&half.queue).or_default().push(half);
        }
        let mut missing = Vec::new();
        for (queue, halves) in by_queue {
            let from = halves.iter().map(|half| half.scan_from).min().unwrap_or_default();
            let keys: HashSet<&str> = halves.iter().map(|half| half.unique_key.as_str()).collect();
            let group = halves.first().map_or("", |half| half.group.as_str());
            let visible = self.find_unique_keys(group, queue, from, &keys).await?;
            missing.extend(halves.into_iter().filter(|half| !visible.contains_key(&half.unique_key)).cloned());
        }
        Ok(missing)
    }

    /// Answers a broker's question about a transaction. Never by a commit where the transaction may be committed already: that
    /// makes the message visible twice.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn answer_check(&self, check: &TransactionCheck, decision: Decision) -> Result<()> {
        let broker = self.inner.endpoint(&check.server)?;
        let real_topic = check.message.property("REAL_TOPIC").unwrap_or(check.message.topic());
        let fields = end_fields(real_topic, check.group(), check.half_offset, check.commit_log_offset, decision)
            .flag("fromTransactionCheck", true)
            .text("msgId", if check.message_id.is_empty() { check.unique_key() } else { &check.message_id })
            .text("transactionId", &check.transaction_id);
        let answer = broker.call(codes::END_TRANSACTION, fields, &[], self.deadline(), Repeat::No).await;
        ended(answer, &broker)
    }

    /// Which of these unique keys are visible in the queue from an offset on, and where (the last place of each). What the broker
    /// had stored when this was called is looked at in full. Reads in the name of `group`.
    ///
    /// # Errors
    /// The broker does not answer, or refuses; or messages from `from` on have been removed and a key was not found.
    pub async fn find_unique_keys(
        &self,
        group: &str,
        queue: &Queue,
        from: i64,
        keys: &HashSet<&str>,
    ) -> Result<HashMap<String, i64>> {
        let broker = self.broker(&queue.topic, &queue.broker, Access::Write).await?;
        self.wait_until_dispatched(&broker).await?;
        // a copy of the broker may lag, and what it does not show would be committed twice
        let end = self.max_offset_at(queue, Access::Write).await?;
        let mut found = HashMap::new();
        let options = PullOptions { suspend: Duration::ZERO, ..PullOptions::new(group) };
        let mut puller = self.puller(queue, options).master_only();
        let (mut offset, mut removed) = (from, false);
        while offset < end && found.len() < keys.len() {
            let pulled = puller.pull(offset).await?;
            for message in &pulled.messages {
                if let Some(key) = message.unique_key().filter(|key| keys.contains(key)) {
                    found.insert(key.to_owned(), message.queue_offset);
                }
            }
            removed |= pulled.outcome == Outcome::OffsetMoved;
            if pulled.next_offset <= offset {
                let message = "the broker does not show all of a queue";
                return Err(Error::external(message).retryable().with("queue", queue).with("offset", offset));
            }
            offset = pulled.next_offset;
        }
        if removed && found.len() < keys.len() {
            let message = "messages since the transactions began are gone, so which of them are committed is not known";
            return Err(Error::external(message).with("queue", queue).with("offset", from).hint(
                "compare the topic with what was to be in it; brokers keep messages for fileReservedTime hours",
            ));
        }
        Ok(found)
    }

    /// Ends transactions; which of them were taken, and not refused because their lifetime is over.
    async fn end_all(&self, halves: &[HalfMessage], decision: Decision) -> Result<Vec<bool>> {
        let mut taken = Vec::with_capacity(halves.len());
        for chunk in halves.chunks(ENDED_AT_ONCE) {
            let deadline = self.deadline();
            let mut answers: Vec<(Answer, std::sync::Arc<Endpoint>, &HalfMessage)> = Vec::with_capacity(chunk.len());
            for half in chunk {
                let queue = &half.queue;
                let broker = self.broker(&queue.topic, &queue.broker, Access::Write).await?;
                let fields = end_fields(&queue.topic, &half.group, half.half_offset, half.commit_log_offset, decision)
                    .flag("fromTransactionCheck", false)
                    .text("msgId", &half.unique_key)
                    .text("transactionId", &half.transaction_id);
                let request = broker.request(codes::END_TRANSACTION, fields, &[])?;
                let answer =
                    broker.send(request, deadline, None).await.map_err(|failure| failure.error.with("queue", queue))?;
                answers.push((answer, broker, half));
            }
            for (answer, broker, half) in answers {
                let answer = answer.wait().await;
                taken.push(!matches!(&answer, Ok(frame) if frame.code == codes::ILLEGAL_OPERATION));
                if taken.last() == Some(&true) {
                    ended(answer, &broker)
                        .map_err(|error| error.with("queue", &half.queue).with("transaction", &half.transaction_id))?;
                }
            }
        }
        Ok(taken)
    }

    /// Waits until consumers can see what the broker has stored until now: it builds queues behind its commit log.
    async fn wait_until_dispatched(&self, broker: &Endpoint) -> Result<()> {
        let limit = Instant::now() + DISPATCH_LIMIT;
        let mut goal = None;
        loop {
            let request = broker.call(
                codes::GET_BROKER_RUNTIME_INFO,
                FieldsBuilder::default(),
                &[],
                self.deadline(),
                Repeat::Harmless,
            );
            let frame = request.await.map_err(|failure| failure.error)?;
            if frame.code != codes::SUCCESS {
                // where requests must be signed, only some users may ask this
                sleep(DISPATCH_GUESS).await;
                return Ok(());
            }
            let Some((stored, behind)) = dispatched(&frame.body) else {
                let message = format!("the broker at {} does not say how far it is", broker.address());
                return Err(Error::external(message));
            };
            if stored - behind >= *goal.get_or_insert(stored) {
                return Ok(());
            }
            if Instant::now() >= limit {
                let message = format!("the broker at {} does not show what it has stored", broker.address());
                return Err(Error::external(message).retryable());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Where the commit log ends, and how many bytes of it are not in queues yet.
fn dispatched(body: &[u8]) -> Option<(i64, i64)> {
    #[derive(Deserialize)]
    struct Info {
        table: HashMap<String, String>,
    }
    let info: Info = serde_json::from_slice(body).ok()?;
    let number = |key| info.table.get(key)?.parse().ok();
    Some((number("commitLogMaxOffset")?, number("dispatchBehindBytes")?))
}

fn end_fields(topic: &str, group: &str, half_offset: i64, commit_log_offset: i64, decision: Decision) -> FieldsBuilder {
    let decision = match decision {
        Decision::Commit => 8,
        Decision::RollBack => 12,
    };
    FieldsBuilder::with_capacity(320)
        .text("topic", topic)
        .text("producerGroup", group)
        .number("tranStateTableOffset", half_offset)
        .number("commitLogOffset", commit_log_offset)
        .number("commitOrRollback", decision)
}

fn ended(answer: Result<Frame, Failure>, broker: &Endpoint) -> Result<()> {
    let frame = answer.map_err(|failure| failure.error)?;
    match frame.code {
        codes::SUCCESS => Ok(()),
        codes::SYSTEM_ERROR if !is_passing(frame.remark()) => {
            let message = format!("RocketMQ refuses to end a transaction: {}", frame.remark());
            Err(Error::external(message).with("server", broker.address()))
        }
        code => Err(codes::refusal(code, frame.remark(), "end a transaction", broker.address())),
    }
}

/// One code stands for a wrong group, a wrong offset and for trouble with the disk.
fn is_passing(remark: &str) -> bool {
    ["mapped file", "busy", "UNKNOWN_ERROR"].iter().any(|text| remark.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brokers_progress_is_read() {
        let body = br#"{"table":{"commitLogMaxOffset":"1200","dispatchBehindBytes":"200","x":"y"}}"#;
        assert_eq!(dispatched(body), Some((1200, 200)));
        assert_eq!(dispatched(b"{}"), None);
    }
}
