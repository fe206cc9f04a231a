//! Rows to records: key and value bytes of a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, RowKind};
use riverrun_formats::{Encoded, Encoder};

use crate::columns::Columns;
use crate::table::{Named, Table};

/// Encodes one side of records: keys or values.
struct Side {
    encoder: Box<dyn Encoder>,
    schema: SchemaRef,
    /// The columns, as indices into the batch.
    columns: Vec<usize>,
    /// Whether NULL is the absence of bytes, as `raw` has it.
    null_is_none: bool,
    encoded: Encoded,
}

/// Turns rows into records. One writer owns it.
pub(crate) struct RowEncoder {
    value: Side,
    key: Option<Side>,
    upsert: bool,
}

/// A row as a record.
pub(crate) struct Record<'a> {
    /// The row's number in its batch.
    pub(crate) row: usize,
    /// The key's bytes.
    pub(crate) key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
}

impl RowEncoder {
    /// An encoder for the rows of a table.
    ///
    /// # Errors
    /// A format cannot write the columns.
    pub(crate) fn new(table: &Table) -> Result<Self> {
        let Columns { key, value, .. } = &*table.columns;
        let side = |named: &Named, schema: SchemaRef, columns: &[usize]| {
            Ok::<_, Error>(Side {
                encoder: named.format.encoder()?,
                schema,
                columns: columns.to_vec(),
                null_is_none: named.name == "raw",
                encoded: Encoded::default(),
            })
        };
        Ok(Self {
            value: side(&table.value, table.columns.value_schema(), value)?,
            key: table.key.as_ref().map(|named| side(named, table.columns.key_schema(), key)).transpose()?,
            upsert: table.upsert,
        })
    }

    /// Encodes the keys of all rows; [`Self::keys`] has them until the next call.
    ///
    /// # Errors
    /// A value that the format cannot hold.
    pub(crate) fn encode_keys(&mut self, batch: &Batch) -> Result<()> {
        let Some(side) = &mut self.key else { return Ok(()) };
        side.encode(&Batch::insertions(batch.rows().clone()), |_| false)?;
        if self.upsert && side.encoded.ends.len() != batch.num_rows() {
            return Err(Error::data("a row with a NULL key cannot be written"));
        }
        Ok(())
    }

    /// The keys of the last batch, one a row.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.key.iter().flat_map(|side| side.encoded.messages())
    }

    /// Encodes all rows and hands each to `take`, in order.
    ///
    /// # Errors
    /// A value that the format cannot hold, or the error of `take`.
    pub(crate) fn encode(&mut self, batch: &Batch, mut take: impl FnMut(Record<'_>) -> Result<()>) -> Result<()> {
        self.encode_keys(batch)?;
        let deletes = |row: usize| self.upsert && matches!(batch.kind(row), RowKind::Delete | RowKind::UpdateBefore);
        // The value of a deletion is not written, and may not even be complete.
        self.value
            .encode(&if self.upsert { Batch::insertions(batch.rows().clone()) } else { batch.clone() }, deletes)?;
        let mut values = self.value.encoded.messages();
        let mut keys = self.key.as_ref().map(|side| (side, side.encoded.messages()));
        for row in 0..batch.num_rows() {
            let key = keys.as_mut().and_then(|(side, keys)| if side.is_none(batch, row) { None } else { keys.next() });
            let value = if deletes(row) || self.value.is_none(batch, row) { None } else { values.next() };
            take(Record { row, key, value })?;
        }
        Ok(())
    }
}

impl Side {
    /// Whether a row has no bytes.
    fn is_none(&self, batch: &Batch, row: usize) -> bool {
        self.null_is_none
            && self
                .columns
                .first()
                .and_then(|column| batch.rows().columns().get(*column))
                .is_some_and(|array| array.is_null(row))
    }

    /// Encodes the rows that have bytes and are not left out.
    fn encode(&mut self, batch: &Batch, leave_out: impl Fn(usize) -> bool) -> Result<()> {
        let left_out = |row: usize| leave_out(row) || self.is_none(batch, row);
        let remaining = if (0..batch.num_rows()).any(left_out) {
            batch.filter(&(0..batch.num_rows()).map(|row| Some(!left_out(row))).collect::<BooleanArray>())?
        } else {
            batch.clone()
        };
        // A side may have no columns, but has its rows.
        let rows = RecordBatchOptions::new().with_row_count(Some(remaining.num_rows()));
        let columns: Vec<ArrayRef> =
            self.columns.iter().filter_map(|column| remaining.rows().columns().get(*column).cloned()).collect();
        let projected = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
            .map_err(|error| Error::data("a row does not fit the columns of its Kafka table").caused_by(error))?;
        self.encoded.clear();
        self.encoder.encode(&remaining.replace_rows(projected)?, &mut self.encoded)
    }
}
