//! The state of sessions: a row for each, of its key, its start and end and the aggregates. The first row of a key in a delta stands in
//! place of all sessions that the key had.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Field};
use riverrun_base::{Error, Result};
use riverrun_runtime::{MAX_WATERMARK, NO_WATERMARK, Restored, Snapshot, Timestamp};
use riverrun_state::{Changes, FrozenColumns, FrozenRows, KeyedRows, RowChange, STATE_ROWS, StateLayout};

use super::SessionAggregate;
use crate::operators::stored::snapshot;
use crate::operators::window_columns::integers_of;

impl SessionAggregate {
    /// Writes the sessions of at least so many unchanged keys with each delta.
    #[cfg(test)]
    pub(crate) fn rebase_at_least(mut self, keys: usize) -> Self {
        self.tracker = riverrun_state::Tracker::with_least(keys);
        self
    }

    /// What has changed since the last snapshot.
    ///
    /// # Errors
    /// The keys cannot be copied.
    pub(super) fn freeze(&mut self, full: bool) -> Result<Snapshot> {
        let cut = self.tracker.cut(&self.table, full);
        let rows = match cut.delta {
            None => None,
            Some((keys, mut rows)) => {
                for part in keys.chunks(STATE_ROWS) {
                    rows.push(self.frozen(part)?);
                }
                Some(rows)
            }
        };
        let known = |watermark: &Timestamp| !matches!(*watermark, NO_WATERMARK | MAX_WATERMARK);
        Ok(snapshot(self.layout(), rows, cut.suffices, Some(self.watermark).filter(known)))
    }

    /// All sessions of these keys, which have some.
    fn frozen(&self, keys: &[u32]) -> Result<FrozenRows> {
        let (mut changes, mut rows, mut slots) =
            (Vec::new(), Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        let (mut starts, mut ends) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        for key in keys {
            for (n, session) in self.sessions.of(*key).iter().enumerate() {
                changes.push(if n == 0 { RowChange::Replace } else { RowChange::Put });
                rows.push(*key);
                slots.push(session.slot);
                starts.push(session.start);
                ends.push(session.end);
            }
        }
        let edges: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(starts)), Arc::new(Int64Array::from(ends))];
        let mut values = vec![FrozenColumns::ready(edges)];
        values.extend(self.aggregates.freeze(&slots));
        Ok(FrozenRows {
            changes: Changes::Each(changes),
            rows: rows.len(),
            keys: Some(self.table.freeze(&rows)?),
            values,
        })
    }

    /// Takes on the sessions of former subtasks.
    ///
    /// # Errors
    /// The state is of something else, or cannot be read.
    pub(super) fn take_on(&mut self, state: Restored) -> Result<()> {
        let layout = self.layout();
        self.watermark = state.watermark.unwrap_or(NO_WATERMARK);
        for chain in state.chains {
            for rows in self.state.decode(&layout, chain)?.into_iter().flatten() {
                self.take_on_rows(&rows)?;
            }
        }
        self.tracker.restored(&self.table);
        Ok(())
    }

    fn take_on_rows(&mut self, rows: &KeyedRows) -> Result<()> {
        if rows.rows() == 0 {
            return Ok(());
        }
        let [starts, ends, state @ ..] = rows.values.as_slice() else {
            return Err(Error::data("stored sessions have no start and end"));
        };
        let (starts, ends) = (integers_of(starts)?, integers_of(ends)?);
        self.table.intern(&rows.keys, rows.rows(), &mut self.row_keys)?;
        self.sessions.resize(self.table.slots());
        let (mut places, mut slots) = (Vec::with_capacity(rows.rows()), Vec::with_capacity(rows.rows()));
        let mut gone = Vec::new();
        for (row, key) in (0u32..).zip(&self.row_keys) {
            let change = rows.change(row as usize);
            if change != RowChange::Put {
                for session in self.sessions.remove_all(*key) {
                    self.aggregates.clear(session.slot);
                    self.sessions.give_back(session.slot);
                }
            }
            if change == RowChange::Delete {
                gone.push(*key);
                continue;
            }
            slots.push(self.sessions.open(*key, starts[row as usize], ends[row as usize])?);
            places.push(row);
        }
        self.aggregates.resize(self.sessions.slots());
        let places = UInt32Array::from(places);
        let state = state.iter().map(|column| compute::take(column, &places, None)).collect::<Result<Vec<_>, _>>();
        let state = state.map_err(|error| Error::data("stored sessions cannot be read").caused_by(error))?;
        self.aggregates.restore(&slots, &state)?;
        for key in gone {
            if self.sessions.has_none(key) {
                self.table.remove(key);
            }
        }
        Ok(())
    }

    fn layout(&self) -> StateLayout {
        let edges = ["start", "end"].map(|name| Arc::new(Field::new(name, DataType::Int64, true)));
        self.state.layout(self.table.types(), edges.into_iter().chain(self.aggregates.state_fields()).collect())
    }
}
