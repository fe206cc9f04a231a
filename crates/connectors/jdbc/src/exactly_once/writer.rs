//! The writer for databases with two-phase commit; see the module above for why it does what it does.

use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, Counter, Flush, SinkWriter, TaskContext};
use riverrun_data::Batch;
use riverrun_protocol::CheckpointId;

use super::{Branch, Owner, Prepared};
use crate::buffer::{Buffer, Reduced};
use crate::client::{self, Changes, Io, TransactionClient};
use crate::dialect::{self, WriteSql};
use crate::options::Table;
use crate::remote::{self, Target};
use crate::retry::{Failure, FailureKind, Outcome, Retrying};
use crate::sink::{BUFFER_BYTES, look_up, report_ignored};
use crate::values;

/// What MySQL and PostgreSQL say when a lock is not given in time.
const LOCKED: [&str; 2] = ["(error 1205,", "(SQLSTATE 55P03)"];
const HOLDER: &str = "another program, or another writer of this sink with the same key in the same checkpoint; \
     'sink.parallelism' sends the rows of a key to one writer";

pub(super) struct Writer {
    session: Session,
    buffer: Buffer,
    retrying: Retrying,
    sent: Counter,
}

impl Writer {
    pub(super) fn open(table: Table, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        report_ignored(&table);
        let place = |failure: Failure| failure.error.with("table", &table.context.name);
        let mut client = client::connect_for_transactions(&table, &io).map_err(place)?;
        let remote = look_up(&table, client.client()).map_err(place)?;
        let target = remote::for_writing(&table, &remote)?;
        client.check(&target, context.parallelism).map_err(place)?;
        Ok(Self {
            retrying: Retrying::new(&table, context),
            sent: context.counters.counter("numRecordsSend"),
            buffer: Buffer::default(),
            session: Session {
                owner: Owner::of(&context.job),
                attempt: context.job.attempt,
                subtask: context.subtask,
                client: Some(client),
                open: None,
                doubtful: None,
                spilled: 0,
                sql: dialect::write_sql(&target),
                target,
                io,
                table,
            },
        })
    }

    /// Moves what is held into the transaction, before the barrier.
    fn spill(&mut self) -> Result<()> {
        let session = &mut self.session;
        let Some(reduced) = self.buffer.reduce(&session.target.key)? else { return Ok(()) };
        let rows = self.buffer.rows();
        self.retrying.run(&format!("{rows} rows are written"), || session.spill(&reduced))?;
        session.spilled += rows as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.buffer.push(batch);
        if self.buffer.bytes() >= BUFFER_BYTES { self.spill() } else { Ok(()) }
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        // rows become durable and visible with checkpoints only
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let session = &mut self.session;
        let reduced = self.buffer.reduce(&session.target.key)?;
        let rows = session.spilled + self.buffer.rows() as u64;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let prepared = self
            .retrying
            .run(&format!("{rows} rows are prepared"), || session.prepare(reduced.as_ref(), checkpoint, rows))?;
        session.spilled = 0;
        self.buffer.clear();
        self.sent.add(rows);
        Ok(vec![prepared.encode()])
    }
}

/// The connection, and where its transaction stands.
struct Session {
    table: Table,
    io: Io,
    target: Target,
    sql: WriteSql,
    owner: Owner,
    attempt: u64,
    subtask: usize,
    client: Option<Box<dyn TransactionClient>>,
    /// The transaction that is open on it.
    open: Option<Branch>,
    /// One whose connection was lost: the server may still hold its locks, or have prepared it.
    doubtful: Option<Branch>,
    /// Rows of this checkpoint that only the open, or doubtful, transaction has.
    spilled: u64,
}

impl Session {
    fn spill(&mut self, reduced: &Reduced) -> Outcome<()> {
        let result = self.settled().and_then(|_| self.write(reduced, false));
        result.map_err(|failure| self.failed(failure))
    }

    fn prepare(&mut self, reduced: Option<&Reduced>, checkpoint: CheckpointId, rows: u64) -> Outcome<Prepared> {
        let result = self.try_prepare(reduced, checkpoint, rows);
        result.map_err(|failure| self.failed(failure))
    }

    fn try_prepare(&mut self, reduced: Option<&Reduced>, checkpoint: CheckpointId, rows: u64) -> Outcome<Prepared> {
        let named = |owner: &Owner, branch| Prepared { owner: owner.clone(), branch, checkpoint, rows };
        if let Some(branch) = self.settled()? {
            return Ok(named(&self.owner, branch));
        }
        if let Some(reduced) = reduced {
            self.write(reduced, true)?;
        }
        let (Some(branch), Some(client)) = (self.open.clone(), self.client.as_mut()) else {
            return Err(Error::internal("there is no transaction to prepare").into());
        };
        let prepared = named(&self.owner, branch);
        client.prepare(&prepared)?;
        if !client.is_open() {
            self.client = None;
        }
        self.open = None;
        Ok(prepared)
    }

    /// Finds out what became of a doubtful transaction, and returns it if it is prepared. Connects.
    fn settled(&mut self) -> Outcome<Option<Branch>> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(client::connect_for_transactions(&self.table, &self.io)?),
        };
        let Some(branch) = &self.doubtful else { return Ok(None) };
        let is_prepared = client.settle(&self.owner, branch)?;
        let branch = self.doubtful.take();
        if is_prepared {
            return Ok(branch);
        }
        if self.spilled > 0 { Err(self.lost("its connection was lost")) } else { Ok(None) }
    }

    /// Writes in the open transaction; begins one where there is none.
    fn write(&mut self, reduced: &Reduced, in_one_go: bool) -> Outcome<()> {
        let Some(client) = &mut self.client else {
            return Err(Error::internal("there is no connection to write by").into());
        };
        if self.open.is_none() {
            self.open = Some(client.begin(&self.owner, self.attempt, self.subtask, in_one_go)?);
        }
        let columns = values::columns(&reduced.rows)?;
        let changes = Changes { columns: &columns, upserts: &reduced.upserts, deletes: &reduced.deletes };
        client.write(&self.target, &self.sql, &changes)
    }

    /// Cleans up after a failure, so that all can be done again; says so where it cannot.
    fn failed(&mut self, mut failure: Failure) -> Failure {
        let open = self.open.take();
        let undone = failure.kind == FailureKind::Statement && self.undone();
        if !undone {
            self.client = None;
            self.doubtful = open.or(self.doubtful.take());
        }
        if failure.error.is_canceled() {
            return failure;
        }
        failure.error = failure.error.with("database table", &self.target.table);
        if LOCKED.iter().any(|code| failure.error.message().contains(code)) {
            failure.error = failure.error.with("the lock's holder", HOLDER);
        }
        // the doubtful one may yet turn out to be prepared
        if self.spilled > 0 && failure.kind != FailureKind::Final && self.doubtful.is_none() {
            let lost = self.lost("it was undone");
            return Failure { kind: lost.kind, error: lost.error.caused_by(failure.error) };
        }
        failure
    }

    /// Undoes the open transaction, and those of earlier attempts: a lock that was not given may be one of theirs.
    /// They can never be committed, since what the restored checkpoint holds was committed before this writer opened.
    fn undone(&mut self) -> bool {
        let Some(client) = &mut self.client else { return false };
        let attempt = self.attempt;
        let mut undo = || {
            client.abandon()?;
            for branch in client.prepared(&self.owner)?.iter().filter(|branch| branch.attempt < attempt) {
                tracing::warn!("transaction {}-{branch} of an earlier attempt is rolled back", self.owner);
                client.roll_back(&self.owner, branch)?;
            }
            Outcome::Ok(())
        };
        match undo() {
            Ok(()) => true,
            Err(failure) => {
                // it is undone with its connection
                tracing::debug!("a transaction could not be undone: {}", failure.error);
                false
            }
        }
    }

    /// The failure of a transaction that alone had rows: the attempt fails, and the checkpoint brings them again.
    fn lost(&self, why: &str) -> Failure {
        let error = Error::external(format!(
            "the open transaction with {} rows is gone: {why}; they come again from the last checkpoint",
            self.spilled
        ));
        let mib = BUFFER_BYTES >> 20;
        Failure {
            kind: FailureKind::Final,
            error: error.retryable().hint(format!(
                "with less than {mib} MiB between two checkpoints rows are written again without a restart"
            )),
        }
    }
}
