//! The batch: rows of one schema, and what each row does to the changelog.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};

use crate::RowKind;

/// Rows in columns, with a [`RowKind`] each. Without kinds, every row is an insertion. Cloning is cheap: the columns are shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    rows: RecordBatch,
    kinds: Option<Arc<[RowKind]>>,
}

impl Batch {
    /// A batch of insertions.
    pub fn insertions(rows: RecordBatch) -> Self {
        Self { rows, kinds: None }
    }

    /// A batch with a kind for each row.
    ///
    /// # Errors
    /// The number of kinds is not the number of rows.
    pub fn with_kinds(rows: RecordBatch, kinds: impl Into<Arc<[RowKind]>>) -> Result<Self> {
        let kinds = kinds.into();
        if kinds.len() != rows.num_rows() {
            return Err(Error::internal(format!("{} row kinds for {} rows", kinds.len(), rows.num_rows())));
        }
        Ok(Self { rows, kinds: Some(kinds) })
    }

    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The kinds; `None` where every row is an insertion.
    pub fn kinds(&self) -> Option<&[RowKind]> {
        self.kinds.as_deref()
    }

    /// The kind of one row.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().and_then(|kinds| kinds.get(row).copied()).unwrap_or_default()
    }

    /// How many rows it has.
    pub fn num_rows(&self) -> usize {
        self.rows.num_rows()
    }

    /// The schema of the columns.
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// The bytes of the columns' memory, shared or not.
    pub fn num_bytes(&self) -> usize {
        self.rows.columns().iter().map(|column| column.get_buffer_memory_size()).sum()
    }

    /// The same rows and kinds in other columns.
    ///
    /// # Errors
    /// `rows` has another number of rows.
    pub fn replace_rows(&self, rows: RecordBatch) -> Result<Self> {
        match &self.kinds {
            None => Ok(Self::insertions(rows)),
            Some(kinds) => Self::with_kinds(rows, Arc::clone(kinds)),
        }
    }

    /// The rows that `mask` selects; NULL selects nothing.
    ///
    /// # Errors
    /// The mask has another length.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let selected = |row: usize| mask.is_valid(row) && mask.value(row);
        let rows = compute::filter_record_batch(&self.rows, mask).map_err(arrow_error)?;
        let kinds = self
            .kinds
            .as_ref()
            .map(|kinds| kinds.iter().enumerate().filter(|(row, _)| selected(*row)).map(|(_, kind)| *kind).collect());
        Ok(Self { rows, kinds })
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Errors
    /// An index is out of bounds.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let rows = compute::take_record_batch(&self.rows, indices).map_err(arrow_error)?;
        let kinds = self.kinds.as_ref().map(|_| indices.values().iter().map(|row| self.kind(*row as usize)).collect());
        Ok(Self { rows, kinds })
    }

    /// `length` rows from `offset`, sharing the columns' memory.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let kinds = self.kinds.as_ref().and_then(|kinds| kinds.get(offset..offset + length)).map(Arc::from);
        Self { rows: self.rows.slice(offset, length), kinds }
    }

    /// The rows of all batches, in order.
    ///
    /// # Errors
    /// The batches differ in schema.
    pub fn concat(schema: &SchemaRef, batches: &[Self]) -> Result<Self> {
        let rows = compute::concat_batches(schema, batches.iter().map(Self::rows)).map_err(arrow_error)?;
        let kinds = batches
            .iter()
            .any(|batch| batch.kinds.is_some())
            .then(|| batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| batch.kind(row))).collect());
        Ok(Self { rows, kinds })
    }
}

fn arrow_error(error: ArrowError) -> Error {
    Error::internal("a batch operation failed").caused_by(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn changes() -> Batch {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        Batch::with_kinds(rows, vec![RowKind::Insert, RowKind::UpdateBefore, RowKind::Delete]).unwrap()
    }

    fn values(batch: &Batch) -> Vec<(i64, RowKind)> {
        let column = batch.rows().column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        (0..batch.num_rows()).map(|row| (column.value(row), batch.kind(row))).collect()
    }

    #[test]
    fn kinds_follow_their_rows_through_filter_take_slice_and_concat() {
        let batch = changes();
        let mask = BooleanArray::from(vec![Some(true), None, Some(true)]);
        assert_eq!(values(&batch.filter(&mask).unwrap()), [(1, RowKind::Insert), (3, RowKind::Delete)]);
        let order = UInt32Array::from(vec![2, 0]);
        assert_eq!(values(&batch.take(&order).unwrap()), [(3, RowKind::Delete), (1, RowKind::Insert)]);
        assert_eq!(values(&batch.slice(1, 2)), [(2, RowKind::UpdateBefore), (3, RowKind::Delete)]);
        let plain = Batch::insertions(batch.rows().slice(0, 1));
        let both = Batch::concat(&batch.schema(), &[plain, batch.slice(2, 1)]).unwrap();
        assert_eq!(values(&both), [(1, RowKind::Insert), (3, RowKind::Delete)]);
    }

    #[test]
    fn a_kind_for_each_row_is_demanded() {
        assert!(Batch::with_kinds(changes().rows().clone(), vec![RowKind::Insert]).is_err());
    }
}
