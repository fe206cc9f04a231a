//! PostgreSQL 12 or later, by `tokio_postgres`.
//!
//! Statements are sent with their parameters in one message, and leave no prepared statement behind: that works behind
//! pgbouncer too.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use futures::TryStreamExt;
use riverrun_base::Error;
use riverrun_data::LogicalType;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Config, Row, RowStream};

use super::tls::Tls;
use super::{BATCH_BYTES, Changes, Client, Io, Scan};
use crate::dialect::{ScanPlan, WriteSql, postgres};
use crate::options::TableName;
use crate::remote::{Class, RemoteColumn, RemoteTable, Target, UniqueKey};
use crate::retry::{Failure, Outcome};
use crate::statement::Statement;
use crate::url::{Encryption, Server};
use crate::values::{Parameters, RowsBuilder};

mod prepared;
mod wire;

pub(super) use prepared::connect_for_transactions;

/// Rows of one statement: its arrays are in memory at the server at once.
const STATEMENT_ROWS: usize = 10_000;

/// Rows of parameters that are under way at once.
const PIPELINED_ROWS: usize = 500;

struct Postgres {
    client: tokio_postgres::Client,
    /// Carries the connection; ended when this is dropped, since it would otherwise first read what a scan has left.
    connection: JoinHandle<()>,
    io: Io,
}

pub(super) fn connect(server: &Server, utc: bool, io: &Io) -> Outcome<Box<dyn Client>> {
    Ok(Box::new(connected(server, utc, io)?))
}

fn connected(server: &Server, utc: bool, io: &Io) -> Outcome<Postgres> {
    let mut config = Config::new();
    config
        .host(&server.host)
        .port(server.port)
        .user(server.user.as_deref().unwrap_or("postgres"))
        .application_name(server.application_name.as_deref().unwrap_or("riverrun"))
        .connect_timeout(server.connect_timeout)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(10))
        .ssl_mode(match server.encryption {
            Encryption::Never => SslMode::Disable,
            Encryption::Preferred => SslMode::Prefer,
            _ => SslMode::Require,
        });
    if let Some(password) = &server.password {
        config.password(password.expose());
    }
    if let Some(database) = &server.database {
        config.dbname(database);
    }
    let mut session = String::new();
    if utc {
        session.push_str("-c TimeZone=UTC ");
    }
    if let Some(schema) = &server.schema {
        // a backslash keeps a blank together
        session.push_str(&format!("-c search_path={}", schema.replace('\\', "\\\\").replace(' ', "\\ ")));
    }
    if !session.is_empty() {
        config.options(session.trim_end());
    }
    let tls = Tls::new(server)?;
    let (client, connection) = io.within(server.connect_timeout, config.connect(tls))?;
    let connection = io.handle.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to PostgreSQL ended");
        }
    });
    Ok(Postgres { client, connection, io: io.clone() })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Postgres {
    fn rows(&self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Outcome<Vec<Row>> {
        self.io.answer(self.client.query_typed(sql, parameters))
    }

    fn run(&self, sql: &str) -> Outcome<()> {
        self.io.answer(self.client.batch_execute(sql))
    }

    fn write_all(&self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        let all: Vec<usize> = (0..target.columns.len()).collect();
        for rows in changes.deletes.chunks(STATEMENT_ROWS) {
            self.write_rows(&sql.delete, target, &target.key, changes, rows)?;
        }
        for rows in changes.upserts.chunks(STATEMENT_ROWS) {
            self.write_rows(&sql.insert, target, &all, changes, rows)?;
        }
        Ok(())
    }

    /// Commits what was done, or undoes it.
    fn end(&self, done: Outcome<()>) -> Outcome<()> {
        match done {
            Ok(()) => self.run("COMMIT"),
            Err(failure) => {
                if self.client.is_closed() || failure.error.is_canceled() {
                    return Err(failure);
                }
                // one that cannot be undone is undone with its connection
                self.run("ROLLBACK")
                    .map_err(|_| Failure::connection(Error::external("the transaction could not be undone")))?;
                Err(failure)
            }
        }
    }

    /// Executes a statement for each row, without waiting for one answer before the next is sent.
    fn execute_all(&self, statement: &Statement, parameters: &Parameters) -> Outcome<()> {
        let prepared = self.io.answer(self.client.prepare(&statement.text))?;
        for begin in (0..parameters.rows()).step_by(PIPELINED_ROWS) {
            let rows = begin..parameters.rows().min(begin + PIPELINED_ROWS);
            let execute = |row: usize| {
                let values: Vec<wire::Parameter<'_>> =
                    (0..parameters.width()).map(|index| wire::Parameter(parameters.scalar(row, index))).collect();
                let prepared = &prepared;
                async move { self.client.execute_raw(prepared, values).await.map(drop) }
            };
            self.io.answer(futures::future::try_join_all(rows.map(execute)))?;
        }
        Ok(())
    }

    fn write_rows(
        &self,
        sql: &str,
        target: &Target,
        columns: &[usize],
        changes: &Changes<'_>,
        rows: &[u32],
    ) -> Outcome<()> {
        let arrays: Vec<(wire::ColumnArray<'_>, Type)> = columns
            .iter()
            .map(|index| wire::ColumnArray::new(&changes.columns[*index], rows, &target.columns[*index].logical))
            .collect();
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            arrays.iter().map(|(array, array_type)| (array as &(dyn ToSql + Sync), array_type.clone())).collect();
        self.io.answer(self.client.execute_typed(sql, &parameters)).map(drop)
    }
}

impl Client for Postgres {
    fn describe(&mut self, name: &TableName) -> Outcome<Option<RemoteTable>> {
        let quoted = |fold: fn(&str) -> String| {
            let parts: Vec<String> = name
                .schema
                .iter()
                .chain([&name.table])
                .map(|part| format!("\"{}\"", fold(part).replace('"', "\"\"")))
                .collect();
            parts.join(".")
        };
        // as written, else folded as PostgreSQL folds a name without quotes
        let (exact, folded) = (quoted(str::to_owned), quoted(str::to_lowercase));
        let columns = self.rows(
            "SELECT n.nspname::text, r.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
                    COALESCE(e.typname, b.typname, t.typname)::text, COALESCE(e.typtype, b.typtype, t.typtype)::text, \
                    t.typcategory = 'A' AND e.oid IS NOT NULL, a.atttypmod, a.attnotnull, \
                    a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a' \
             FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace JOIN pg_attribute a ON a.attrelid = r.oid \
             JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
             LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem \
             WHERE r.oid = COALESCE(to_regclass($1), to_regclass($2)) \
               AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[(&exact, Type::TEXT), (&folded, Type::TEXT)],
        )?;
        let mut table = RemoteTable::default();
        for row in &columns {
            (table.schema, table.name) = (Some(cell(row, 0)?), cell(row, 1)?);
            let (type_name, kind, is_array): (String, String, bool) = (cell(row, 4)?, cell(row, 5)?, cell(row, 6)?);
            let (not_null, has_value, generated): (bool, bool, bool) = (cell(row, 8)?, cell(row, 9)?, cell(row, 10)?);
            let class = postgres::class_of(&type_name, &kind, cell(row, 7)?);
            table.columns.push(RemoteColumn {
                name: cell(row, 2)?,
                type_name: cell(row, 3)?,
                class: if is_array { Class::Array(Box::new(class)) } else { class },
                required: not_null && !has_value && !generated,
                generated,
            });
        }
        if table.columns.is_empty() {
            return Ok(None);
        }
        let keys = self.rows(
            "SELECT i.indexrelid::int8, i.indisprimary, a.attname::text FROM pg_index i \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             WHERE i.indrelid = COALESCE(to_regclass($1), to_regclass($2)) AND i.indisunique AND i.indimmediate \
               AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts ORDER BY 1, k.place",
            &[(&exact, Type::TEXT), (&folded, Type::TEXT)],
        )?;
        let mut last = None;
        for row in &keys {
            let index: i64 = cell(row, 0)?;
            if last != Some(index) {
                table.unique_keys.push(UniqueKey { columns: Vec::new(), primary: cell(row, 1)? });
                last = Some(index);
            }
            if let Some(key) = table.unique_keys.last_mut() {
                key.columns.push(cell(row, 2)?);
            }
        }
        Ok(Some(table))
    }

    fn table_names(&mut self, name: &TableName) -> Outcome<Vec<String>> {
        let rows = self.rows(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') \
               AND CASE WHEN $1::text IS NOT NULL THEN n.nspname = $1 \
                   ELSE pg_table_is_visible(c.oid) AND n.nspname !~ '^(pg_|information_schema)' END \
             ORDER BY 1 LIMIT 10000",
            &[(&name.schema, Type::TEXT)],
        )?;
        rows.iter().map(|row| cell(row, 0)).collect()
    }

    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        let statements =
            changes.deletes.len().div_ceil(STATEMENT_ROWS) + changes.upserts.len().div_ceil(STATEMENT_ROWS);
        if statements <= 1 {
            // a transaction by itself
            return self.write_all(target, sql, changes);
        }
        self.run("BEGIN")?;
        let written = self.write_all(target, sql, changes);
        self.end(written)
    }

    fn check_statement(&mut self, statement: &Statement) -> Outcome<()> {
        let prepared = self.io.answer(self.client.prepare(&statement.text))?;
        Ok(statement.check(prepared.params().len())?)
    }

    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()> {
        if parameters.rows() <= 1 {
            // a transaction by itself
            return self.execute_all(statement, parameters);
        }
        self.run("BEGIN")?;
        let executed = self.execute_all(statement, parameters);
        self.end(executed)
    }

    fn scan(self: Box<Self>, plan: ScanPlan) -> Outcome<Box<dyn Scan>> {
        let sql = postgres::select(&plan);
        let logicals = plan.target.columns.into_iter().map(|column| column.logical).collect();
        let io = self.io.clone();
        let starting = async move {
            let parameters: [(&(dyn ToSql + Sync), Type); 0] = [];
            let rows = self.client.query_typed_raw(&sql, parameters).await?;
            Ok((self, rows))
        };
        Ok(Box::new(PostgresScan { state: State::Starting(Box::pin(starting)), io, logicals }))
    }
}

struct PostgresScan {
    state: State,
    io: Io,
    logicals: Vec<LogicalType>,
}

type Started = (Box<Postgres>, RowStream);

enum State {
    Starting(Pin<Box<dyn Future<Output = Result<Started, tokio_postgres::Error>> + Send>>),
    /// The rows, and the connection they come by.
    Rows(Pin<Box<RowStream>>, #[allow(dead_code, reason = "kept open")] Box<Postgres>),
    Ended,
}

impl Scan for PostgresScan {
    fn fetch(&mut self, wait: Duration, most: usize, rows: &mut RowsBuilder) -> Outcome<bool> {
        if let State::Starting(starting) = &mut self.state {
            match self.io.poll(wait, starting)? {
                None => return Ok(false),
                Some(started) => {
                    let (client, stream) = started?;
                    self.state = State::Rows(Box::pin(stream), client);
                }
            }
        }
        let State::Rows(stream, _) = &mut self.state else { return Ok(true) };
        let logicals = &self.logicals;
        let filled = self.io.poll(wait, async {
            while rows.rows() < most && rows.bytes() < BATCH_BYTES {
                let Some(row) = stream.try_next().await? else { return Ok(true) };
                wire::append(&row, logicals, rows)?;
            }
            Ok::<bool, Failure>(false)
        })?;
        let ended = filled.transpose()?.unwrap_or(false);
        if ended {
            self.state = State::Ended;
        }
        Ok(ended)
    }
}

/// A value of a catalog's row.
fn cell<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Outcome<T> {
    row.try_get(index).map_err(Failure::from)
}

impl From<tokio_postgres::Error> for Failure {
    /// Codes are those of PostgreSQL's documentation, appendix A.
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return of_client(error) };
        let mut message = db.message().to_owned();
        if let Some(detail) = db.detail() {
            message.push_str(": ");
            message.push_str(detail);
        }
        if let Some(column) = db.column() {
            message.push_str(&format!(" (column {column})"));
        }
        let code = db.code().code();
        message.push_str(&format!(" (SQLSTATE {code})"));
        match code {
            // shutting down, starting, too many connections, read only after a failover
            "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25006" => Self::connection(Error::external(message)),
            _ if code.starts_with("08") => Self::connection(Error::external(message)),
            // serialization, deadlock, lock not given, cancelled or timed out
            "40001" | "40P01" | "55P03" | "57014" => Self::statement(Error::external(message)),
            _ if code.starts_with("53") => Self::statement(Error::external(message)),
            _ if code.starts_with("28") => {
                Error::user(message).hint("check 'username' and 'password', and what this user may do").into()
            }
            _ if *db.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
                Error::user(message).hint("this user needs more rights").into()
            }
            _ if code.starts_with("42") || code.starts_with("3D") => Error::user(message).into(),
            _ if code.starts_with("22") || code.starts_with("23") => Error::data(message).into(),
            _ => Error::external(message).into(),
        }
    }
}

fn of_client(error: tokio_postgres::Error) -> Failure {
    if error.is_closed() {
        return Failure::connection(Error::external("the server closed the connection"));
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            // rustls reports what it refuses as invalid data
            if matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) {
                return Error::external("no encrypted connection")
                    .caused_by(error)
                    .hint("see sslmode of the url")
                    .into();
            }
            return Failure::connection(Error::external("the connection failed").caused_by(error));
        }
        if let Some(ours) = inner.downcast_ref::<wire::Unwritable>() {
            return ours.to_error().into();
        }
        cause = inner.source();
    }
    let text = error.to_string();
    if text.contains("timed out") {
        return Failure::connection(Error::external("the connection failed").caused_by(error));
    }
    if text.contains("does not support TLS") {
        return Error::user("the server does not encrypt connections")
            .hint("write sslmode=prefer or sslmode=disable in the url")
            .into();
    }
    let hint = if text.contains("password") { "give 'username' and 'password'" } else { "see the cause" };
    Error::external("the PostgreSQL client failed").caused_by(error).hint(hint).into()
}
