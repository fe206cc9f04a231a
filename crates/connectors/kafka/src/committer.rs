//! Commits what writers have prepared, which may be dead.
//!
//! Everything is looked up before anything is committed: where the brokers have given up one transaction of a checkpoint and none is visible
//! yet, none is made visible, and the job can go back to the checkpoint before. A commit is repeated until it is answered; the answer
//! to a repeated one is that of the first.
//!
//! Recovery commits what the checkpoint holds, waits until all of it is visible, and only then takes the other ids under the prefix over
//! (`InitProducerId`): that aborts what is open there and fences writers of earlier attempts that may still live. The other order would abort
//! what is to be committed.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Commit, Committable, Committer};
use riverrun_protocol::CheckpointId;

use crate::broker::{Answer, Coordinators};
use crate::transaction::{Ids, Prepared, Standing};
use crate::witness::{self, Sight};

/// The states in which an id may have a writer that lives.
const LISTED: [&str; 2] = ["Ongoing", "Empty"];

/// The committer of a Kafka sink.
pub(crate) struct KafkaCommitter {
    /// How it talks to the brokers.
    pub(crate) coordinators: Coordinators,
    /// What looks a row up.
    pub(crate) reader: ClientConfig,
    /// The ids of the sink.
    pub(crate) ids: Ids,
    /// How long the brokers are asked.
    pub(crate) limit: Duration,
    /// Ends every wait when the job stops.
    pub(crate) cancellation: Cancellation,
}

impl KafkaCommitter {
    fn commit_all(&mut self, checkpoint: Option<CheckpointId>, transactions: &[Prepared]) -> Result<Commit> {
        let standings = self.standings(transactions)?;
        let mut is_visible = standings.iter().any(|standing| !matches!(standing, Standing::Open | Standing::Aborted));
        let mut lost: Vec<&Prepared> = Vec::new();
        for (transaction, standing) in transactions.iter().zip(&standings) {
            if *standing == Standing::Aborted {
                lost.push(transaction);
            }
        }
        // With nothing visible the job can go back, and must find nothing visible.
        if lost.is_empty() || is_visible {
            let open = transactions.iter().zip(&standings).filter(|(_, standing)| **standing == Standing::Open);
            for (transaction, _) in open {
                let Prepared { id, producer, epoch, .. } = transaction;
                match self.coordinators.commit(id, *producer, *epoch, self.limit)? {
                    Answer::Committed => is_visible = true,
                    // It was given up between the two questions.
                    Answer::Gone => match self.standing(transaction)? {
                        Standing::Open | Standing::Aborted => lost.push(transaction),
                        _ => is_visible = true,
                    },
                }
            }
            self.wait_until_visible(transactions, &lost)?;
        }
        if lost.is_empty() {
            return Ok(Commit::Done);
        }
        Ok(Commit::Lost { visible: is_visible, error: self.lost(checkpoint, &lost) })
    }

    /// How each transaction stands; none of them as forgotten: the partitions are asked then.
    fn standings(&mut self, transactions: &[Prepared]) -> Result<Vec<Standing>> {
        let mut standings = self.described(transactions)?;
        for (transaction, standing) in transactions.iter().zip(&mut standings) {
            if *standing == Standing::Forgotten {
                *standing = self.proven(transaction)?;
            }
        }
        Ok(standings)
    }

    fn standing(&mut self, transaction: &Prepared) -> Result<Standing> {
        Ok(self.standings(std::slice::from_ref(transaction))?.pop().unwrap_or(Standing::Aborted))
    }

    /// How each transaction stands by what the coordinators know.
    fn described(&mut self, transactions: &[Prepared]) -> Result<Vec<Standing>> {
        let ids: Vec<&str> = transactions.iter().map(|transaction| transaction.id.as_str()).collect();
        let known = self.coordinators.describe(&ids, self.limit)?;
        Ok(transactions.iter().map(|transaction| transaction.standing(known.get(&transaction.id))).collect())
    }

    /// How a transaction ended that its coordinator has forgotten.
    fn proven(&self, transaction: &Prepared) -> Result<Standing> {
        let Prepared { id, rows, .. } = transaction;
        match witness::look(&self.reader, &transaction.witness, self.limit, &self.cancellation)? {
            Sight::Visible => Ok(Standing::Committed),
            Sight::Aborted => Ok(Standing::Aborted),
            Sight::Gone => {
                // A writer uses an id again only after it has seen its transaction committed. An id expires after a week without use.
                tracing::warn!(
                    target: "riverrun_kafka",
                    "the {rows} rows of the transaction '{id}' are taken for committed: its coordinator has forgotten it, \
                     and the topic no longer holds the row that could prove it"
                );
                Ok(Standing::Committed)
            }
        }
    }

    /// Waits until the brokers have written every commit into the partitions, some milliseconds after it was decided.
    fn wait_until_visible(&mut self, transactions: &[Prepared], lost: &[&Prepared]) -> Result<()> {
        let mut waiting: Vec<Prepared> = transactions.iter().filter(|one| !lost.contains(one)).cloned().collect();
        let end = Instant::now() + self.limit;
        loop {
            let standings = self.described(&waiting)?;
            let mut standings = standings.into_iter();
            waiting.retain(|_| matches!(standings.next(), Some(Standing::Open | Standing::Committing)));
            let Some(first) = waiting.first() else { return Ok(()) };
            if Instant::now() >= end {
                let text = format!(
                    "Kafka at {} has committed a transaction but not made it visible within {} s",
                    self.coordinators.bootstrap(),
                    self.limit.as_secs()
                );
                let hint = "are all partitions of the topic available?";
                return Err(Error::external(text).with("transaction", &first.id).hint(hint).retryable());
            }
            self.cancellation.sleep(Duration::from_millis(2))?;
        }
    }

    fn lost(&self, checkpoint: Option<CheckpointId>, lost: &[&Prepared]) -> Error {
        let rows: u64 = lost.iter().map(|transaction| transaction.rows).sum();
        let first = lost.first().map(|first| first.id.clone()).unwrap_or_default();
        let text = format!(
            "Kafka at {} has given up {} that were not committed in time, with {rows} rows",
            self.coordinators.bootstrap(),
            if lost.len() == 1 { "a transaction".to_owned() } else { format!("{} transactions", lost.len()) },
        );
        let error = Error::external(text).with("transaction", first).hint(
            "'properties.transaction.timeout.ms' must be longer than the checkpoint interval and the longest outage together; \
             the broker's transaction.max.timeout.ms bounds it",
        );
        match checkpoint {
            Some(checkpoint) => error.with("checkpoint", checkpoint),
            None => error,
        }
    }
}

impl Committer for KafkaCommitter {
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let transactions = decoded(committables)?;
        if let lost @ Commit::Lost { .. } = self.commit_all(restored, &transactions)? {
            return Ok(lost);
        }
        let listed = self.coordinators.list(&LISTED, self.limit)?;
        let listed: Vec<(String, bool)> = listed.into_iter().map(|(id, state)| (id, state == "Ongoing")).collect();
        // Ids of the checkpoint are in neither state, unless they were used again: their transactions are committed.
        let leftovers = self.ids.leftovers(&listed, restored.is_some());
        for id in &leftovers {
            self.coordinators.fence(id, self.limit)?;
        }
        if !leftovers.is_empty() {
            let count = leftovers.len();
            tracing::info!(target: "riverrun_kafka", "took over {count} transactional ids that earlier attempts have left");
        }
        Ok(Commit::Done)
    }

    fn commit(&mut self, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let transactions = decoded(committables)?;
        self.commit_all(Some(checkpoint), &transactions)
    }
}

fn decoded(committables: &[Committable]) -> Result<Vec<Prepared>> {
    committables.iter().map(Prepared::decode).collect()
}
