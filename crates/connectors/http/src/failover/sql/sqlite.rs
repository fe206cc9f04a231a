//! SQLite.

use std::path::PathBuf;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use riverrun_base::{Error, Result};
use rusqlite::{Connection, params};

use super::super::settings::SqlPlace;
use super::super::{Found, Place, Row, Store};
use super::quoted;

/// The store. A file is opened for each attempt: attempts are rare, and a file may be replaced.
pub(super) struct Sqlite {
    path: PathBuf,
    table: String,
}

impl Sqlite {
    pub(super) fn new(place: &SqlPlace, table: &str) -> Self {
        let path = place.url.strip_prefix("sqlite:").unwrap_or(&place.url);
        let path = path.split('?').next().unwrap_or(path);
        Self { path: PathBuf::from(path), table: quoted(table, '"') }
    }

    /// Runs `work` where it may wait for the disk.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &str) -> rusqlite::Result<T> + Send + 'static,
    ) -> BoxFuture<'static, Result<T>> {
        let (path, table) = (self.path.clone(), self.table.clone());
        async move {
            let shown = path.display().to_string();
            let done = tokio::task::spawn_blocking(move || work(&mut open(&path, &table)?, &table)).await;
            let done = done.map_err(|error| Error::internal("working with SQLite panicked").caused_by(error))?;
            done.map_err(|error| Error::external(format!("SQLite: {error}")).with("file", shown).retryable())
        }
        .boxed()
    }
}

/// A file with the table.
fn open(path: &std::path::Path, table: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (\"values\" TEXT NOT NULL, \"timestamp\" BIGINT NOT NULL)"
    ))?;
    Ok(connection)
}

fn put(connection: &mut Connection, table: &str, rows: &[Row]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert =
            transaction.prepare(&format!("INSERT INTO {table} (\"values\", \"timestamp\") VALUES (?1, ?2)"))?;
        for row in rows {
            insert.execute(params![row.values, row.timestamp])?;
        }
    }
    transaction.commit()
}

fn page(connection: &mut Connection, table: &str, after: i64, most: usize) -> rusqlite::Result<Vec<Found>> {
    let select =
        format!("SELECT rowid, \"values\", \"timestamp\" FROM {table} WHERE rowid > ?1 ORDER BY rowid LIMIT ?2");
    let mut select = connection.prepare(&select)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let found = select.query_map(params![after, most], |row| {
        Ok(Found { at: row.get::<_, i64>(0)?.to_string(), row: Row { values: row.get(1)?, timestamp: row.get(2)? } })
    })?;
    found.collect()
}

fn delete(connection: &mut Connection, table: &str, ids: &[i64]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for id in ids {
        transaction.execute(&format!("DELETE FROM {table} WHERE rowid = ?1"), params![id])?;
    }
    transaction.commit()
}

impl Store for Sqlite {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        let rows = rows.to_vec();
        self.run(move |connection, table| put(connection, table, &rows))
    }

    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        let after = after.and_then(|after| after.parse().ok()).unwrap_or(i64::MIN);
        let page = self.run(move |connection, table| page(connection, table, after, most));
        async move {
            let found = page.await?;
            let last = found.last().map(|found| found.at.clone());
            Ok((found, last))
        }
        .boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.at.parse().ok()).collect();
        let removed = self.run(move |connection, table| delete(connection, table, &ids));
        async move { removed.await.map(|()| behind) }.boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        self.run(|_, _| Ok(()))
    }
}
