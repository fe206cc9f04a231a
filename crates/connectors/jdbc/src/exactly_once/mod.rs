//! `'sink.delivery-guarantee' = 'exactly-once'`: rows become visible when the checkpoint that counts on them is
//! complete, and once.
//!
//! **MySQL, MariaDB (XA) and PostgreSQL (`PREPARE TRANSACTION`).** For each subtask and checkpoint that has rows there
//! is one transaction. Rows are held in memory until the barrier; the transaction is begun, written and prepared
//! there, in one go. So locks are held as briefly as can be, and whatever fails before the database has prepared is
//! done again from memory: a deadlock, a lock that is not given, a database that restarts. When
//! [32 MiB](crate::sink::BUFFER_BYTES) of rows wait, the transaction is begun early and takes them: the interval
//! between checkpoints is not limited by memory. Only then does a failure go back to the last checkpoint, since the
//! database alone had those rows.
//!
//! **Locks.** A prepared transaction keeps its rows locked until it is committed. The next transaction of the same
//! subtask may want the same rows, and then waits for that commit. This only delays: a checkpoint that is prepared
//! here has passed all that is upstream of here, so that neither its completion nor its commit, in another thread,
//! waits for this writer. Where two writers write the same key within one checkpoint, one waits for the other's commit,
//! which waits for the first: upserts must come to the writer by their key (a hash exchange by the primary key). Such a
//! wait ends with a lock timeout, is tried again, and in the end fails the attempt; no row is lost. Isolation is READ
//! COMMITTED, so that no gap between keys is locked.
//!
//! **What a commit proves.** "Unknown transaction" is what a server says about a transaction that was committed, that an
//! operator rolled back, that the server lost, and (MariaDB) that another connection has not let go of. So nothing is
//! concluded from it. MySQL and MariaDB have a row in the table `riverrun_commits` for each transaction, written in
//! the transaction itself; it is there if and only if the rows are. (It also keeps a transaction from being read-only,
//! which cannot be committed.) PostgreSQL knows the outcome of a transaction by its number. Before anything is
//! committed, all transactions of a checkpoint are looked up: where one is gone and none is committed yet, nothing is
//! committed, and the job can go back to the checkpoint before.
//!
//! **SQLite** has no two-phase commit: the rows wait in the checkpoint (at most [`waiting::MOST_BYTES`] for
//! each writer and checkpoint), and the committer writes them together with a row in `riverrun_commits`; what is in
//! already is skipped.
//!
//! **Recovery.** What the restored checkpoint holds is committed, then all other prepared transactions of the same job
//! and operator are rolled back; other jobs' are not touched. Prepared transactions that a frozen process adds later
//! are rolled back when they stand in the way of a lock. An open transaction of a frozen process is ended by the server
//! after [`IDLE_LIMIT`] (PostgreSQL, MariaDB).
//!
//! The ids of a job's checkpoints must rise, also after a restore.

mod committable;
mod committer;
mod names;
mod statement;
pub(crate) mod waiting;
mod writer;

use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Committer, SinkWriter, TaskContext};

use crate::options::Table;
use crate::url::Location;

pub(crate) use committable::Prepared;
pub(crate) use names::{Branch, Owner};
pub(crate) use statement::{statement_committer, statement_writer};

/// How long a transaction that is written in one go may be idle before the server ends it.
pub(crate) const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// A writer whose rows become visible by commits.
///
/// # Errors
/// The database cannot be reached, refuses the table, or cannot prepare transactions.
pub(crate) fn writer(table: &Table, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
    match &table.location {
        Location::Server(_) => Ok(Box::new(writer::Writer::open(table.clone(), context)?)),
        Location::File(file) => Ok(Box::new(waiting::Writer::open(table, file, context)?)),
    }
}

/// What commits for all writers of a sink.
///
/// # Errors
/// As [`writer()`].
pub(crate) fn committer(table: &Table, context: &TaskContext) -> Result<Box<dyn Committer>> {
    match &table.location {
        Location::Server(server) => Ok(Box::new(committer::Transactions::open(table.clone(), server.system, context)?)),
        Location::File(file) => waiting::committer(table.clone(), file.clone(), context),
    }
}
