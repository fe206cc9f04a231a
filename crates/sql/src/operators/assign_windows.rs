//! Windows of fixed length: each row once for every window it belongs to, with the window's start, end and time.
//!
//! Windows are aligned to the epoch of the wall clock (see [`WallClock`]), shifted by their offset, as in Flink.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, SchemaRef, TimestampMillisecondType};
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, arrow_type};
use riverrun_runtime::{Operator, Output};

use super::calc::now_millis;
use super::wall_clock::WallClock;
use crate::plan::{TimeAttribute, Window, WindowKind};

/// From how many rows on a batch is emitted where rows are in many windows.
const ASSIGNED_ROWS: usize = 8192;

/// Adds `window_start`, `window_end` and `window_time` behind a batch's columns. The windows of a row follow one another in one batch.
pub(crate) struct AssignWindows {
    window: Arc<Window>,
    clock: WallClock,
    time_type: DataType,
    schema: SchemaRef,
    /// The window that all rows of the last batch were in.
    last: Option<SharedWindow>,
}

/// A window with its columns, to be used again for as long as all rows are in it.
struct SharedWindow {
    bounds: (i64, i64),
    columns: [ArrayRef; 3],
}

impl AssignWindows {
    /// Assigns windows; the schema is the input's with the three columns behind.
    pub(crate) fn new(window: Arc<Window>, clock: WallClock, schema: SchemaRef) -> Self {
        let time_type = arrow_type(&window.time_type.logical);
        Self { window, clock, time_type, schema, last: None }
    }

    /// Assigns the rows to the one window that all of them are in.
    fn share(&mut self, batch: &Batch, bounds: (i64, i64)) -> Result<Batch> {
        let rows = batch.num_rows();
        let known = self.last.take().filter(|last| last.bounds == bounds && last.columns[0].len() >= rows);
        let shared = known.unwrap_or_else(|| {
            let mut windows = Windows::default();
            (0..rows).for_each(|_| windows.push(bounds));
            SharedWindow { bounds, columns: self.columns(windows) }
        });
        let columns = shared.columns.each_ref().map(|column| column.slice(0, rows));
        self.last = Some(shared);
        self.with_windows(batch, columns)
    }

    /// Assigns every row to its own windows.
    fn spread(&self, batch: &Batch, times: &[i64], out: &mut dyn Output<Batch>) -> Result<()> {
        let mut rows = Vec::with_capacity(times.len());
        let mut windows = Windows::default();
        for (row, time) in (0u32..).zip(times) {
            windows_of(self.window.kind, *time, |start, end| {
                rows.push(row);
                windows.push((start, end));
            });
            if rows.len() >= ASSIGNED_ROWS {
                self.emit_spread(batch, std::mem::take(&mut rows), std::mem::take(&mut windows), out)?;
            }
        }
        self.emit_spread(batch, rows, windows, out)
    }

    fn emit_spread(&self, batch: &Batch, rows: Vec<u32>, windows: Windows, out: &mut dyn Output<Batch>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch.take(&UInt32Array::from(rows))?;
        let columns = self.columns(windows);
        out.emit(self.with_windows(&batch, columns)?)
    }

    fn columns(&self, windows: Windows) -> [ArrayRef; 3] {
        let times = self.clock.first_of_all(windows.ends.iter().map(|end| end - 1));
        [
            Arc::new(TimestampMillisecondArray::from(windows.starts)),
            Arc::new(TimestampMillisecondArray::from(windows.ends)),
            Arc::new(TimestampMillisecondArray::from(times).with_data_type(self.time_type.clone())),
        ]
    }

    fn with_windows(&self, batch: &Batch, windows: [ArrayRef; 3]) -> Result<Batch> {
        let columns = batch.rows().columns().iter().cloned().chain(windows).collect();
        let rows = RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(|error| Error::internal("windows do not fit their schema").caused_by(error))?;
        batch.replace_rows(rows)
    }
}

impl Operator<Batch> for AssignWindows {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let times = self.clock.show_all(times(&self.window, batch.rows())?);
        let WindowKind::Tumble { size, offset } = self.window.kind else { return self.spread(&batch, &times, out) };
        let (earliest, latest) = times
            .iter()
            .fold((i64::MAX, i64::MIN), |(earliest, latest), time| (earliest.min(*time), latest.max(*time)));
        let start = align(earliest, size, offset);
        if latest < start + size {
            return out.emit(self.share(&batch, (start, start + size))?);
        }
        let mut windows = Windows::default();
        let mut last = start;
        for time in times.iter() {
            if !(last..last + size).contains(time) {
                last = align(*time, size, offset);
            }
            windows.push((last, last + size));
        }
        let columns = self.columns(windows);
        out.emit(self.with_windows(&batch, columns)?)
    }
}

/// Start and end of each row's window, in wall clock.
#[derive(Default)]
struct Windows {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Windows {
    fn push(&mut self, (start, end): (i64, i64)) {
        self.starts.push(start);
        self.ends.push(end);
    }
}

/// The time of each row: its time attribute in milliseconds, or now where the attribute is processing time.
///
/// # Errors
/// A row has no event time.
pub(super) fn times(window: &Window, rows: &RecordBatch) -> Result<ScalarBuffer<i64>> {
    if window.attribute == TimeAttribute::Proctime {
        return Ok(vec![now_millis(); rows.num_rows()].into());
    }
    let column: &ArrayRef = rows.column(window.time);
    let times = column
        .as_primitive_opt::<TimestampMillisecondType>()
        .ok_or_else(|| Error::internal("event time is not in milliseconds"))?;
    if times.null_count() > 0 {
        return Err(Error::data("RowTime field should not be null, please convert it to a non-null long value.")
            .with("column", rows.schema().field(window.time).name()));
    }
    Ok(times.values().clone())
}

/// Calls `assign` with start and end of every window that holds a time, the latest window first for HOP and the shortest first for CUMULATE.
fn windows_of(kind: WindowKind, time: i64, mut assign: impl FnMut(i64, i64)) {
    match kind {
        WindowKind::Tumble { size, offset } => {
            let start = align(time, size, offset);
            assign(start, start + size);
        }
        WindowKind::Hop { slide, size, offset } => {
            let mut start = align(time, slide, offset);
            while start > time - size {
                assign(start, start + size);
                start -= slide;
            }
        }
        WindowKind::Cumulate { step, size, offset } => {
            let start = align(time, size, offset);
            let mut end = align(time, step, offset) + step;
            while end <= start + size {
                assign(start, end);
                end += step;
            }
        }
        // Sessions are found by the operator that keeps them.
        WindowKind::Session { .. } => {}
    }
}

/// The greatest multiple of `size`, shifted by `offset`, that is not after `time`.
fn align(time: i64, size: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(kind: WindowKind, time: i64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        windows_of(kind, time, |start, end| all.push((start, end)));
        all
    }

    #[test]
    fn a_time_is_in_the_windows_that_hold_it_also_before_the_epoch() {
        assert_eq!(windows(WindowKind::Tumble { size: 10, offset: 0 }, -1), [(-10, 0)]);
        assert_eq!(windows(WindowKind::Tumble { size: 10, offset: 3 }, 12), [(3, 13)]);
        assert_eq!(windows(WindowKind::Tumble { size: 10, offset: -3 }, 7), [(7, 17)]);
        assert_eq!(windows(WindowKind::Hop { slide: 5, size: 10, offset: 0 }, 12), [(10, 20), (5, 15)]);
        assert_eq!(windows(WindowKind::Hop { slide: 4, size: 10, offset: 0 }, 0), [(0, 10), (-4, 6), (-8, 2)]);
        assert_eq!(windows(WindowKind::Cumulate { step: 5, size: 15, offset: 0 }, 7), [(0, 10), (0, 15)]);
    }

    #[test]
    fn a_hop_with_gaps_leaves_rows_out() {
        assert_eq!(windows(WindowKind::Hop { slide: 10, size: 4, offset: 0 }, 5), []);
    }
}
