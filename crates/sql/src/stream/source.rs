//! Opening a table for reading: its connector's source, checked, and the constants of VALUES.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use riverrun_base::{Error, Result, nearest};
use riverrun_connect::{
    Boundedness, Connector, Connectors, Discovery, MetadataKey, Polled, Source, SourceReader, Split, SplitEnumerator,
    SplitId, TableContext, TaskContext,
};
use riverrun_data::{Batch, DataType};

use crate::catalog::Table;
use crate::types;

/// The source of a table. Connects to nothing.
///
/// # Errors
/// The connector does not exist, cannot be read, or refuses the table's options.
pub(crate) fn open(connectors: &Connectors, table: &Table, hint: &BTreeMap<String, String>) -> Result<Box<dyn Source>> {
    let connector = table.connector(connectors, hint)?;
    let context = table.context(hint)?;
    let Some(source) = connector.source else {
        return Err(Error::user(format!(
            "Connector '{}' can only be used as a sink. It cannot be used as a source.",
            connector.name
        ))
        .with("table", &table.name));
    };
    metadata_types(connector, &context)?;
    source(&context).map_err(|error| error.with("table", &table.name))
}

/// The types in which the connector delivers or takes a table's metadata columns.
///
/// # Errors
/// The connector has no such key, cannot write it, or its type does not fit the column's.
pub(crate) fn metadata_types(connector: &Connector, context: &TableContext) -> Result<Vec<DataType>> {
    let keys = (connector.metadata)();
    context
        .metadata
        .iter()
        .map(|column| {
            let known = keys
                .iter()
                .find(|known| known.key == column.key)
                .ok_or_else(|| unknown_key(connector, context, &column.key, &column.name, &keys))?;
            let (from, to) = (&known.data_type.logical, &column.data_type.logical);
            if from != to && !types::explicit_cast_allowed(from, to) {
                return Err(Error::user(format!(
                    "Invalid data type for metadata column '{}': {} cannot be cast to {}",
                    column.name, known.data_type, column.data_type
                ))
                .with("table", &context.name));
            }
            Ok(known.data_type.clone())
        })
        .collect()
}

fn unknown_key(connector: &Connector, context: &TableContext, key: &str, column: &str, keys: &[MetadataKey]) -> Error {
    let names: Vec<&str> = keys.iter().map(|known| known.key).collect();
    let error = Error::user(format!("Invalid metadata key '{key}' in column '{column}' of table '{}'", context.name));
    if names.is_empty() {
        return error.hint(format!("connector '{}' has no metadata", connector.name));
    }
    let guess = nearest(key, names.iter().copied()).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    error.hint(format!("{guess}connector '{}' has: {}", connector.name, names.join(", ")))
}

/// The rows of VALUES, as a source that ends.
pub(crate) struct ValuesSource(pub(crate) RecordBatch);

impl Source for ValuesSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn parallelism(&self) -> Option<usize> {
        Some(1)
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(ValuesEnumerator { known: false }))
    }

    fn reader(&self, _: &TaskContext) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(ValuesReader { rows: self.0.clone(), split: None, done: false }))
    }
}

struct ValuesEnumerator {
    known: bool,
}

impl SplitEnumerator for ValuesEnumerator {
    fn discover(&mut self) -> Result<Discovery> {
        let splits = if std::mem::replace(&mut self.known, true) {
            Vec::new()
        } else {
            vec![Split { id: Arc::from("values"), position: b"0".to_vec() }]
        };
        Ok(Discovery { splits, again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.known = !known.is_empty();
    }
}

/// Emits the rows, then ends. The position is 0 before them and 1 after.
struct ValuesReader {
    rows: RecordBatch,
    split: Option<SplitId>,
    done: bool,
}

impl SourceReader for ValuesReader {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            self.done = split.position == b"1";
            self.split = Some(split.id);
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        let Some(split) = self.split.clone() else {
            std::thread::park_timeout(wait);
            return Ok(Polled::Nothing);
        };
        if self.done || self.rows.num_rows() == 0 {
            self.split = None;
            return Ok(Polled::Finished(split));
        }
        self.done = true;
        Ok(Polled::Rows { split, batch: Batch::insertions(self.rows.clone()) })
    }

    fn splits(&self) -> Vec<Split> {
        let position = if self.done { b"1".to_vec() } else { b"0".to_vec() };
        self.split.iter().map(|id| Split { id: id.clone(), position: position.clone() }).collect()
    }
}
