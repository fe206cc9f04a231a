//! GROUP BY without windows: an updating result.
//!
//! For each batch, every group in it makes at most one change: `+I` when it appears, `-U` and `+U` when its results change, `-D` when its last row
//! is taken back. That is Flink's mini-batch; with batches of one row it is Flink's default, a change for every row.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use riverrun_base::Result;
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{Operator, Output};

use super::changes::{Changes, differing};
use super::groups::{Groups, columns, signs};
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
}

impl GroupAggregate {
    /// Groups by key columns. The schema is that of the keys and then the aggregates.
    pub(crate) fn new(keys: Vec<usize>, groups: Groups, update_before: bool, schema: SchemaRef) -> Self {
        let forgets_before =
            !update_before && !groups.aggregates.retracts() && groups.aggregates.changes_with_every_row();
        Self { keys, groups, update_before, forgets_before, schema, slots: Vec::new(), touched: Touched::default() }
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
        let keys = columns(batch.rows(), &self.keys);
        let known = self.groups.table.slots();
        self.groups.intern(&keys, batch.num_rows(), &mut self.slots)?;
        self.touched.find(&self.slots, self.groups.table.slots());

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
        for slot in &self.touched.slots {
            if !self.groups.aggregates.has_rows(*slot) {
                self.groups.remove(*slot);
            }
        }
        match changes.into_batch(&self.schema, &keys, before.as_deref().unwrap_or_default(), &after)? {
            Some(changes) => out.emit(changes),
            None => Ok(()),
        }
    }
}
