//! Pulls one queue, ahead of its reader: a task on the I/O runtime for each queue, so that the long poll of one does not hold another up.
//!
//! What is fetched ahead is bounded: a channel of a few answers for all queues of a reader, and [`BYTES_AHEAD`].

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_base::{Error, Result};
use riverrun_connect::SplitId;
use riverrun_rocketmq_client::{Outcome, Pulled, Puller, ReceivedMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::options::Lost;
use crate::position::Position;

/// How many bytes of bodies a reader's tasks may have fetched ahead.
pub(crate) const BYTES_AHEAD: usize = 32 << 20;

/// How many answers a reader's tasks may have fetched ahead.
pub(crate) const ANSWERS_AHEAD: usize = 256;

/// How long a queue may end before the offset that is wanted: a broker that was killed rebuilds its queues after it has started.
const AHEAD_LIMIT: Duration = Duration::from_secs(30);

/// How much later than its end a time is over for sure: what is stored is visible a moment later.
const MARGIN_MS: i64 = 1000;

/// What a task has to tell of its queue.
pub(crate) struct Fetched {
    pub(crate) split: SplitId,
    pub(crate) answer: Result<Answer>,
}

/// Messages, and where to go on.
pub(crate) struct Answer {
    pub(crate) messages: Vec<ReceivedMessage>,
    pub(crate) next_offset: i64,
    /// Whether the time up to which the queue is read is over, and nothing is left.
    pub(crate) is_over: bool,
    /// Frees the bytes when the messages are gone.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// A queue to pull.
pub(crate) struct Fetch {
    pub(crate) puller: Puller,
    pub(crate) split: SplitId,
    pub(crate) position: Position,
    pub(crate) lost: Lost,
    pub(crate) sender: mpsc::Sender<Fetched>,
    pub(crate) bytes: Arc<Semaphore>,
}

impl Fetch {
    /// Pulls until the end of the queue's part, an error that no retry can mend, or the reader is gone.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.pull_all().await {
            let error = Fetched { split: Arc::clone(&self.split), answer: Err(error) };
            // the reader may be gone, which is why this ends too
            let _ = self.sender.send(error).await;
        }
    }

    async fn pull_all(&mut self) -> Result<()> {
        let mut is_away = false;
        let mut ahead_since: Option<Instant> = None;
        while !self.position.is_at_end() {
            let pulled = match self.puller.pull(self.position.offset).await {
                Ok(pulled) => pulled,
                Err(error) if error.is_retryable() => {
                    if !is_away {
                        tracing::warn!(target: "riverrun_rocketmq", split = %self.split, "cannot read now, and tries on: {error}");
                    }
                    is_away = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if is_away {
                tracing::info!(target: "riverrun_rocketmq", split = %self.split, "reads again");
                is_away = false;
            }
            let answer = if pulled.outcome == Outcome::OffsetMoved {
                let since = *ahead_since.get_or_insert_with(Instant::now);
                if pulled.next_offset < self.position.offset && since.elapsed() < AHEAD_LIMIT {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
                self.go_on_without(&pulled)?
            } else {
                ahead_since = None;
                self.answer(pulled).await?
            };
            let (next, is_over) = (answer.next_offset, answer.is_over);
            let has_news = !answer.messages.is_empty() || next != self.position.offset || is_over;
            self.position.offset = next;
            if has_news {
                let fetched = Fetched { split: Arc::clone(&self.split), answer: Ok(answer) };
                if self.sender.send(fetched).await.is_err() {
                    return Ok(());
                }
            }
            if is_over {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn answer(&self, pulled: Pulled) -> Result<Answer> {
        let size: usize = pulled.messages.iter().map(|message| message.body().len()).sum();
        let wanted = u32::try_from(size.clamp(0, BYTES_AHEAD)).unwrap_or(u32::MAX);
        let permit = match wanted {
            0 => None,
            wanted => {
                let permit = Arc::clone(&self.bytes).acquire_many_owned(wanted).await;
                Some(permit.map_err(|error| Error::internal("a reader's bytes are closed").caused_by(error))?)
            }
        };
        let is_over = pulled.outcome == Outcome::Nothing
            && self.position.until.is_some_and(|until| now() >= until.saturating_add(MARGIN_MS));
        Ok(Answer { messages: pulled.messages, next_offset: pulled.next_offset, is_over, permit })
    }

    /// Where to go on without the messages that are gone.
    fn go_on_without(&self, pulled: &Pulled) -> Result<Answer> {
        let offset = self.position.offset;
        let Pulled { min_offset, max_offset, .. } = *pulled;
        let next_offset = match self.lost {
            Lost::Earliest => min_offset.max(0),
            Lost::Latest => max_offset.max(0),
            Lost::Fail => {
                let message = format!(
                    "the messages from offset {offset} on are not there: the queue has {min_offset} to {max_offset}"
                );
                return Err(Error::external(message)
                    .with("queue", &self.split)
                    .with("offset", offset)
                    .hint("to go on without them, set 'scan.lost-messages' to 'earliest' or 'latest'; brokers keep messages for fileReservedTime hours"));
            }
        };
        tracing::warn!(
            target: "riverrun_rocketmq",
            split = %self.split,
            "the messages from offset {offset} on are not there (the queue has {min_offset} to {max_offset}): goes on at {next_offset}"
        );
        Ok(Answer { messages: Vec::new(), next_offset, is_over: false, permit: None })
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
