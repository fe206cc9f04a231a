//! Commits what writers have prepared, which may be dead.
//!
//! RocketMQ makes a copy visible with every commit of the same half message, so what may have been tried is looked for before it is tried:
//! in its queue, from where that ended when the interval began. Who has written a checkpoint commits its half messages while their
//! lifetimes last. Whatever was not answered then, or was left by another process, is for [`takeover`](crate::takeover), which nothing can
//! come behind of.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use riverrun_base::Result;
use riverrun_connect::{Commit, Committable, Committer, TaskContext};
use riverrun_protocol::CheckpointId;
use riverrun_rocketmq_client::{Client, HalfMessage};

use crate::client::{Connection, Io};
use crate::takeover;
use crate::transaction::decode;

/// How long a commit is tried again.
const LIMIT: Duration = Duration::from_secs(180);

/// The pause between two tries, at most twice as long: others who try the same are let through.
const PAUSE: Duration = Duration::from_secs(1);

/// The committer of a RocketMQ sink.
pub(crate) struct RocketMqCommitter {
    connection: Connection,
    client: Client,
    io: Io,
}

impl RocketMqCommitter {
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn open(connection: &Connection, context: &TaskContext) -> Result<Self> {
        Ok(Self { connection: connection.clone(), client: connection.open()?, io: Io::new(context)? })
    }

    /// Commits what is not visible; whether brokers have taken all of it.
    async fn commit_in_time(&self, halves: &[HalfMessage]) -> Result<bool> {
        let missing = self.client.uncommitted(halves).await?;
        if !self.client.commit_in_time(&missing).await? {
            return Ok(false);
        }
        see_visible(&self.client, &missing).await?;
        Ok(true)
    }

    fn take_over(&self, halves: &[HalfMessage]) -> Result<Commit> {
        let end = Instant::now() + LIMIT;
        loop {
            match self.io.wait(takeover::commit(&self.connection, halves)) {
                Ok(()) => return Ok(Commit::Done),
                Err(error) if error.is_retryable() && Instant::now() < end => {
                    tracing::warn!(target: "riverrun_rocketmq", "cannot commit now, and tries on: {error}");
                    self.io.sleep(PAUSE.mul_f64(1.0 + fastrand::f64()))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits until consumers can see what is committed: brokers build queues behind their commit log.
pub(crate) async fn see_visible(client: &Client, halves: &[HalfMessage]) -> Result<()> {
    let mut brokers = HashSet::new();
    for half in halves {
        if brokers.insert(&half.queue.broker) {
            // behind the end of a queue nothing is looked through, and the broker is waited for first
            client.find_unique_keys(&half.group, &half.queue, i64::MAX, &HashSet::new()).await?;
        }
    }
    Ok(())
}

impl Committer for RocketMqCommitter {
    fn recover(&mut self, _: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let halves = decoded(committables)?;
        // half messages that no checkpoint holds stay invisible: nothing is to be aborted
        if halves.is_empty() { Ok(Commit::Done) } else { self.take_over(&halves) }
    }

    fn commit(&mut self, _: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let halves = decoded(committables)?;
        if halves.is_empty() {
            return Ok(Commit::Done);
        }
        match self.io.wait(self.commit_in_time(&halves)) {
            Ok(true) => return Ok(Commit::Done),
            Ok(false) => {
                tracing::warn!(target: "riverrun_rocketmq", "messages are committed later than was expected, and are written once more");
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(target: "riverrun_rocketmq", "cannot commit now, and tries on: {error}");
            }
            Err(error) => return Err(error),
        }
        self.take_over(&halves)
    }
}

fn decoded(committables: &[Committable]) -> Result<Vec<HalfMessage>> {
    let mut halves = Vec::new();
    for committable in committables {
        halves.extend(decode(committable)?);
    }
    Ok(halves)
}
