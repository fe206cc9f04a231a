//! Rows that are only added: all of them, or those that can still be among the first.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute;
use arrow::datatypes::SchemaRef;
use arrow::row::OwnedRow;
use riverrun_base::Result;
use riverrun_runtime::{Restored, Snapshot};
use riverrun_state::{Changes, FrozenColumns, FrozenRows, RowChange, STATE_ROWS, StateLayout};

use super::order::{Order, failed, picked};
use crate::operators::stored::{StateOf, snapshot};

/// Batches are put together up to so many bytes.
const JOINED_BYTES: usize = 64 << 20;

/// A snapshot is of all rows at least every so many snapshots, so that chains of deltas stay short.
const MOST_DELTAS: usize = 64;

/// Gathers rows.
pub(super) struct Added {
    order: Order,
    /// How many rows are wanted at most.
    most: Option<usize>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    /// Small batches that are yet to be put together.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// With [`Self::most`] rows: the key of the last of them. Rows behind it are not wanted.
    last: Option<OwnedRow>,
    state: StateOf,
    stored: Stored,
}

/// What snapshots have of the rows.
#[derive(Default)]
struct Stored {
    /// The rows that came since the last snapshot; `None` while the next one is of everything, so that rows are not kept twice where no
    /// snapshots are taken.
    since: Option<Vec<RecordBatch>>,
    since_rows: usize,
    /// How many rows the deltas have behind the one that is of everything.
    behind: usize,
    /// How many deltas there are, restored ones among them.
    deltas: usize,
    /// How many of this instance's own hold everything; `None` while what was restored is needed.
    suffices: Option<usize>,
}

impl Added {
    /// No rows yet.
    pub(super) fn new(order: Order, most: Option<usize>, schema: SchemaRef, state: StateOf) -> Self {
        Self {
            order,
            most,
            schema,
            batches: Vec::new(),
            rows: 0,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            last: None,
            state,
            stored: Stored::default(),
        }
    }

    /// Adds the rows that can be among those wanted.
    ///
    /// # Errors
    /// The rows have other columns.
    pub(super) fn add(&mut self, rows: RecordBatch) -> Result<()> {
        let Some(rows) = self.wanted(rows)? else { return Ok(()) };
        if let Some(since) = &mut self.stored.since {
            self.stored.since_rows += rows.num_rows();
            since.push(rows.clone());
        }
        self.rows += rows.num_rows();
        self.wait(rows)?;
        match self.most {
            Some(most) if self.rows > most.saturating_add(most.max(STATE_ROWS)) => self.cut(most),
            _ => Ok(()),
        }
    }

    /// All rows, and their order.
    ///
    /// # Errors
    /// The rows cannot be put together.
    pub(super) fn take(&mut self) -> Result<(Vec<RecordBatch>, &Order)> {
        self.join()?;
        self.stored = Stored::default();
        self.last = None;
        self.rows = 0;
        Ok((std::mem::take(&mut self.batches), &self.order))
    }

    /// How the rows are stored.
    pub(super) fn layout(&self) -> StateLayout {
        self.state.layout(&[], self.schema.fields().iter().cloned().collect())
    }

    /// What has come since the last snapshot, or everything.
    ///
    /// # Errors
    /// The rows cannot be put together.
    pub(super) fn snapshot(&mut self, full: bool) -> Result<Snapshot> {
        let Stored { since, since_rows, behind, deltas, suffices } = std::mem::take(&mut self.stored);
        let changed = since.as_ref().map_or(self.rows > 0, |since| !since.is_empty());
        if !changed && !full {
            self.stored = Stored { since, since_rows, behind, deltas, suffices };
            return Ok(snapshot(self.layout(), None, suffices, None));
        }
        // Of rows that are cut, those that are not wanted any more must not pile up.
        let behind = behind + since_rows;
        let delta = since.filter(|_| !full && deltas < MOST_DELTAS && (self.most.is_none() || behind <= self.rows));
        let (rows, stored) = match delta {
            Some(since) => {
                let suffices = suffices.map(|suffices| suffices + 1);
                (since, Stored { behind, deltas: deltas + 1, suffices, ..Stored::default() })
            }
            None => {
                self.join()?;
                match self.most {
                    Some(most) if self.rows > most => self.cut(most)?,
                    _ => {}
                }
                (self.batches.clone(), Stored { deltas: 1, suffices: Some(1), ..Stored::default() })
            }
        };
        let suffices = stored.suffices;
        self.stored = Stored { since: Some(Vec::new()), ..stored };
        Ok(snapshot(self.layout(), Some(rows.into_iter().map(frozen).collect()), suffices, None))
    }

    /// Takes on the rows of former snapshots.
    ///
    /// # Errors
    /// The state is of other rows, or cannot be read.
    pub(super) fn restore(&mut self, state: Restored) -> Result<()> {
        let layout = self.layout();
        let mut deltas = 0;
        for chain in state.chains {
            deltas += chain.deltas.len();
            for rows in self.state.decode(&layout, chain)?.into_iter().flatten() {
                self.add(RecordBatch::try_new(self.schema.clone(), rows.values).map_err(failed)?)?;
            }
        }
        self.stored = Stored { since: Some(Vec::new()), deltas, ..Stored::default() };
        Ok(())
    }

    /// Those of the rows that are before the last of those wanted; `None` without any.
    fn wanted(&self, rows: RecordBatch) -> Result<Option<RecordBatch>> {
        if self.most == Some(0) {
            return Ok(None);
        }
        let Some(last) = &self.last else { return Ok(Some(rows)) };
        let keys = self.order.keys(&rows)?;
        let before = BooleanBuffer::collect_bool(rows.num_rows(), |row| keys.row(row) < last.row());
        match before.count_set_bits() {
            0 => Ok(None),
            all if all == rows.num_rows() => Ok(Some(rows)),
            _ => compute::filter_record_batch(&rows, &BooleanArray::new(before, None)).map(Some).map_err(failed),
        }
    }

    fn wait(&mut self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() >= STATE_ROWS || rows.get_array_memory_size() >= JOINED_BYTES {
            self.join()?;
            self.batches.push(rows);
            return Ok(());
        }
        self.waiting_rows += rows.num_rows();
        self.waiting_bytes += rows.get_array_memory_size();
        self.waiting.push(rows);
        if self.waiting_rows >= STATE_ROWS || self.waiting_bytes >= JOINED_BYTES { self.join() } else { Ok(()) }
    }

    /// Puts the waiting batches together.
    fn join(&mut self) -> Result<()> {
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        match std::mem::take(&mut self.waiting).as_slice() {
            [] => {}
            [only] => self.batches.push(only.clone()),
            several => self.batches.push(compute::concat_batches(&several[0].schema(), several).map_err(failed)?),
        }
        Ok(())
    }

    /// Leaves only the rows that are wanted.
    fn cut(&mut self, most: usize) -> Result<()> {
        self.join()?;
        let places = self.order.places(&self.batches, most)?;
        let part = |part: &[_]| picked(&self.schema, &self.batches, part);
        self.batches = places.chunks(STATE_ROWS).map(part).collect::<Result<Vec<_>>>()?;
        self.rows = places.len();
        if self.stored.since_rows > most {
            (self.stored.since, self.stored.since_rows) = (None, 0);
        }
        self.last = match self.batches.last() {
            Some(last) if self.rows == most => Some(self.order.keys(last)?.row(last.num_rows() - 1).owned()),
            _ => None,
        };
        Ok(())
    }
}

fn frozen(rows: RecordBatch) -> FrozenRows {
    FrozenRows {
        changes: Changes::All(RowChange::Put),
        rows: rows.num_rows(),
        keys: Some(FrozenColumns::ready(Vec::new())),
        values: vec![FrozenColumns::ready(rows.columns().to_vec())],
    }
}
