//! The `jdbc` connector: tables of MySQL, MariaDB, PostgreSQL and SQLite, chosen by the url.
//!
//! **Sink.** With a primary key it upserts and deletes by key; without one it appends. Rows are buffered, reduced to
//! the last change of each key, and written in one transaction for each flush. Every row before a checkpoint is
//! committed in the database when the checkpoint is acknowledged: at least once, and since an upsert may be repeated,
//! exactly once in its effect where there is a primary key. With `'sink.delivery-guarantee' = 'exactly-once'` rows
//! become visible when their checkpoint is complete, and once, with a primary key or without: by XA on MySQL and
//! MariaDB, by prepared transactions on PostgreSQL; for SQLite they wait in the checkpoint. `exactly_once` says how.
//!
//! **Source.** A bounded scan, streamed, in one part or in the parts that `scan.partition.*` cuts. A part is read in
//! the order of the table's primary key, so that a restored reader goes on behind the rows it has delivered, as long
//! as the table does not change. Where a table has no primary key, a part that was read halfway is read again from its
//! beginning.
//!
//! **Programs in Rust** write records by a statement of their own: [`JdbcSink`].
//!
//! **Types.** Booleans, numbers, strings and byte strings map to the types of that kind. `TIMESTAMP` is a wall clock:
//! written and read as it is, in the session's time zone where a column is an instant. `TIMESTAMP_LTZ` is an instant:
//! tables that have one are written and read in sessions whose zone is UTC. A value that does not fit its column is an
//! error; nothing is cut silently.

mod buffer;
mod calendar;
mod client;
mod dialect;
mod exactly_once;
mod held;
mod options;
mod remote;
mod retry;
mod sink;
mod source;
mod statement;
#[cfg(test)]
mod test_table;
mod typed;
mod url;
mod values;

pub use riverrun_formats::BoxError;
pub use typed::{Bind, JdbcConnectionOptions, JdbcExecutionOptions, JdbcSink, JdbcSinkBuilder, JdbcStatement};
pub use values::JdbcValue;

use riverrun_base::options::OptionSet;
use riverrun_connect::Connector;

use crate::options::JdbcOptions;

/// The connector, for the list of a build.
pub static JDBC: Connector = Connector {
    name: "jdbc",
    description: "Reads and writes tables of MySQL, MariaDB, PostgreSQL and SQLite.",
    options: || JdbcOptions::specs().to_vec(),
    metadata: Vec::new,
    source: Some(source::source),
    sink: Some(sink::sink),
};
