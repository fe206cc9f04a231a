//! The sink.
//!
//! Rows are held until there are `sink.buffer-flush.max-rows` of them, `sink.buffer-flush.interval` has passed since
//! the oldest came, a checkpoint begins or the input ends. A batch is never cut, so that a flush may have more rows
//! than asked for: what is in memory anyway is written at once. They stay held until the database has committed them,
//! whatever fails before; see [`crate::retry`]. Where the connection is lost during a commit, nobody knows whether it
//! happened, and the rows are written again: an upsert repeats without effect, rows of a table without primary key may
//! then be there twice. `'sink.delivery-guarantee' = 'exactly-once'` is another writer, in [`crate::exactly_once`].

use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Committer, Counter, Flush, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, RowKind};

use crate::client::{self, Client, Io};
use crate::exactly_once;
use crate::held::{Held, TableRows};
use crate::options::{Guarantee, Table};
use crate::remote::{self, RemoteTable};
use crate::retry::{FailureKind, Outcome, Retrying};

/// So many bytes are written whatever the options say: a buffer has an end.
pub(crate) const BUFFER_BYTES: usize = 32 << 20;

/// Checks a table's options and makes its sink.
pub(crate) fn sink(context: &TableContext) -> Result<Box<dyn Sink>> {
    Ok(Box::new(JdbcSink { table: Table::new(context)? }))
}

struct JdbcSink {
    table: Table,
}

impl Sink for JdbcSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        if self.table.context.primary_key.is_empty() {
            ChangelogMode::INSERT_ONLY
        } else {
            query.without(RowKind::UpdateBefore)
        }
    }

    fn parallelism(&self) -> Option<usize> {
        self.table.options.sink_parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        if self.table.options.guarantee == Guarantee::ExactlyOnce {
            return exactly_once::writer(&self.table, context);
        }
        Ok(Box::new(Writer::open(self.table.clone(), context)?))
    }

    fn commits(&self) -> Commits {
        // without a checkpoint no row would ever be visible
        if self.table.options.guarantee == Guarantee::ExactlyOnce { Commits::Always } else { Commits::Never }
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        if self.table.options.guarantee == Guarantee::ExactlyOnce {
            exactly_once::committer(&self.table, context)
        } else {
            Err(Error::internal("a jdbc sink without transactions was asked for its committer"))
        }
    }
}

/// Looks the table up.
///
/// # Errors
/// The database has no such table.
pub(crate) fn look_up(table: &Table, client: &mut dyn Client) -> Outcome<RemoteTable> {
    match client.describe(&table.name)? {
        Some(remote) => Ok(remote),
        None => {
            let names = client.table_names(&table.name)?;
            Err(remote::missing(table, &names).into())
        }
    }
}

/// Connects and looks the table up.
///
/// # Errors
/// The database cannot be reached, or has no such table.
pub(crate) fn open(table: &Table, io: &Io) -> Outcome<(Box<dyn Client>, RemoteTable)> {
    let mut client = client::connect(table, io)?;
    let remote = look_up(table, client.as_mut())?;
    Ok((client, remote))
}

/// Reports what the url asks for without effect.
pub(crate) fn report_ignored(table: &Table) {
    for parameter in table.location.ignored() {
        tracing::warn!(table = %table.context.name, "ignored url parameter {parameter}");
    }
}

/// The writer of at-least-once.
pub(crate) struct Writer<H> {
    connection: Connection,
    held: H,
    retrying: Retrying,
    sent: Counter,
}

/// Where the rows go.
struct Connection {
    table: Table,
    io: Io,
    client: Option<Box<dyn Client>>,
}

impl Connection {
    /// Writes all, or nothing; after a lost connection nobody knows which.
    fn write<H: Held>(&mut self, held: &H, ready: &H::Ready) -> Outcome<()> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(client::connect(&self.table, &self.io)?),
        };
        let written = held.write(ready, client.as_mut());
        if written.as_ref().is_err_and(|failure| failure.kind == FailureKind::Connection) {
            self.client = None;
        }
        written
    }
}

impl Writer<TableRows> {
    fn open(table: Table, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        report_ignored(&table);
        let (client, remote) = open(&table, &io).map_err(|failure| failure.error.with("table", &table.context.name))?;
        let held = TableRows::new(remote::for_writing(&table, &remote)?);
        Ok(Self::new(table, io, client, held, context))
    }
}

impl<H: Held> Writer<H> {
    /// A writer by an open connection.
    pub(crate) fn new(table: Table, io: Io, client: Box<dyn Client>, held: H, context: &TaskContext) -> Self {
        Self {
            retrying: Retrying::new(&table, context),
            held,
            sent: context.counters.counter("numRecordsSend"),
            connection: Connection { client: Some(client), io, table },
        }
    }

    fn options(&self) -> &crate::options::JdbcOptions {
        &self.connection.table.options
    }

    fn is_full(&self) -> bool {
        let most = self.options().flush_max_rows;
        (most > 0 && self.held.rows() >= most) || self.held.bytes() >= BUFFER_BYTES
    }

    /// Writes what is held, and returns when the database has committed it.
    fn write_held(&mut self) -> Result<()> {
        let (connection, held) = (&mut self.connection, &self.held);
        let Some(ready) = held.ready()? else { return Ok(()) };
        let rows = held.rows();
        self.retrying.run(&format!("{rows} rows are written"), || {
            connection.write(held, &ready).map_err(|mut failure| {
                if !failure.error.is_canceled() {
                    failure.error = held.placed(failure.error).with("rows", rows);
                }
                failure
            })
        })?;
        self.sent.add(rows as u64);
        self.held.clear();
        Ok(())
    }
}

impl<H: Held> SinkWriter<H::Batch> for Writer<H> {
    fn write(&mut self, batch: H::Batch) -> Result<()> {
        self.held.push(batch)?;
        if self.is_full() { self.write_held() } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        let interval = self.options().flush_interval;
        if interval == Duration::ZERO { None } else { self.held.since()?.checked_add(interval) }
    }

    fn tick(&mut self) -> Result<()> {
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) { self.write_held() } else { Ok(()) }
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        if reason == Flush::Barrier && self.options().guarantee == Guarantee::None {
            return Ok(());
        }
        self.write_held()
    }
}
