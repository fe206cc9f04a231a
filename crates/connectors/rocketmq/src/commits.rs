//! Tells the consumer group how far was read. Nobody waits for it: the positions that count are in the checkpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::SplitId;
use riverrun_rocketmq_client::Client;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::position::queue;

/// How long the last offsets of a job may take.
const LAST_LIMIT: Duration = Duration::from_secs(10);

/// Offsets by split.
type Offsets = Vec<(SplitId, i64)>;

/// Stores offsets on the brokers, in the background and one batch at a time.
pub(crate) struct Commits {
    client: Client,
    handle: Handle,
    group: String,
    /// What brokers have, as far as they were told here.
    told: BTreeMap<SplitId, i64>,
    waiting: BTreeMap<SplitId, i64>,
    task: Option<JoinHandle<Result<Offsets>>>,
}

impl Commits {
    pub(crate) fn new(client: Client, handle: Handle, group: String) -> Self {
        Self { client, handle, group, told: BTreeMap::new(), waiting: BTreeMap::new(), task: None }
    }

    /// Takes offsets to be stored; later ones replace those that wait.
    ///
    /// # Errors
    /// A bug: a split that is none of ours.
    pub(crate) fn submit(&mut self, offsets: impl IntoIterator<Item = (SplitId, i64)>) -> Result<()> {
        for (split, offset) in offsets {
            if self.told.get(&split) != Some(&offset) {
                self.waiting.insert(split, offset);
            }
        }
        self.pump()
    }

    /// Goes on: takes the outcome of what was under way, and sends what waits.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) fn pump(&mut self) -> Result<()> {
        if let Some(task) = self.task.take_if(|task| task.is_finished()) {
            let outcome = self.handle.block_on(task);
            self.take(outcome);
        }
        if self.task.is_some() || self.waiting.is_empty() {
            return Ok(());
        }
        let mut offsets = Vec::with_capacity(self.waiting.len());
        for (split, offset) in std::mem::take(&mut self.waiting) {
            offsets.push((queue(&split)?, split, offset));
        }
        let (client, group) = (self.client.clone(), self.group.clone());
        self.task = Some(self.handle.spawn(async move {
            let mut told = Vec::with_capacity(offsets.len());
            for (queue, split, offset) in offsets {
                client.commit_offset(&group, &queue, offset).await?;
                told.push((split, offset));
            }
            Ok(told)
        }));
        Ok(())
    }

    /// Waits until all is stored, but not for ever.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub(crate) fn finish(&mut self) -> Result<()> {
        while self.task.is_some() || !self.waiting.is_empty() {
            if let Some(task) = self.task.take() {
                let limited = async { tokio::time::timeout(LAST_LIMIT, task).await };
                match self.handle.block_on(limited) {
                    Ok(outcome) => self.take(outcome),
                    Err(_) => {
                        tracing::warn!(target: "riverrun_rocketmq", group = %self.group, "the group's last offsets are not stored in time");
                        return Ok(());
                    }
                }
            }
            self.pump()?;
        }
        Ok(())
    }

    /// The group's offsets only show the progress to others, so the job does not fail for them.
    fn take(&mut self, outcome: Result<Result<Offsets>, tokio::task::JoinError>) {
        let outcome =
            outcome.unwrap_or_else(|error| Err(Error::internal("storing offsets has failed").caused_by(error)));
        match outcome {
            Ok(told) => self.told.extend(told),
            Err(error) => {
                tracing::warn!(target: "riverrun_rocketmq", group = %self.group, "cannot store the group's offsets: {error}");
            }
        }
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}
