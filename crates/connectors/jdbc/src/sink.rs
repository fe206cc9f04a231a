//! The sink.
//!
//! Rows are held until there are `sink.buffer-flush.max-rows` of them, `sink.buffer-flush.interval` has passed since
//! the oldest came, a checkpoint begins or the input ends. A batch is never cut, so that a flush may have more rows
//! than asked for: what is in memory anyway is written at once. They stay held until the database has committed them,
//! whatever fails before; see [`crate::retry`]. Where the connection is lost during a commit, nobody knows whether it
//! happened, and the rows are written again: an upsert repeats without effect, rows of a table without primary key may
//! then be there twice.

use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, Flush, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{Batch, ChangelogMode, RowKind};

use crate::buffer::{Buffer, Reduced};
use crate::client::{self, Changes, Client, Io};
use crate::dialect::{self, WriteSql};
use crate::options::Table;
use crate::remote::{self, RemoteTable, Target};
use crate::retry::{Failure, FailureKind, Failures, Outcome, RetryPolicy};
use crate::values;

/// So many bytes are written whatever the options say: a buffer has an end.
const BUFFER_BYTES: usize = 32 << 20;

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
        Ok(Box::new(Writer::open(self.table.clone(), context)?))
    }
}

/// Connects and looks the table up.
///
/// # Errors
/// The database cannot be reached, or has no such table.
pub(crate) fn open(table: &Table, io: &Io) -> Outcome<(Box<dyn Client>, RemoteTable)> {
    let mut client = client::connect(table, io)?;
    match client.describe(&table.name)? {
        Some(remote) => Ok((client, remote)),
        None => {
            let names = client.table_names(&table.name)?;
            Err(remote::missing(table, &names).into())
        }
    }
}

/// Reports what the url asks for without effect.
pub(crate) fn report_ignored(table: &Table) {
    for parameter in table.location.ignored() {
        tracing::warn!(table = %table.context.name, "ignored url parameter {parameter}");
    }
}

struct Writer {
    table: Table,
    io: Io,
    client: Option<Box<dyn Client>>,
    target: Target,
    sql: WriteSql,
    buffer: Buffer,
    policy: RetryPolicy,
    sent: Counter,
    retries: Counter,
}

impl Writer {
    fn open(table: Table, context: &TaskContext) -> Result<Self> {
        let io = Io::new(&table, context)?;
        report_ignored(&table);
        let (client, remote) = open(&table, &io).map_err(|failure| failure.error.with("table", &table.context.name))?;
        let target = remote::for_writing(&table, &remote)?;
        let policy =
            RetryPolicy { statement_retries: table.options.sink_max_retries, outage: table.options.max_retry_timeout };
        Ok(Self {
            sql: dialect::write_sql(&target),
            client: Some(client),
            target,
            io,
            buffer: Buffer::default(),
            policy,
            sent: context.counters.counter("numRecordsSend"),
            retries: context.counters.counter("numSendRetries"),
            table,
        })
    }

    fn is_full(&self) -> bool {
        let most = self.table.options.flush_max_rows;
        (most > 0 && self.buffer.rows() >= most) || self.buffer.bytes() >= BUFFER_BYTES
    }

    /// Writes what is held, and returns when the database has committed it.
    fn write_held(&mut self) -> Result<()> {
        let Some(reduced) = self.buffer.reduce(&self.target.key)? else { return Ok(()) };
        let mut failures = Failures::default();
        loop {
            self.io.cancellation.check()?;
            let Err(failure) = self.attempt(&reduced) else { break };
            if failure.error.is_canceled() {
                return Err(failure.error);
            }
            if failure.kind == FailureKind::Connection {
                self.client = None;
            }
            match failures.note(failure.kind, Instant::now(), fastrand::f64(), self.policy) {
                None => return Err(self.given_up(failure)),
                Some(pause) => {
                    tracing::warn!(
                        table = %self.table.context.name,
                        rows = self.buffer.rows(),
                        "written again in {pause:?}: {}",
                        failure.error
                    );
                    self.retries.add(1);
                    self.io.cancellation.sleep(pause)?;
                }
            }
        }
        self.sent.add(self.buffer.rows() as u64);
        self.buffer.clear();
        Ok(())
    }

    fn attempt(&mut self, reduced: &Reduced) -> Outcome<()> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(client::connect(&self.table, &self.io)?),
        };
        let columns = values::columns(&reduced.rows)?;
        client.write(
            &self.target,
            &self.sql,
            &Changes { columns: &columns, upserts: &reduced.upserts, deletes: &reduced.deletes },
        )
    }

    fn given_up(&self, failure: Failure) -> Error {
        let options = &self.table.options;
        let error = failure.error.with("database table", &self.target.table).with("rows", self.buffer.rows());
        let error = match failure.kind {
            FailureKind::Connection => error.hint(format!(
                "it was tried again for 'connection.max-retry-timeout' = {}",
                riverrun_base::format_duration(options.max_retry_timeout)
            )),
            FailureKind::Statement => {
                error.hint(format!("it was tried again 'sink.max-retries' = {} times", options.sink_max_retries))
            }
            FailureKind::Final => error,
        };
        error.with("table", &self.table.context.name)
    }
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.buffer.push(batch);
        if self.is_full() { self.write_held() } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        let interval = self.table.options.flush_interval;
        if interval == Duration::ZERO { None } else { self.buffer.since()?.checked_add(interval) }
    }

    fn tick(&mut self) -> Result<()> {
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) { self.write_held() } else { Ok(()) }
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        self.write_held()
    }
}
