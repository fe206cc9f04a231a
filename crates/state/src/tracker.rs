//! What a keyed operator hands over at a barrier: which of its slots, and which keys are gone.

use crate::rebase::Rebase;
use crate::{Changes, FrozenColumns, FrozenRows, GroupTable, Marks, RowChange};

/// Follows the keys of one [`GroupTable`] from snapshot to snapshot. Until the first snapshot it follows nothing and costs nothing, as that
/// one is of everything.
#[derive(Default)]
pub struct Tracker {
    /// `None` while the next snapshot is of everything.
    marks: Option<Marks>,
    rebase: Rebase<u32>,
    /// Keys that are gone and that a snapshot has.
    deleted: Vec<FrozenRows>,
    deleted_rows: usize,
    /// Whether there are snapshots of other instances, which hold keys that may be gone since.
    restored: bool,
}

/// What a snapshot is made of.
pub struct Cut {
    /// The slots to write, in ascending order, and rows of keys that are gone; `None` if nothing has changed.
    pub delta: Option<(Vec<u32>, Vec<FrozenRows>)>,
    /// How many of the last deltas, this one included, hold all state; `None` while all of them do not. Where nothing has changed, the
    /// former answer.
    pub suffices: Option<usize>,
}

impl Cut {
    /// The rows of the delta, with what `values` has of slots; `None` if nothing has changed.
    ///
    /// # Errors
    /// A slot is not in use.
    pub fn rows(
        self,
        table: &GroupTable,
        values: impl FnMut(&[u32]) -> Vec<FrozenColumns>,
    ) -> riverrun_base::Result<Option<Vec<FrozenRows>>> {
        let Some((slots, mut rows)) = self.delta else { return Ok(None) };
        rows.extend(FrozenRows::put(table, &slots, values)?);
        Ok(Some(rows))
    }
}

impl Tracker {
    /// A tracker that writes at least so many unchanged rows with each delta.
    pub fn with_least(least: usize) -> Self {
        Self { rebase: Rebase::with_least(least), ..Self::default() }
    }

    /// These slots of the table are there and stored: those of a table that was restored.
    pub fn restored(&mut self, table: &GroupTable) {
        self.marks = Some(Marks::of_stored(&table.used()));
        self.restored = true;
    }

    /// These slots have changed; all are below `end`.
    #[inline]
    pub fn mark(&mut self, slots: &[u32], end: usize) {
        if let Some(marks) = &mut self.marks {
            marks.resize(end);
            marks.mark(slots);
        }
    }

    /// These keys are about to be removed from the table.
    ///
    /// # Errors
    /// A slot is not in use.
    pub fn remove(&mut self, table: &GroupTable, slots: &[u32]) -> riverrun_base::Result<()> {
        let Some(marks) = &mut self.marks else { return Ok(()) };
        let stored: Vec<u32> = slots.iter().copied().filter(|slot| marks.forget(*slot)).collect();
        if stored.is_empty() {
            return Ok(());
        }
        self.deleted_rows += stored.len();
        self.deleted.push(deleted_rows(stored.len(), table.freeze(&stored)?));
        // Where no snapshot is taken any more, what is gone must not pile up.
        if self.deleted_rows > table.slots().max(MOST_DELETED) {
            self.forget();
        }
        Ok(())
    }

    /// The slots to write for a snapshot of the table, of everything if it is `full`.
    pub fn cut(&mut self, table: &GroupTable, full: bool) -> Cut {
        match self.marks.as_mut().filter(|_| !full) {
            None if !full && table.is_empty() && !self.restored && !self.rebase.has_deltas() => {
                Cut { delta: None, suffices: None }
            }
            None => {
                self.forget();
                let used = table.used();
                self.marks = Some(Marks::of_stored(&used));
                self.rebase.all();
                Cut { delta: Some((used, Vec::new())), suffices: self.rebase.suffices() }
            }
            Some(marks) => {
                let dirty = marks.dirty();
                if dirty == 0 && self.deleted.is_empty() {
                    return Cut { delta: None, suffices: self.rebase.suffices() };
                }
                let start = self.rebase.start().map_or(0, |start| *start as usize);
                let end = start + self.rebase.stretch(dirty, table.slots());
                let slots = marks.take(&(start..end.min(table.slots())));
                self.rebase.reach(u32::try_from(end).ok().filter(|_| end < table.slots()));
                self.deleted_rows = 0;
                Cut { delta: Some((slots, std::mem::take(&mut self.deleted))), suffices: self.rebase.suffices() }
            }
        }
    }

    /// What is known of changes is given up: the next snapshot is of everything.
    fn forget(&mut self) {
        self.marks = None;
        self.deleted = Vec::new();
        self.deleted_rows = 0;
    }
}

/// How many keys that are gone are remembered, at least, where there are few others.
const MOST_DELETED: usize = 1 << 20;

fn deleted_rows(rows: usize, keys: FrozenColumns) -> FrozenRows {
    FrozenRows { changes: Changes::All(RowChange::Delete), rows, keys: Some(keys), values: Vec::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn that_all_restored_keys_are_gone_is_told_even_when_nobody_remembers_which() {
        let table = GroupTable::new(&[DataType::Int64]).unwrap();
        let mut tracker = Tracker::default();
        assert!(tracker.cut(&table, false).delta.is_none());
        tracker.restored(&table);
        tracker.forget();
        let cut = tracker.cut(&table, false);
        assert_eq!((cut.delta.map(|(slots, _)| slots), cut.suffices), (Some(Vec::new()), Some(1)));
    }
}
