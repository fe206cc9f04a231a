//! A small client of Apache HBase 2: tables are created, rows put, read, scanned and deleted, by HBase's own protobuf RPC
//! (<https://hbase.apache.org/book.html#hbase.rpc>), without a Thrift or REST gateway between.
//!
//! ```no_run
//! use riverrun_hbase_client::{Client, NewTable, Options, Put, Scan, TableName};
//!
//! # async fn example() -> riverrun_base::Result<()> {
//! let client = Client::new(Options::new("zk1:2181,zk2:2181,zk3:2181"))?;
//! let table = TableName::new("events")?;
//! client.create_table(&NewTable::new(table.clone()).family("cf")).await?;
//!
//! client.put(&table, &Put::new("key 1").cell("cf", "values", "hello")).await?;
//! let row = client.get(&table, b"key 1").await?.expect("it was put");
//! assert_eq!(row.value("cf", "values"), Some(&b"hello"[..]));
//!
//! let puts: Vec<Put> = (0..10_000).map(|n| Put::new(format!("key {n:05}")).cell("cf", "values", "x")).collect();
//! for (put, outcome) in puts.iter().zip(client.put_all(&table, &puts).await) {
//!     outcome.map_err(|error| error.with("row", String::from_utf8_lossy(put.row())))?;
//! }
//!
//! let mut scanner = client.scan(&table, Scan::prefix("key 0"));
//! while let Some(rows) = scanner.next_batch().await? {
//!     let keys: Vec<_> = rows.iter().map(|row| row.key().to_vec()).collect();
//!     client.delete_all(&table, &keys).await.into_iter().collect::<riverrun_base::Result<()>>()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Acknowledged is durable**, as durable as the table says: a put that returned `Ok` is in the write-ahead log of its region server. With a
//!   family's default (`SYNC_WAL`) the log's replicas have it in memory, and it survives the death of any process; `FSYNC_WAL` also survives a power
//!   cut of all replicas' machines; with `ASYNC_WAL` or `SKIP_WAL` HBase acknowledges what it may still lose. This client never asks for less than the table.
//! - **At least once.** A call whose answer was lost is sent again, until [`Options::operation_timeout`]. A put then makes a second version of the
//!   same value; with [`Put::timestamp_ms`] it is the same version. An `Err` does not say that nothing was written, unless it is the
//!   server's refusal ([`riverrun_base::Error::is_retryable`] is false).
//! - **By row.** A row is written whole or not at all. A batch is no transaction: each row has an outcome of its own, and rows are
//!   written in no particular order, those of one key included.
//! - **Everything ends.** Each method returns within [`Options::operation_timeout`], whatever the servers do. A dropped future leaves nothing behind but
//!   what the servers were asked already.
//! - **Bounded.** A connection for each region server, with at most [`Options::calls_in_flight`] calls on it; who comes next waits. Batches are
//!   cut into calls of at most 1000 rows and about 2 MiB. Connections are made when they are needed, made again when lost, and closed when the client
//!   is dropped.
//!
//! # Runtime
//!
//! The client makes no runtime: its methods run in the caller's tokio runtime, whose I/O and timers must be enabled, and spawn there one task for
//! each connection. Blocking code calls `handle.block_on(client.put(..))` with the handle of a multi-threaded runtime: on a current-thread
//! runtime connections live only while somebody blocks on it.
//!
//! # Not spoken
//!
//! Kerberos and TLS (a server that demands a login is an error that says so), filters, versions, counters, coprocessors.

mod client;
mod failure;
mod mutation;
mod options;
mod region;
mod row;
mod rpc;
mod scan;
mod table;
mod tries;
mod zookeeper;

pub use client::{Client, Scanner};
pub use mutation::Put;
pub use options::Options;
pub use row::{Cell, Row};
pub use scan::Scan;
pub use table::{NewTable, TableName};
