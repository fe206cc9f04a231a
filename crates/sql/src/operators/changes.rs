//! From the results of groups before and after a batch to the changes between them.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute;
use arrow::compute::kernels::cmp;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, RowKind};

/// The changes of a batch's groups, in the order in which they are added.
pub(super) struct Changes {
    kinds: Vec<RowKind>,
    /// For each change, the row of the batch that has its keys.
    rows: Vec<u32>,
    /// For each change, where its results are: those of n groups before the batch, then those after it.
    results: Vec<u32>,
    /// n.
    groups: u32,
    /// Whether any results before the batch are among them.
    has_before: bool,
}

impl Changes {
    /// No changes of so many groups.
    pub(super) fn new(groups: usize) -> Result<Self> {
        let count = u32::try_from(groups).map_err(|_| Error::internal("a batch with more than 2^32 groups"))?;
        Ok(Self {
            kinds: Vec::with_capacity(groups),
            rows: Vec::with_capacity(groups),
            results: Vec::with_capacity(groups),
            groups: count,
            has_before: false,
        })
    }

    /// A change whose results are those before the batch. `row` is one of the group's.
    pub(super) fn before(&mut self, kind: RowKind, group: u32, row: u32) {
        self.has_before = true;
        self.add(kind, group, row);
    }

    /// A change whose results are those after the batch. `row` is one of the group's.
    pub(super) fn after(&mut self, kind: RowKind, group: u32, row: u32) {
        self.add(kind, self.groups + group, row);
    }

    fn add(&mut self, kind: RowKind, results: u32, row: u32) {
        self.kinds.push(kind);
        self.rows.push(row);
        self.results.push(results);
    }

    /// The changes as a batch: of each the keys, then the results. `None` if there are none.
    ///
    /// # Errors
    /// The columns do not fit the schema.
    pub(super) fn into_batch(
        self,
        schema: &SchemaRef,
        keys: &[ArrayRef],
        before: &[ArrayRef],
        after: &[ArrayRef],
    ) -> Result<Option<Batch>> {
        if self.kinds.is_empty() {
            return Ok(None);
        }
        let rows = UInt32Array::from(self.rows);
        let mut columns =
            keys.iter().map(|key| compute::take(key, &rows, None)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        if self.has_before {
            let results = UInt32Array::from(self.results);
            for (before, after) in before.iter().zip(after) {
                let both = compute::concat(&[before, after]).map_err(failed)?;
                columns.push(compute::take(&both, &results, None).map_err(failed)?);
            }
        } else if self.results.len() == self.groups as usize {
            // Each group has one change, with the results after the batch.
            columns.extend(after.iter().cloned());
        } else {
            let results: UInt32Array = self.results.iter().map(|place| place - self.groups).collect::<Vec<_>>().into();
            for after in after {
                columns.push(compute::take(after, &results, None).map_err(failed)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.kinds.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(failed)?;
        let only_insertions = self.kinds.iter().all(|kind| *kind == RowKind::Insert);
        Ok(Some(if only_insertions { Batch::insertions(rows) } else { Batch::with_kinds(rows, self.kinds)? }))
    }
}

/// For each group, whether its results differ.
///
/// # Errors
/// Results of a type that cannot be compared.
pub(super) fn differing(before: &[ArrayRef], after: &[ArrayRef], groups: usize) -> Result<BooleanBuffer> {
    let mut differing = BooleanBuffer::new_unset(groups);
    for (before, after) in before.iter().zip(after) {
        differing = &differing | cmp::distinct(before, after).map_err(failed)?.values();
    }
    Ok(differing)
}

fn failed(error: ArrowError) -> Error {
    Error::internal("an aggregate's changes do not fit its schema").caused_by(error)
}
