//! A sink of one's own: rows into MySQL or MariaDB, exactly once, by XA transactions.
//!
//! It shows what `TwoPhaseCommitSink` asks for. The connector `jdbc` does the same for any table, and more of it: it also tells a transaction
//! that was lost from one that was committed long ago.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Params};
use riverrun::connect::{Commit, JobContext, TaskContext, TransactionId, TwoPhaseCommitSink, io_runtime};
use riverrun::{Error, Records, Result};

/// A row of `t_test`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key of the record.
    pub id: i64,
    /// Its value.
    pub value: String,
    /// When it was read: epoch milliseconds.
    pub insert_time: i64,
}

/// Writes rows into the table `t_test(id, value, insert_time)`.
#[derive(Clone)]
pub struct MySqlSink {
    url: String,
    /// Of a writer or the committer, once it is open.
    place: String,
}

/// An XA transaction: its name, and the connection it is open on until it is prepared.
pub struct Transaction {
    name: String,
    connection: Option<Conn>,
}

impl MySqlSink {
    /// Into the database of a URL: `mysql://user:password@host:port/database`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), place: String::new() }
    }

    fn connect(&self) -> Result<Conn> {
        let options = Opts::from_url(&self.url).map_err(|error| Error::user("no URL of MySQL").caused_by(error))?;
        block_on(Conn::new(options))
    }

    /// Runs a statement of XA. An unknown transaction is one that has ended before.
    fn end(&self, statement: &str, name: &str) -> Result<()> {
        let mut connection = self.connect()?;
        let ended = block_on(connection.query_drop(format!("{statement} '{name}'")));
        let is_gone = |error: &Error| error.to_string().contains("XAER_NOTA");
        block_on(connection.disconnect())?;
        if ended.as_ref().is_err_and(is_gone) { Ok(()) } else { ended }
    }
}

/// Waits for an answer of the server.
fn block_on<T>(answer: impl Future<Output = mysql_async::Result<T>>) -> Result<T> {
    io_runtime()?.block_on(answer).map_err(|error| Error::external(format!("MySQL: {error}")).retryable())
}

impl TwoPhaseCommitSink<Records<Row>> for MySqlSink {
    type Transaction = Transaction;

    fn open(&mut self, context: &TaskContext) -> Result<()> {
        self.place = format!("{}-{}", context.task, context.subtask);
        block_on(self.connect()?.disconnect())
    }

    fn begin(&mut self, id: &TransactionId) -> Result<Transaction> {
        // At most 64 bytes: the job's id has 32.
        let name = id.to_string();
        let mut connection = self.connect()?;
        block_on(connection.query_drop(format!("XA START '{name}'")))?;
        Ok(Transaction { name, connection: Some(connection) })
    }

    fn write(&mut self, transaction: &mut Transaction, rows: Records<Row>) -> Result<()> {
        let connection =
            transaction.connection.as_mut().ok_or_else(|| Error::internal("a prepared transaction is written to"))?;
        let rows = rows.into_parts().0.into_iter().map(|row| Params::from((row.id, row.value, row.insert_time)));
        let insert = "INSERT INTO t_test (id, value, insert_time) VALUES (?, ?, FROM_UNIXTIME(? / 1000))";
        block_on(connection.exec_batch(insert, rows)).map_err(|error| error.with("writer", &self.place))
    }

    fn pre_commit(&mut self, transaction: &mut Transaction) -> Result<()> {
        let Some(mut connection) = transaction.connection.take() else { return Ok(()) };
        block_on(connection.query_drop(format!("XA END '{}'", transaction.name)))?;
        block_on(connection.query_drop(format!("XA PREPARE '{}'", transaction.name)))?;
        // From here on the transaction is the server's, and any connection can commit it.
        block_on(connection.disconnect())
    }

    fn encode(&self, transaction: &Transaction) -> Result<Vec<u8>> {
        Ok(transaction.name.clone().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Transaction> {
        let name = String::from_utf8(bytes.to_vec()).map_err(|error| Error::data("no transaction").caused_by(error))?;
        Ok(Transaction { name, connection: None })
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Commit> {
        self.end("XA COMMIT", &transaction.name).map(|()| Commit::Done)
    }

    fn abort(&mut self, transaction: Transaction) -> Result<()> {
        // The server rolls back what was not prepared when its connection ends.
        drop(transaction.connection);
        self.end("XA ROLLBACK", &transaction.name)
    }

    fn unfinished(&mut self, job: &JobContext) -> Result<Vec<Transaction>> {
        let mut connection = self.connect()?;
        let prepared: Vec<(i64, i64, i64, String)> = block_on(connection.query("XA RECOVER"))?;
        block_on(connection.disconnect())?;
        let left = |name: &String| TransactionId::parse(name, job).is_some_and(|id| id.attempt < job.attempt);
        let names = prepared.into_iter().map(|(_, _, _, name)| name).filter(left);
        Ok(names.map(|name| Transaction { name, connection: None }).collect())
    }
}
