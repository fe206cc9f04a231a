//! MySQL and MariaDB, by `mysql_async`.
//!
//! A dedicated connection, no pool: a pool resets connections, and would reconnect behind our back. The session is
//! strict, as Connector/J's is: a value that does not fit is an error and is never cut. Its time zone stays the
//! server's, so that a `TIMESTAMP` is written and shown as the same wall clock; only where the table has a
//! `TIMESTAMP_LTZ` it is UTC.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mysql_async::prelude::{Query, Queryable, WithParams};
use mysql_async::{BinaryProtocol, Conn, DriverError, IoError, OptsBuilder, QueryResult, Row, SslOpts, Value};
use riverrun_base::{Error, Kind};
use riverrun_data::LogicalType;

use super::{BATCH_BYTES, Changes, Client, Io, Scan};
use crate::calendar;
use crate::dialect::{ScanPlan, WriteSql, mysql};
use crate::options::TableName;
use crate::remote::{Class, RemoteColumn, RemoteTable, Target, TargetColumn, UniqueKey};
use crate::retry::{Failure, Outcome};
use crate::statement::Statement;
use crate::url::{Encryption, Server};
use crate::values::{Parameters, RowsBuilder, Scalar, parse_decimal};

/// A statement of many rows ends when it has so many bytes; longer ones are no faster, and delay others' locks.
const STATEMENT_BYTES: usize = 512 << 10;
/// Keys of one `DELETE`: the range optimizer of the server has limited memory.
const DELETE_KEYS: usize = 500;

mod xa;

pub(super) use xa::connect_for_transactions;

struct MySql {
    /// `None` once a statement was left without its answer.
    connection: Option<Conn>,
    io: Io,
    /// Bytes that one statement may have.
    largest_statement: usize,
    zero_dates_are_null: bool,
    statement: Vec<u8>,
}

pub(super) fn connect(server: &Server, utc: bool, io: &Io) -> Outcome<Box<dyn Client>> {
    Ok(Box::new(connected(server, utc, io)?))
}

fn connected(server: &Server, utc: bool, io: &Io) -> Outcome<MySql> {
    super::tls::provide();
    let mut connection = match server.encryption {
        Encryption::Preferred => match open(server, utc, io, Some(Encryption::Required)) {
            Err(failure) if has_no_tls(&failure) => open(server, utc, io, None),
            other => other,
        },
        Encryption::Never => open(server, utc, io, None),
        encryption => open(server, utc, io, Some(encryption)),
    }?;
    let packet: Option<u64> = io.answer(connection.query_first("SELECT @@max_allowed_packet"))?;
    let packet = packet.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(1 << 20);
    Ok(MySql {
        connection: Some(connection),
        io: io.clone(),
        // the command's own byte, and some room
        largest_statement: packet.saturating_sub(64),
        zero_dates_are_null: server.zero_dates_are_null,
        statement: Vec::new(),
    })
}

fn open(server: &Server, utc: bool, io: &Io, encryption: Option<Encryption>) -> Outcome<Conn> {
    let mut session = "SET SESSION autocommit = 1, net_write_timeout = 86400, \
         sql_mode = CONCAT(REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', ''), ',STRICT_TRANS_TABLES')"
        .to_owned();
    if utc {
        session.push_str(", time_zone = '+00:00'");
    }
    let mut roots = Vec::new();
    if let Some(path) = &server.root_certificates {
        let unusable =
            |error| Error::user(format!("cannot read the certificates of {}", path.display())).caused_by(error);
        roots.push(std::fs::read(path).map_err(unusable)?.into());
    }
    let options = OptsBuilder::default()
        .ip_or_hostname(&server.host)
        .tcp_port(server.port)
        // it would reconnect by the server's socket file
        .prefer_socket(false)
        .user(server.user.as_deref())
        .pass(server.password.as_ref().map(riverrun_base::Secret::expose))
        .db_name(server.database.as_deref())
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .wait_timeout(Some(28_800))
        .setup(vec![session])
        // skipping the name has no effect on a name that rustls tells more about: VERIFY_CA may be stricter than asked
        // for
        .ssl_opts(encryption.map(|encryption| {
            SslOpts::default()
                .with_disable_built_in_roots(!roots.is_empty())
                .with_root_certs(roots)
                .with_danger_accept_invalid_certs(encryption == Encryption::Required)
                .with_danger_skip_domain_validation(encryption != Encryption::VerifyHost)
        }));
    io.within(server.connect_timeout, Conn::new(options))
}

fn has_no_tls(failure: &Failure) -> bool {
    failure.error.message().contains(NO_TLS)
}

const NO_TLS: &str = "the server does not encrypt connections";

impl MySql {
    fn connection(&mut self) -> Outcome<&mut Conn> {
        self.connection.as_mut().ok_or_else(|| Failure::connection(Error::external("the connection is closed")))
    }

    fn execute(&mut self, sql: &[u8]) -> Outcome<()> {
        let io = self.io.clone();
        let result = io.answer(self.connection()?.query_drop(sql));
        self.kept(result)
    }

    /// A connection whose statement was not waited for is of no use.
    fn kept<T>(&mut self, result: Outcome<T>) -> Outcome<T> {
        let lost =
            |failure: &Failure| failure.kind == crate::retry::FailureKind::Connection || failure.error.is_canceled();
        if result.as_ref().is_err_and(lost) {
            self.connection = None;
        }
        result
    }

    fn rows(&mut self, sql: &str, parameters: Vec<Value>) -> Outcome<Vec<Row>> {
        let io = self.io.clone();
        let result = io.answer(self.connection()?.exec::<Row, _, _>(sql, parameters));
        self.kept(result)
    }

    fn write_all(&mut self, statements: &mut impl Texts) -> Outcome<()> {
        let mut text = std::mem::take(&mut self.statement);
        let mut result = Ok(());
        let mut in_transaction = false;
        while result.is_ok() && !statements.is_done() {
            text.clear();
            result = statements.next(&mut text).map_err(Failure::from);
            if result.is_ok() && !in_transaction && !statements.is_done() {
                // one statement is a transaction by itself
                result = self.execute(b"BEGIN");
                in_transaction = true;
            }
            if result.is_ok() {
                result = self.execute(&text);
            }
        }
        self.statement = text;
        if in_transaction {
            result = match result {
                Ok(()) => self.execute(b"COMMIT"),
                Err(failure) => {
                    if self.connection.is_some() {
                        // a lock that was not given undoes the statement only; where this fails too, the connection
                        // goes
                        if self.execute(b"ROLLBACK").is_err() {
                            self.connection = None;
                        }
                    }
                    Err(failure)
                }
            };
        }
        result
    }
}

impl MySql {
    /// Writes all in the open transaction.
    fn write_open(&mut self, statements: &mut impl Texts) -> Outcome<()> {
        let mut text = std::mem::take(&mut self.statement);
        let mut result = Ok(());
        while result.is_ok() && !statements.is_done() {
            text.clear();
            result = statements.next(&mut text).map_err(Failure::from).and_then(|()| self.execute(&text));
        }
        self.statement = text;
        result
    }
}

impl Client for MySql {
    fn describe(&mut self, name: &TableName) -> Outcome<Option<RemoteTable>> {
        let parameters = || vec![name.schema.clone().into(), Value::from(name.table.as_str())];
        let columns = self.rows(
            "SELECT table_schema, table_name, column_name, column_type, is_nullable, column_default IS NULL, extra \
             FROM information_schema.columns WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? \
             ORDER BY ordinal_position",
            parameters(),
        )?;
        let mut table = RemoteTable { schema: None, ..RemoteTable::default() };
        for row in columns {
            let (schema, name, column, type_name) = (text(&row, 0), text(&row, 1), text(&row, 2), text(&row, 3));
            let (nullable, no_default, extra) =
                (text(&row, 4) == "YES", text(&row, 5) == "1", text(&row, 6).to_lowercase());
            let generated = extra.contains("virtual") || extra.contains("stored") || extra.contains("persistent");
            (table.schema, table.name) = (Some(schema), name);
            table.columns.push(RemoteColumn {
                class: mysql::class_of(&type_name),
                required: !nullable && no_default && !generated && !extra.contains("auto_increment"),
                generated,
                name: column,
                type_name,
            });
        }
        if table.columns.is_empty() {
            return Ok(None);
        }
        let indices = self.rows(
            "SELECT index_name, column_name, sub_part FROM information_schema.statistics \
             WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND non_unique = 0 \
             ORDER BY index_name, seq_in_index",
            parameters(),
        )?;
        let mut last = None;
        for row in indices {
            let index = text(&row, 0);
            if last.as_ref() != Some(&index) {
                table.unique_keys.push(UniqueKey { columns: Vec::new(), primary: index == "PRIMARY" });
                last = Some(index);
            }
            if let Some(key) = table.unique_keys.last_mut() {
                // an expression has no name, and a part of a column is not the column: neither is equal to a column of
                // ours
                let whole = matches!(row.as_ref(2), Some(Value::NULL));
                key.columns.push(if whole { text(&row, 1) } else { String::new() });
            }
        }
        Ok(Some(table))
    }

    fn table_names(&mut self, name: &TableName) -> Outcome<Vec<String>> {
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) \
             ORDER BY table_name LIMIT 10000";
        let rows = self.rows(sql, vec![name.schema.clone().into()])?;
        Ok(rows.iter().map(|row| text(row, 0)).collect())
    }

    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        let largest = self.largest_statement;
        self.write_all(&mut Statements { target, sql, changes, deletes: 0, upserts: 0, largest })
    }

    fn check_statement(&mut self, statement: &Statement) -> Outcome<()> {
        let io = self.io.clone();
        let connection = self.connection()?;
        let result = io.answer(async {
            let prepared = connection.prep(statement.text.as_str()).await?;
            let found = usize::from(prepared.num_params());
            connection.close(prepared).await?;
            Ok::<usize, mysql_async::Error>(found)
        });
        let found = self.kept(result)?;
        Ok(statement.check(found)?)
    }

    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()> {
        let largest = self.largest_statement;
        self.write_all(&mut Executions { statement, parameters, row: 0, largest })
    }

    fn scan(mut self: Box<Self>, plan: ScanPlan) -> Outcome<Box<dyn Scan>> {
        let sql = mysql::select(&plan);
        let io = self.io.clone();
        let connection =
            self.connection.take().ok_or_else(|| Failure::connection(Error::external("the connection is closed")))?;
        let state = State::Starting(Box::pin(async move { sql.with(()).run(connection).await }));
        Ok(Box::new(MySqlScan {
            state,
            io,
            columns: plan.target.columns,
            zero_dates_are_null: self.zero_dates_are_null,
        }))
    }
}

impl Drop for MySql {
    fn drop(&mut self) {
        // in the runtime's context the connection takes its leave of the server in the background
        let _context = self.io.handle.enter();
        self.connection = None;
    }
}

/// The statements of one write: deletes, then upserts.
struct Statements<'a> {
    target: &'a Target,
    sql: &'a WriteSql,
    changes: &'a Changes<'a>,
    deletes: usize,
    upserts: usize,
    /// Bytes that a statement may have.
    largest: usize,
}

/// Statements as texts, one after the other.
trait Texts {
    fn is_done(&self) -> bool;

    /// Appends the next statement.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<(), Error>;
}

impl Texts for Statements<'_> {
    fn is_done(&self) -> bool {
        self.deletes == self.changes.deletes.len() && self.upserts == self.changes.upserts.len()
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.deletes < self.changes.deletes.len() { self.next_delete(out) } else { self.next_insert(out) }
    }
}

/// A program's statement for each row of parameters: many rows in one where it is an insert of one row.
struct Executions<'a> {
    statement: &'a Statement,
    parameters: &'a Parameters,
    row: usize,
    largest: usize,
}

impl Executions<'_> {
    fn row(&self, pieces: &[String], out: &mut Vec<u8>) -> Result<(), Error> {
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                let value = self.parameters.scalar(self.row, index - 1);
                let precise =
                    if matches!(value, Scalar::Time(_)) { LogicalType::Time(6) } else { LogicalType::Timestamp(6) };
                mysql::write_literal(out, value, &precise).map_err(|error| error.with("parameter", index))?;
            }
            out.extend_from_slice(piece.as_bytes());
        }
        Ok(())
    }
}

impl Texts for Executions<'_> {
    fn is_done(&self) -> bool {
        self.row == self.parameters.rows()
    }

    fn next(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(rows) = &self.statement.rows else {
            self.row(&self.statement.pieces, out)?;
            self.row += 1;
            return Ok(());
        };
        out.extend_from_slice(rows.head.as_bytes());
        let (head, room) = (out.len(), self.largest.saturating_sub(rows.tail.len()));
        while self.row < self.parameters.rows() {
            let before = out.len();
            if before > head {
                out.push(b',');
            }
            self.row(&rows.row, out)?;
            if out.len() > room {
                if before == head {
                    return Err(too_large(out.len(), self.largest));
                }
                out.truncate(before);
                break;
            }
            self.row += 1;
            if out.len() > STATEMENT_BYTES {
                break;
            }
        }
        out.extend_from_slice(rows.tail.as_bytes());
        Ok(())
    }
}

impl Statements<'_> {
    fn next_insert(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let room = self.largest.saturating_sub(self.sql.insert_tail.len());
        out.extend_from_slice(self.sql.insert.as_bytes());
        let head = out.len();
        while let Some(row) = self.changes.upserts.get(self.upserts) {
            let before = out.len();
            out.extend_from_slice(if before == head { b"(" } else { b",(" });
            for (index, column) in self.changes.columns.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                self.value(out, index, column.scalar(*row as usize))?;
            }
            out.push(b')');
            if out.len() > room {
                if before == head {
                    return Err(too_large(out.len(), self.largest));
                }
                out.truncate(before);
                break;
            }
            self.upserts += 1;
            if out.len() > STATEMENT_BYTES {
                break;
            }
        }
        out.extend_from_slice(self.sql.insert_tail.as_bytes());
        Ok(())
    }

    fn next_delete(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(self.sql.delete.as_bytes());
        let (head, single) = (out.len(), self.target.key.len() == 1);
        let mut keys = 0;
        while let Some(row) = self.changes.deletes.get(self.deletes) {
            let before = out.len();
            for (place, index) in self.target.key.iter().enumerate() {
                let name = self.target.columns[*index].quoted.as_bytes();
                match (place, before == head) {
                    (0, true) if single => {
                        out.extend_from_slice(name);
                        out.extend_from_slice(b" IN (");
                    }
                    (0, false) if single => out.push(b','),
                    (0, first) => out.extend_from_slice(if first { b"(" } else { b" OR (" }),
                    _ => out.extend_from_slice(b" AND "),
                }
                if !single {
                    out.extend_from_slice(name);
                    out.push(b'=');
                }
                self.value(out, *index, self.changes.columns[*index].scalar(*row as usize))?;
            }
            if !single {
                out.push(b')');
            }
            if out.len() + 1 > self.largest {
                if before == head {
                    return Err(too_large(out.len(), self.largest));
                }
                out.truncate(before);
                break;
            }
            self.deletes += 1;
            keys += 1;
            if keys == DELETE_KEYS || out.len() > STATEMENT_BYTES {
                break;
            }
        }
        if single {
            out.push(b')');
        }
        Ok(())
    }

    fn value(&self, out: &mut Vec<u8>, index: usize, value: Scalar<'_>) -> Result<(), Error> {
        let column = &self.target.columns[index];
        mysql::write_literal(out, value, &column.logical).map_err(|error| error.with("column", &column.quoted))
    }
}

fn too_large(bytes: usize, largest: usize) -> Error {
    Error::data(format!("a row makes a statement of {bytes} bytes, the server takes {largest}"))
        .hint("raise max_allowed_packet of the server")
}

struct MySqlScan {
    state: State,
    io: Io,
    columns: Vec<TargetColumn>,
    zero_dates_are_null: bool,
}

/// Both are dropped outside the runtime's context: the connection then closes at once, where it otherwise would first
/// read what is left.
enum State {
    Starting(Starting),
    Rows(QueryResult<'static, 'static, BinaryProtocol>),
    Ended,
}

type Starting =
    Pin<Box<dyn Future<Output = mysql_async::Result<QueryResult<'static, 'static, BinaryProtocol>>> + Send>>;

impl Scan for MySqlScan {
    fn fetch(&mut self, wait: Duration, most: usize, rows: &mut RowsBuilder) -> Outcome<bool> {
        if let State::Starting(starting) = &mut self.state {
            match self.io.poll(wait, starting)? {
                None => return Ok(false),
                Some(started) => self.state = State::Rows(started?),
            }
        }
        let State::Rows(result) = &mut self.state else { return Ok(true) };
        let (columns, zero_dates_are_null) = (&self.columns, self.zero_dates_are_null);
        let filled = self.io.poll(wait, async {
            while rows.rows() < most && rows.bytes() < BATCH_BYTES {
                let Some(row) = result.next().await? else { return Ok(true) };
                append(&row, columns, zero_dates_are_null, rows)?;
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

fn append(row: &Row, columns: &[TargetColumn], zero_dates_are_null: bool, rows: &mut RowsBuilder) -> Result<(), Error> {
    for (index, column) in columns.iter().enumerate() {
        let value = scalar(row.as_ref(index).unwrap_or(&Value::NULL), column, zero_dates_are_null);
        rows.push(index, value.map_err(|error| error.with("column", &column.quoted))?)?;
    }
    rows.end_row();
    Ok(())
}

/// A value of the binary protocol.
fn scalar<'a>(value: &'a Value, column: &TargetColumn, zero_dates_are_null: bool) -> Result<Scalar<'a>, Error> {
    let logical = &column.logical;
    Ok(match value {
        Value::NULL => Scalar::Null,
        Value::Int(value) => Scalar::Int(*value),
        Value::UInt(value) => Scalar::Unsigned(*value),
        Value::Float(value) => Scalar::Float(*value),
        Value::Double(value) => Scalar::Double(*value),
        Value::Bytes(bytes) if column.class == Class::Bits => {
            Scalar::Unsigned(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        }
        Value::Bytes(bytes) if logical.is_binary() => Scalar::Bytes(bytes),
        Value::Bytes(bytes) if logical.is_character() => Scalar::Text(utf8(bytes)?),
        // DECIMAL comes as text
        Value::Bytes(bytes) => decimal(utf8(bytes)?)?,
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let Some(days) = calendar::days_of(i64::from(*year), u32::from(*month), u32::from(*day)) else {
                if zero_dates_are_null {
                    return Ok(Scalar::Null);
                }
                return Err(Error::data(format!("{year:04}-{month:02}-{day:02} is no date"))
                    .hint("add zeroDateTimeBehavior=CONVERT_TO_NULL to the url to read such values as NULL"));
            };
            let seconds = i64::from(*hour) * 3600 + i64::from(*minute) * 60 + i64::from(*second);
            match logical {
                LogicalType::Date => Scalar::Date(i64::from(days)),
                _ => Scalar::Timestamp(i64::from(days) * calendar::SECONDS_PER_DAY + seconds, micros * 1_000),
            }
        }
        Value::Time(negative, days, hour, minute, second, micros) => {
            if *negative || *days > 0 {
                let sign = if *negative { "-" } else { "" };
                let hours = days * 24 + u32::from(*hour);
                return Err(Error::data(format!("{sign}{hours}:{minute:02}:{second:02} is no time of a day"))
                    .hint("read it as STRING"));
            }
            let seconds = i64::from(*hour) * 3600 + i64::from(*minute) * 60 + i64::from(*second);
            Scalar::Time(seconds * calendar::NANOS_PER_SECOND + i64::from(*micros) * 1_000)
        }
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes)
        .map_err(|_| Error::data("a string of the database is not UTF-8").hint("read the column as BYTES"))
}

fn decimal<'a>(text: &str) -> Result<Scalar<'a>, Error> {
    let (unscaled, scale) =
        parse_decimal(text).ok_or_else(|| Error::data(format!("{text} has more than 38 digits")))?;
    Ok(Scalar::Decimal(unscaled, scale))
}

/// A value of a catalog's row as text.
fn text(row: &Row, index: usize) -> String {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::Int(value)) => value.to_string(),
        Some(Value::UInt(value)) => value.to_string(),
        _ => String::new(),
    }
}

impl From<mysql_async::Error> for Failure {
    /// Codes are those of the servers' error references.
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(server) => {
                let message = format!("{} (error {}, SQLSTATE {})", server.message, server.code, server.state);
                match server.code {
                    // too many connections, shutting down, network, killed, read only after a failover, cluster not
                    // ready
                    1040 | 1047 | 1053 | 1152 | 1158..=1161 | 1184 | 1203 | 1290 | 1836 | 1927 | 2006 | 2013 | 4031 => {
                        Self::connection(Error::external(message))
                    }
                    // record changed, commit failed, lock wait, deadlock, interrupted, definition changed, to be
                    // prepared again
                    1020 | 1180 | 1205 | 1213 | 1317 | 1412 | 1615 => Self::statement(Error::external(message)),
                    1044 | 1045 | 1698 => {
                        Error::user(message).hint("check 'username' and 'password', and what this user may do").into()
                    }
                    1142 | 1143 | 1227 => Error::user(message).hint("this user needs more rights").into(),
                    1049 | 1054 | 1146 => Error::user(message).into(),
                    1364 | 1366 => Error::data(message).into(),
                    _ if server.state.starts_with("22") || server.state.starts_with("23") => {
                        Error::data(message).into()
                    }
                    _ => Error::external(message).into(),
                }
            }
            // rustls reports what it refuses as invalid data
            mysql_async::Error::Io(IoError::Io(io)) if io.kind() == std::io::ErrorKind::InvalidData => {
                no_encryption(io)
            }
            mysql_async::Error::Io(error @ IoError::Tls(_)) => no_encryption(error),
            mysql_async::Error::Io(IoError::Io(io)) => {
                Self::connection(Error::external("the connection failed").caused_by(io))
            }
            mysql_async::Error::Driver(DriverError::ConnectionClosed) => {
                Self::connection(Error::external("the server closed the connection"))
            }
            mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
                Error::new(Kind::User, NO_TLS).hint("write sslMode=PREFERRED or useSSL=false in the url").into()
            }
            other => Error::external("the MySQL client failed").caused_by(other).into(),
        }
    }
}

fn no_encryption(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Error::external("no encrypted connection").caused_by(error).hint("see useSSL and sslMode of the url").into()
}
