//! Exactly once for a program's statement: the same transactions; for SQLite its parameters wait in the checkpoint.

use riverrun_base::{Error, Result};
use riverrun_connect::{Committable, Committer, Counter, Flush, SinkWriter, TaskContext};
use riverrun_data::Records;
use riverrun_protocol::CheckpointId;

use super::waiting::{Deliveries, MOST_BYTES, Stored, stored};
use super::writer::Writer;
use super::{Branch, Owner, Prepared, committer};
use crate::client::{self, Client, Content, Delivered, Delivery, Io, Sqlite};
use crate::held::Held;
use crate::options::Table;
use crate::retry::{Failure, Outcome};
use crate::sink::report_ignored;
use crate::statement::Statement;
use crate::typed::{Bind, StatementRows};
use crate::url::Location;
use crate::values::Parameters;

const FORM: &[u8] = b"riverrun-jdbc-parameters 1\n";

fn placed(failure: Failure) -> Error {
    failure.error
}

/// A writer whose rows become visible by commits.
///
/// # Errors
/// The database cannot be reached, refuses the statement, or cannot prepare transactions.
pub(crate) fn statement_writer<T: Send + 'static, B: Bind<T>>(
    table: &Table,
    rows: StatementRows<T, B>,
    context: &TaskContext,
) -> Result<Box<dyn SinkWriter<Records<T>>>> {
    let io = Io::new(table, context)?;
    report_ignored(table);
    match &table.location {
        Location::Server(_) => {
            let mut client = client::connect_for_transactions(table, &io).map_err(placed)?;
            client.check(None, context.parallelism).map_err(placed)?;
            client.client().check_statement(rows.statement()).map_err(placed)?;
            Ok(Box::new(Writer::new(table.clone(), io, client, rows, context)))
        }
        Location::File(file) => {
            let mut sqlite = client::connect_to_file(file, table, &io).map_err(placed)?;
            sqlite.check_statement(rows.statement()).map_err(placed)?;
            Ok(Box::new(Waiting {
                rows,
                owner: Owner::of(&context.job),
                attempt: context.job.attempt,
                subtask: context.subtask,
                sent: context.counters.counter("numRecordsSend"),
            }))
        }
    }
}

/// What commits for all writers of a sink.
///
/// # Errors
/// As [`statement_writer`].
pub(crate) fn statement_committer(
    table: &Table,
    statement: Statement,
    context: &TaskContext,
) -> Result<Box<dyn Committer>> {
    match &table.location {
        Location::Server(server) => Ok(Box::new(committer::Transactions::open(table.clone(), server.system, context)?)),
        Location::File(file) => {
            let io = Io::new(table, context)?;
            let sqlite = client::connect_to_file(file, table, &io).map_err(placed)?;
            let of_statement = OfStatement { statement };
            Ok(Box::new(Deliveries::new(table.clone(), file.clone(), io, sqlite, of_statement, context)?))
        }
    }
}

/// The writer for SQLite: it writes nothing.
struct Waiting<T, B> {
    rows: StatementRows<T, B>,
    owner: Owner,
    attempt: u64,
    subtask: usize,
    sent: Counter,
}

impl<T: Send, B: Bind<T>> SinkWriter<Records<T>> for Waiting<T, B> {
    fn write(&mut self, batch: Records<T>) -> Result<()> {
        self.rows.push(batch)?;
        if self.rows.bytes() <= MOST_BYTES {
            return Ok(());
        }
        let mib = MOST_BYTES >> 20;
        Err(Error::user(format!("more than {mib} MiB of parameters have come to one writer since the last checkpoint"))
            .with("rows", self.rows.rows())
            .hint(
                "for exactly once with SQLite they wait in the checkpoint: take checkpoints more often \
                 (execution.checkpointing.interval), or build_at_least_once() with a statement that can be repeated",
            ))
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let rows = self.rows.rows() as u64;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let branch = Branch { attempt: self.attempt, subtask: self.subtask, number: fastrand::u64(..) };
        let name = Prepared { owner: self.owner.clone(), branch, checkpoint, rows }.encode().0;
        let mut bytes = FORM.to_vec();
        bytes.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(name);
        self.rows.parameters().encode(&mut bytes);
        self.rows.clear();
        self.sent.add(rows);
        Ok(vec![Committable(bytes)])
    }
}

/// Parameters of a statement.
struct OfStatement {
    statement: Statement,
}

impl Stored for OfStatement {
    type Part = Parameters;

    fn decode(&self, committable: &Committable) -> Result<(Prepared, Parameters)> {
        let Some(rest) = committable.0.strip_prefix(FORM) else {
            return Err(Error::user("the checkpoint holds no parameters for SQLite for this sink")
                .hint("restore it with the url, and the version of Riverrun, that it was taken with"));
        };
        let damaged = || Error::data("parameters in the checkpoint are damaged");
        let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
        let (name, parameters) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let name = Prepared::decode(&Committable(name.to_vec()))?;
        let parameters = Parameters::decode(parameters).ok_or_else(damaged)?;
        if parameters.width() != self.statement.parameters() {
            return Err(Error::user(format!(
                "the checkpoint holds {} parameters for each row, and the statement has {}",
                parameters.width(),
                self.statement.parameters()
            ))
            .hint("restore it with the statement that it was taken with, and change that afterwards"));
        }
        Ok((name, parameters))
    }

    fn deliver(&self, name: &Prepared, parameters: &Parameters, sqlite: &Sqlite) -> Outcome<Delivered> {
        let checkpoint = stored(name.checkpoint)?;
        let content = Content::Parameters { statement: &self.statement, parameters };
        sqlite.deliver(&Delivery { owner: &name.owner, branch: &name.branch, checkpoint, content })
    }

    fn placed(&self, error: Error) -> Error {
        error.with("statement", &self.statement.text)
    }
}
