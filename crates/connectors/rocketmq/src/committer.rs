//! Commits what writers have prepared, which may be dead.
//!
//! RocketMQ makes a copy visible with every commit of the same half message, so that one that may have been tried is looked for before
//! it is tried: in its queue, from where that ended when the interval began. Nothing fences who tries at the very same time: a
//! commit that is on its way to a broker cannot be seen. A broker drops what it has not begun within 3 s
//! (`waitTimeMillsInTransactionQueue`); so before anything is committed behind somebody else's back, or behind a time-out of our own, that
//! long is waited and looked again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use riverrun_base::Result;
use riverrun_connect::{Commit, Committable, Committer, TaskContext};
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq_client::{Client, HalfMessage};

use crate::client::{Connection, Io};
use crate::transaction::decode;

/// When a commit that was sent is carried out, or never will be.
const UNDER_WAY: Duration = Duration::from_millis(3500);

/// How long a commit is tried again.
const LIMIT: Duration = Duration::from_secs(90);

/// The committer of a RocketMQ sink.
pub(crate) struct RocketMqCommitter {
    client: Client,
    io: Io,
}

impl RocketMqCommitter {
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn open(connection: &Connection, context: &TaskContext) -> Result<Self> {
        Ok(Self { client: connection.open()?, io: Io::new(context)? })
    }

    fn commit_all(&self, halves: &[HalfMessage]) -> Result<Commit> {
        let end = Instant::now() + LIMIT;
        loop {
            match self.io.wait(self.attempt(halves)) {
                Ok(()) => return Ok(Commit::Done),
                Err(error) if error.is_retryable() && Instant::now() < end => {
                    tracing::warn!(target: "riverrun_rocketmq", "cannot commit now, and tries on: {error}");
                    self.io.sleep(UNDER_WAY)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(&self, halves: &[HalfMessage]) -> Result<()> {
        self.client.commit_again(halves).await?;
        self.see_visible(halves).await
    }

    /// Waits until consumers can see what is committed: brokers build queues behind their commit log.
    async fn see_visible(&self, halves: &[HalfMessage]) -> Result<()> {
        let mut brokers = HashSet::new();
        for half in halves {
            if brokers.insert(&half.queue.broker) {
                // behind the end of a queue nothing is looked through, and the broker is waited for first
                self.client.find_unique_keys(&half.group, &half.queue, i64::MAX, &HashSet::new()).await?;
            }
        }
        Ok(())
    }

    /// Whether all of them are visible.
    async fn is_done(&self, halves: &[HalfMessage]) -> Result<bool> {
        let mut rest: Vec<&HalfMessage> = halves.iter().collect();
        while let Some(first) = rest.first().copied() {
            let (of_queue, others): (Vec<&HalfMessage>, _) =
                rest.into_iter().partition(|half| half.queue == first.queue);
            rest = others;
            let keys: HashSet<&str> = of_queue.iter().map(|half| half.unique_key.as_str()).collect();
            let from = of_queue.iter().map(|half| half.scan_from).min().unwrap_or_default();
            let found = self.client.find_unique_keys(&first.group, &first.queue, from, &keys).await?;
            if found.len() < keys.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Committer for RocketMqCommitter {
    fn recover(&mut self, _: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let halves = decoded(committables)?;
        // half messages that no checkpoint holds stay invisible: nothing is to be aborted
        if halves.is_empty() || self.io.wait(self.is_done(&halves))? {
            return Ok(Commit::Done);
        }
        self.io.sleep(UNDER_WAY)?;
        self.commit_all(&halves)
    }

    fn commit(&mut self, _: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let halves = decoded(committables)?;
        if halves.is_empty() { Ok(Commit::Done) } else { self.commit_all(&halves) }
    }
}

fn decoded(committables: &[Committable]) -> Result<Vec<HalfMessage>> {
    let mut halves = Vec::new();
    for committable in committables {
        halves.extend(decode(committable)?);
    }
    Ok(halves)
}
