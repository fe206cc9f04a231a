//! A source or a sink without an engine: tables from names and options, rows as texts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use riverrun_base::{Error, Result};
use riverrun_connect::{
    Cancellation, Connector, Counters, Flush, MetadataColumn, Polled, SinkWriter, SourceReader, Split, SplitEnumerator,
    SplitId, TableContext, TaskContext,
};
use riverrun_data::{Batch, DataType, LogicalType, RowField, RowKind, arrow_schema};
use riverrun_kafka::{KAFKA, UPSERT_KAFKA};

/// How long any expected thing may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A table of the given connector.
pub(crate) fn table(connector: &Connector, columns: &[(&str, LogicalType)], options: &[(&str, &str)]) -> TableContext {
    TableContext {
        name: "orders".into(),
        columns: columns
            .iter()
            .map(|(name, logical)| RowField { name: (*name).into(), data_type: DataType::nullable(logical.clone()) })
            .collect(),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: connector.name.into(),
    }
}

/// `(id BIGINT, name STRING)` in csv, of `kafka`, from the earliest offset.
pub(crate) fn people(bootstrap: &str, topic: &str, options: &[(&str, &str)]) -> TableContext {
    let mut table = table(&KAFKA, &[("id", LogicalType::BigInt), ("name", LogicalType::STRING)], &[]);
    let defaults = [
        ("properties.bootstrap.servers", bootstrap),
        ("topic", topic),
        ("format", "csv"),
        ("scan.startup.mode", "earliest-offset"),
    ];
    for (key, value) in defaults.iter().chain(options) {
        if value.is_empty() {
            table.options.remove(*key);
        } else {
            table.options.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    table
}

/// A metadata column of the type the connector gives it.
pub(crate) fn metadata(name: &str, key: &str, is_virtual: bool) -> MetadataColumn {
    let keys = (KAFKA.metadata)();
    let data_type = keys.iter().find(|known| known.key == key).unwrap().data_type.clone();
    MetadataColumn { key: key.into(), name: name.into(), data_type, is_virtual }
}

pub(crate) fn connector(table: &TableContext) -> &'static Connector {
    [&KAFKA, &UPSERT_KAFKA].into_iter().find(|connector| connector.name == table.connector).unwrap()
}

pub(crate) fn task(subtask: usize) -> TaskContext {
    TaskContext {
        task: "test".into(),
        subtask,
        parallelism: 1,
        cancellation: Cancellation::new(),
        counters: Counters::default(),
        ..TaskContext::default()
    }
}

/// A running source: one enumerator, one reader.
pub(crate) struct Reading {
    pub(crate) enumerator: Box<dyn SplitEnumerator>,
    pub(crate) reader: Box<dyn SourceReader>,
    pub(crate) context: TaskContext,
    pub(crate) finished: BTreeSet<SplitId>,
    /// Every split there is, the ended ones too: what a checkpoint knows.
    pub(crate) known: Vec<SplitId>,
}

impl Reading {
    /// Starts a source: connects, finds the splits and gives them to the reader.
    pub(crate) fn start(table: &TableContext) -> Self {
        Self::try_start(table).unwrap()
    }

    pub(crate) fn try_start(table: &TableContext) -> Result<Self> {
        let mut reading = Self::open(table)?;
        reading.discover()?;
        Ok(reading)
    }

    /// Starts a source from a checkpoint: the splits it knows, and those that have not ended.
    pub(crate) fn restore(table: &TableContext, known: Vec<SplitId>, splits: Vec<Split>) -> Self {
        let mut reading = Self::open(table).unwrap();
        reading.enumerator.restore(&known);
        reading.finished = known.iter().filter(|id| splits.iter().all(|split| split.id != **id)).cloned().collect();
        reading.known = known;
        reading.reader.add_splits(splits).unwrap();
        reading.discover().unwrap();
        reading
    }

    fn open(table: &TableContext) -> Result<Self> {
        let source = connector(table).source.unwrap()(table)?;
        let context = task(0);
        let (enumerator, reader) = (source.enumerator(&context)?, source.reader(&context)?);
        Ok(Self { enumerator, reader, context, finished: BTreeSet::new(), known: Vec::new() })
    }

    /// Looks for splits, and returns the names of the new ones.
    pub(crate) fn discover(&mut self) -> Result<Vec<String>> {
        let found = self.enumerator.discover()?;
        self.known.extend(found.splits.iter().map(|split| Arc::clone(&split.id)));
        let names = found.splits.iter().map(|split| split.id.to_string()).collect();
        self.reader.add_splits(found.splits)?;
        Ok(names)
    }

    /// The next batch within a minute; `None` when every split has ended.
    pub(crate) fn next(&mut self) -> Result<Option<(SplitId, Batch)>> {
        let end = Instant::now() + LIMIT;
        loop {
            if self.finished.len() == self.known.len() {
                return Ok(None);
            }
            match self.reader.poll(Duration::from_millis(200))? {
                Polled::Rows { split, batch } => {
                    assert!(batch.num_rows() > 0, "a batch is never empty");
                    assert!(!self.finished.contains(&split), "rows of {split} after its end");
                    return Ok(Some((split, batch)));
                }
                Polled::Finished(split) => assert!(self.finished.insert(split), "a split ends once"),
                Polled::Nothing => {
                    assert!(Instant::now() < end, "nothing came within {LIMIT:?}; splits: {:?}", self.reader.splits())
                }
            }
        }
    }

    /// The next `count` rows or more.
    pub(crate) fn take(&mut self, count: usize) -> Vec<String> {
        let mut rows = Vec::new();
        while rows.len() < count {
            match self.next().unwrap() {
                Some((_, batch)) => rows.extend(texts(&batch)),
                None => panic!("the source ended after {rows:?}"),
            }
        }
        rows
    }

    /// As [`Self::take`], and sees that nothing else comes for a moment.
    pub(crate) fn take_exactly(&mut self, count: usize) -> Vec<String> {
        let rows = self.take(count);
        assert_eq!(rows.len(), count, "{rows:?}");
        self.expect_silence();
        rows
    }

    pub(crate) fn expect_silence(&mut self) {
        match self.reader.poll(Duration::from_millis(400)).unwrap() {
            Polled::Nothing => {}
            other => panic!("expected nothing more, got {other:?}"),
        }
    }

    /// All rows until every split has ended.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut rows = Vec::new();
        while let Some((_, batch)) = self.next().unwrap() {
            rows.extend(texts(&batch));
        }
        rows
    }

    /// The error that reading ends with.
    pub(crate) fn error(&mut self) -> Error {
        loop {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the source ended without an error"),
                Err(error) => return error,
            }
        }
    }

    /// The positions as texts, `topic-0 {"offset":1}`.
    pub(crate) fn positions(&self) -> Vec<String> {
        let text = |split: Split| format!("{} {}", split.id, String::from_utf8(split.position).unwrap());
        self.reader.splits().into_iter().map(text).collect()
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.context.counters.snapshot().iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
    }
}

/// Rows as texts: the kind where it is no insertion, and the columns between bars.
pub(crate) fn texts(batch: &Batch) -> Vec<String> {
    let options = FormatOptions::new().with_null("NULL");
    // Arrow formats no zone without a database of zones.
    let columns: Vec<ArrayRef> = batch.rows().columns().iter().map(without_zone).collect();
    let columns: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row: usize| {
        let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
        match batch.kinds() {
            None => values.join("|"),
            Some(_) => format!("{}{}", batch.kind(row), values.join("|")),
        }
    };
    (0..batch.num_rows()).map(row).collect()
}

fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.as_any().downcast_ref::<TimestampMillisecondArray>() {
        Some(times) => Arc::new(times.clone().with_timezone_opt(None::<&str>)),
        None => Arc::clone(column),
    }
}

pub(crate) fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

/// A writer of a table's sink.
pub(crate) fn writer(table: &TableContext) -> Box<dyn SinkWriter> {
    try_writer(table).unwrap()
}

pub(crate) fn try_writer(table: &TableContext) -> Result<Box<dyn SinkWriter>> {
    connector(table).sink.unwrap()(table)?.writer(&task(0))
}

/// Writes and flushes.
pub(crate) fn write_all(table: &TableContext, batch: Batch) {
    let mut writer = writer(table);
    writer.write(batch).unwrap();
    writer.flush(Flush::End).unwrap();
}

/// A batch of the physical columns, which are BIGINT or STRING: `+U1|ann`, `2|NULL`.
pub(crate) fn batch(table: &TableContext, rows: &[&str]) -> Batch {
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let kind_of = |row: &str| kinds.into_iter().find(|kind| row.starts_with(kind.short()));
    let values = |row: &str, column: usize| {
        let row = kind_of(row).map_or(row, |kind| &row[kind.short().len()..]);
        Some(row.split('|').nth(column).unwrap().to_owned()).filter(|text| text != "NULL")
    };
    let column = |(index, field): (usize, &RowField)| -> ArrayRef {
        let texts = rows.iter().map(|row| values(row, index));
        match field.data_type.logical {
            LogicalType::BigInt => {
                Arc::new(texts.map(|text| text.map(|text| text.parse().unwrap())).collect::<Int64Array>())
            }
            _ => Arc::new(texts.collect::<StringArray>()),
        }
    };
    let columns = table.columns.iter().enumerate().map(column).collect();
    let batch = RecordBatch::try_new(arrow_schema(&table.columns), columns).unwrap();
    if rows.iter().all(|row| kind_of(row).is_none()) {
        return Batch::insertions(batch);
    }
    Batch::with_kinds(batch, rows.iter().map(|row| kind_of(row).unwrap_or_default()).collect::<Vec<_>>()).unwrap()
}
