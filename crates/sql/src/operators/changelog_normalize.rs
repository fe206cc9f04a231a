//! Changes by key become changes with the former content: the last row of each key is kept, and told from the next.
//!
//! As Flink's ChangelogNormalize: `+I` of a key that is new, `-U` and `+U` where its row differs, nothing where it is the same, `-D` with
//! the row that was there, and nothing for a deletion of a key that is not there. For each batch every key makes at most one change, by
//! its last row in it: that is Flink's mini-batch.

mod last_rows;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{FieldRef, SchemaRef};
use riverrun_base::Result;
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{Operator, Output, Restored, Snapshot, SnapshotRequest};
use riverrun_state::{GroupTable, RowChange, StateLayout, Tracker};

use self::last_rows::{LastRows, failed, taken};
use super::groups::columns;
use super::stored::{StateOf, snapshot};

/// Keeps the last row of each key, and emits how it changes.
pub(crate) struct ChangelogNormalize {
    keys: Vec<usize>,
    /// The other columns.
    values: Vec<usize>,
    /// Whether anybody wants `-U`.
    update_before: bool,
    schema: SchemaRef,
    table: GroupTable,
    rows: LastRows,
    /// The slot of each row of a batch.
    slots: Vec<u32>,
    /// The last row of a batch in each slot; it means nothing for slots that the batch has not.
    last: Vec<u32>,
    state: StateOf,
    tracker: Tracker,
}

/// What a batch changes.
#[derive(Default)]
struct Found {
    kinds: Vec<RowKind>,
    /// For each change, the row of the batch that leads to it, and so has its key.
    rows: Vec<u32>,
    /// For each change, where its row is: in the batch (0), or among [`Self::before`] (1).
    sources: Vec<(usize, usize)>,
    /// The slots whose former rows are emitted.
    before: Vec<u32>,
    /// Slots with the rows that are put into them.
    put: Vec<(u32, u32)>,
    /// The slots whose rows go.
    gone: Vec<u32>,
    /// The slots of deleted keys that were not there.
    unknown: Vec<u32>,
}

impl Found {
    fn after(&mut self, kind: RowKind, row: u32) {
        self.add(kind, row, (0, row as usize));
    }

    fn before(&mut self, kind: RowKind, slot: u32, row: u32) {
        self.add(kind, row, (1, self.before.len()));
        self.before.push(slot);
    }

    fn add(&mut self, kind: RowKind, row: u32, source: (usize, usize)) {
        self.kinds.push(kind);
        self.rows.push(row);
        self.sources.push(source);
    }
}

impl ChangelogNormalize {
    /// Rows of this schema, identified by key columns.
    ///
    /// # Errors
    /// A column of a type that cannot be kept.
    pub(crate) fn new(keys: Vec<usize>, update_before: bool, schema: SchemaRef, state: StateOf) -> Result<Self> {
        let values: Vec<usize> = (0..schema.fields().len()).filter(|column| !keys.contains(column)).collect();
        let types = |columns: &[usize]| {
            columns.iter().map(|column| schema.field(*column).data_type().clone()).collect::<Vec<_>>()
        };
        let (table, rows) = (GroupTable::new(&types(&keys))?, LastRows::new(&types(&values))?);
        Ok(Self {
            keys,
            values,
            update_before,
            schema,
            table,
            rows,
            slots: Vec::new(),
            last: Vec::new(),
            state,
            tracker: Tracker::default(),
        })
    }

    /// Writes at least so many unchanged rows with each delta.
    #[cfg(test)]
    pub(crate) fn rebase_at_least(mut self, rows: usize) -> Self {
        self.tracker = Tracker::with_least(rows);
        self
    }

    fn layout(&self) -> StateLayout {
        let value = |column: &usize| -> FieldRef { self.schema.fields()[*column].clone() };
        self.state.layout(self.table.types(), self.values.iter().map(value).collect())
    }

    /// What the last row of each key in a batch changes.
    fn find(&mut self, batch: &Batch) -> Found {
        self.last.resize(self.table.slots().max(self.last.len()), 0);
        for (row, slot) in (0u32..).zip(&self.slots) {
            self.last[*slot as usize] = row;
        }
        let mut found = Found::default();
        for (row, slot) in (0u32..).zip(&self.slots) {
            let slot = *slot;
            if self.last[slot as usize] != row {
                continue;
            }
            match (self.rows.has(slot), batch.kind(row as usize).is_addition()) {
                (false, false) => found.unknown.push(slot),
                (true, false) => {
                    found.before(RowKind::Delete, slot, row);
                    found.gone.push(slot);
                }
                (true, true) if self.rows.is(slot, row) => {}
                (known, true) => {
                    if known && self.update_before {
                        found.before(RowKind::UpdateBefore, slot, row);
                    }
                    found.after(if known { RowKind::UpdateAfter } else { RowKind::Insert }, row);
                    found.put.push((slot, row));
                }
            }
        }
        found
    }

    /// Makes the changes.
    fn store(&mut self, found: &Found) -> Result<()> {
        found.put.iter().for_each(|(slot, row)| self.rows.put(*slot, *row));
        let put: Vec<u32> = found.put.iter().map(|(slot, _)| *slot).collect();
        self.tracker.mark(&put, self.table.slots());
        self.tracker.remove(&self.table, &found.gone)?;
        for slot in found.gone.iter().chain(&found.unknown) {
            self.rows.remove(*slot);
            self.table.remove(*slot);
        }
        Ok(())
    }

    /// The changes as a batch; `before` are the values of the former rows.
    fn batch(&self, batch: &Batch, found: Found, before: &[ArrayRef]) -> Result<Option<Batch>> {
        if found.kinds.is_empty() {
            return Ok(None);
        }
        let columns = batch.rows().columns();
        // Without former rows every row of the batch makes one change at most.
        let all = found.before.is_empty() && found.rows.len() == batch.num_rows();
        let rows = UInt32Array::from(found.rows);
        let column = |(index, column): (usize, &ArrayRef)| match self.values.iter().position(|value| *value == index) {
            _ if all => Ok(column.clone()),
            Some(value) if !found.before.is_empty() => {
                compute::interleave(&[column, &before[value]], &found.sources).map_err(failed)
            }
            _ => taken(column, &rows),
        };
        let columns = columns.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        let rows = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        let only_insertions = found.kinds.iter().all(|kind| *kind == RowKind::Insert);
        Ok(Some(if only_insertions { Batch::insertions(rows) } else { Batch::with_kinds(rows, found.kinds)? }))
    }
}

impl Operator<Batch> for ChangelogNormalize {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        self.table.intern(&columns(batch.rows(), &self.keys), batch.num_rows(), &mut self.slots)?;
        self.rows.resize(self.table.slots());
        self.rows.encode(&columns(batch.rows(), &self.values))?;
        let found = self.find(&batch);
        let before = self.rows.columns(&found.before)?;
        self.store(&found)?;
        match self.batch(&batch, found, &before)? {
            Some(changes) => out.emit(changes),
            None => Ok(()),
        }
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let cut = self.tracker.cut(&self.table, request.full);
        let suffices = cut.suffices;
        let rows = cut.rows(&self.table, |part| vec![self.rows.freeze(part)])?;
        Ok(Some(snapshot(self.layout(), rows, suffices, None)))
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        let layout = self.layout();
        for chain in state.chains {
            for rows in self.state.decode(&layout, chain)?.into_iter().flatten() {
                let (deleted, put) = (rows.only(RowChange::Delete)?, rows.only(RowChange::Put)?);
                if deleted.rows() > 0 {
                    self.table.intern(&deleted.keys, deleted.rows(), &mut self.slots)?;
                    self.rows.resize(self.table.slots());
                    for slot in &self.slots {
                        self.rows.remove(*slot);
                        self.table.remove(*slot);
                    }
                }
                if put.rows() > 0 {
                    self.table.intern(&put.keys, put.rows(), &mut self.slots)?;
                    self.rows.resize(self.table.slots());
                    self.rows.encode(&put.values)?;
                    (0u32..).zip(&self.slots).for_each(|(row, slot)| self.rows.put(*slot, row));
                }
            }
        }
        self.tracker.restored(&self.table);
        Ok(())
    }
}
