//! SQL from a test: to prepare tables, and to look at what a job wrote.

use std::thread;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};

use super::MariaDb;

const LIMIT: Duration = Duration::from_secs(30);

impl MariaDb {
    /// Runs statements, separated by `;`.
    ///
    /// # Panics
    /// When one fails, or they take more than 30 s.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        if let Err(error) = self.on_connection(async |connection| connection.query_drop(sql).await) {
            panic!("MariaDB: {error}\nin: {sql}");
        }
    }

    /// The rows of a query, each value as the server prints it, `None` for NULL.
    ///
    /// # Panics
    /// When the query fails, or takes more than 30 s.
    #[must_use]
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match self.try_query(sql) {
            Ok(rows) => rows,
            Err(error) => panic!("MariaDB: {error}\nin: {sql}"),
        }
    }

    /// As [`query`](Self::query), for a server that may be away.
    ///
    /// # Errors
    /// What the server or the network said.
    pub fn try_query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let rows: Vec<Row> = self.on_connection(async |connection| connection.query(sql).await)?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// How many rows a table has.
    ///
    /// # Panics
    /// When the table cannot be read.
    #[must_use]
    #[track_caller]
    pub fn count(&self, table: &str) -> u64 {
        let rows = self.query(&format!("SELECT COUNT(*) FROM {table}"));
        rows.first().and_then(|row| row.first()?.as_ref()?.parse().ok()).unwrap_or_default()
    }

    /// A connection for one task, so that the server may restart between two calls. In a thread of its own, because
    /// the test may itself run on a tokio runtime.
    fn on_connection<T: Send>(
        &self,
        task: impl AsyncFnOnce(&mut Conn) -> mysql_async::Result<T> + Send,
    ) -> Result<T, String> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port())
            .prefer_socket(false)
            .user(Some(self.user()))
            .pass(Some(self.password()))
            .db_name(Some("test"));
        let work = move || -> Result<T, String> {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            runtime.block_on(async {
                let all = async {
                    let mut connection = Conn::new(options).await?;
                    let answer = task(&mut connection).await?;
                    connection.disconnect().await?;
                    Ok(answer)
                };
                match tokio::time::timeout(LIMIT, all).await {
                    Ok(answer) => answer.map_err(|error: mysql_async::Error| error.to_string()),
                    Err(_) => Err(format!("no answer within {LIMIT:?}")),
                }
            })
        };
        thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err("the client panicked".to_owned()))
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        // the text protocol sends every value so
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}
