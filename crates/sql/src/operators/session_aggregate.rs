//! Aggregates over session windows: a session lives while its key's rows are up to the gap apart, and ends the gap after its last row.
//!
//! A row is late when the session that it would be in has ended by the watermark.

mod state;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use riverrun_base::{Error, Result};
use riverrun_connect::Counter;
use riverrun_data::{Batch, arrow_type};
use riverrun_runtime::{MAX_WATERMARK, NO_WATERMARK, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp};
use riverrun_state::{GroupTable, Tracker};

use super::assign_windows::times;
use super::groups::{Aggregates, columns, key_types, signs};
use super::sessions::{Session, Sessions};
use super::stored::StateOf;
use super::wall_clock::WallClock;
use super::window_columns::time_column;
use crate::plan::{AggregateCall, Field, TimeAttribute, Window, WindowColumn};

/// How many rows a result batch has at most.
const RESULT_ROWS: usize = 8192;

/// Keeps sessions by key, and emits one when its time has come.
pub(crate) struct SessionAggregate {
    window: Arc<Window>,
    /// What each key of the result is of the window; `None` for the others.
    keys: Vec<Option<WindowColumn>>,
    /// The key columns that sessions are kept by.
    plain: Vec<usize>,
    clock: WallClock,
    schema: SchemaRef,
    late: Counter,
    /// The keys that have sessions.
    table: GroupTable,
    sessions: Sessions,
    /// Behind the sessions' slots.
    aggregates: Aggregates,
    watermark: Timestamp,
    /// The key of each row of a batch.
    row_keys: Vec<u32>,
    state: StateOf,
    /// Of keys, which are stored with all their sessions.
    tracker: Tracker,
}

impl SessionAggregate {
    /// Sessions of `window` over `fields`, the columns of the input. `keys` are those of the result, with what they are of the window.
    ///
    /// # Errors
    /// A key or an aggregate has a type that cannot be used.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the plan's node")]
    pub(crate) fn new(
        window: Arc<Window>,
        gap: i64,
        fields: &[Field],
        keys: Vec<(usize, Option<WindowColumn>)>,
        calls: &[AggregateCall],
        retracts: bool,
        clock: WallClock,
        schema: SchemaRef,
        late: Counter,
        state: StateOf,
    ) -> Result<Self> {
        let plain: Vec<usize> = keys.iter().filter(|(_, column)| column.is_none()).map(|(key, _)| *key).collect();
        Ok(Self {
            window,
            keys: keys.into_iter().map(|(_, column)| column).collect(),
            table: GroupTable::new(&key_types(fields, &plain))?,
            plain,
            clock,
            schema,
            late,
            sessions: Sessions::new(gap),
            aggregates: Aggregates::new(calls, retracts)?,
            watermark: NO_WATERMARK,
            row_keys: Vec::new(),
            state,
            tracker: Tracker::default(),
        })
    }

    fn is_event_time(&self) -> bool {
        self.window.attribute == TimeAttribute::Rowtime
    }

    /// The rows that are not late, and the slot of each one's session.
    fn place(&mut self, batch: Batch) -> Result<(Batch, Vec<u32>)> {
        let times = times(&self.window, batch.rows())?;
        self.table.intern(&columns(batch.rows(), &self.plain), batch.num_rows(), &mut self.row_keys)?;
        self.sessions.resize(self.table.slots());
        let mut slots = Vec::with_capacity(times.len());
        let mut late_rows = Vec::new();
        for (row, (key, time)) in (0u32..).zip(self.row_keys.iter().zip(times.iter())) {
            match self.sessions.add(*key, *time, self.watermark)? {
                Some(slot) => slots.push(slot),
                None => late_rows.push(row),
            }
        }
        if late_rows.is_empty() {
            self.tracker.mark(&self.row_keys, self.table.slots());
            return Ok((batch, slots));
        }
        self.late.add(late_rows.len() as u64);
        for row in &late_rows {
            let key = self.row_keys[*row as usize];
            if self.sessions.has_none(key) {
                self.table.remove(key);
            }
        }
        let sessions = &self.sessions;
        self.row_keys.retain(|key| !sessions.has_none(*key));
        self.tracker.mark(&self.row_keys, self.table.slots());
        let mut late_rows = late_rows.into_iter().peekable();
        let kept: Vec<u32> = (0u32..).take(times.len()).filter(|row| late_rows.next_if_eq(row).is_none()).collect();
        Ok((batch.take(&UInt32Array::from(kept))?, slots))
    }

    /// Emits and drops every session of which no moment is after `time`, in the order of their ends.
    fn close(&mut self, time: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        loop {
            let closed: Vec<(u32, Session)> =
                std::iter::from_fn(|| self.sessions.close(time)).take(RESULT_ROWS).collect();
            if closed.is_empty() {
                return Ok(());
            }
            // With rows that were taken back a session may have none left.
            let results: Vec<(u32, Session)> =
                closed.iter().filter(|(_, session)| self.aggregates.has_rows(session.slot)).copied().collect();
            let result = if results.is_empty() { None } else { Some(self.result(&results)?) };
            for (_, session) in &closed {
                self.aggregates.clear(session.slot);
                self.sessions.give_back(session.slot);
            }
            let (gone, changed): (Vec<u32>, Vec<u32>) =
                closed.iter().map(|(key, _)| *key).partition(|key| self.sessions.has_none(*key));
            self.tracker.mark(&changed, self.table.slots());
            self.tracker.remove(&self.table, &gone)?;
            gone.iter().for_each(|key| self.table.remove(*key));
            if let Some(result) = result {
                out.emit(result)?;
            }
        }
    }

    fn result(&self, closed: &[(u32, Session)]) -> Result<Batch> {
        let keys: Vec<u32> = closed.iter().map(|(key, _)| *key).collect();
        let slots: Vec<u32> = closed.iter().map(|(_, session)| session.slot).collect();
        let edge = DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut plain = self.table.keys(&keys)?.into_iter();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for key in &self.keys {
            columns.push(match key {
                None => plain.next().ok_or_else(|| Error::internal("a key is missing"))?,
                Some(WindowColumn::Start) => {
                    time_column(closed.iter().map(|(_, session)| self.clock.show(session.start)), &edge)
                }
                Some(WindowColumn::End) => {
                    time_column(closed.iter().map(|(_, session)| self.clock.show(session.end)), &edge)
                }
                Some(WindowColumn::Time) => time_column(
                    closed.iter().map(|(_, session)| session.end - 1),
                    &arrow_type(&self.window.time_type.logical),
                ),
            });
        }
        columns.extend(self.aggregates.results(&slots)?);
        let rows = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::internal("a session's result does not fit its schema").caused_by(error))?;
        Ok(Batch::insertions(rows))
    }
}

impl Operator<Batch> for SessionAggregate {
    fn process(&mut self, batch: Batch, _: &mut dyn Output<Batch>) -> Result<()> {
        let (batch, mut slots) = self.place(batch)?;
        self.aggregates.resize(self.sessions.slots());
        let moves = self.sessions.take_moves();
        if !moves.is_empty() {
            for (from, into) in &moves {
                self.aggregates.merge(*into, *from)?;
                self.sessions.give_back(*from);
            }
            for slot in &mut slots {
                *slot = moves.get(slot).copied().unwrap_or(*slot);
            }
        }
        self.aggregates.update(batch.rows(), &slots, signs(batch.kinds()).as_deref())
    }

    fn watermark(&mut self, watermark: Timestamp, out: &mut dyn Output<Batch>) -> Result<()> {
        // Bounded input ends with the largest watermark, at which sessions of processing time close too, so that no row is lost.
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
        self.sessions.next_end()
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
