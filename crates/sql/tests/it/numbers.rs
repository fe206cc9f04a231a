//! A source of numbered rows that can be held and let go, and a sink that keeps what it gets.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::util::display::array_value_to_string;
use riverrun_base::Result;
use riverrun_connect::{
    Boundedness, Connector, Discovery, Flush, Polled, Sink, SinkWriter, Source, SourceReader, Split, SplitEnumerator,
    SplitId, TaskContext,
};
use riverrun_data::{Batch, ChangelogMode, RowKind};

/// How many keys the rows have.
pub(crate) const KEYS: i64 = 50;
/// How many rows share a millisecond.
pub(crate) const ROWS_A_MILLISECOND: i64 = 10;
const BATCH: i64 = 97;

/// How many rows each source has by now, and what each sink got.
static LIMITS: LazyLock<Mutex<BTreeMap<String, i64>>> = LazyLock::new(Mutex::default);
static WRITTEN: LazyLock<Mutex<BTreeMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// The source of this name has so many rows from now on.
pub(crate) fn release(name: &str, rows: i64) {
    LIMITS.lock().unwrap().insert(name.to_owned(), rows);
}

/// The lines that the sink of this name got: kind and cells.
pub(crate) fn written(name: &str) -> Vec<String> {
    WRITTEN.lock().unwrap().get(name).cloned().unwrap_or_default()
}

/// Key and value of a row.
pub(crate) fn row(number: i64) -> (i64, i64) {
    (number * 7919 % KEYS, number % 1000)
}

/// `'connector' = 'numbers'`: a table with a `name`, read as columns `k BIGINT, v BIGINT, ts TIMESTAMP(3)`.
pub(crate) static NUMBERS: Connector = Connector {
    name: "numbers",
    description: "Numbered rows.",
    options: Vec::new,
    metadata: Vec::new,
    source: Some(|context| {
        Ok(Box::new(Numbers { name: context.options["name"].clone(), schema: context.physical_schema() }))
    }),
    sink: Some(|context| Ok(Box::new(Kept(context.options["name"].clone())))),
};

struct Numbers {
    name: String,
    schema: arrow::datatypes::SchemaRef,
}

impl Source for Numbers {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Unbounded
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(OneSplit { known: false }))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader { name: self.name.clone(), schema: self.schema.clone(), split: None }))
    }
}

struct OneSplit {
    known: bool,
}

impl SplitEnumerator for OneSplit {
    fn discover(&mut self) -> Result<Discovery> {
        let known = std::mem::replace(&mut self.known, true);
        let split = Split { id: "numbers".into(), position: 0i64.to_le_bytes().to_vec() };
        Ok(Discovery { splits: if known { Vec::new() } else { vec![split] }, again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.known = !known.is_empty();
    }
}

struct Reader {
    name: String,
    schema: arrow::datatypes::SchemaRef,
    /// The split, and its next row.
    split: Option<(SplitId, i64)>,
}

impl SourceReader for Reader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let next = i64::from_le_bytes(split.position.as_slice().try_into().unwrap());
            self.split = Some((split.id, next));
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        let limit = LIMITS.lock().unwrap().get(&self.name).copied().unwrap_or_default();
        let Some((split, next)) = self.split.as_mut().filter(|(_, next)| *next < limit) else {
            std::thread::park_timeout(wait.min(Duration::from_millis(5)));
            return Ok(Polled::Nothing);
        };
        let rows = *next..limit.min(*next + BATCH);
        *next = rows.end;
        let (keys, values): (Vec<i64>, Vec<i64>) = rows.clone().map(row).unzip();
        let times = TimestampMillisecondArray::from_iter_values(rows.map(|row| row / ROWS_A_MILLISECOND));
        let columns: [arrow::array::ArrayRef; 3] = [
            std::sync::Arc::new(Int64Array::from(keys)),
            std::sync::Arc::new(Int64Array::from(values)),
            std::sync::Arc::new(times),
        ];
        let rows = RecordBatch::try_new(self.schema.clone(), columns.to_vec()).unwrap();
        Ok(Polled::Rows { split: split.clone(), batch: Batch::insertions(rows) })
    }

    fn splits(&self) -> Vec<Split> {
        let split = |(id, next): &(SplitId, i64)| Split { id: id.clone(), position: next.to_le_bytes().to_vec() };
        self.split.iter().map(split).collect()
    }
}

struct Kept(String);

impl Sink for Kept {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query.without(RowKind::UpdateBefore)
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Keeper(self.0.clone())))
    }
}

struct Keeper(String);

impl SinkWriter for Keeper {
    fn write(&mut self, batch: Batch) -> Result<()> {
        let line = |row: usize| {
            let cells = batch.rows().columns().iter().map(|column| array_value_to_string(column, row).unwrap());
            [batch.kind(row).short().to_owned()].into_iter().chain(cells).collect::<Vec<_>>().join(" ")
        };
        WRITTEN.lock().unwrap().entry(self.0.clone()).or_default().extend((0..batch.num_rows()).map(line));
        Ok(())
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}
