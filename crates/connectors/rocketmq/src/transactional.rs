//! The writer of exactly once: rows between two barriers are half messages, which no consumer sees.
//!
//! Half messages have a lifetime, up to a while after the next barrier is expected: then brokers take no commit of them any more, so that who
//! takes over knows that nobody else commits them. When a checkpoint takes longer, they are sent once more
//! ([`takeover`](crate::takeover)).
//!
//! When it is over, brokers ask a producer of the group about half messages that are still open, each time about a new copy. To end the copy
//! changes nothing about the first; so each is answered by a rollback, which settles that copy and nothing else, and the broker stops
//! asking. What was prepared by an attempt that failed is never committed, and so never seen.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Kind, Result};
use riverrun_connect::{Committable, Counter, Flush, SinkWriter, TaskContext};
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq_client::{BrokerEvent, Client, Decision, HalfMessage, Message, Pending, Producer, Queue};
use tokio::task::AbortHandle;

use crate::client::Io;
use crate::transaction::Halves;
use crate::writer::Encode;

/// How many questions of brokers wait; the others are asked again.
const QUESTIONS_MAX: usize = 10_000;

/// The longest interval between two checkpoints for which half messages can be committed as they are; brokers copy each of them
/// every 30 s. Those of a longer one are sent once more.
const INTERVAL_MAX: Duration = Duration::from_secs(300);

/// What a half message's lifetime is beyond the interval, for the checkpoint to be stored and committed: as much as two intervals and the
/// brokers' least lifetime, within these bounds.
const COMPLETION: (Duration, Duration) = (Duration::from_secs(8), Duration::from_secs(60));
const LIFETIME_MIN: Duration = Duration::from_secs(6);

/// The writer of a RocketMQ sink with transactions.
pub(crate) struct TransactionalWriter<E> {
    encode: E,
    producer: Producer,
    io: Io,
    /// How often checkpoints are taken.
    interval: Option<Duration>,
    /// When the last barrier came.
    began: Instant,
    /// Where each queue ended when the interval first wrote to it.
    ends: HashMap<Queue, i64>,
    pending: VecDeque<Pending<HalfMessage>>,
    pending_max: usize,
    halves: Halves,
    /// How many half messages the interval has, and may have.
    count: usize,
    count_max: usize,
    /// Whose turn it is among a topic's queues.
    turn: usize,
    answers: AbortHandle,
    records_out: Counter,
    bytes_out: Counter,
}

impl<E> Drop for TransactionalWriter<E> {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl<E: Encode> TransactionalWriter<E> {
    pub(crate) fn new(
        encode: E,
        producer: Producer,
        io: Io,
        (pending_max, count_max): (usize, usize),
        context: &TaskContext,
    ) -> Self {
        let answers = {
            let client = producer.client().clone();
            io.handle.spawn(answer_checks(client)).abort_handle()
        };
        Self {
            encode,
            producer,
            io,
            interval: context.job.checkpoint_interval,
            began: Instant::now(),
            ends: HashMap::new(),
            pending: VecDeque::new(),
            pending_max: pending_max.max(1),
            halves: Halves::default(),
            count: 0,
            count_max: count_max.max(1),
            turn: context.subtask,
            answers,
            records_out: context.counters.counter("numRecordsOut"),
            bytes_out: context.counters.counter("numBytesOut"),
        }
    }

    fn send(&mut self, messages: Vec<Message>) -> Result<()> {
        self.count += messages.len();
        if self.count > self.count_max {
            let message = format!("more than {} messages wait for one checkpoint of this writer", self.count_max);
            return Err(Error::user(message).with("option", "sink.transaction-messages-max").hint(
                "take checkpoints more often ('execution.checkpointing.interval'), write with more parallelism, or raise the option: each message takes about 100 bytes of memory and checkpoint",
            ));
        }
        let lifetime = self.interval.map(|interval| lifetime(interval, self.began.elapsed()));
        let Self { producer, ends, pending, pending_max, halves, turn, .. } = self;
        let client = producer.client().clone();
        self.io.wait(async {
            for message in messages {
                let queue = next_queue(&client, message.topic(), turn).await?;
                let from = match ends.get(&queue) {
                    Some(end) => *end,
                    None => {
                        let end = client.max_offset(&queue).await?;
                        ends.insert(queue.clone(), end);
                        end
                    }
                };
                pending.push_back(producer.submit_half(&queue, message, from, lifetime).await?);
                while pending.len() > *pending_max {
                    settle_first(pending, halves).await?;
                }
            }
            Ok(())
        })
    }

    fn complete(&mut self) -> Result<()> {
        let Self { pending, halves, .. } = self;
        self.io.wait(async {
            while !pending.is_empty() {
                settle_first(pending, halves).await?;
            }
            Ok(())
        })
    }
}

/// How long a message that is written now can be committed: until the checkpoint that the next barrier begins is complete, if all goes well.
fn lifetime(interval: Duration, elapsed: Duration) -> Duration {
    let interval = interval.min(INTERVAL_MAX);
    let completion = (interval * 2 + LIFETIME_MIN).clamp(COMPLETION.0, COMPLETION.1);
    interval.saturating_sub(elapsed) + completion
}

async fn settle_first(pending: &mut VecDeque<Pending<HalfMessage>>, halves: &mut Halves) -> Result<()> {
    if let Some(first) = pending.front_mut() {
        let half = first.await;
        pending.pop_front();
        halves.push(half?);
    }
    Ok(())
}

/// The queue whose turn it is. The route is what the client knows, which it keeps fresh.
async fn next_queue(client: &Client, topic: &str, turn: &mut usize) -> Result<Queue> {
    let route = client.existing_route(topic).await?;
    let queues = route.writable();
    *turn = turn.wrapping_add(1);
    queues.get(*turn % queues.len().max(1)).cloned().ok_or_else(|| {
        Error::external(format!("no queue of the topic '{topic}' can be written to now"))
            .retryable()
            .hint("is a broker up, and the topic writable?")
    })
}

/// Answers what brokers ask about open transactions.
pub(crate) async fn answer_checks(client: Client) {
    let mut events = client.events(QUESTIONS_MAX);
    while let Some(event) = events.recv().await {
        let BrokerEvent::CheckTransaction(check) = event else { continue };
        if let Err(error) = client.answer_check(&check, Decision::RollBack).await {
            // the broker asks again
            tracing::debug!(target: "riverrun_rocketmq", %error, "a question about a transaction is not answered");
        }
    }
}

impl<E: Encode> SinkWriter<E::Batch> for TransactionalWriter<E> {
    fn write(&mut self, batch: E::Batch) -> Result<()> {
        let messages = self.encode.encode(batch)?;
        self.records_out.add(messages.len() as u64);
        self.bytes_out.add(messages.iter().map(|message| message.body().len() as u64).sum());
        self.send(messages).map_err(passing)
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Vec<Committable>> {
        self.complete().map_err(passing)?;
        self.ends.clear();
        (self.count, self.began) = (0, Instant::now());
        self.halves.take()
    }
}

/// A broker that was away: the next attempt writes the rows again.
fn passing(error: Error) -> Error {
    if error.kind() == Kind::External && !error.is_canceled() { error.retryable() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_ends_a_while_after_the_next_barrier_is_expected() {
        let seconds = Duration::from_secs;
        assert_eq!(lifetime(Duration::from_millis(200), seconds(0)), Duration::from_millis(8200));
        assert_eq!(lifetime(seconds(3), seconds(0)), seconds(15));
        assert_eq!(lifetime(seconds(3), seconds(2)), seconds(13));
        // a barrier that is late
        assert_eq!(lifetime(seconds(3), seconds(20)), seconds(12));
        assert_eq!(lifetime(seconds(60), seconds(10)), seconds(110));
        assert_eq!(lifetime(Duration::MAX, seconds(10)), seconds(350));
    }
}
