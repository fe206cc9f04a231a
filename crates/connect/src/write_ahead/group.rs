//! A group of rows as it lies in a checkpoint: its place, its id, and an Arrow IPC stream.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt8Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type};
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, RowKind};
use riverrun_protocol::CheckpointId;

use crate::Committable;

const VERSION: u8 = 1;

/// The name of the column with the row kinds, behind the others.
const KINDS: &str = "$row_kind";

/// The place of a group among those of its checkpoints: a writer's groups in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    pub(super) subtask: u32,
    pub(super) checkpoint: CheckpointId,
    /// The writer's groups, counted from 0 through all checkpoints.
    pub(super) number: u64,
}

/// A group that was read from a checkpoint.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) order: Order,
    pub(super) id: &'a str,
    has_kinds: bool,
    rows: u64,
    stream: &'a [u8],
}

/// Rows that wait for the barrier, encoded.
pub(super) struct Building {
    schema: SchemaRef,
    has_kinds: bool,
    stream: StreamWriter<Vec<u8>>,
    pub(super) rows: usize,
}

/// A group that is full, or has met the barrier.
pub(super) struct Built {
    has_kinds: bool,
    rows: u64,
    stream: Vec<u8>,
}

impl Building {
    /// A group for rows like these.
    ///
    /// # Errors
    /// Arrow cannot encode their schema.
    pub(super) fn like(batch: &Batch) -> Result<Self> {
        let (schema, has_kinds) = (batch.schema(), batch.kinds().is_some());
        let stored = if has_kinds { with_kinds(&schema) } else { schema.clone() };
        let stream = StreamWriter::try_new(Vec::new(), &stored).map_err(encoding)?;
        Ok(Self { schema, has_kinds, stream, rows: 0 })
    }

    /// Whether these rows can be of this group.
    pub(super) fn takes(&self, batch: &Batch) -> bool {
        self.schema == batch.schema() && self.has_kinds == batch.kinds().is_some()
    }

    /// # Errors
    /// Arrow cannot encode the rows.
    pub(super) fn push(&mut self, batch: &Batch) -> Result<()> {
        match batch.kinds() {
            None => self.stream.write(batch.rows()),
            Some(kinds) => {
                let mut columns = batch.rows().columns().to_vec();
                columns.push(Arc::new(UInt8Array::from_iter_values(kinds.iter().map(|kind| *kind as u8))));
                let stored = RecordBatch::try_new(with_kinds(&self.schema), columns);
                stored.and_then(|rows| self.stream.write(&rows))
            }
        }
        .map_err(encoding)?;
        self.rows += batch.num_rows();
        Ok(())
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.stream.get_ref().len()
    }

    /// # Errors
    /// Arrow cannot end the stream.
    pub(super) fn finish(self) -> Result<Built> {
        let stream = self.stream.into_inner().map_err(encoding)?;
        Ok(Built { has_kinds: self.has_kinds, rows: self.rows as u64, stream })
    }
}

impl Built {
    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.stream.len()
    }

    /// # Errors
    /// The id is longer than 65,535 bytes.
    pub(super) fn encode(&self, order: Order, id: &str) -> Result<Committable> {
        let length = u16::try_from(id.len())
            .map_err(|error| Error::user("the operator's uid is too long").caused_by(error).with("group", id))?;
        let mut bytes = Vec::with_capacity(40 + id.len() + self.stream.len());
        bytes.push(VERSION);
        bytes.push(u8::from(self.has_kinds));
        bytes.extend_from_slice(&order.subtask.to_be_bytes());
        bytes.extend_from_slice(&order.checkpoint.0.to_be_bytes());
        bytes.extend_from_slice(&order.number.to_be_bytes());
        bytes.extend_from_slice(&self.rows.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&self.stream);
        Ok(Committable(bytes))
    }
}

impl<'a> Group<'a> {
    /// # Errors
    /// Another version has written it, or it is no group.
    pub(super) fn decode(Committable(bytes): &'a Committable) -> Result<Self> {
        if let Some(version) = bytes.first().filter(|version| **version != VERSION) {
            return Err(Error::data(format!("a row group in the checkpoint has the unknown version {version}"))
                .hint("restore it with the version of Riverrun that wrote it"));
        }
        Self::read(bytes).ok_or_else(|| Error::data("a row group in the checkpoint is cut short"))
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([_, kinds], rest) = bytes.split_first_chunk()?;
        let (subtask, rest) = rest.split_first_chunk()?;
        let (checkpoint, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (rows, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (id, stream) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let order = Order {
            subtask: u32::from_be_bytes(*subtask),
            checkpoint: CheckpointId(u64::from_be_bytes(*checkpoint)),
            number: u64::from_be_bytes(*number),
        };
        Some(Self {
            order,
            id: std::str::from_utf8(id).ok()?,
            has_kinds: *kinds == 1,
            rows: u64::from_be_bytes(*rows),
            stream,
        })
    }

    /// # Errors
    /// The stream is damaged.
    pub(super) fn rows(&self) -> Result<Batch> {
        let damaged = |error: ArrowError| Error::data("a row group in the checkpoint is damaged").caused_by(error);
        let reader = StreamReader::try_new(self.stream, None).map_err(damaged)?;
        let stored = reader.schema();
        let batches = reader.map(|rows| self.batch(rows.map_err(damaged)?)).collect::<Result<Vec<_>>>()?;
        let schema = batches.first().map_or(stored, Batch::schema);
        let group = Batch::concat(&schema, &batches)?;
        if group.num_rows() as u64 != self.rows {
            let rows = group.num_rows();
            return Err(Error::data(format!("a row group in the checkpoint is damaged: {rows} of {} rows", self.rows)));
        }
        Ok(group)
    }

    fn batch(&self, stored: RecordBatch) -> Result<Batch> {
        if !self.has_kinds {
            return Ok(Batch::insertions(stored));
        }
        let damaged = || Error::data("a row group in the checkpoint has no row kinds");
        let mut rows = stored;
        if rows.num_columns() == 0 {
            return Err(damaged());
        }
        let kinds = rows.remove_column(rows.num_columns() - 1);
        let kinds =
            kinds.as_primitive_opt::<UInt8Type>().filter(|kinds| kinds.null_count() == 0).ok_or_else(damaged)?;
        let kinds =
            kinds.values().iter().map(|kind| row_kind(*kind)).collect::<Option<Vec<_>>>().ok_or_else(damaged)?;
        Batch::with_kinds(rows, kinds)
    }
}

fn with_kinds(schema: &Schema) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(KINDS, DataType::UInt8, false)));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn row_kind(number: u8) -> Option<RowKind> {
    [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete]
        .into_iter()
        .find(|kind| *kind as u8 == number)
}

fn encoding(error: ArrowError) -> Error {
    Error::internal("rows cannot be encoded for the write-ahead log").caused_by(error)
}
