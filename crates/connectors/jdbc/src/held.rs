//! What a writer holds until it is written: rows of a table, or the parameters of a program's statement.

use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_data::Batch;

use crate::buffer::{Buffer, Reduced};
use crate::client::{Changes, Client, TransactionClient};
use crate::dialect::{self, WriteSql};
use crate::remote::Target;
use crate::retry::Outcome;
use crate::values;

/// Held until it is written. One writer owns it.
pub(crate) trait Held: Send {
    /// What comes.
    type Batch;
    /// All that is held, as it is written.
    type Ready;

    /// Adds at the end.
    ///
    /// # Errors
    /// A record has no parameters.
    fn push(&mut self, batch: Self::Batch) -> Result<()>;

    fn rows(&self) -> usize;

    fn bytes(&self) -> usize;

    /// When the oldest came.
    fn since(&self) -> Option<Instant>;

    fn clear(&mut self);

    /// All that is held; `None` where that is nothing.
    ///
    /// # Errors
    /// A bug.
    fn ready(&self) -> Result<Option<Self::Ready>>;

    /// Writes all and commits, or changes nothing. After a lost connection it is not known which.
    fn write(&self, ready: &Self::Ready, client: &mut dyn Client) -> Outcome<()>;

    /// Writes all in the open transaction.
    fn write_open(&self, ready: &Self::Ready, client: &mut dyn TransactionClient) -> Outcome<()>;

    /// Says in an error what was written to.
    fn placed(&self, error: Error) -> Error;
}

/// Rows of a table.
pub(crate) struct TableRows {
    buffer: Buffer,
    target: Target,
    sql: WriteSql,
}

impl TableRows {
    pub(crate) fn new(target: Target) -> Self {
        Self { buffer: Buffer::default(), sql: dialect::write_sql(&target), target }
    }

    fn changes<T>(&self, reduced: &Reduced, write: impl FnOnce(&Changes<'_>) -> Outcome<T>) -> Outcome<T> {
        let columns = values::columns(&reduced.rows)?;
        write(&Changes { columns: &columns, upserts: &reduced.upserts, deletes: &reduced.deletes })
    }
}

impl Held for TableRows {
    type Batch = Batch;
    type Ready = Reduced;

    fn push(&mut self, batch: Batch) -> Result<()> {
        self.buffer.push(batch);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.buffer.rows()
    }

    fn bytes(&self) -> usize {
        self.buffer.bytes()
    }

    fn since(&self) -> Option<Instant> {
        self.buffer.since()
    }

    fn clear(&mut self) {
        self.buffer.clear();
    }

    fn ready(&self) -> Result<Option<Reduced>> {
        self.buffer.reduce(&self.target.key)
    }

    fn write(&self, reduced: &Reduced, client: &mut dyn Client) -> Outcome<()> {
        self.changes(reduced, |changes| client.write(&self.target, &self.sql, changes))
    }

    fn write_open(&self, reduced: &Reduced, client: &mut dyn TransactionClient) -> Outcome<()> {
        self.changes(reduced, |changes| client.write(&self.target, &self.sql, changes))
    }

    fn placed(&self, error: Error) -> Error {
        error.with("database table", &self.target.table)
    }
}
