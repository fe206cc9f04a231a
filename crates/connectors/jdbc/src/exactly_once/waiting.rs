//! SQLite: rows wait in the checkpoint until they are written.
//!
//! A row that the table refuses is found when its checkpoint is committed, and then stands in the way of every restart
//! until the table takes it.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use riverrun_base::{Error, Result};
use riverrun_connect::{Commit, Committable, Committer, Counter, Flush, SinkWriter, TaskContext};
use riverrun_data::{Batch, RowKind};
use riverrun_protocol::CheckpointId;

use super::{Branch, Owner, Prepared};
use crate::buffer::{Buffer, Reduced};
use crate::client::{self, Changes, Content, Delivered, Delivery, Io, Sqlite};
use crate::dialect::{self, WriteSql};
use crate::options::Table;
use crate::remote::{self, Target};
use crate::retry::{Failure, FailureKind, Outcome, Retrying};
use crate::sink::{look_up, report_ignored};
use crate::url::File;
use crate::values;

/// Bytes of rows that one writer holds between two checkpoints: they are in memory, and then in the checkpoint.
pub(crate) const MOST_BYTES: usize = 64 << 20;

const FORM: &[u8] = b"riverrun-jdbc-rows 1\n";

/// The writer: it writes nothing.
pub(super) struct Writer {
    table: String,
    owner: Owner,
    attempt: u64,
    subtask: usize,
    key: Vec<usize>,
    schema: SchemaRef,
    buffer: Buffer,
    sent: Counter,
}

impl Writer {
    pub(super) fn open(table: &Table, file: &File, context: &TaskContext) -> Result<Self> {
        report_ignored(table);
        let io = Io::new(table, context)?;
        // what is wrong with the table is said before rows come
        let place = |failure: Failure| failure.error.with("table", &table.context.name);
        let mut sqlite = client::connect_to_file(file, table, &io).map_err(place)?;
        let remote = look_up(table, &mut sqlite).map_err(place)?;
        let target = remote::for_writing(table, &remote)?;
        Ok(Self {
            table: table.context.name.clone(),
            owner: Owner::of(&context.job),
            attempt: context.job.attempt,
            subtask: context.subtask,
            key: target.key,
            schema: table.context.physical_schema(),
            buffer: Buffer::default(),
            sent: context.counters.counter("numRecordsSend"),
        })
    }

    /// Keeps only the last change of each key.
    fn compact(&mut self) -> Result<()> {
        let Some(reduced) = self.buffer.reduce(&self.key)? else { return Ok(()) };
        let mut rows = reduced.deletes.clone();
        rows.extend(&reduced.upserts);
        let mut kinds = vec![RowKind::Delete; reduced.deletes.len()];
        kinds.resize(rows.len(), RowKind::UpdateAfter);
        let compacted = Batch::with_kinds(taken(&reduced.rows, rows)?, kinds)?;
        self.buffer.clear();
        self.buffer.push(compacted);
        Ok(())
    }

    fn too_many(&self) -> Error {
        let mib = MOST_BYTES >> 20;
        Error::user(format!("more than {mib} MiB of rows have come to one writer since the last checkpoint"))
            .with("table", &self.table)
            .with("rows", self.buffer.rows())
            .hint(
                "for exactly-once with SQLite they wait in the checkpoint: take checkpoints more often \
                 (execution.checkpointing.interval), or use 'at-least-once' with a primary key",
            )
    }
}

fn taken(rows: &RecordBatch, indices: Vec<u32>) -> Result<RecordBatch> {
    take_record_batch(rows, &UInt32Array::from(indices))
        .map_err(|error| Error::internal("rows are lost").caused_by(error))
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: Batch) -> Result<()> {
        self.buffer.push(batch);
        if self.buffer.bytes() >= MOST_BYTES {
            if !self.key.is_empty() {
                self.compact()?;
            }
            // so that it is worth the next time too
            if self.buffer.bytes() > MOST_BYTES / 8 * 7 {
                return Err(self.too_many());
            }
        }
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let Some(reduced) = self.buffer.reduce(&self.key)? else { return Ok(Vec::new()) };
        let branch = Branch { attempt: self.attempt, subtask: self.subtask, number: fastrand::u64(..) };
        let rows = self.buffer.rows() as u64;
        let committable =
            encode(&Prepared { owner: self.owner.clone(), branch, checkpoint, rows }, &self.schema, &reduced)?;
        self.buffer.clear();
        self.sent.add(rows);
        Ok(vec![committable])
    }
}

/// The name between empty lines, and an Arrow IPC stream of two batches: what is deleted, what is upserted.
fn encode(name: &Prepared, schema: &SchemaRef, reduced: &Reduced) -> Result<Committable> {
    let mut bytes = FORM.to_vec();
    let named = name.encode().0;
    bytes.extend_from_slice(&u32::try_from(named.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(named);
    let bug = |error| Error::internal("rows cannot be stored in the checkpoint").caused_by(error);
    let mut stream = StreamWriter::try_new(bytes, schema).map_err(bug)?;
    for indices in [&reduced.deletes, &reduced.upserts] {
        stream.write(&taken(&reduced.rows, indices.clone())?).map_err(bug)?;
    }
    stream.into_inner().map(Committable).map_err(bug)
}

/// What a checkpoint holds: the name, what is deleted, what is upserted.
fn decode(committable: &Committable, schema: &SchemaRef) -> Result<(Prepared, [RecordBatch; 2])> {
    let Some(rest) = committable.0.strip_prefix(FORM) else {
        return Err(Error::user("the checkpoint holds no rows for SQLite for this sink")
            .hint("restore it with the url, and the version of Riverrun, that it was taken with"));
    };
    let damaged = || Error::data("rows in the checkpoint are damaged");
    let (length, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
    let (name, stream) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let name = Prepared::decode(&Committable(name.to_vec()))?;
    let mut batches = StreamReader::try_new(stream, None).map_err(|error| damaged().caused_by(error))?;
    let same = |stored: &SchemaRef| {
        stored.fields().len() == schema.fields().len()
            && stored
                .fields()
                .iter()
                .zip(schema.fields())
                .all(|(one, other)| one.name() == other.name() && one.data_type() == other.data_type())
    };
    if !same(&batches.schema()) {
        return Err(Error::user("the rows in the checkpoint have other columns than the table of the script")
            .hint("restore it with the script that it was taken with, and change the table afterwards"));
    }
    let mut next = || match batches.next() {
        Some(Ok(rows)) => Ok(rows),
        Some(Err(error)) => Err(damaged().caused_by(error)),
        None => Err(damaged()),
    };
    Ok((name, [next()?, next()?]))
}

/// What a checkpoint holds for SQLite, and how it is written.
pub(super) trait Stored: Send {
    /// One writer's part of a checkpoint.
    type Part;

    /// Its name, and what it holds.
    ///
    /// # Errors
    /// It is damaged, or another sink's.
    fn decode(&self, committable: &Committable) -> Result<(Prepared, Self::Part)>;

    /// Writes a part, unless it is in already.
    fn deliver(&self, name: &Prepared, part: &Self::Part, sqlite: &Sqlite) -> Outcome<Delivered>;

    /// Says in an error what was written to.
    fn placed(&self, error: Error) -> Error;
}

/// Rows of a table: those that are deleted, and those that are upserted.
struct OfTable {
    schema: SchemaRef,
    target: Target,
    sql: WriteSql,
}

impl Stored for OfTable {
    type Part = [RecordBatch; 2];

    fn decode(&self, committable: &Committable) -> Result<(Prepared, [RecordBatch; 2])> {
        decode(committable, &self.schema)
    }

    fn deliver(&self, name: &Prepared, [deletes, upserts]: &[RecordBatch; 2], sqlite: &Sqlite) -> Outcome<Delivered> {
        let (deletes, upserts) = (values_of(deletes)?, values_of(upserts)?);
        let changes = [
            Changes { columns: &deletes.0, upserts: &[], deletes: &deletes.1 },
            Changes { columns: &upserts.0, upserts: &upserts.1, deletes: &[] },
        ];
        let content = Content::Rows { changes: &changes, target: &self.target, sql: &self.sql };
        let checkpoint = stored(name.checkpoint)?;
        sqlite.deliver(&Delivery { owner: &name.owner, branch: &name.branch, checkpoint, content })
    }

    fn placed(&self, error: Error) -> Error {
        error.with("database table", &self.target.table)
    }
}

/// The committer of a table.
///
/// # Errors
/// The file cannot be opened, or refuses the table.
pub(super) fn committer(table: Table, file: File, context: &TaskContext) -> Result<Box<dyn Committer>> {
    let io = Io::new(&table, context)?;
    let place = |failure: Failure| failure.error.with("table", &table.context.name);
    let mut sqlite = client::connect_to_file(&file, &table, &io).map_err(place)?;
    let remote = look_up(&table, &mut sqlite).map_err(place)?;
    let target = remote::for_writing(&table, &remote)?;
    let of_table = OfTable { schema: table.context.physical_schema(), sql: dialect::write_sql(&target), target };
    Ok(Box::new(Deliveries::new(table, file, io, sqlite, of_table, context)?))
}

/// The committer for SQLite.
pub(super) struct Deliveries<S> {
    table: Table,
    file: File,
    io: Io,
    sqlite: Option<Sqlite>,
    stored: S,
    owner: Owner,
    /// The latest checkpoint that was committed here.
    latest: Option<CheckpointId>,
    retrying: Retrying,
}

impl<S: Stored> Deliveries<S> {
    /// A committer by an open connection; makes what bookkeeping needs.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn new(
        table: Table,
        file: File,
        io: Io,
        sqlite: Sqlite,
        stored: S,
        context: &TaskContext,
    ) -> Result<Self> {
        sqlite.remember_commits().map_err(|failure| failure.error.with("table", &table.context.name))?;
        Ok(Self {
            sqlite: Some(sqlite),
            owner: Owner::of(&context.job),
            latest: None,
            retrying: Retrying::new(&table, context),
            stored,
            io,
            file,
            table,
        })
    }

    /// Writes them in the order of the list. Returns the checkpoint of this job that has superseded them, if any.
    fn deliver(&mut self, committables: &[Committable]) -> Result<Option<i64>> {
        let mut superseded = None;
        for committable in committables {
            // one after the other, so that the rows of one only are in memory
            let (name, part) = self.stored.decode(committable)?;
            match self.run("rows are written", |sqlite, stored| stored.deliver(&name, &part, sqlite))? {
                Delivered::Superseded(later) => superseded = Some(later),
                Delivered::Now | Delivered::Before => {}
            }
        }
        Ok(superseded)
    }

    fn run<T>(&mut self, what: &str, mut work: impl FnMut(&Sqlite, &S) -> Outcome<T>) -> Result<T> {
        let Self { table, file, io, sqlite, stored, retrying, .. } = self;
        retrying.run(what, || {
            let open = match sqlite {
                Some(open) => open,
                None => sqlite.insert(client::connect_to_file(file, table, io)?),
            };
            let result = work(open, stored);
            if result.as_ref().is_err_and(|failure| failure.kind == FailureKind::Connection) {
                *sqlite = None;
            }
            result.map_err(|mut failure| {
                failure.error = stored.placed(failure.error);
                failure
            })
        })
    }
}

fn values_of(rows: &RecordBatch) -> Result<(Vec<values::Column<'_>>, Vec<u32>)> {
    let count = u32::try_from(rows.num_rows()).map_err(|_| Error::internal("too many rows in a checkpoint"))?;
    Ok((values::columns(rows)?, (0..count).collect()))
}

pub(super) fn stored(checkpoint: CheckpointId) -> Result<i64> {
    i64::try_from(checkpoint.0).map_err(|_| Error::internal("SQLite has no such large numbers"))
}

impl<S: Stored> Committer for Deliveries<S> {
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        if restored.is_none() {
            // a job that begins anew counts its checkpoints anew
            let owner = self.owner.clone();
            self.run("what was delivered is forgotten", |sqlite, _| sqlite.forget_commits(&owner, None))?;
        }
        // superseded: the user went back to an old checkpoint or savepoint
        self.deliver(committables)?;
        Ok(Commit::Done)
    }

    fn commit(&mut self, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        let superseded = self.deliver(committables)?;
        if let Some(later) = superseded.filter(|_| self.latest.is_none_or(|latest| latest <= checkpoint)) {
            return Err(Error::user(format!(
                "the table riverrun_commits has checkpoint {later} of this job, and now checkpoint {checkpoint} comes"
            ))
            .with("table", &self.table.context.name)
            .with("job", &self.owner.job)
            .hint("where the job's checkpoints were removed on purpose, delete its rows from riverrun_commits"));
        }
        self.latest = self.latest.max(Some(checkpoint));
        if !committables.is_empty() {
            let (owner, checkpoint) = (self.owner.clone(), stored(checkpoint)?);
            self.run("old deliveries are forgotten", |sqlite, _| sqlite.forget_commits(&owner, Some(checkpoint)))?;
        }
        Ok(Commit::Done)
    }
}
