//! GROUP BY without windows: an updating result.
//!
//! For each batch, every group in it makes at most one change: `+I` when it appears, `-U` and `+U` when its results change, `-D` when its last row
//! is taken back. That is Flink's mini-batch; with batches of one row it is Flink's default, a change for every row.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use riverrun_base::Result;
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{Operator, Output, Restored, Snapshot, SnapshotRequest};
use riverrun_state::{RowChange, StateLayout, Tracker};

use super::changes::{Changes, differing};
use super::groups::{Groups, columns, signs};
use super::stored::{StateOf, snapshot};
use super::touched::Touched;

/// Keeps groups with their aggregates, and emits how they change.
pub(crate) struct GroupAggregate {
    keys: Vec<usize>,
    groups: Groups,
    /// Whether anybody wants `-U`.
    update_before: bool,
    /// Whether the results before a batch need not be known: nobody wants them, and they always differ from those after it.
    forgets_before: bool,
    schema: SchemaRef,
    /// The slot of each row of a batch.
    slots: Vec<u32>,
    touched: Touched,
    state: StateOf,
    tracker: Tracker,
}

impl GroupAggregate {
    /// Groups by key columns. The schema is that of the keys and then the aggregates.
    pub(crate) fn new(
        keys: Vec<usize>,
        groups: Groups,
        update_before: bool,
        schema: SchemaRef,
        state: StateOf,
    ) -> Self {
        let forgets_before =
            !update_before && !groups.aggregates.retracts() && groups.aggregates.changes_with_every_row();
        Self {
            keys,
            groups,
            update_before,
            forgets_before,
            schema,
            slots: Vec::new(),
            touched: Touched::default(),
            state,
            tracker: Tracker::default(),
        }
    }

    /// Writes at least so many unchanged groups with each delta.
    #[cfg(test)]
    pub(crate) fn rebase_at_least(mut self, groups: usize) -> Self {
        self.tracker = Tracker::with_least(groups);
        self
    }

    /// Takes the rows of a batch, and tells nobody what they change.
    ///
    /// # Errors
    /// As [`Operator::process`].
    pub(super) fn gather(&mut self, batch: &Batch) -> Result<()> {
        self.sort_in(batch)?;
        self.groups.aggregates.update_known(batch.rows(), &self.slots, signs(batch.kinds()))?;
        self.remove_empty()
    }

    /// The groups with their aggregates.
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// How the state is stored.
    pub(super) fn layout(&self) -> StateLayout {
        self.state.layout(self.groups.table.types(), self.groups.aggregates.state_fields())
    }

    /// Finds the group of each row; answers the keys.
    fn sort_in(&mut self, batch: &Batch) -> Result<Vec<ArrayRef>> {
        let keys = columns(batch.rows(), &self.keys);
        self.groups.intern(&keys, batch.num_rows(), &mut self.slots)?;
        self.touched.find(&self.slots, self.groups.table.slots());
        self.tracker.mark(&self.touched.slots, self.groups.table.slots());
        Ok(keys)
    }

    /// Forgets the touched groups that have no rows left.
    fn remove_empty(&mut self) -> Result<()> {
        let Groups { table, aggregates } = &self.groups;
        if !aggregates.retracts() {
            return Ok(());
        }
        let empty: Vec<u32> = self.touched.slots.iter().copied().filter(|slot| !aggregates.has_rows(*slot)).collect();
        self.tracker.remove(table, &empty)?;
        empty.iter().for_each(|slot| self.groups.remove(*slot));
        Ok(())
    }

    /// The changes of the groups that were touched; `existed` and `differs` say of each whether it was there before, with other results.
    fn changes(&self, existed: &[bool], differs: &BooleanBuffer) -> Result<Changes> {
        let touched = &self.touched;
        let mut changes = Changes::new(touched.slots.len())?;
        for (place, (group, row)) in (0u32..).zip(&touched.rows).enumerate() {
            let exists = self.groups.aggregates.has_rows(touched.slots[place]);
            match (existed[place], exists) {
                (false, false) => {}
                (false, true) => changes.after(RowKind::Insert, group, *row),
                (true, false) => changes.before(RowKind::Delete, group, *row),
                (true, true) if !differs.value(place) => {}
                (true, true) => {
                    if self.update_before {
                        changes.before(RowKind::UpdateBefore, group, *row);
                    }
                    changes.after(RowKind::UpdateAfter, group, *row);
                }
            }
        }
        Ok(changes)
    }
}

impl Operator<Batch> for GroupAggregate {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let known = self.groups.table.slots();
        let keys = self.sort_in(&batch)?;

        let Groups { aggregates, .. } = &mut self.groups;
        let touched = &self.touched.slots;
        let existed: Vec<bool> =
            touched.iter().map(|slot| (*slot as usize) < known && aggregates.has_rows(*slot)).collect();
        let before: Option<Vec<ArrayRef>> = (!self.forgets_before).then(|| aggregates.results(touched)).transpose()?;
        aggregates.update_known(batch.rows(), &self.slots, signs(batch.kinds()))?;
        let after = aggregates.results(touched)?;

        let differs = match &before {
            Some(before) => differing(before, &after, touched.len())?,
            None => BooleanBuffer::new_set(touched.len()),
        };
        let changes = self.changes(&existed, &differs)?;
        self.remove_empty()?;
        match changes.into_batch(&self.schema, &keys, before.as_deref().unwrap_or_default(), &after)? {
            Some(changes) => out.emit(changes),
            None => Ok(()),
        }
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        let Groups { table, aggregates } = &self.groups;
        let cut = self.tracker.cut(table, request.full);
        let suffices = cut.suffices;
        let rows = cut.rows(table, |part| aggregates.freeze(part))?;
        Ok(Some(snapshot(self.layout(), rows, suffices, None)))
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        let layout = self.layout();
        for chain in state.chains {
            for rows in self.state.decode(&layout, chain)?.into_iter().flatten() {
                let (deleted, put) = (rows.only(RowChange::Delete)?, rows.only(RowChange::Put)?);
                if deleted.rows() > 0 {
                    self.groups.intern(&deleted.keys, deleted.rows(), &mut self.slots)?;
                    self.slots.iter().for_each(|slot| self.groups.remove(*slot));
                }
                if put.rows() > 0 {
                    self.groups.intern(&put.keys, put.rows(), &mut self.slots)?;
                    self.groups.aggregates.restore(&self.slots, &put.values)?;
                }
            }
        }
        self.tracker.restored(&self.groups.table);
        Ok(())
    }
}
