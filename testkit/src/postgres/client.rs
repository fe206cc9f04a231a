//! SQL from a test: to prepare tables, and to look at what a job wrote.

use std::error::Error as _;
use std::thread;
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::Postgres;

const LIMIT: Duration = Duration::from_secs(30);

impl Postgres {
    /// Runs statements, separated by `;`.
    ///
    /// # Panics
    /// When one fails, or they take more than 30 s.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        if let Err(error) = self.on_connection(async |client| client.batch_execute(sql).await) {
            panic!("PostgreSQL: {error}\nin: {sql}");
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
            Err(error) => panic!("PostgreSQL: {error}\nin: {sql}"),
        }
    }

    /// As [`query`](Self::query), for a server that may be away.
    ///
    /// # Errors
    /// What the server or the network said.
    pub fn try_query(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let messages = self.on_connection(async |client| client.simple_query(sql).await)?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
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
        task: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, String> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port()).user(self.user()).password(self.password()).dbname("test");
        let work = move || -> Result<T, String> {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
            runtime.block_on(async {
                let all = async {
                    let (client, connection) = config.connect(NoTls).await?;
                    // ends with the client
                    tokio::spawn(connection);
                    task(&client).await
                };
                match tokio::time::timeout(LIMIT, all).await {
                    Ok(answer) => answer.map_err(|error| with_cause(&error)),
                    Err(_) => Err(format!("no answer within {LIMIT:?}")),
                }
            })
        };
        thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err("the client panicked".to_owned()))
    }
}

/// The client's own text is only "db error".
fn with_cause(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
