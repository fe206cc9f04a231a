//! MySQL and MariaDB.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error as MySqlError, OptsBuilder, SslOpts, TxOpts};
use riverrun_base::{Error, Result, Secret};

use super::super::settings::SqlPlace;
use super::super::{Found, Place, Row, Store};
use super::{Server, quoted};

/// Value too long for its column, packet too large, value that the column's character set does not have.
const NEVER: &[u16] = &[1406, 1153, 1366];

/// The store.
pub(super) struct MySql {
    options: OptsBuilder,
    shown: String,
    table: String,
    connection: Option<Conn>,
}

impl MySql {
    pub(super) fn new(place: &SqlPlace, table: &str) -> Result<Self> {
        let server = Server::parse(&place.url, 3306)?;
        let mode = server.parameter("sslmode").unwrap_or("PREFERRED").to_ascii_uppercase().replace('-', "_");
        let asked = server.parameter("usessl") == Some("true") || server.parameter("requiressl") == Some("true");
        let ssl = match mode.as_str() {
            "DISABLED" | "DISABLE" => None,
            "PREFERRED" if !asked => None,
            "REQUIRED" | "TRUST" => {
                Some(SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true))
            }
            "VERIFY_CA" | "VERIFY_IDENTITY" | "VERIFY_FULL" | "PREFERRED" => Some(SslOpts::default()),
            other => {
                return Err(
                    Error::user(format!("sslMode={other} is not known")).with("option", "sink.failover.jdbc.url")
                );
            }
        };
        if ssl.is_some() {
            // An error says that there is one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let shown = format!("{}:{}", server.host, server.port);
        let session =
            "SET SESSION autocommit = 1, sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_TRANS_TABLES')".to_owned();
        let options = OptsBuilder::default()
            .ip_or_hostname(server.host)
            .tcp_port(server.port)
            .prefer_socket(false)
            .db_name(Some(server.database))
            .user(place.user.as_deref())
            .pass(place.password.as_ref().map(Secret::expose))
            .tcp_keepalive(Some(Duration::from_secs(10)))
            .setup(vec![session])
            .ssl_opts(ssl);
        Ok(Self { options, shown, table: quoted(table, '`'), connection: None })
    }

    fn failed(&self, error: MySqlError) -> Error {
        let never = matches!(&error, MySqlError::Server(server) if NEVER.contains(&server.code));
        let text = format!("MySQL at {}: {error}", self.shown);
        if never { Error::data(text) } else { Error::external(text).retryable() }
    }

    /// A connection to a database that has the table.
    async fn connected(&mut self) -> std::result::Result<Conn, MySqlError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => {
                let mut connection = Conn::new(self.options.clone()).await?;
                let table = format!(
                    "CREATE TABLE IF NOT EXISTS {} (`values` LONGTEXT NOT NULL, `timestamp` BIGINT NOT NULL) DEFAULT CHARACTER SET utf8mb4",
                    self.table
                );
                connection.query_drop(table).await?;
                Ok(connection)
            }
        }
    }

    async fn put(&mut self, rows: &[Row]) -> std::result::Result<(), MySqlError> {
        let mut connection = self.connected().await?;
        let insert = format!("INSERT INTO {} (`values`, `timestamp`) VALUES (?, ?)", self.table);
        let mut transaction = connection.start_transaction(TxOpts::default()).await?;
        transaction.exec_batch(insert, rows.iter().map(|row| (row.values.as_str(), row.timestamp))).await?;
        transaction.commit().await?;
        // Kept only when all went well: another is clean.
        self.connection = Some(connection);
        Ok(())
    }
}

impl Store for MySql {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        async { self.put(rows).await.map_err(|error| self.failed(error)) }.boxed()
    }

    /// The table has no key: rows are in the order of what they hold, and a place is how many are before it.
    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        async move {
            let before: u64 = after.as_deref().unwrap_or("0").parse().unwrap_or(0);
            let select = format!(
                "SELECT `values`, `timestamp` FROM {} ORDER BY `timestamp`, `values` LIMIT ? OFFSET ?",
                self.table
            );
            let read = async {
                let mut connection = self.connected().await?;
                let rows: Vec<(String, i64)> = connection.exec(select, (most as u64, before)).await?;
                self.connection = Some(connection);
                Ok(rows)
            };
            let rows = read.await.map_err(|error| self.failed(error))?;
            let last = (!rows.is_empty()).then(|| (before + rows.len() as u64).to_string());
            let found = |(values, timestamp)| Found { at: String::new(), row: Row { values, timestamp } };
            Ok((rows.into_iter().map(found).collect(), last))
        }
        .boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        async move {
            let delete = format!("DELETE FROM {} WHERE `timestamp` = ? AND `values` = ? LIMIT 1", self.table);
            let removed = async {
                let mut connection = self.connected().await?;
                let mut transaction = connection.start_transaction(TxOpts::default()).await?;
                transaction
                    .exec_batch(delete, rows.iter().map(|found| (found.row.timestamp, found.row.values.as_str())))
                    .await?;
                transaction.commit().await?;
                self.connection = Some(connection);
                Ok(())
            };
            removed.await.map_err(|error| self.failed(error))?;
            let before = behind.and_then(|behind| behind.parse::<u64>().ok());
            Ok(before.map(|before| before.saturating_sub(rows.len() as u64).to_string()))
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        async {
            let connection = self.connected().await.map_err(|error| self.failed(error))?;
            self.connection = Some(connection);
            Ok(())
        }
        .boxed()
    }
}
