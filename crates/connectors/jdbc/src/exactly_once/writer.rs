//! The writer for databases with two-phase commit; see the module above for why it does what it does.

use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, Counter, Flush, SinkWriter, TaskContext};
use riverrun_protocol::CheckpointId;

use super::{Branch, Owner, Prepared};
use crate::client::{self, Io, TransactionClient};
use crate::held::{Held, TableRows};
use crate::options::Table;
use crate::remote;
use crate::retry::{Failure, FailureKind, Outcome, Retrying};
use crate::sink::{BUFFER_BYTES, look_up, report_ignored};

/// What MySQL and PostgreSQL say when a lock is not given in time.
const LOCKED: [&str; 2] = ["(error 1205,", "(SQLSTATE 55P03)"];
const HOLDER: &str = "another program, or another writer of this sink with the same key in the same checkpoint; \
     'sink.parallelism' sends the rows of a key to one writer";

pub(super) struct Writer<H> {
    session: Session,
    held: H,
    retrying: Retrying,
    sent: Counter,
}

impl Writer<TableRows> {
    /// The writer of a table.
    pub(super) fn open(table: Table, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        report_ignored(&table);
        let place = |failure: Failure| failure.error.with("table", &table.context.name);
        let mut client = client::connect_for_transactions(&table, &io).map_err(place)?;
        let remote = look_up(&table, client.client()).map_err(place)?;
        let target = remote::for_writing(&table, &remote)?;
        client.check(Some(&target), context.parallelism).map_err(place)?;
        Ok(Self::new(table, io, client, TableRows::new(target), context))
    }
}

impl<H: Held> Writer<H> {
    /// A writer by an open connection that was checked.
    pub(super) fn new(
        table: Table,
        io: Io,
        client: Box<dyn TransactionClient>,
        held: H,
        context: &TaskContext,
    ) -> Self {
        Self {
            retrying: Retrying::new(&table, context),
            sent: context.counters.counter("numRecordsSend"),
            held,
            session: Session {
                owner: Owner::of(&context.job),
                attempt: context.job.attempt,
                subtask: context.subtask,
                client: Some(client),
                open: None,
                doubtful: None,
                spilled: 0,
                io,
                table,
            },
        }
    }

    /// Moves what is held into the transaction, before the barrier.
    fn spill(&mut self) -> Result<()> {
        let (session, held) = (&mut self.session, &self.held);
        let Some(ready) = held.ready()? else { return Ok(()) };
        let rows = held.rows();
        self.retrying.run(&format!("{rows} rows are written"), || session.spill(held, &ready))?;
        session.spilled += rows as u64;
        self.held.clear();
        Ok(())
    }
}

impl<H: Held> SinkWriter<H::Batch> for Writer<H> {
    fn write(&mut self, batch: H::Batch) -> Result<()> {
        self.held.push(batch)?;
        if self.held.bytes() >= BUFFER_BYTES { self.spill() } else { Ok(()) }
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        // rows become durable and visible with checkpoints only
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let (session, held) = (&mut self.session, &self.held);
        let ready = held.ready()?;
        let rows = session.spilled + held.rows() as u64;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let prepared = self
            .retrying
            .run(&format!("{rows} rows are prepared"), || session.prepare(held, ready.as_ref(), checkpoint, rows))?;
        session.spilled = 0;
        self.held.clear();
        self.sent.add(rows);
        Ok(vec![prepared.encode()])
    }
}

/// The connection, and where its transaction stands.
struct Session {
    table: Table,
    io: Io,
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
    fn spill<H: Held>(&mut self, held: &H, ready: &H::Ready) -> Outcome<()> {
        let result = self.settled().and_then(|_| self.write(held, ready, false));
        result.map_err(|failure| self.failed(held, failure))
    }

    fn prepare<H: Held>(
        &mut self,
        held: &H,
        ready: Option<&H::Ready>,
        checkpoint: CheckpointId,
        rows: u64,
    ) -> Outcome<Prepared> {
        let result = self.try_prepare(held, ready, checkpoint, rows);
        result.map_err(|failure| self.failed(held, failure))
    }

    fn try_prepare<H: Held>(
        &mut self,
        held: &H,
        ready: Option<&H::Ready>,
        checkpoint: CheckpointId,
        rows: u64,
    ) -> Outcome<Prepared> {
        let named = |owner: &Owner, branch| Prepared { owner: owner.clone(), branch, checkpoint, rows };
        if let Some(branch) = self.settled()? {
            return Ok(named(&self.owner, branch));
        }
        if let Some(ready) = ready {
            self.write(held, ready, true)?;
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
    fn write<H: Held>(&mut self, held: &H, ready: &H::Ready, in_one_go: bool) -> Outcome<()> {
        let Some(client) = &mut self.client else {
            return Err(Error::internal("there is no connection to write by").into());
        };
        if self.open.is_none() {
            self.open = Some(client.begin(&self.owner, self.attempt, self.subtask, in_one_go)?);
        }
        held.write_open(ready, client.as_mut())
    }

    /// Cleans up after a failure, so that all can be done again; says so where it cannot.
    fn failed<H: Held>(&mut self, held: &H, mut failure: Failure) -> Failure {
        let open = self.open.take();
        let undone = failure.kind == FailureKind::Statement && self.undone();
        if !undone {
            self.client = None;
            self.doubtful = open.or(self.doubtful.take());
        }
        if failure.error.is_canceled() {
            return failure;
        }
        failure.error = held.placed(failure.error);
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
