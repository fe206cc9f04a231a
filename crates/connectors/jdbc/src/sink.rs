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
use riverrun_data::{Batch, ChangelogMode, RowKind};

use crate::buffer::{Buffer, Reduced};
use crate::client::{self, Changes, Client, Io};
use crate::dialect::{self, WriteSql};
use crate::exactly_once;
use crate::options::{Guarantee, Table};
use crate::remote::{self, RemoteTable, Target};
use crate::retry::{FailureKind, Outcome, Retrying};
use crate::values;

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

struct Writer {
    connection: Connection,
    buffer: Buffer,
    retrying: Retrying,
    sent: Counter,
}

/// Where the rows go.
struct Connection {
    table: Table,
    io: Io,
    client: Option<Box<dyn Client>>,
    target: Target,
    sql: WriteSql,
}

impl Connection {
    /// Writes all, or nothing; after a lost connection nobody knows which.
    fn write(&mut self, reduced: &Reduced) -> Outcome<()> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(client::connect(&self.table, &self.io)?),
        };
        let columns = values::columns(&reduced.rows)?;
        let changes = Changes { columns: &columns, upserts: &reduced.upserts, deletes: &reduced.deletes };
        let written = client.write(&self.target, &self.sql, &changes);
        if written.as_ref().is_err_and(|failure| failure.kind == FailureKind::Connection) {
            self.client = None;
        }
        written
    }
}

impl Writer {
    fn open(table: Table, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        report_ignored(&table);
        let (client, remote) = open(&table, &io).map_err(|failure| failure.error.with("table", &table.context.name))?;
        let target = remote::for_writing(&table, &remote)?;
        Ok(Self {
            retrying: Retrying::new(&table, context),
            buffer: Buffer::default(),
            sent: context.counters.counter("numRecordsSend"),
            connection: Connection { sql: dialect::write_sql(&target), client: Some(client), target, io, table },
        })
    }

    fn options(&self) -> &crate::options::JdbcOptions {
        &self.connection.table.options
    }

    fn is_full(&self) -> bool {
        let most = self.options().flush_max_rows;
        (most > 0 && self.buffer.rows() >= most) || self.buffer.bytes() >= BUFFER_BYTES
    }

    /// Writes what is held, and returns when the database has committed it.
    fn write_held(&mut self) -> Result<()> {
        let connection = &mut self.connection;
        let Some(reduced) = self.buffer.reduce(&connection.target.key)? else { return Ok(()) };
        let rows = self.buffer.rows();
        self.retrying.run(&format!("{rows} rows are written"), || {
            connection.write(&reduced).map_err(|mut failure| {
                if !failure.error.is_canceled() {
                    failure.error = failure.error.with("database table", &connection.target.table).with("rows", rows);
                }
                failure
            })
        })?;
        self.sent.add(rows as u64);
        self.buffer.clear();
        Ok(())
    }
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.buffer.push(batch);
        if self.is_full() { self.write_held() } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        let interval = self.options().flush_interval;
        if interval == Duration::ZERO { None } else { self.buffer.since()?.checked_add(interval) }
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
