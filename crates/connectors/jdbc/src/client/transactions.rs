//! Connections that prepare transactions and end those that others have prepared.

use riverrun_base::Error;

use super::{Changes, Client, Io, mysql, postgres};
use crate::dialect::WriteSql;
use crate::exactly_once::{Branch, Owner, Prepared};
use crate::options::Table;
use crate::remote::Target;
use crate::retry::Outcome;
use crate::statement::Statement;
use crate::url::{Location, System};
use crate::values::Parameters;

/// A connection to a database with two-phase commit.
pub(crate) trait TransactionClient: Send {
    /// The same connection for what needs no transaction.
    fn client(&mut self) -> &mut dyn Client;

    /// Whether more can be done on it: a connection may be used up when it has prepared.
    fn is_open(&self) -> bool;

    /// Checks that the server, the user and the table, if it is known, allow two-phase commit, for so many writers; makes
    /// what bookkeeping needs.
    fn check(&mut self, target: Option<&Target>, writers: usize) -> Outcome<()>;

    /// Begins a transaction. With `in_one_go`, the server ends it when it is idle for
    /// [`IDLE_LIMIT`](crate::exactly_once::IDLE_LIMIT).
    fn begin(&mut self, owner: &Owner, attempt: u64, subtask: usize, in_one_go: bool) -> Outcome<Branch>;

    /// Writes in the open transaction.
    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()>;

    /// Executes a statement for each row of parameters in the open transaction.
    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()>;

    /// Prepares the open transaction. After a lost connection it is not known whether it did: see [`Self::settle`].
    fn prepare(&mut self, prepared: &Prepared) -> Outcome<()>;

    /// Undoes the open transaction.
    fn abandon(&mut self) -> Outcome<()>;

    /// Ends the connection on which a branch was begun, if it still lives, so that it holds no lock and can no longer
    /// prepare; says whether the branch is prepared.
    fn settle(&mut self, owner: &Owner, branch: &Branch) -> Outcome<bool>;

    /// How transactions stand, in their order.
    fn standing(&mut self, transactions: &[Prepared]) -> Outcome<Vec<Standing>>;

    /// Commits a prepared transaction. An unknown one is no error: its standing tells what became of it.
    fn commit(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()>;

    /// The prepared transactions of an owner.
    fn prepared(&mut self, owner: &Owner) -> Outcome<Vec<Branch>>;

    /// Rolls a prepared transaction back. An unknown one is no error.
    fn roll_back(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()>;

    /// Forgets what was committed for an owner before this checkpoint; all of it without one.
    fn forget(&mut self, owner: &Owner, before: Option<u64>) -> Outcome<()>;
}

/// What became of a transaction that was prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It waits for its commit.
    Prepared,
    /// Its rows are visible.
    Committed,
    /// It was rolled back, or lost.
    Gone,
}

/// Connects for two-phase commit.
///
/// # Errors
/// As [`super::connect`].
pub(crate) fn connect(table: &Table, io: &Io) -> Outcome<Box<dyn TransactionClient>> {
    let utc = super::has_instants(table);
    // so that as many attempts as are made by default take as long as a lost connection is allowed to
    let lock_wait = (table.options.max_retry_timeout / 4).as_secs().clamp(1, 50);
    let result = match &table.location {
        Location::Server(server) if server.system == System::Postgres => {
            postgres::connect_for_transactions(server, utc, lock_wait, io)
        }
        Location::Server(server) => {
            let database = table.name.schema.as_deref().or(server.database.as_deref());
            mysql::connect_for_transactions(server, database, utc, lock_wait, io)
        }
        Location::File(_) => Err(Error::internal("SQLite has no two-phase commit").into()),
    };
    super::named(table, result)
}
