//! The connector as the engine drives it, on real folders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod exactly_once;
mod sink;
mod source;
mod typed;

use std::fs;
use std::path::Path;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use riverrun_base::Result;
use riverrun_connect::{
    Cancellation, Counters, MetadataColumn, Polled, Sink, Source, SourceReader, Split, TableContext, TaskContext,
};
use riverrun_data::{DataType, LogicalType, RowField};
use riverrun_filesystem::FILESYSTEM;

/// A table `t (a BIGINT, b STRING)`.
fn table(path: &Path, format: &str, options: &[(&str, &str)]) -> TableContext {
    let column = |name: &str, logical| RowField { name: name.into(), data_type: DataType::nullable(logical) };
    let written = [("path", path.to_str().unwrap()), ("format", format)];
    let options = written.iter().chain(options);
    TableContext {
        name: "t".into(),
        columns: vec![column("a", LogicalType::BigInt), column("b", LogicalType::STRING)],
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: "filesystem".into(),
    }
}

fn metadata(key: &str, logical: LogicalType) -> MetadataColumn {
    let (key, name, data_type) = (key.to_owned(), format!("m {key}"), DataType::not_null(logical));
    MetadataColumn { key, name, data_type, is_virtual: true }
}

fn source(table: &TableContext) -> Result<Box<dyn Source>> {
    FILESYSTEM.source.unwrap()(table)
}

fn sink(table: &TableContext) -> Result<Box<dyn Sink>> {
    FILESYSTEM.sink.unwrap()(table)
}

fn task() -> TaskContext {
    let (cancellation, counters) = (Cancellation::new(), Counters::default());
    TaskContext { task: "t".into(), subtask: 0, parallelism: 1, cancellation, counters, ..TaskContext::default() }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn splits(source: &dyn Source) -> Result<Vec<Split>> {
    source.enumerator(&task())?.discover().map(|found| found.splits)
}

fn reader(source: &dyn Source, splits: Vec<Split>) -> Box<dyn SourceReader> {
    let mut reader = source.reader(&task()).unwrap();
    reader.add_splits(splits).unwrap();
    reader
}

/// The next batch; `None` when every split has ended.
fn next(reader: &mut dyn SourceReader) -> Result<Option<RecordBatch>> {
    loop {
        match reader.poll(Duration::ZERO)? {
            Polled::Rows { batch, .. } => return Ok(Some(batch.rows().clone())),
            Polled::Finished(_) if reader.splits().is_empty() => return Ok(None),
            Polled::Finished(_) => {}
            Polled::Nothing => return Ok(None),
        }
    }
}

fn rest(reader: &mut dyn SourceReader) -> Result<Vec<RecordBatch>> {
    std::iter::from_fn(|| next(reader).transpose()).collect()
}

/// All rows of a table.
fn read(table: &TableContext) -> Result<RecordBatch> {
    let source = source(table)?;
    let splits = splits(source.as_ref())?;
    let batches = rest(reader(source.as_ref(), splits).as_mut())?;
    let schema = batches.first().map_or_else(|| table.physical_schema(), RecordBatch::schema);
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// The numbers of column `a`.
fn numbers(rows: &RecordBatch) -> Vec<i64> {
    use arrow::array::AsArray;
    rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
}
