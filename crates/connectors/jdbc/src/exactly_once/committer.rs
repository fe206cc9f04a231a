//! Commits prepared transactions.

use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Commit, Committable, Committer, TaskContext};
use riverrun_protocol::CheckpointId;

use super::{Owner, Prepared};
use crate::client::{self, Io, Standing, TransactionClient};
use crate::options::Table;
use crate::remote;
use crate::retry::{Failure, FailureKind, Outcome, Retrying};
use crate::sink::look_up;
use crate::url::System;

/// A transaction is gone when it is so often in a row, with [`SECOND_LOOK`] between.
const LOOKS: usize = 3;
const SECOND_LOOK: Duration = Duration::from_millis(100);

/// The committer for databases with two-phase commit.
pub(super) struct Transactions {
    link: Link,
    owner: Owner,
    attempt: u64,
    system: System,
    retrying: Retrying,
}

impl Transactions {
    pub(super) fn open(table: Table, system: System, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        let retrying = Retrying::new(&table, context);
        let place = |failure: Failure| failure.error.with("table", &table.context.name);
        let mut client = client::connect_for_transactions(&table, &io).map_err(place)?;
        let target = if table.by_statement {
            None
        } else {
            let remote = look_up(&table, client.client()).map_err(place)?;
            Some(remote::for_writing(&table, &remote)?)
        };
        client.check(target.as_ref(), context.parallelism).map_err(place)?;
        let link = Link { table, io, client: Some(client) };
        Ok(Self { link, owner: Owner::of(&context.job), attempt: context.job.attempt, system, retrying })
    }

    fn commit_all(&mut self, transactions: &[Prepared]) -> Result<Commit> {
        if transactions.is_empty() {
            return Ok(Commit::Done);
        }
        let link = &mut self.link;
        let standing = self.retrying.run(&format!("{} transactions are committed", transactions.len()), || {
            link.with(|client| commit(client, transactions))
        })?;
        let gone: Vec<&Prepared> =
            transactions.iter().zip(&standing).filter(|(_, now)| **now == Standing::Gone).map(|(one, _)| one).collect();
        if gone.is_empty() {
            return Ok(Commit::Done);
        }
        let names: Vec<String> = gone.iter().map(|transaction| transaction.to_string()).collect();
        let error = Error::external(format!(
            "{} has given up {} of {} prepared transactions of checkpoint {}",
            self.system,
            gone.len(),
            transactions.len(),
            gone[0].checkpoint
        ))
        .with("transactions", names.join(", "))
        .with("table", &self.link.table.context.name)
        .hint("somebody rolled them back, or the server was restored from a copy or failed over without them");
        Ok(Commit::Lost { visible: standing.contains(&Standing::Committed), error })
    }
}

/// Commits what can be, unless some are gone and none is committed; says how all stand.
fn commit(client: &mut dyn TransactionClient, transactions: &[Prepared]) -> Outcome<Vec<Standing>> {
    let standing = certain(client, transactions)?;
    if standing.contains(&Standing::Gone) && !standing.contains(&Standing::Committed) {
        return Ok(standing);
    }
    if !standing.contains(&Standing::Prepared) {
        return Ok(standing);
    }
    for (transaction, standing) in transactions.iter().zip(standing) {
        if standing == Standing::Prepared {
            client.commit(&transaction.owner, &transaction.branch)?;
        }
    }
    // a server's OK is not taken for it
    let standing = certain(client, transactions)?;
    if standing.contains(&Standing::Prepared) {
        return Err(Failure::statement(Error::external("a transaction is still prepared after its commit")));
    }
    Ok(standing)
}

/// How transactions stand; what is gone was looked for more than once.
fn certain(client: &mut dyn TransactionClient, transactions: &[Prepared]) -> Outcome<Vec<Standing>> {
    let mut standing = client.standing(transactions)?;
    for _ in 1..LOOKS {
        if !standing.contains(&Standing::Gone) {
            break;
        }
        std::thread::sleep(SECOND_LOOK);
        standing = client.standing(transactions)?;
    }
    Ok(standing)
}

fn decode(committables: &[Committable]) -> Result<Vec<Prepared>> {
    committables.iter().map(Prepared::decode).collect()
}

impl Committer for Transactions {
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let transactions = decode(committables)?;
        let committed = self.commit_all(&transactions)?;
        if matches!(committed, Commit::Lost { .. }) {
            // what else there is may be needed to see what happened
            return Ok(committed);
        }
        let (link, owner, attempt) = (&mut self.link, &self.owner, self.attempt);
        self.retrying.run("what earlier attempts have left is rolled back", || {
            link.with(|client| {
                let mut is_replaced = false;
                for branch in client.prepared(owner)? {
                    // a process that was frozen here, and wakes, takes nothing from the attempt that has replaced it
                    if branch.attempt > attempt {
                        is_replaced = true;
                        continue;
                    }
                    if !transactions.iter().any(|kept| kept.owner == *owner && kept.branch == branch) {
                        tracing::info!("transaction {owner}-{branch}, which no checkpoint needs, is rolled back");
                        client.roll_back(owner, &branch)?;
                    }
                }
                // a job that begins anew counts its checkpoints anew
                if restored.is_none() && !is_replaced { client.forget(owner, None) } else { Ok(()) }
            })
        })?;
        Ok(committed)
    }

    fn commit(&mut self, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let committed = self.commit_all(&decode(committables)?)?;
        if matches!(committed, Commit::Done) && !committables.is_empty() {
            let (link, owner) = (&mut self.link, &self.owner);
            self.retrying
                .run("old commits are forgotten", || link.with(|client| client.forget(owner, Some(checkpoint.0))))?;
        }
        Ok(committed)
    }
}

/// A connection that is made anew after it was lost.
struct Link {
    table: Table,
    io: Io,
    client: Option<Box<dyn TransactionClient>>,
}

impl Link {
    fn with<T>(&mut self, work: impl FnOnce(&mut dyn TransactionClient) -> Outcome<T>) -> Outcome<T> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(client::connect_for_transactions(&self.table, &self.io)?),
        };
        let result = work(client.as_mut());
        if result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Connection || failure.error.is_canceled())
        {
            self.client = None;
        }
        result
    }
}
