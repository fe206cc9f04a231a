//! A job of one sink, as the runtime drives it, and the table it writes.

use std::sync::Arc;

use riverrun_base::Result;
use riverrun_connect::{Commit, Committable, Committer, JobContext, SinkWriter};
use riverrun_data::RowKind::{self, Insert};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{mariadb, postgres};

use crate::database::{Database, Table};
use crate::write::{changes, report};

/// Defines each test for every database with two-phase commit.
macro_rules! on_databases_with_transactions {
    ($($test:ident),* $(,)?) => {
        mod mariadb { $(#[test] fn $test() { super::$test(&crate::database::Database::mariadb()); })* }
        mod postgres { $(#[test] fn $test() { super::$test(&crate::database::Database::postgres()); })* }
    };
}
pub(crate) use on_databases_with_transactions;

pub(crate) type Change<'a> = (RowKind, i64, &'a str, i64);

/// A table and the job that writes it.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) table: Table,
    /// The table's name in the database.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) operator: String,
}

impl Job {
    /// A new job over a new table (account, place, amount) with this key.
    pub(crate) fn new(database: &Database, key: &[usize]) -> Self {
        let (table, name) = report(database, key);
        Self {
            table: table.with("sink.delivery-guarantee", "exactly-once"),
            name,
            id: format!("{:032x}", fastrand::u128(..)),
            operator: "sink".to_owned(),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.table = self.table.with(key, value);
        self
    }

    /// The table as a subtask of an attempt sees it.
    pub(crate) fn task(&self, attempt: u64, subtask: usize) -> Table {
        let mut table = self.table.clone();
        table.task.subtask = subtask;
        table.task.parallelism = 2;
        table.task.job = JobContext {
            id: self.id.as_str().into(),
            operator: Arc::from(self.operator.as_str()),
            attempt,
            ..JobContext::default()
        };
        table
    }

    pub(crate) fn writer(&self, attempt: u64, subtask: usize) -> Box<dyn SinkWriter> {
        self.task(attempt, subtask).writer().unwrap()
    }

    /// A committer that has not recovered.
    pub(crate) fn committer(&self, attempt: u64) -> Box<dyn Committer> {
        self.task(attempt, 0).committer().unwrap()
    }

    /// A committer that has recovered.
    pub(crate) fn recovered(
        &self,
        attempt: u64,
        restored: Option<u64>,
        committables: &[Committable],
    ) -> Box<dyn Committer> {
        let mut committer = self.committer(attempt);
        done(committer.recover(restored.map(CheckpointId), committables));
        committer
    }

    pub(crate) fn write(&self, writer: &mut dyn SinkWriter, rows: &[Change<'_>]) {
        writer.write(changes(&self.table, rows)).unwrap();
    }

    /// One insertion and its preparation.
    pub(crate) fn insert(&self, writer: &mut dyn SinkWriter, checkpoint: u64, account: i64) -> Vec<Committable> {
        self.write(writer, &[(Insert, account, "a", account)]);
        prepare(writer, checkpoint)
    }

    /// What is visible: accounts, and amounts.
    pub(crate) fn rows(&self, database: &Database) -> String {
        database.rows(&format!("SELECT account, amount FROM {} ORDER BY account, amount", self.name))
    }

    /// How many prepared transactions of this job and operator there are.
    pub(crate) fn prepared(&self, database: &Database) -> usize {
        prepared_of(database, &self.id)
    }
}

pub(crate) fn prepare(writer: &mut dyn SinkWriter, checkpoint: u64) -> Vec<Committable> {
    writer.prepare(CheckpointId(checkpoint)).unwrap()
}

#[track_caller]
pub(crate) fn done(commit: Result<Commit>) {
    match commit.unwrap() {
        Commit::Done => {}
        Commit::Lost { error, .. } => panic!("{error}"),
    }
}

#[track_caller]
pub(crate) fn commit(committer: &mut dyn Committer, checkpoint: u64, committables: &[Committable]) {
    done(committer.commit(CheckpointId(checkpoint), committables));
}

/// The prepared transactions whose names hold this.
pub(crate) fn prepared_of(database: &Database, part: &str) -> usize {
    let rows = match database {
        Database::MariaDb(_) => mariadb().query("XA RECOVER"),
        Database::Postgres(_) => postgres().query("SELECT gid FROM pg_prepared_xacts"),
        Database::Sqlite(_) => Vec::new(),
    };
    rows.iter().filter(|row| row.iter().flatten().any(|value| value.contains(part))).count()
}
