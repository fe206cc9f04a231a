//! PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use riverrun_base::{Error, Result, Secret};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::trusting;

use super::super::settings::SqlPlace;
use super::super::{Found, Place, Row, Store};
use super::{Server, quoted};

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(8);

/// The store.
pub(super) struct Postgres {
    config: Config,
    server: Server,
    tls: Option<TlsConnector>,
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

/// Why the server has not done it.
enum Failure {
    Sql(tokio_postgres::Error),
    Encryption(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

type Outcome<T> = std::result::Result<T, Failure>;

/// How a connection is encrypted, where the URL asks for that: with a look at the server's certificate and name, or not at all.
fn tls(server: &Server) -> Result<Option<TlsConnector>> {
    const OPTION: &str = "sink.failover.jdbc.url";
    match (server.parameter("sslmode"), server.parameter("ssl")) {
        (Some("verify-full"), _) | (None, Some("true" | "")) => {}
        (Some("disable" | "allow" | "prefer"), _) | (None, _) => return Ok(None),
        (Some(mode), _) => {
            return Err(Error::not_supported(format!("sslmode={mode} for a failover store in PostgreSQL"))
                .with("option", OPTION)
                .hint("write sslmode=verify-full, and sslrootcert=<file> where no public authority has signed the server's certificate"));
        }
    }
    let config = trusting(server.parameter("sslrootcert"), OPTION)?.with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

/// Connects, and asks for encryption (PostgreSQL's protocol, "SSL session encryption").
async fn encrypted(server: &Server, tls: &TlsConnector) -> Outcome<TlsStream<TcpStream>> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let begin = async {
        let name = ServerName::try_from(server.host.clone()).map_err(|error| error.to_string())?;
        let mut stream =
            TcpStream::connect((server.host.as_str(), server.port)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.write_all(&SSL_REQUEST).await.map_err(|error| error.to_string())?;
        match stream.read_u8().await {
            Ok(b'S') => tls.connect(name, stream).await.map_err(|error| error.to_string()),
            Ok(_) => Err("the server has none".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    match tokio::time::timeout(CONNECTING, begin).await {
        Ok(stream) => stream.map_err(Failure::Encryption),
        Err(_) => Err(Failure::Encryption(format!("no answer within {} s", CONNECTING.as_secs()))),
    }
}

/// Carries a connection. Its end is seen by the next statement.
async fn until_its_end<S: AsyncRead + AsyncWrite + Unpin, T: AsyncRead + AsyncWrite + Unpin>(
    connection: tokio_postgres::Connection<S, T>,
) {
    let _ = connection.await;
}

impl Postgres {
    pub(super) fn new(place: &SqlPlace, table: &str) -> Result<Self> {
        let server = Server::parse(&place.url, 5432)?;
        let tls = tls(&server)?;
        let mut config = Config::new();
        config.host(&server.host).port(server.port).dbname(&server.database).connect_timeout(CONNECTING);
        config.application_name("riverrun-failover");
        if let Some(user) = &place.user {
            config.user(user);
        }
        if let Some(password) = place.password.as_ref().map(Secret::expose) {
            config.password(password);
        }
        let shown = format!("{}:{}", server.host, server.port);
        if tls.is_some() {
            // The stream is encrypted already when the client gets it.
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Self { config, server, tls, shown, table: quoted(table, '"'), connection: None })
    }

    fn failed(&self, failure: &Failure) -> Error {
        let text = match failure {
            // Its own text names the step only.
            Failure::Sql(error) => match std::error::Error::source(error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
            Failure::Encryption(why) => format!("no encrypted connection: {why}"),
        };
        Error::external(format!("PostgreSQL at {}: {text}", self.shown)).retryable()
    }

    async fn connected(&mut self) -> Outcome<Connection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let (client, task) = match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, tokio::spawn(until_its_end(connection)))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect_raw(encrypted(&self.server, tls).await?, NoTls).await?;
                (client, tokio::spawn(until_its_end(connection)))
            }
        };
        let connection = Connection { client, task: task.abort_handle() };
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} (\"values\" TEXT NOT NULL, \"timestamp\" BIGINT NOT NULL)",
            self.table
        );
        connection.client.batch_execute(&table).await?;
        Ok(connection)
    }

    async fn put(&mut self, rows: &[Row]) -> Outcome<()> {
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
        async { self.put(rows).await.map_err(|failure| self.failed(&failure)) }.boxed()
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
            let rows = read.await.map_err(|failure: Failure| self.failed(&failure))?;
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
            removed.await.map_err(|failure: Failure| self.failed(&failure))?;
            Ok(behind)
        }
        .boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        async {
            let connection = self.connected().await.map_err(|failure| self.failed(&failure))?;
            self.connection = Some(connection);
            Ok(())
        }
        .boxed()
    }
}
