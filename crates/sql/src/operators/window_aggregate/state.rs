//! The state of open windows: their groups, in rows of keys, the window's bounds and the aggregates. A window that has fired is deleted as a
//! whole, in one row.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMillisecondArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Field, TimeUnit};
use hashbrown::HashMap;
use riverrun_base::{Error, Result};
use riverrun_runtime::{MAX_WATERMARK, NO_WATERMARK, Restored, RestoredChain, Snapshot, Timestamp};
use riverrun_state::{Changes, FrozenColumns, FrozenRows, Marks, Rebase, RowChange, StateLayout};

use super::{Bounds, WindowAggregate, WindowKey, by_window};
use crate::operators::groups::Groups;
use crate::operators::stored::snapshot;
use crate::operators::window_columns::{same_time, times_of};

/// The columns of a window in its rows: start and end.
const EDGES: usize = 2;
/// How many windows that have fired are remembered until the next snapshot.
const MOST_FIRED: usize = 1 << 20;

/// A window that has not fired.
pub(super) struct OpenWindow {
    pub(super) groups: Groups,
    pub(super) marks: Marks,
    /// Whether a snapshot has it.
    stored: bool,
}

impl OpenWindow {
    pub(super) fn new(groups: Groups) -> Self {
        Self { groups, marks: Marks::default(), stored: false }
    }

    /// All its groups are stored, from now on.
    fn store_all(&mut self) -> Vec<u32> {
        let used = self.groups.table.used();
        self.marks = Marks::of_stored(&used);
        self.stored = true;
        used
    }
}

/// Follows windows from snapshot to snapshot. Until the first snapshot it follows nothing, as that one is of everything.
#[derive(Default)]
pub(super) struct WindowTracker {
    active: bool,
    /// Places are windows in the order in which they fire, and slots in them.
    rebase: Rebase<(WindowKey, u32)>,
    /// Windows that have fired and that a snapshot has.
    fired: Vec<Bounds>,
}

impl WindowTracker {
    /// These slots of a window have changed; all are below `end`.
    #[inline]
    pub(super) fn mark(&self, marks: &mut Marks, slots: &[u32], end: usize) {
        if self.active {
            marks.resize(end);
            marks.mark(slots);
        }
    }

    /// A window is no longer open.
    pub(super) fn fire(&mut self, bounds: Bounds, window: &OpenWindow) {
        if !self.active || !window.stored {
            return;
        }
        self.fired.push(bounds);
        // Where no snapshot is taken any more, what has fired must not pile up.
        if self.fired.len() > MOST_FIRED {
            self.active = false;
            self.fired = Vec::new();
        }
    }

    /// The slots of each window to write, and the windows to delete; `None` if nothing has changed.
    fn cut(&mut self, open: &mut BTreeMap<WindowKey, OpenWindow>, full: bool) -> Option<Cut> {
        if full || !self.active {
            if !full && open.is_empty() && !self.rebase.has_deltas() {
                return None;
            }
            self.active = true;
            self.fired = Vec::new();
            self.rebase.all();
            let slots = open.iter_mut().map(|(key, window)| (*key, window.store_all())).collect();
            return Some(Cut { slots, fired: Vec::new() });
        }
        let dirty: usize = open.values().map(|window| window.marks.dirty()).sum();
        if dirty == 0 && self.fired.is_empty() {
            return None;
        }
        let groups = open.values().map(|window| window.groups.table.slots()).sum();
        let mut left = self.rebase.stretch(dirty, groups);
        let start = self.rebase.start().copied();
        let mut end = None;
        let mut slots = Vec::with_capacity(open.len());
        for (key, window) in open.iter_mut() {
            let here = window.groups.table.slots();
            let from = match start {
                Some((first, _)) if *key < first => here,
                Some((first, slot)) if *key == first => slot as usize,
                _ => 0,
            };
            let to = (from + left).min(here);
            left -= to.saturating_sub(from);
            if to < here && end.is_none() {
                end = u32::try_from(to).ok().map(|to| (*key, to));
            }
            slots.push((*key, window.marks.take(&(from..to))));
            window.stored = true;
        }
        self.rebase.reach(end);
        Some(Cut { slots, fired: std::mem::take(&mut self.fired) })
    }
}

/// What a snapshot is made of.
struct Cut {
    slots: Vec<(WindowKey, Vec<u32>)>,
    fired: Vec<Bounds>,
}

impl WindowAggregate {
    /// Writes at least so many unchanged groups with each delta.
    #[cfg(test)]
    pub(crate) fn rebase_at_least(mut self, groups: usize) -> Self {
        self.tracker.rebase = Rebase::with_least(groups);
        self
    }

    /// What has changed since the last snapshot.
    ///
    /// # Errors
    /// The keys cannot be copied.
    pub(super) fn freeze(&mut self, full: bool) -> Result<Snapshot> {
        let layout = self.layout()?;
        let cut = self.tracker.cut(&mut self.open, full);
        let rows = cut.map(|cut| self.frozen(&cut)).transpose()?;
        let known = |watermark: &Timestamp| !matches!(*watermark, NO_WATERMARK | MAX_WATERMARK);
        Ok(snapshot(layout, rows, self.tracker.rebase.suffices(), Some(self.watermark).filter(known)))
    }

    fn frozen(&self, cut: &Cut) -> Result<Vec<FrozenRows>> {
        let mut rows = Vec::with_capacity(cut.slots.len() + 1);
        if !cut.fired.is_empty() {
            rows.push(FrozenRows {
                changes: Changes::All(RowChange::Delete),
                rows: cut.fired.len(),
                keys: None,
                values: vec![FrozenColumns::ready(vec![
                    Arc::new(TimestampMillisecondArray::from_iter_values(cut.fired.iter().map(|(start, _)| *start))),
                    Arc::new(TimestampMillisecondArray::from_iter_values(cut.fired.iter().map(|(_, end)| *end))),
                ])],
            });
        }
        for (key, slots) in &cut.slots {
            let Some(window) = self.open.get(key) else { continue };
            let (start, end) = key.1;
            rows.extend(FrozenRows::put(&window.groups.table, slots, |part| {
                let bounds = [start, end].map(|time| same_time(time, part.len(), &edge()));
                let mut values = vec![FrozenColumns::ready(bounds.to_vec())];
                values.extend(window.groups.aggregates.freeze(part));
                values
            })?);
        }
        Ok(rows)
    }

    /// Takes on the windows of former subtasks.
    ///
    /// # Errors
    /// The state is of something else, or cannot be read.
    pub(super) fn take_on(&mut self, state: Restored) -> Result<()> {
        let layout = self.layout()?;
        self.watermark = state.watermark.unwrap_or(NO_WATERMARK);
        for chain in state.chains {
            self.take_on_chain(&layout, chain)?;
        }
        self.open.values_mut().for_each(|window| {
            window.store_all();
        });
        self.tracker.active = true;
        Ok(())
    }

    fn take_on_chain(&mut self, layout: &StateLayout, chain: RestoredChain) -> Result<()> {
        let deltas = self.state.decode(layout, chain)?;
        // Only rows of this chain are deleted: in another, the window may still have been open.
        let mut fired: HashMap<Bounds, usize> = HashMap::new();
        for (n, delta) in deltas.iter().enumerate() {
            for rows in delta {
                let deleted = rows.only(RowChange::Delete)?;
                let (starts, ends) = bounds_of(&deleted.values)?;
                fired.extend(starts.iter().copied().zip(ends.iter().copied()).map(|bounds| (bounds, n)));
            }
        }
        for (n, delta) in deltas.into_iter().enumerate() {
            for rows in delta {
                let put = rows.only(RowChange::Put)?;
                let (starts, ends) = bounds_of(&put.values)?;
                for (bounds, places) in by_window(starts, ends) {
                    if fired.get(&bounds).is_none_or(|fired| *fired <= n) {
                        self.take_on_rows(bounds, &put.keys, &put.values, put.rows(), places)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes on groups of one window: all rows, or those at some places.
    fn take_on_rows(
        &mut self,
        bounds: Bounds,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        rows: usize,
        places: Option<Vec<u32>>,
    ) -> Result<()> {
        let rows = places.as_ref().map_or(rows, Vec::len);
        let places = places.map(UInt32Array::from);
        let taken = |columns: &[ArrayRef]| match &places {
            None => Ok(columns.to_vec()),
            Some(places) => columns
                .iter()
                .map(|column| compute::take(column, places, None))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| Error::data("stored windows cannot be read").caused_by(error)),
        };
        let window = match self.open.entry((self.clock.last(bounds.1 - 1), bounds)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(OpenWindow::new(Groups::new(&self.key_types, &self.calls, self.retracts)?))
            }
        };
        window.groups.intern(&taken(keys)?, rows, &mut self.slots)?;
        window.groups.aggregates.restore(&self.slots, &taken(&values[EDGES..])?)
    }

    fn layout(&self) -> Result<StateLayout> {
        let edges = ["window_start", "window_end"].map(|name| Arc::new(Field::new(name, edge(), true)));
        let state = Groups::new(&self.key_types, &self.calls, self.retracts)?.aggregates.state_fields();
        Ok(self.state.layout(&self.key_types, edges.into_iter().chain(state).collect()))
    }
}

fn edge() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn bounds_of(values: &[ArrayRef]) -> Result<(&[i64], &[i64])> {
    match values {
        [start, end, ..] => Ok((times_of(start)?, times_of(end)?)),
        _ => Err(Error::data("stored windows have no bounds")),
    }
}
