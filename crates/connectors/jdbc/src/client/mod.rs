//! Connections: what sink and scan ask of a database, and the three that answer.
//!
//! A client is one live connection. After a [`FailureKind::Connection`](crate::retry::FailureKind::Connection) it is
//! of no use and is dropped, which closes it; a new one is made by [`connect`]. All waiting happens in the task's
//! thread, ends when the job stops, and ends with a failure when there is no answer in time.

mod mysql;
mod postgres;
mod sqlite;
mod tls;
mod transactions;

use std::future::Future;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, TaskContext, io_runtime};
use tokio::runtime::Handle;

use crate::dialect::{ScanPlan, WriteSql};
use crate::options::{Table, TableName};
use crate::remote::{RemoteTable, Target};
use crate::retry::{Failure, Outcome};
use crate::statement::Statement;
use crate::url::{File, Location};
use crate::values::{Column, Parameters, RowsBuilder};

pub(crate) use sqlite::{Content, Delivered, Delivery, Sqlite};
pub(crate) use transactions::{Standing, TransactionClient, connect as connect_for_transactions};

/// Rows to write in one transaction, as indices into columns. No key is in both lists.
pub(crate) struct Changes<'a> {
    pub(crate) columns: &'a [Column<'a>],
    pub(crate) upserts: &'a [u32],
    pub(crate) deletes: &'a [u32],
}

/// A connection.
pub(crate) trait Client: Send {
    /// Looks a table up; `None` where there is none.
    fn describe(&mut self, name: &TableName) -> Outcome<Option<RemoteTable>>;

    /// The names of the tables beside which `name` was looked for.
    fn table_names(&mut self, name: &TableName) -> Outcome<Vec<String>>;

    /// Writes all changes and commits them, deletes first, or changes nothing. After a lost connection it is not known
    /// which.
    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()>;

    /// Sees that the database takes a statement.
    fn check_statement(&mut self, statement: &Statement) -> Outcome<()>;

    /// Executes a statement for each row of parameters and commits, or changes nothing. After a lost connection it is not
    /// known which.
    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()>;

    /// Begins a scan, for which the connection is used up.
    fn scan(self: Box<Self>, plan: ScanPlan) -> Outcome<Box<dyn Scan>>;
}

/// The rows of a scan.
pub(crate) trait Scan: Send {
    /// Adds rows until `rows` has `most` of them or enough bytes, `wait` has passed, or the scan has ended: then it
    /// returns true.
    fn fetch(&mut self, wait: Duration, most: usize, rows: &mut RowsBuilder) -> Outcome<bool>;

    /// The row id of the last row, where the table is read by row ids.
    fn row_id(&self) -> Option<i64> {
        None
    }
}

/// A batch has at most about so many bytes of strings.
const BATCH_BYTES: usize = 4 << 20;

/// How a task's thread waits for the network.
#[derive(Clone)]
pub(crate) struct Io {
    handle: Handle,
    pub(crate) cancellation: Cancellation,
    /// How long an answer may take.
    limit: Duration,
}

impl Io {
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn new(table: &Table, context: &TaskContext) -> Result<Self> {
        let limit = match &table.location {
            Location::Server(server) => server.socket_timeout,
            Location::File(_) => None,
        };
        Ok(Self {
            handle: io_runtime()?,
            cancellation: context.cancellation.clone(),
            limit: limit.unwrap_or(table.options.max_retry_timeout),
        })
    }

    /// Runs `future` to its end, but no longer than an answer may take.
    fn answer<T, E: Into<Failure>>(&self, future: impl Future<Output = Result<T, E>>) -> Outcome<T> {
        self.within(self.limit, future)
    }

    fn within<T, E: Into<Failure>>(&self, limit: Duration, future: impl Future<Output = Result<T, E>>) -> Outcome<T> {
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.canceled() => Err(Error::canceled().into()),
                result = future => result.map_err(Into::into),
                () = tokio::time::sleep(limit) => Err(no_answer(limit)),
            }
        })
    }

    /// Runs `future` for at most `wait`; `None` when the time is up. The future can go on later.
    fn poll<T>(&self, wait: Duration, future: impl Future<Output = T>) -> Outcome<Option<T>> {
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.canceled() => Err(Error::canceled().into()),
                result = future => Ok(Some(result)),
                () = tokio::time::sleep(wait) => Ok(None),
            }
        })
    }
}

fn no_answer(limit: Duration) -> Failure {
    Failure::connection(Error::external(format!("no answer within {}", riverrun_base::format_duration(limit))))
}

/// Connects.
///
/// # Errors
/// The database cannot be reached within seconds, or refuses.
pub(crate) fn connect(table: &Table, io: &Io) -> Outcome<Box<dyn Client>> {
    let utc = has_instants(table);
    let result = match &table.location {
        Location::Server(server) if server.system == crate::url::System::Postgres => postgres::connect(server, utc, io),
        Location::Server(server) => mysql::connect(server, utc, io),
        Location::File(file) => sqlite::connect(file, table, io).map(|sqlite| Box::new(sqlite) as Box<dyn Client>),
    };
    named(table, result)
}

/// Opens a SQLite file.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_to_file(file: &File, table: &Table, io: &Io) -> Outcome<Sqlite> {
    named(table, sqlite::connect(file, table, io))
}

/// Says in a failure where the connection should go.
fn named<T>(table: &Table, result: Outcome<T>) -> Outcome<T> {
    result.map_err(|Failure { kind, error }| {
        if error.is_canceled() {
            return Failure { kind, error };
        }
        let cannot = Error::new(error.kind(), format!("cannot connect to {}: {error}", table.location));
        Failure { kind, error: if error.is_retryable() { cannot.retryable() } else { cannot } }
    })
}

/// Whether the session's zone must be UTC: an instant must be the same for every reader.
fn has_instants(table: &Table) -> bool {
    // what a statement writes to is not known here: there a timestamp is an instant
    table.by_statement || table.context.columns.iter().any(|column| is_instant(&column.data_type.logical))
}

fn is_instant(logical: &riverrun_data::LogicalType) -> bool {
    match logical {
        riverrun_data::LogicalType::TimestampLtz(_) => true,
        riverrun_data::LogicalType::Array(element) => is_instant(&element.logical),
        _ => false,
    }
}
