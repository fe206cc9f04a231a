//! Rows that wait to be written, and their reduction to one change for each key.

use std::time::Instant;

use arrow::array::{Array, RecordBatch};
use arrow::row::{RowConverter, SortField};
use hashbrown::HashSet;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, RowKind};

/// Rows in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    batches: Vec<Batch>,
    rows: usize,
    bytes: usize,
    since: Option<Instant>,
}

/// What is left of a buffer: for each key its last change, in the order of these.
#[derive(Debug)]
pub(crate) struct Reduced {
    pub(crate) rows: RecordBatch,
    /// Rows to insert or update.
    pub(crate) upserts: Vec<u32>,
    /// Rows whose keys are to delete. No key is in both lists.
    pub(crate) deletes: Vec<u32>,
}

impl Buffer {
    /// Adds rows at the end.
    pub(crate) fn push(&mut self, batch: Batch) {
        if batch.num_rows() == 0 {
            return;
        }
        self.rows += batch.num_rows();
        // a slice counts with its own rows, not with the memory that it shares
        self.bytes += batch
            .rows()
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or_default())
            .sum::<usize>();
        self.since.get_or_insert_with(Instant::now);
        self.batches.push(batch);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the oldest row came.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rows as one batch, each key once; without a key, all of them.
    ///
    /// # Errors
    /// A bug: without a key there are only insertions.
    pub(crate) fn reduce(&self, key: &[usize]) -> Result<Option<Reduced>> {
        let batch = match self.batches.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            [first, ..] => Batch::concat(&first.schema(), &self.batches)?,
        };
        let rows = u32::try_from(batch.num_rows()).map_err(|_| Error::internal("too many rows in a buffer"))?;
        let (upserts, deletes) = if key.is_empty() {
            if let Some(kind) = batch.kinds().and_then(|kinds| kinds.iter().find(|kind| **kind != RowKind::Insert)) {
                return Err(Error::internal(format!("a row of kind {kind} reached a table without a primary key")));
            }
            ((0..rows).collect(), Vec::new())
        } else {
            last_changes(&batch, key, rows)?
        };
        Ok(Some(Reduced { rows: batch.rows().clone(), upserts, deletes }))
    }
}

fn last_changes(batch: &Batch, key: &[usize], rows: u32) -> Result<(Vec<u32>, Vec<u32>)> {
    let columns: Vec<_> = key.iter().map(|index| batch.rows().column(*index).clone()).collect();
    let bug = |error| Error::internal("keys cannot be compared").caused_by(error);
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let keys = RowConverter::new(fields).and_then(|converter| converter.convert_columns(&columns)).map_err(bug)?;
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    let mut seen = HashSet::with_capacity(batch.num_rows());
    for row in (0..rows).rev() {
        let kind = batch.kind(row as usize);
        // its +U follows
        if kind == RowKind::UpdateBefore || !seen.insert(keys.row(row as usize)) {
            continue;
        }
        if kind == RowKind::Delete { deletes.push(row) } else { upserts.push(row) }
    }
    upserts.reverse();
    deletes.reverse();
    Ok((upserts, deletes))
}

#[cfg(test)]
mod tests;
