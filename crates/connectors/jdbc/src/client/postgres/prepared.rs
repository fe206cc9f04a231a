//! Two-phase commit by `PREPARE TRANSACTION`.
//!
//! A transaction is known by its number, which no other transaction of the server ever has: it names the prepared one,
//! finds the connection that still works on it, and tells in the end what became of it (`txid_status`).

use std::future::Future;
use std::time::{Duration, Instant};

use riverrun_base::Error;
use tokio_postgres::types::{ToSql, Type};

use super::{Postgres, cell, connected};
use crate::client::{Changes, Client, Io, Standing, TransactionClient};
use crate::dialect::WriteSql;
use crate::exactly_once::{Branch, IDLE_LIMIT, Owner, Prepared};
use crate::remote::Target;
use crate::retry::{Failure, Outcome};
use crate::statement::Statement;
use crate::url::Server;
use crate::values::Parameters;

/// How long a connection that was ended may take to let its transaction go.
const LETTING_GO: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// A connection for prepared transactions.
struct Preparing {
    postgres: Postgres,
    in_transaction: bool,
}

pub(in crate::client) fn connect_for_transactions(
    server: &Server,
    utc: bool,
    lock_wait: u64,
    io: &Io,
) -> Outcome<Box<dyn TransactionClient>> {
    let postgres = connected(server, utc, io)?;
    postgres.run(&format!("SET lock_timeout = '{lock_wait}s'"))?;
    Ok(Box::new(Preparing { postgres, in_transaction: false }))
}

fn name(owner: &Owner, branch: &Branch) -> String {
    format!("{owner}-{branch}")
}

impl Preparing {
    /// `COMMIT PREPARED` or `ROLLBACK PREPARED`; one that does not exist is no error.
    fn end(&self, command: &str, owner: &Owner, branch: &Branch) -> Outcome<()> {
        let sql = format!("{command} PREPARED '{}'", name(owner, branch));
        self.answer(self.postgres.client.batch_execute(&sql), |code| match code {
            // undefined_object
            "42704" => Some(Ok(())),
            // object_not_in_prerequisite_state: another connection is at it
            "55000" => Some(Err(Failure::statement(Error::external(format!("transaction {owner}-{branch} is busy"))))),
            _ => None,
        })
    }

    /// Waits for an answer; `known` says what an error code means here.
    fn answer<T>(
        &self,
        future: impl Future<Output = Result<T, tokio_postgres::Error>>,
        known: impl Fn(&str) -> Option<Outcome<T>>,
    ) -> Outcome<T> {
        self.postgres.io.answer(async {
            future.await.or_else(|error| {
                let code = error.as_db_error().map(|db| db.code().code().to_owned()).unwrap_or_default();
                known(&code).unwrap_or_else(|| Err(Failure::from(error)))
            })
        })
    }

    /// The outcome of a transaction that is not prepared (any more).
    fn outcome(&self, number: u64) -> Outcome<Standing> {
        let unknown = || Error::internal("a transaction of PostgreSQL has an impossible number");
        let number = i64::try_from(number).map_err(|_| unknown())?;
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&number, Type::INT8)];
        let query = self.postgres.client.query_typed("SELECT txid_status($1)", &parameters);
        let rows = self.answer(query, |code| {
            // the number is in the future: this is another server, or an older copy of it
            (code == "22023").then(|| Ok(Vec::new()))
        })?;
        let Some(row) = rows.first() else { return Ok(Standing::Gone) };
        let status: Option<String> = cell(row, 0)?;
        match status.as_deref() {
            Some("aborted") => Ok(Standing::Gone),
            Some("in progress") => Err(Failure::statement(Error::external("a commit is under way"))),
            // one so old that it is forgotten was ended long ago, and not lost: it is of an old savepoint
            _ => Ok(Standing::Committed),
        }
    }

    /// Ends the connections that work on a transaction; false where there is none.
    fn end_holder(&self, number: u64) -> Outcome<bool> {
        // locks have the lower half of the number
        let lower = (number & u64::from(u32::MAX)).to_string();
        let rows = self.postgres.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'transactionid' AND granted \
               AND mode = 'ExclusiveLock' AND transactionid::text = $1 AND pid <> pg_backend_pid()",
            &[(&lower, Type::TEXT)],
        )?;
        Ok(!rows.is_empty())
    }

    fn check_settings(&self, writers: usize) -> Outcome<()> {
        let rows = self.postgres.rows("SELECT current_setting('max_prepared_transactions')::int8", &[])?;
        let most: i64 = rows.first().map(|row| cell(row, 0)).transpose()?.unwrap_or_default();
        let needed = writers.max(1);
        if usize::try_from(most).unwrap_or_default() >= needed {
            return Ok(());
        }
        Err(Error::user(format!(
            "'sink.delivery-guarantee' = 'exactly-once' needs prepared transactions, and this PostgreSQL allows {most} \
             (max_prepared_transactions), fewer than the {needed} writers of this sink"
        ))
        .hint(format!(
            "ALTER SYSTEM SET max_prepared_transactions = {}, and restart PostgreSQL; or use 'at-least-once' with a \
             primary key",
            (2 * needed).max(10)
        ))
        .into())
    }

    fn check_table(&self, target: &Target) -> Outcome<()> {
        let rows = self
            .postgres
            .rows("SELECT relkind = 'f' FROM pg_class WHERE oid = to_regclass($1)", &[(&target.table, Type::TEXT)])?;
        if rows.first().map(|row| cell::<bool>(row, 0)).transpose()? == Some(true) {
            let error = Error::user(format!(
                "{} is a foreign table, which takes no part in prepared transactions",
                target.table
            ));
            return Err(error.hint("name its own database in the url, or use 'at-least-once'").into());
        }
        Ok(())
    }
}

impl TransactionClient for Preparing {
    fn client(&mut self) -> &mut dyn Client {
        &mut self.postgres
    }

    fn is_open(&self) -> bool {
        !self.postgres.client.is_closed()
    }

    fn check(&mut self, target: Option<&Target>, writers: usize) -> Outcome<()> {
        self.check_settings(writers)?;
        target.map_or(Ok(()), |target| self.check_table(target))
    }

    fn begin(&mut self, _: &Owner, attempt: u64, subtask: usize, in_one_go: bool) -> Outcome<Branch> {
        let limit = if in_one_go { IDLE_LIMIT.as_secs() } else { 0 };
        self.postgres.run(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '{limit}s'"
        ))?;
        self.in_transaction = true;
        let rows = self.postgres.rows("SELECT txid_current()", &[])?;
        let number: i64 = rows.first().map(|row| cell(row, 0)).transpose()?.unwrap_or_default();
        let number = u64::try_from(number)
            .map_err(|_| Error::external(format!("PostgreSQL gave a transaction the number {number}")))?;
        Ok(Branch { attempt, subtask, number })
    }

    fn write(&mut self, target: &Target, sql: &WriteSql, changes: &Changes<'_>) -> Outcome<()> {
        self.postgres.write_all(target, sql, changes)
    }

    fn execute(&mut self, statement: &Statement, parameters: &Parameters) -> Outcome<()> {
        self.postgres.execute_all(statement, parameters)
    }

    fn prepare(&mut self, prepared: &Prepared) -> Outcome<()> {
        self.postgres.run(&format!("PREPARE TRANSACTION '{}'", name(&prepared.owner, &prepared.branch)))?;
        self.in_transaction = false;
        Ok(())
    }

    fn abandon(&mut self) -> Outcome<()> {
        if !std::mem::take(&mut self.in_transaction) {
            return Ok(());
        }
        self.postgres.run("ROLLBACK")
    }

    fn settle(&mut self, owner: &Owner, branch: &Branch) -> Outcome<bool> {
        let since = Instant::now();
        while self.end_holder(branch.number)? {
            if since.elapsed() > LETTING_GO {
                return Err(Failure::connection(Error::external(format!(
                    "the lost connection of transaction {owner}-{branch} does not end"
                ))));
            }
            self.postgres.io.cancellation.sleep(PAUSE)?;
        }
        Ok(self.prepared(owner)?.contains(branch))
    }

    fn standing(&mut self, transactions: &[Prepared]) -> Outcome<Vec<Standing>> {
        let mut owners: Vec<(&Owner, Vec<Branch>)> = Vec::new();
        for Prepared { owner, .. } in transactions {
            if owners.iter().all(|(known, _)| *known != owner) {
                owners.push((owner, self.prepared(owner)?));
            }
        }
        let standing = |Prepared { owner, branch, .. }: &Prepared| {
            let prepared = owners.iter().any(|(of, branches)| *of == owner && branches.contains(branch));
            // asked afterwards: one that is committed in between is known as such
            if prepared { Ok(Standing::Prepared) } else { self.outcome(branch.number) }
        };
        transactions.iter().map(standing).collect()
    }

    fn commit(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()> {
        self.end("COMMIT", owner, branch)
    }

    fn prepared(&mut self, owner: &Owner) -> Outcome<Vec<Branch>> {
        let prefix = format!("{owner}-");
        let rows = self.postgres.rows(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $1)",
            &[(&prefix, Type::TEXT)],
        )?;
        let mut branches = Vec::with_capacity(rows.len());
        for row in &rows {
            let gid: String = cell(row, 0)?;
            branches.extend(gid.strip_prefix(&prefix).and_then(|branch| branch.parse().ok()));
        }
        Ok(branches)
    }

    fn roll_back(&mut self, owner: &Owner, branch: &Branch) -> Outcome<()> {
        self.end("ROLLBACK", owner, branch)
    }

    fn forget(&mut self, _: &Owner, _: Option<u64>) -> Outcome<()> {
        // the server remembers by itself
        Ok(())
    }
}
