//! Two-phase commit by XA.
//!
//! A connection prepares one transaction and is then closed: MariaDB lets another connection commit it only when the
//! one that prepared it is gone, and until then says "unknown transaction" (1397) as for one that does not exist. A
//! prepared transaction is not given to `COM_RESET_CONNECTION` or `COM_CHANGE_USER`, after which its commit would
//! answer OK and publish nothing: pools reset, and there is none here.
//!
//! Each transaction holds a named lock of the server (`GET_LOCK`) while its connection lives. So a connection that was
//! lost here, and that the server has not given up, is found and ended, and never another one: connection numbers come
//! again after a restart.

use std::time::{Duration, Instant};

use mysql_async::Value;
use mysql_async::prelude::Queryable;
use riverrun_base::Error;

use super::{MySql, connected, text};
use crate::client::{Changes, Client, Io, Standing, TransactionClient};
use crate::dialect::{self, WriteSql};
use crate::exactly_once::{Branch, IDLE_LIMIT, Owner, Prepared};
use crate::remote::Target;
use crate::retry::{Failure, Outcome};
use crate::statement::Statement;
use crate::url::{Server, System};
use crate::values::Parameters;

/// "RRXA": tells our transactions from those of other programs.
const FORMAT: u32 = 0x5252_5841;
/// How long a connection that was ended may take to let its transaction go.
const LETTING_GO: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);
const COMMITS: &str = "riverrun_commits";

/// A connection for XA.
struct Xa {
    mysql: MySql,
    version: String,
    /// The table of commits, quoted, beside the table that is written.
    commits: String,
    /// The open transaction.
    open: Option<String>,
}

/// What the server says to a command about a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Done,
    /// 1397: there is none, or it is another connection's.
    Unknown,
}

pub(in crate::client) fn connect_for_transactions(
    server: &Server,
    database: Option<&str>,
    utc: bool,
    lock_wait: u64,
    io: &Io,
) -> Outcome<Box<dyn TransactionClient>> {
    let mut mysql = connected(server, utc, io)?;
    let settings = mysql.rows("SELECT VERSION(), @@log_bin AND @@binlog_format = 'STATEMENT'", Vec::new())?;
    let (version, by_statement) = settings.first().map(|row| (text(row, 0), text(row, 1))).unwrap_or_default();
    let mut session = format!("SET SESSION innodb_lock_wait_timeout = {lock_wait}");
    if is_mariadb(&version) {
        session.push_str(", idle_transaction_timeout = 0");
    }
    mysql.execute(session.as_bytes())?;
    if by_statement != "1" {
        // no gap between keys is locked; a log of statements cannot have it
        mysql.execute(b"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
    }
    let place = database.map(|database| format!("{}.", dialect::quote(System::MySql, database)));
    Ok(Box::new(Xa { mysql, version, commits: format!("{}{COMMITS}", place.unwrap_or_default()), open: None }))
}

fn is_mariadb(version: &str) -> bool {
    version.contains("MariaDB")
}

/// Whether prepared transactions outlive their connection: MariaDB 10.5.2, MySQL 5.7.7.
fn keeps_prepared(version: &str) -> bool {
    let number = version.strip_prefix("5.5.5-").unwrap_or(version).split('-').next().unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let number = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    number >= if is_mariadb(version) { (10, 5, 2) } else { (5, 7, 7) }
}

fn xid(owner: &Owner, branch: &Branch) -> String {
    format!("'{owner}','{branch}',{FORMAT}")
}

fn lock(branch: &Branch) -> String {
    format!("riverrun-{}", branch.number)
}

impl Xa {
    fn run(&mut self, sql: &str) -> Outcome<()> {
        self.mysql.execute(sql.as_bytes())
    }

    fn command(&mut self, command: &str, owner: &Owner, branch: &Branch) -> Outcome<Answer> {
        let sql = format!("XA {command} {}", xid(owner, branch));
        let io = self.mysql.io.clone();
        let connection = self.mysql.connection()?;
        let result = io.answer(async {
            match connection.query_drop(sql).await {
                Ok(()) => Ok(Answer::Done),
                Err(mysql_async::Error::Server(error)) if error.code == 1397 => Ok(Answer::Unknown),
                // the server has rolled it back, and waits for us to say so too
                Err(mysql_async::Error::Server(error)) if matches!(error.code, 1402 | 1613 | 1614) => Ok(Answer::Done),
                Err(error) => Err(Failure::from(error)),
            }
        });
        self.mysql.kept(result)
    }

    /// Commits or rolls back; one that another connection still holds is freed first.
    fn end(&mut self, command: &str, owner: &Owner, branch: &Branch) -> Outcome<()> {
        let since = Instant::now();
        loop {
            if self.command(command, owner, branch)? == Answer::Done || !self.prepared(owner)?.contains(branch) {
                return Ok(());
            }
            // a connection that was closed in order is gone within milliseconds
            if since.elapsed() > Duration::from_secs(1) {
                self.end_holder(branch)?;
            }
            if since.elapsed() > LETTING_GO {
                return Err(Failure::statement(
                    Error::external(format!("a connection does not let transaction {owner}-{branch} go"))
                        .hint("end it in the database: see SHOW PROCESSLIST"),
                ));
            }
            self.mysql.io.cancellation.sleep(PAUSE)?;
        }
    }

    /// Ends the connection that holds a transaction's lock; false where there is none.
    fn end_holder(&mut self, branch: &Branch) -> Outcome<bool> {
        let rows = self.mysql.rows("SELECT IS_USED_LOCK(?)", vec![lock(branch).into()])?;
        let holder = rows.first().map(|row| text(row, 0)).filter(|id| !id.is_empty());
        let Some(holder) = holder else { return Ok(false) };
        let io = self.mysql.io.clone();
        let connection = self.mysql.connection()?;
        let result = io.answer(async {
            match connection.query_drop(format!("KILL CONNECTION {holder}")).await {
                // it went by itself
                Err(mysql_async::Error::Server(error)) if error.code == 1094 => Ok(()),
                other => other.map_err(Failure::from),
            }
        });
        self.mysql.kept(result).map(|()| true)
    }

    fn check_server(&mut self) -> Outcome<()> {
        if !keeps_prepared(&self.version) {
            return Err(Error::user(format!(
                "'sink.delivery-guarantee' = 'exactly-once' needs MySQL 5.7.7 or MariaDB 10.5.2, this is {}",
                self.version
            ))
            .hint("an older server forgets prepared transactions; use 'at-least-once' with a primary key")
            .into());
        }
        let owner = Owner { job: "probe".to_owned(), operator: fastrand::u64(..).to_string() };
        let branch = Branch { attempt: 0, subtask: 0, number: 0 };
        for command in ["START", "END", "ROLLBACK"] {
            self.command(command, &owner, &branch).map_err(|failure| {
                with_hint(failure, "this server has no XA (Galera has none); use 'at-least-once' with a primary key")
            })?;
        }
        self.prepared(&owner).map(drop).map_err(|failure| {
            with_hint(failure, "recovery lists prepared transactions: GRANT XA_RECOVER_ADMIN ON *.* TO this user")
        })
    }

    fn check_table(&mut self, schema: &str, name: &str) -> Outcome<()> {
        let rows = self.mysql.rows(
            "SELECT COALESCE(t.engine, t.table_type), COALESCE(e.xa, 'NO') FROM information_schema.tables AS t \
             LEFT JOIN information_schema.engines AS e ON e.engine = t.engine \
             WHERE t.table_schema = ? AND t.table_name = ?",
            vec![schema.into(), name.into()],
        )?;
        let Some(row) = rows.first() else { return Err(Error::external("the table is gone").into()) };
        if text(row, 1) == "YES" {
            return Ok(());
        }
        let error = Error::user(format!("{name} is a table of {}, which takes no part in transactions", text(row, 0)));
        let name = dialect::quote(System::MySql, name);
        Err(error.hint(format!("ALTER TABLE {name} ENGINE = InnoDB, or use 'at-least-once'")).into())
    }

    fn make_commits(&mut self, schema: &str) -> Outcome<()> {
        let rows = self.mysql.rows(
            "SELECT engine FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
            vec![schema.into(), COMMITS.into()],
        )?;
        if !rows.is_empty() {
            return self.check_table(schema, COMMITS);
        }
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {} (job CHAR(32) NOT NULL, operator CHAR(16) NOT NULL, \
             checkpoint BIGINT UNSIGNED NOT NULL, branch VARCHAR(64) NOT NULL, \
             PRIMARY KEY (job, operator, checkpoint, branch)) ENGINE = InnoDB CHARACTER SET ascii COLLATE ascii_bin",
            self.commits
        );
        self.run(&create).map_err(|failure| {
            with_hint(failure, &format!("exactly-once keeps what it has committed in a table; make it: {create}"))
        })
    }

    fn owned(owner: &Owner) -> Vec<Value> {
        vec![owner.job.as_str().into(), owner.operator.as_str().into()]
    }

    /// Checkpoints and branches of an owner that are committed.
    fn committed(&mut self, owner: &Owner) -> Outcome<Vec<(u64, String)>> {
        let sql = format!("SELECT checkpoint, branch FROM {} WHERE job = ? AND operator = ?", self.commits);
        let rows = self.mysql.rows(&sql, Self::owned(owner))?;
        Ok(rows.iter().map(|row| (text(row, 0).parse().unwrap_or_default(), text(row, 1))).collect())
    }
}

/// What the server knows of an owner's transactions.
struct Known<'a> {
    owner: &'a Owner,
    prepared: Vec<Branch>,
    /// Checkpoints and branches.
    committed: Vec<(u64, String)>,
}

fn with_hint(Failure { kind, error }: Failure, hint: &str) -> Failure {
    if error.is_retryable() || error.is_canceled() {
        return Failure { kind, error };
    }
    Failure { kind, error: error.hint(hint) }
}

impl TransactionClient for Xa {
    fn client(&mut self) -> &mut dyn Client {
        &mut self.mysql
    }

    fn is_open(&self) -> bool {
        self.mysql.connection.is_some()
    }

    fn check(&mut self, target: Option<&Target>, _: usize) -> Outcome<()> {
        let Some(target) = target else {
            self.check_server()?;
            let rows = self.mysql.rows("SELECT DATABASE()", Vec::new())?;
            let database = rows.first().map(|row| text(row, 0)).filter(|name| !name.is_empty());
            let Some(database) = database else {
                return Err(Error::user("the url names no database")
                    .hint("write jdbc:mysql://host:port/database")
                    .into());
            };
            return self.make_commits(&database);
        };
        let (Some(schema), name) = (&target.schema, &target.name) else {
            return Err(Error::internal("a table of MySQL has no database").into());
        };
        self.check_server()?;
        self.check_table(schema, name)?;
        self.make_commits(schema)
    }

    fn begin(&mut self, owner: &Owner, attempt: u64, subtask: usize, in_one_go: bool) -> Outcome<Branch> {
        let branch = Branch { attempt, subtask, number: fastrand::u64(..) };
        if is_mariadb(&self.version) {
            let limit = if in_one_go { IDLE_LIMIT.as_secs() } else { 0 };
            self.run(&format!("SET SESSION idle_transaction_timeout = {limit}"))?;
        }
        self.mysql.rows("SELECT GET_LOCK(?, 0)", vec![lock(&branch).into()])?;
        self.command("START", owner, &branch)?;
        self.open = Some(xid(owner, &branch));
        Ok(branch)
    }

    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        let largest = self.mysql.largest_statement;
        self.mysql.write_open(&mut super::Statements { target, sql, changes, deletes: 0, upserts: 0, largest })
    }

    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()> {
        let largest = self.mysql.largest_statement;
        self.mysql.write_open(&mut super::Executions { statement, parameters, row: 0, largest })
    }

    fn prepare(&mut self, prepared: &Prepared) -> Outcome<()> {
        let Prepared { owner, branch, checkpoint, .. } = prepared;
        let sql = format!("INSERT INTO {} (job, operator, checkpoint, branch) VALUES (?, ?, ?, ?)", self.commits);
        let mut values = Self::owned(owner);
        values.extend([Value::from(checkpoint.0), branch.to_string().into()]);
        self.mysql.rows(&sql, values)?;
        let xid = xid(owner, branch);
        self.run(&format!("XA END {xid}"))?;
        self.run(&format!("XA PREPARE {xid}"))?;
        self.open = None;
        if let Some(connection) = self.mysql.connection.take() {
            // what counts has been answered
            if let Err(failure) = self.mysql.io.answer(connection.disconnect()) {
                tracing::debug!("a connection that has prepared was not closed in order: {}", failure.error);
            }
        }
        Ok(())
    }

    fn abandon(&mut self) -> Outcome<()> {
        let Some(xid) = self.open.take() else { return Ok(()) };
        // refused where the server has rolled it back, or it has ended
        match self.run(&format!("XA END {xid}")) {
            Err(failure) if self.mysql.connection.is_none() => return Err(failure),
            _ => {}
        }
        self.run(&format!("XA ROLLBACK {xid}"))
    }

    fn settle(&mut self, owner: &Owner, branch: &Branch) -> Outcome<bool> {
        let since = Instant::now();
        while self.end_holder(branch)? {
            if since.elapsed() > LETTING_GO {
                return Err(Failure::connection(Error::external(format!(
                    "the lost connection of transaction {owner}-{branch} does not end"
                ))));
            }
            self.mysql.io.cancellation.sleep(PAUSE)?;
        }
        Ok(self.prepared(owner)?.contains(branch))
    }

    fn standing(&mut self, transactions: &[Prepared]) -> Outcome<Vec<Standing>> {
        let mut known: Vec<Known<'_>> = Vec::new();
        for Prepared { owner, .. } in transactions {
            if known.iter().all(|known| known.owner != owner) {
                // in this order: one that is committed in between is found by its row
                let prepared = self.prepared(owner)?;
                known.push(Known { owner, prepared, committed: self.committed(owner)? });
            }
        }
        let standing = |transaction: &Prepared| {
            let Prepared { owner, branch, checkpoint, .. } = transaction;
            let Some(Known { prepared, committed, .. }) = known.iter().find(|known| known.owner == owner) else {
                return Standing::Gone;
            };
            let name = branch.to_string();
            if committed.iter().any(|(_, branch)| *branch == name) {
                Standing::Committed
            } else if prepared.contains(branch) {
                Standing::Prepared
            } else if committed.iter().any(|(of, _)| *of > checkpoint.0) {
                // a checkpoint is committed after those before it, whose rows are then removed
                Standing::Committed
            } else {
                Standing::Gone
            }
        };
        Ok(transactions.iter().map(standing).collect())
    }

    fn commit(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()> {
        self.end("COMMIT", owner, branch)
    }

    fn prepared(&mut self, owner: &Owner) -> Outcome<Vec<Branch>> {
        let name = owner.to_string();
        let io = self.mysql.io.clone();
        // not by a prepared statement: MySQL has none for it
        let result = io.answer(self.mysql.connection()?.query::<mysql_async::Row, _>("XA RECOVER"));
        let rows = self.mysql.kept(result)?;
        let ours = rows.iter().filter(|row| text(row, 0) == FORMAT.to_string()).filter_map(|row| {
            let data = text(row, 3);
            let (owner, branch) = data.split_at_checked(text(row, 1).parse().ok()?)?;
            if owner == name { branch.parse().ok() } else { None }
        });
        Ok(ours.collect())
    }

    fn roll_back(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()> {
        self.end("ROLLBACK", owner, branch)
    }

    fn forget(&mut self, owner: &Owner, before: Option<u64>) -> Outcome<()> {
        let mut old = self.committed(owner)?;
        old.retain(|(checkpoint, _)| before.is_none_or(|before| *checkpoint < before));
        // by whole keys: a range would wait for the locks of what is prepared
        let sql =
            format!("DELETE FROM {} WHERE job = ? AND operator = ? AND checkpoint = ? AND branch = ?", self.commits);
        for (checkpoint, branch) in old {
            let mut values = Self::owned(owner);
            values.extend([Value::from(checkpoint), branch.into()]);
            self.mysql.rows(&sql, values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_forget_what_is_prepared_are_known() {
        for new in
            ["10.11.19-MariaDB-0+deb12u1", "10.5.2-MariaDB", "5.5.5-10.11.2-MariaDB", "8.0.36", "9.7.4-2", "5.7.44-log"]
        {
            assert!(keeps_prepared(new), "{new}");
        }
        for old in ["10.4.30-MariaDB", "5.5.5-10.4.1-MariaDB", "5.7.6", "5.6.51-log", ""] {
            assert!(!keeps_prepared(old), "{old}");
        }
    }
}
