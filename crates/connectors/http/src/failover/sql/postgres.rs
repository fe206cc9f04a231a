//! PostgreSQL.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use riverrun_base::{Error, Result, Secret};
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Config, NoTls};

use super::super::settings::SqlPlace;
use super::super::{Found, Place, Row, Store};
use super::{Server, quoted};

/// The store.
pub(super) struct Postgres {
    config: Config,
    shown: String,
    table: String,
    connection: Option<Connection>,
}

struct Connection {
    client: Client,
    /// The task that talks to the server.
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Postgres {
    pub(super) fn new(place: &SqlPlace, table: &str) -> Result<Self> {
        let server = Server::parse(&place.url, 5432)?;
        if !matches!(server.parameter("sslmode"), None | Some("disable" | "allow" | "prefer"))
            || server.parameter("ssl") == Some("true")
        {
            return Err(Error::not_supported("a failover store in PostgreSQL through TLS")
                .with("option", "sink.failover.jdbc.url"));
        }
        let mut config = Config::new();
        config.host(&server.host).port(server.port).dbname(&server.database).connect_timeout(Duration::from_secs(8));
        config.application_name("riverrun-failover");
        if let Some(user) = &place.user {
            config.user(user);
        }
        if let Some(password) = place.password.as_ref().map(Secret::expose) {
            config.password(password);
        }
        let shown = format!("{}:{}", server.host, server.port);
        Ok(Self { config, shown, table: quoted(table, '"'), connection: None })
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Error {
        // Its own text names the step only.
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Error::external(format!("PostgreSQL at {}: {error}{cause}", self.shown)).retryable()
    }

    async fn connected(&mut self) -> std::result::Result<Connection, tokio_postgres::Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        let task = tokio::spawn(async move {
            // Its end is seen by the next statement.
            let _ = connection.await;
        });
        let connection = Connection { client, task: task.abort_handle() };
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} (\"values\" TEXT NOT NULL, \"timestamp\" BIGINT NOT NULL)",
            self.table
        );
        connection.client.batch_execute(&table).await?;
        Ok(connection)
    }

    async fn put(&mut self, rows: &[Row]) -> std::result::Result<(), tokio_postgres::Error> {
        let mut connection = self.connected().await?;
        let transaction = connection.client.transaction().await?;
        let insert = format!("INSERT INTO {} (\"values\", \"timestamp\") VALUES ($1, $2)", self.table);
        let insert = transaction.prepare(&insert).await?;
        for row in rows {
            transaction.execute(&insert, &[&row.values, &row.timestamp]).await?;
        }
        transaction.commit().await?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Store for Postgres {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        async { self.put(rows).await.map_err(|error| self.failed(&error)) }.boxed()
    }

    /// By the rows' places in the table (`ctid`), which a delete does not change.
    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        async move {
            let after = after.unwrap_or_else(|| "(0,0)".to_owned());
            let select = format!(
                "SELECT ctid::text AS place, \"values\", \"timestamp\" FROM {} WHERE ctid > $1::text::tid ORDER BY ctid LIMIT $2",
                self.table
            );
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let read = async {
                let connection = self.connected().await?;
                let rows = connection.client.query(&select, &[&after, &most]).await?;
                self.connection = Some(connection);
                Ok(rows)
            };
            let rows = read.await.map_err(|error: tokio_postgres::Error| self.failed(&error))?;
            let found = |row: &tokio_postgres::Row| Found { at: row.get(0), row: Row { values: row.get(1), timestamp: row.get(2) } };
            let found: Vec<Found> = rows.iter().map(found).collect();
            let last = found.last().map(|found| found.at.clone());
            Ok((found, last))
        }
        .boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        async move {
            let delete = format!("DELETE FROM {} WHERE ctid = $1::text::tid AND \"values\" = $2", self.table);
            let removed = async {
                let mut connection = self.connected().await?;
                let transaction = connection.client.transaction().await?;
                for found in rows {
                    transaction.execute(&delete, &[&found.at, &found.row.values]).await?;
                }
                transaction.commit().await?;
                self.connection = Some(connection);
                Ok(())
            };
            removed.await.map_err(|error: tokio_postgres::Error| self.failed(&error))?;
            Ok(behind)
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        async {
            let connection = self.connected().await.map_err(|error| self.failed(&error))?;
            self.connection = Some(connection);
            Ok(())
        }
        .boxed()
    }
}
