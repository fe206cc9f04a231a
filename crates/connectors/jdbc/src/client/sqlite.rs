//! SQLite, by `rusqlite`.
//!
//! Calls block the task's thread and touch the disk only. A database that another connection has locked is waited for
//! within `busy_timeout`, and then counts as a database that is away.

use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::Cancellation;
use riverrun_data::LogicalType;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ToSql};

use super::{BATCH_BYTES, Changes, Client, Io, Scan};
use crate::calendar;
use crate::dialect::{self, ScanPlan, WriteSql, sqlite};
use crate::options::{Table, TableName};
use crate::remote::{RemoteColumn, RemoteTable, Target, UniqueKey};
use crate::retry::{Failure, Outcome};
use crate::statement::Statement as UserStatement;
use crate::url::File;
use crate::values::{Parameters, RowsBuilder, Scalar, parse_decimal, write_decimal};

mod commits;

pub(crate) use commits::{Content, Delivered, Delivery};

pub(crate) struct Sqlite {
    connection: Connection,
}

pub(super) fn connect(file: &File, table: &Table, io: &Io) -> Outcome<Sqlite> {
    if !file.create && !file.path.exists() {
        let hint = "make it first, or add ?create=true to the url: then file and table are made where they are missing";
        return Err(Error::user(format!("there is no file {}", file.path.display())).hint(hint).into());
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if file.create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(&file.path, flags)?;
    wait_when_busy(&mut connection, file.busy_timeout, io.cancellation.clone())?;
    for (name, value) in &file.pragmas {
        connection.pragma_update(None, name, value)?;
    }
    if file.create && !table.by_statement {
        connection.execute_batch(&dialect::create_table(table).replacen(
            "CREATE TABLE",
            "CREATE TABLE IF NOT EXISTS",
            1,
        ))?;
    }
    Ok(Sqlite { connection })
}

/// Waits for a lock for at most `limit`, or until the job stops.
fn wait_when_busy(connection: &mut Connection, limit: Duration, cancellation: Cancellation) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |attempt: i32| {
        if attempt == 0 {
            since = Instant::now();
        }
        since.elapsed() < limit && cancellation.sleep(Duration::from_millis(if attempt < 10 { 2 } else { 20 })).is_ok()
    }))
}

impl Sqlite {
    #[cfg(test)]
    pub(crate) fn of(connection: Connection) -> Self {
        Self { connection }
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Commits what `work` does, or undoes it.
    fn in_transaction<T>(&self, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        // takes the lock at once: a lock that is asked for in the middle may never be given
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let result = work().and_then(|value| {
            self.connection.execute_batch("COMMIT")?;
            Ok(value)
        });
        if result.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        result
    }

    fn write_all(&self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        let mut text = Vec::new();
        if !changes.deletes.is_empty() {
            let mut delete = self.connection.prepare_cached(&sql.delete)?;
            for row in changes.deletes {
                for (place, index) in target.key.iter().enumerate() {
                    bind(&mut delete, place, changes.columns[*index].scalar(*row as usize), target, *index, &mut text)?;
                }
                delete.raw_execute()?;
            }
        }
        if !changes.upserts.is_empty() {
            let mut insert = self.connection.prepare_cached(&sql.insert)?;
            for row in changes.upserts {
                for (index, column) in changes.columns.iter().enumerate() {
                    bind(&mut insert, index, column.scalar(*row as usize), target, index, &mut text)?;
                }
                insert.raw_execute()?;
            }
        }
        Ok(())
    }
}

impl Sqlite {
    /// Executes a statement for each row of parameters.
    fn execute_all(&self, statement: &UserStatement, parameters: &Parameters) -> Outcome<()> {
        let mut text = Vec::new();
        let mut prepared = self.connection.prepare_cached(&statement.text)?;
        for row in 0..parameters.rows() {
            for index in 0..parameters.width() {
                text.clear();
                let value = parameters.scalar(row, index);
                let precise =
                    if matches!(value, Scalar::Time(_)) { LogicalType::Time(6) } else { LogicalType::Timestamp(6) };
                let value = stored(value, &precise, &mut text).map_err(|error| error.with("parameter", index + 1))?;
                prepared.raw_bind_parameter(index + 1, Bound(value))?;
            }
            prepared.raw_execute()?;
        }
        Ok(())
    }
}

fn bind(
    statement: &mut Statement<'_>,
    place: usize,
    value: Scalar<'_>,
    target: &Target,
    index: usize,
    text: &mut Vec<u8>,
) -> Outcome<()> {
    let column = &target.columns[index];
    text.clear();
    let value = stored(value, &column.logical, text).map_err(|error| error.with("column", &column.quoted))?;
    Ok(statement.raw_bind_parameter(place + 1, Bound(value))?)
}

struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// A value as SQLite stores it; `text` is room for what is stored as text.
fn stored<'a>(value: Scalar<'a>, logical: &LogicalType, text: &'a mut Vec<u8>) -> Result<ValueRef<'a>> {
    let in_range = |written: bool| {
        if written { Ok(()) } else { Err(Error::data("SQLite's dates have the years 0 to 9999")) }
    };
    Ok(match value {
        Scalar::Null => ValueRef::Null,
        Scalar::Boolean(value) => ValueRef::Integer(i64::from(value)),
        Scalar::Int(value) => ValueRef::Integer(value),
        Scalar::Unsigned(value) => {
            ValueRef::Integer(i64::try_from(value).map_err(|_| Error::data(format!("{value} is out of range")))?)
        }
        Scalar::Float(value) => real(f64::from(value))?,
        Scalar::Double(value) => real(value)?,
        Scalar::Decimal(value, scale) => {
            write_decimal(text, value, scale);
            ValueRef::Text(text)
        }
        Scalar::Text(value) => ValueRef::Text(value.as_bytes()),
        Scalar::Bytes(value) => ValueRef::Blob(value),
        Scalar::Date(days) => {
            in_range(calendar::write_date(text, days))?;
            ValueRef::Text(text)
        }
        Scalar::Time(nanos) => {
            calendar::write_time(text, nanos, fraction(logical));
            ValueRef::Text(text)
        }
        Scalar::Timestamp(seconds, nanos) => {
            in_range(calendar::write_timestamp(text, seconds, nanos, fraction(logical)))?;
            if matches!(logical, LogicalType::TimestampLtz(_)) {
                text.push(b'Z');
            }
            ValueRef::Text(text)
        }
        Scalar::List(..) => return Err(Error::internal("an array reached SQLite")),
    })
}

fn real<'a>(value: f64) -> Result<ValueRef<'a>> {
    if value.is_nan() {
        // it would become NULL
        return Err(Error::data("SQLite has no NaN").hint("replace such values, for example by NULL, before the sink"));
    }
    Ok(ValueRef::Real(value))
}

fn fraction(logical: &LogicalType) -> u8 {
    match logical {
        LogicalType::Time(precision) | LogicalType::Timestamp(precision) | LogicalType::TimestampLtz(precision) => {
            *precision
        }
        _ => 0,
    }
}

impl Client for Sqlite {
    fn describe(&mut self, name: &TableName) -> Outcome<Option<RemoteTable>> {
        let schema = name.schema.as_deref();
        let mut table = RemoteTable { schema: name.schema.clone(), ..RemoteTable::default() };
        let mut list = self.connection.prepare(
            "SELECT name, type = 'table' AND NOT wr FROM pragma_table_list \
             WHERE name = ?1 COLLATE NOCASE AND schema = COALESCE(?2, schema)",
        )?;
        let mut rows = list.query((&name.table, schema))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        (table.name, table.has_row_id) = (row.get(0)?, row.get(1)?);
        let mut columns = self.connection.prepare(
            "SELECT name, type, \"notnull\", dflt_value IS NULL, pk, hidden FROM pragma_table_xinfo(?1, ?2) \
             WHERE hidden <> 1 ORDER BY cid",
        )?;
        let mut rows = columns.query((&table.name, schema))?;
        let mut primary: Vec<(i64, String)> = Vec::new();
        while let Some(row) = rows.next()? {
            let (column, type_name): (String, String) = (row.get(0)?, row.get(1)?);
            let (not_null, no_default, key, hidden): (bool, bool, i64, i64) =
                (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
            if key > 0 {
                primary.push((key, column.clone()));
            }
            // the key of one INTEGER column is the row id, which SQLite gives
            let is_row_id = key > 0 && type_name.eq_ignore_ascii_case("INTEGER");
            if column.eq_ignore_ascii_case("_rowid_") {
                table.has_row_id = false;
            }
            table.columns.push(RemoteColumn {
                class: sqlite::class_of(&type_name),
                required: not_null && no_default && !is_row_id && hidden == 0,
                generated: hidden > 0,
                type_name: if type_name.is_empty() { "without a type".to_owned() } else { type_name },
                name: column,
            });
        }
        if !primary.is_empty() {
            primary.sort();
            table
                .unique_keys
                .push(UniqueKey { columns: primary.into_iter().map(|(_, name)| name).collect(), primary: true });
        }
        let mut indices = self.connection.prepare(
            "SELECT l.name, i.name FROM pragma_index_list(?1, ?2) AS l, pragma_index_info(l.name, ?2) AS i \
             WHERE l.\"unique\" AND NOT l.partial AND l.origin <> 'pk' ORDER BY l.seq, i.seqno",
        )?;
        let mut rows = indices.query((&table.name, schema))?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let (index, column): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            if last.as_ref() != Some(&index) {
                table.unique_keys.push(UniqueKey { columns: Vec::new(), primary: false });
                last = Some(index);
            }
            if let Some(key) = table.unique_keys.last_mut() {
                // an expression has no name, and is equal to no column of ours
                key.columns.push(column.unwrap_or_default());
            }
        }
        Ok(Some(table))
    }

    fn table_names(&mut self, name: &TableName) -> Outcome<Vec<String>> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM pragma_table_list \
             WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND schema = COALESCE(?1, schema) ORDER BY name",
        )?;
        let names =
            statement.query_map([name.schema.as_deref()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(names)
    }

    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        self.in_transaction(|| self.write_all(target, sql, changes))
    }

    fn check_statement(&mut self, statement: &UserStatement) -> Outcome<()> {
        let found = self.connection.prepare(&statement.text)?.parameter_count();
        Ok(statement.check(found)?)
    }

    fn execute(&mut self, statement: &UserStatement, parameters: &Parameters) -> Outcome<()> {
        self.in_transaction(|| self.execute_all(statement, parameters))
    }

    fn scan(self: Box<Self>, plan: ScanPlan) -> Outcome<Box<dyn Scan>> {
        Ok(Box::new(SqliteScan { connection: self.connection, after: plan.after_row_id, plan, ended: false }))
    }
}

/// A scan in parts: between two of them no lock is held, so that a job may read from and write to the same file.
pub(crate) struct SqliteScan {
    connection: Connection,
    plan: ScanPlan,
    after: Option<i64>,
    ended: bool,
}

impl SqliteScan {
    /// Goes on behind the row with this id.
    fn part(&mut self, most: usize, rows: &mut RowsBuilder) -> Outcome<bool> {
        let limit = most.saturating_sub(rows.rows());
        let sql = sqlite::select(&self.plan, self.after, limit);
        let mut statement = self.connection.prepare(&sql)?;
        let mut results = statement.query([])?;
        let mut count = 0;
        while let Some(row) = results.next()? {
            for (index, column) in self.plan.target.columns.iter().enumerate() {
                let value = scalar(row.get_ref(index)?, &column.logical);
                rows.push(index, value.map_err(|error| error.with("column", &column.quoted))?)?;
            }
            rows.end_row();
            count += 1;
            if self.plan.by_row_id {
                self.after = Some(row.get(self.plan.target.columns.len())?);
            } else {
                self.plan.offset += 1;
            }
            if rows.bytes() >= BATCH_BYTES {
                return Ok(false);
            }
        }
        Ok(count < limit)
    }
}

impl Scan for SqliteScan {
    fn fetch(&mut self, _: Duration, most: usize, rows: &mut RowsBuilder) -> Outcome<bool> {
        if !self.ended {
            self.ended = self.part(most, rows)?;
        }
        Ok(self.ended)
    }

    fn row_id(&self) -> Option<i64> {
        self.after
    }
}

/// A value of SQLite as the script's type has it.
fn scalar<'a>(value: ValueRef<'a>, logical: &LogicalType) -> Result<Scalar<'a>> {
    use LogicalType as L;
    let utf8 = |bytes: &'a [u8]| {
        std::str::from_utf8(bytes)
            .map_err(|_| Error::data("a string of the database is not UTF-8").hint("read the column as BYTES"))
    };
    let bad = |shown: &str| Error::data(format!("'{}' is no {logical}", shown.chars().take(60).collect::<String>()));
    Ok(match (value, logical) {
        (ValueRef::Null, _) => Scalar::Null,
        (ValueRef::Integer(value), _) => Scalar::Int(value),
        (ValueRef::Real(value), L::Decimal(..)) => {
            // a numeric column turns decimals into doubles; their shortest form is what was written, up to 15 digits
            let shown = format!("{value:e}");
            let (unscaled, scale) = parse_decimal(&shown).ok_or_else(|| bad(&shown))?;
            Scalar::Decimal(unscaled, scale)
        }
        (ValueRef::Real(value), L::Float | L::Double) => Scalar::Double(value),
        (ValueRef::Real(value), _) => return Err(bad(&value.to_string())),
        (ValueRef::Blob(bytes), _) => Scalar::Bytes(bytes),
        (ValueRef::Text(bytes), L::Char(_) | L::VarChar(_)) => Scalar::Text(utf8(bytes)?),
        (ValueRef::Text(bytes), L::Binary(_) | L::VarBinary(_)) => Scalar::Bytes(bytes),
        (ValueRef::Text(bytes), L::Date) => {
            let shown = utf8(bytes)?;
            Scalar::Date(i64::from(calendar::parse_date(shown).ok_or_else(|| bad(shown))?))
        }
        (ValueRef::Text(bytes), L::Time(_)) => {
            let shown = utf8(bytes)?;
            Scalar::Time(calendar::parse_time(shown).ok_or_else(|| bad(shown))?)
        }
        (ValueRef::Text(bytes), L::Timestamp(_) | L::TimestampLtz(_)) => {
            let shown = utf8(bytes)?;
            let (seconds, nanos) = calendar::parse_timestamp(shown).ok_or_else(|| bad(shown))?;
            Scalar::Timestamp(seconds, nanos)
        }
        (ValueRef::Text(bytes), _) => {
            let shown = utf8(bytes)?;
            let (unscaled, scale) = parse_decimal(shown).ok_or_else(|| bad(shown))?;
            Scalar::Decimal(unscaled, scale)
        }
    })
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error_code();
        let message = match error.sqlite_extended_error_code() {
            Some(extended) => format!("{error} (SQLite result code {extended})"),
            None => error.to_string(),
        };
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::connection(Error::external(message))
            }
            Some(ErrorCode::SchemaChanged | ErrorCode::OutOfMemory | ErrorCode::DiskFull) => {
                Self::statement(Error::external(message))
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Error::data(message).into()
            }
            Some(
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::NotADatabase,
            ) => Error::user(message).into(),
            _ => Error::external(message).into(),
        }
    }
}
