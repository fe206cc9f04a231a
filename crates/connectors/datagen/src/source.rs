//! The source: as many splits as readers, each a numbered share of the table's rows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Cancellation, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};
use riverrun_data::{Batch, RowField};

use crate::columns::Columns;
use crate::options::DatagenOptions;
use crate::position::Position;
use crate::schedule::{Pacer, Ready, Schedule, Share};
use crate::values::Rows;

/// The most rows of a batch, and about the most bytes.
const BATCH_ROWS: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;

/// A table of made values.
pub(crate) struct DatagenSource {
    table: Arc<Table>,
    parallelism: Option<usize>,
}

/// What all readers share.
struct Table {
    columns: Columns,
    schema: SchemaRef,
    rate: u64,
    /// How many rows the table has.
    rows: Option<u64>,
}

impl DatagenSource {
    /// Checks the options against the columns.
    ///
    /// # Errors
    /// An option that no column can use, or a value out of its bounds.
    pub(crate) fn new(options: DatagenOptions, columns: &[RowField], schema: SchemaRef) -> Result<Self> {
        let (rate, rows, parallelism) = (options.rows_per_second, options.number_of_rows, options.scan_parallelism);
        if rate == 0 {
            return Err(Error::user("'rows-per-second' must be at least 1"));
        }
        if parallelism == Some(0) {
            return Err(Error::user("'scan.parallelism' must be at least 1"));
        }
        let columns = Columns::new(options, columns)?;
        let rows = rows.into_iter().chain(columns.sequence_rows).min();
        Ok(Self { table: Arc::new(Table { columns, schema, rate, rows }), parallelism })
    }
}

impl Source for DatagenSource {
    fn boundedness(&self) -> Boundedness {
        if self.table.rows.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(Enumerator { splits: context.parallelism.max(1) as u64, seed: fastrand::u64(..) }))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader>> {
        let batch = (BATCH_BYTES / self.table.columns.row_bytes.max(1)).clamp(1, BATCH_ROWS) as u64;
        let cancellation = context.cancellation.clone();
        Ok(Box::new(Reader { table: Arc::clone(&self.table), batch, cancellation, parts: VecDeque::new() }))
    }
}

/// Cuts the table once, into as many splits as there are readers; a restored job keeps the splits it has.
struct Enumerator {
    splits: u64,
    seed: u64,
}

impl SplitEnumerator for Enumerator {
    fn discover(&mut self) -> Result<Discovery> {
        let of = std::mem::take(&mut self.splits);
        let split = |index| {
            let seed = crate::random::draw(self.seed, index);
            let position = Position { share: Share { index, of }, next: 0, seed };
            Split { id: format!("rows-{index}").into(), position: position.encode() }
        };
        Ok(Discovery { splits: (0..of).map(split).collect(), again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        if !known.is_empty() {
            self.splits = 0;
        }
    }
}

/// Makes rows.
struct Reader {
    table: Arc<Table>,
    batch: u64,
    cancellation: Cancellation,
    /// Unfinished splits; the next to be asked is first.
    parts: VecDeque<Part>,
}

/// A split of a reader.
struct Part {
    id: SplitId,
    position: Position,
    /// How many rows the split has.
    rows: u64,
    started: Instant,
    pacer: Pacer,
}

impl Part {
    fn left(&self) -> u64 {
        self.rows.saturating_sub(self.position.next)
    }
}

impl SourceReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let position = Position::decode(&split.position).map_err(|error| error.with("split", &split.id))?;
            let schedule = Schedule { rate: self.table.rate, share: position.share };
            self.parts.push_back(Part {
                id: split.id,
                position,
                rows: self.table.rows.map_or(u64::MAX, |rows| position.share.rows_of(rows)),
                started: Instant::now(),
                pacer: Pacer::new(schedule, self.batch),
            });
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        let until = Instant::now() + wait;
        loop {
            let mut wake = until;
            for _ in 0..self.parts.len() {
                let Some(mut part) = self.parts.pop_front() else { break };
                if part.left() == 0 {
                    return Ok(Polled::Finished(part.id));
                }
                match part.pacer.ready(part.started.elapsed(), part.left()) {
                    Ready::Rows(rows) => {
                        let batch = self.table.make(&part.position, rows, now())?;
                        part.position.next += rows;
                        let split = Arc::clone(&part.id);
                        self.parts.push_back(part);
                        return Ok(Polled::Rows { split, batch });
                    }
                    Ready::At(time) => {
                        wake = part.started.checked_add(time).map_or(wake, |time| time.min(wake));
                        self.parts.push_back(part);
                    }
                }
            }
            let sleep = wake.saturating_duration_since(Instant::now());
            if !sleep.is_zero() {
                self.cancellation.sleep(sleep)?;
            }
            if wake == until {
                return Ok(Polled::Nothing);
            }
        }
    }

    fn splits(&self) -> Vec<Split> {
        let split = |part: &Part| Split { id: Arc::clone(&part.id), position: part.position.encode() };
        self.parts.iter().map(split).collect()
    }
}

impl Table {
    /// The next `rows` rows of a split, at most some thousand, at a time in milliseconds since the epoch.
    fn make(&self, position: &Position, rows: u64, now: i64) -> Result<Batch> {
        let count = usize::try_from(rows).unwrap_or(BATCH_ROWS);
        let rows = Rows { seed: position.seed, first: position.next, count, share: position.share, now, nulls: None };
        let columns = self.columns.generators.iter().map(|column| column.fill(&rows)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("datagen made columns that do not fit the table").caused_by(error))?;
        Ok(Batch::insertions(rows))
    }
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
