//! Aggregates over windows of fixed length: one result for each window and key, when the watermark (or the clock) passes the window's end.
//!
//! The windows come in columns of the input. Every window has its own groups, so a window that closes is emitted and dropped as a whole.
//! A row whose window has closed already is left out of it; one that is left out of all its windows is late, and counted
//! (`numLateRecordsDropped`), as in Flink.

mod state;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use hashbrown::HashMap;
use riverrun_base::{Error, Result};
use riverrun_connect::Counter;
use riverrun_data::{Batch, arrow_type};
use riverrun_runtime::{MAX_WATERMARK, NO_WATERMARK, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp};

use self::state::{OpenWindow, WindowTracker};
use super::groups::{Groups, columns, signs};
use super::stored::StateOf;
use super::wall_clock::WallClock;
use super::window_columns::{same_time, times_of};
use crate::plan::{AggregateCall, GroupWindow, TimeAttribute, WindowColumn, WindowKind};

/// How many rows a result batch has at most.
const RESULT_ROWS: usize = 8192;

/// Start and end of a window, in wall clock.
type Bounds = (i64, i64);
/// The last moment that belongs to a window, and its bounds.
type WindowKey = (Timestamp, Bounds);

/// Groups the rows of each window, and emits a window when its time has come.
pub(crate) struct WindowAggregate {
    window: GroupWindow,
    /// What each key of the result is of the window; `None` for the others.
    keys: Vec<Option<WindowColumn>>,
    /// The key columns that are nothing of the window.
    plain: Vec<usize>,
    key_types: Vec<DataType>,
    calls: Vec<AggregateCall>,
    retracts: bool,
    clock: WallClock,
    schema: SchemaRef,
    late: Counter,
    /// Open windows by the last moment that belongs to them, and their bounds.
    open: BTreeMap<WindowKey, OpenWindow>,
    watermark: Timestamp,
    /// The slot of each row of a batch.
    slots: Vec<u32>,
    state: StateOf,
    tracker: WindowTracker,
}

impl WindowAggregate {
    /// Groups by the keys of a window's aggregate. `key_types` are those of the keys that are no column of the window.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the plan's node")]
    pub(crate) fn new(
        window: GroupWindow,
        keys: &[usize],
        key_types: Vec<DataType>,
        calls: Vec<AggregateCall>,
        retracts: bool,
        clock: WallClock,
        schema: SchemaRef,
        late: Counter,
        state: StateOf,
    ) -> Self {
        let plain =
            keys.iter().zip(&window.columns).filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
        let keys = window.columns.clone();
        Self {
            window,
            keys,
            plain,
            key_types,
            calls,
            retracts,
            clock,
            schema,
            late,
            open: BTreeMap::new(),
            watermark: NO_WATERMARK,
            slots: Vec::new(),
            state,
            tracker: WindowTracker::default(),
        }
    }

    fn is_event_time(&self) -> bool {
        self.window.window.attribute == TimeAttribute::Rowtime
    }

    /// The last moment that belongs to a window: it closes when the watermark is there, or the clock has passed it.
    fn last_moment(&self, (_, end): Bounds) -> Timestamp {
        self.clock.last(end - 1)
    }

    fn is_closed(&self, bounds: Bounds) -> bool {
        self.is_event_time() && self.last_moment(bounds) <= self.watermark
    }

    /// Adds the rows of one open window.
    fn add(&mut self, bounds: Bounds, batch: &Batch) -> Result<()> {
        let window = match self.open.entry((self.clock.last(bounds.1 - 1), bounds)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(OpenWindow::new(Groups::new(&self.key_types, &self.calls, self.retracts)?))
            }
        };
        let groups = &mut window.groups;
        groups.intern(&columns(batch.rows(), &self.plain), batch.num_rows(), &mut self.slots)?;
        self.tracker.mark(&mut window.marks, &self.slots, groups.table.slots());
        groups.aggregates.update(batch.rows(), &self.slots, signs(batch.kinds()).as_deref())
    }

    /// Emits and drops every window whose last moment is not after `time`.
    fn close(&mut self, time: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        while let Some(entry) = self.open.first_entry() {
            let (last_moment, bounds) = *entry.key();
            if last_moment > time {
                break;
            }
            let window = entry.remove();
            self.tracker.fire(bounds, &window);
            let groups = window.groups;
            let slots =
                u32::try_from(groups.table.slots()).map_err(|_| Error::internal("too many groups in a window"))?;
            // With rows that were taken back a group may have none left.
            let slots: Vec<u32> = (0..slots).filter(|slot| groups.aggregates.has_rows(*slot)).collect();
            for part in slots.chunks(RESULT_ROWS) {
                out.emit(self.result(&groups, part, bounds)?)?;
            }
        }
        Ok(())
    }

    fn result(&self, groups: &Groups, slots: &[u32], (start, end): Bounds) -> Result<Batch> {
        let edge = DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut plain = groups.table.keys(slots)?.into_iter();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for key in &self.keys {
            columns.push(match key {
                None => plain.next().ok_or_else(|| Error::internal("a key is missing"))?,
                Some(WindowColumn::Start) => same_time(start, slots.len(), &edge),
                Some(WindowColumn::End) => same_time(end, slots.len(), &edge),
                Some(WindowColumn::Time) => same_time(
                    self.clock.first(end - 1),
                    slots.len(),
                    &arrow_type(&self.window.window.time_type.logical),
                ),
            });
        }
        columns.extend(groups.aggregates.results(slots)?);
        let rows = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::internal("a window's result does not fit its schema").caused_by(error))?;
        Ok(Batch::insertions(rows))
    }
}

impl Operator<Batch> for WindowAggregate {
    fn process(&mut self, batch: Batch, _: &mut dyn Output<Batch>) -> Result<()> {
        let (starts, ends) =
            (times_of(batch.rows().column(self.window.start))?, times_of(batch.rows().column(self.window.end))?);
        let mut last_windows = None;
        for (bounds, rows) in by_window(starts, ends) {
            if self.is_closed(bounds) {
                let last_windows =
                    last_windows.get_or_insert_with(|| last_windows_of_rows(self.window.window.kind, starts, ends));
                let late = match rows {
                    None => last_windows.iter().filter(|last| **last).count(),
                    Some(rows) => rows.iter().filter(|row| last_windows[**row as usize]).count(),
                };
                self.late.add(late as u64);
                continue;
            }
            match rows {
                None => self.add(bounds, &batch)?,
                Some(rows) => self.add(bounds, &batch.take(&UInt32Array::from(rows))?)?,
            }
        }
        Ok(())
    }

    fn watermark(&mut self, watermark: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        // Bounded input ends with the largest watermark, at which windows of processing time close too, so that no row is lost.
        if self.is_event_time() || watermark == MAX_WATERMARK {
            self.watermark = self.watermark.max(watermark);
            self.close(self.watermark, out)?;
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Timestamp> {
        if self.is_event_time() {
            return None;
        }
        // A row may still come in a window's last moment.
        self.open.keys().next().map(|(last_moment, _)| last_moment + 1)
    }

    fn on_processing_time(&mut self, now: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        self.close(now - 1, out)
    }

    fn snapshot(&mut self, request: SnapshotRequest) -> Result<Option<Snapshot>> {
        self.freeze(request.full).map(Some)
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        self.take_on(state)
    }
}

/// The windows of a batch with their rows, in the order of their first row; `None` where all rows are in one.
fn by_window(starts: &[i64], ends: &[i64]) -> Vec<(Bounds, Option<Vec<u32>>)> {
    let (Some(start), Some(end)) = (starts.first(), ends.first()) else { return Vec::new() };
    if starts.iter().all(|other| other == start) && ends.iter().all(|other| other == end) {
        return vec![((*start, *end), None)];
    }
    let mut windows: Vec<(Bounds, Vec<u32>)> = Vec::new();
    let mut places: HashMap<Bounds, usize> = HashMap::new();
    let mut place = 0;
    for (row, bounds) in (0u32..).zip(starts.iter().copied().zip(ends.iter().copied())) {
        // Rows next to each other mostly share their window.
        if windows.get(place).is_none_or(|(known, _)| *known != bounds) {
            place = *places.entry(bounds).or_insert_with(|| {
                windows.push((bounds, Vec::new()));
                windows.len() - 1
            });
        }
        windows[place].1.push(row);
    }
    windows.into_iter().map(|(bounds, rows)| (bounds, Some(rows))).collect()
}

/// For each copy of a row, whether its window is the last of the row's windows to close: if that has closed, the row is late. The copies of
/// a row follow one another.
fn last_windows_of_rows(kind: WindowKind, starts: &[i64], ends: &[i64]) -> Vec<bool> {
    let bounds = || starts.iter().zip(ends);
    match kind {
        WindowKind::Tumble { .. } | WindowKind::Session { .. } => vec![true; starts.len()],
        WindowKind::Cumulate { size, .. } => bounds().map(|(start, end)| *end == start + size).collect(),
        WindowKind::Hop { slide, size, .. } => {
            // The latest window of a row comes first, then the others, each a slide before.
            let most = size / slide + i64::from(size % slide != 0);
            let (mut next, mut copies) = (None, 0);
            let is_first = |(start, _): (&i64, &i64)| {
                copies = if next == Some(*start) && copies < most { copies + 1 } else { 1 };
                next = Some(start - slide);
                copies == 1
            };
            bounds().map(is_first).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_into_their_windows_in_order() {
        assert_eq!(by_window(&[0, 0], &[10, 10]), [((0, 10), None)]);
        assert_eq!(
            by_window(&[0, 0, 10, 0], &[10, 10, 20, 10]),
            [((0, 10), Some(vec![0, 1, 3])), ((10, 20), Some(vec![2]))]
        );
        assert_eq!(by_window(&[0, 0], &[10, 20]), [((0, 10), Some(vec![0])), ((0, 20), Some(vec![1]))]);
        assert_eq!(by_window(&[], &[]), []);
    }

    #[test]
    fn a_row_is_late_when_the_last_of_its_windows_has_closed() {
        let hop = |starts: &[i64], ends: &[i64]| {
            last_windows_of_rows(WindowKind::Hop { slide: 5, size: 10, offset: 0 }, starts, ends)
        };
        assert_eq!(hop(&[5, 0, 5, 0], &[15, 10, 15, 10]), [true, false, true, false]);
        assert_eq!(hop(&[5, 0, -5, -10], &[15, 10, 5, 0]), [true, false, true, false]);
        let cumulate = WindowKind::Cumulate { step: 5, size: 10, offset: 0 };
        assert_eq!(last_windows_of_rows(cumulate, &[0, 0], &[5, 10]), [false, true]);
        assert_eq!(last_windows_of_rows(WindowKind::Tumble { size: 10, offset: 0 }, &[0, 0], &[10, 10]), [true, true]);
    }
}
