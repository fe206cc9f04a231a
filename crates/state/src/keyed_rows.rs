//! How keyed state is stored: rows of keys and values, each with the key group of its key.
//!
//! The bytes are the magic number, the version, the number of rows (8 bytes, little endian), and a stream in Arrow's IPC format (columnar
//! format 1.x) with the columns `key group`, `change`, the keys and the values. Its schema's metadata says what the state is of. Version 1
//! stays readable for ever.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt8Array, UInt32Array, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, UInt8Type, UInt32Type};
use arrow::error::ArrowError;
use arrow_ipc::MetadataVersion;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use riverrun_base::{Error, Result};

use crate::{FrozenColumns, GroupTable, key_groups};

const MAGIC: &[u8; 7] = b"rrstate";
const VERSION: u8 = 1;
const HEADER: usize = MAGIC.len() + 1 + size_of::<u64>();
/// How many rows are frozen and encoded at a time.
pub const STATE_ROWS: usize = 65_536;
/// The key group of rows that are about all of them.
const ALL_KEY_GROUPS: u32 = u32::MAX;
/// The schema's metadata: what the state is of, and the number of key groups.
const DESCRIPTION: &str = "riverrun.state";
const MAX_PARALLELISM: &str = "riverrun.max-parallelism";

/// What happened to a row, since the deltas before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It is there now, in place of one that is identified by the same columns.
    Put = 0,
    /// It is gone.
    Delete = 1,
    /// It is there now, in place of all rows with its key.
    Replace = 2,
}

/// What rows of state look like, and what they are of.
#[derive(Clone, Debug)]
pub struct StateLayout {
    /// What the state is of, in words for people. State of another description or of other types is not taken.
    pub description: String,
    /// The key columns, by which rows are dealt out; none if all rows belong together.
    pub keys: Vec<FieldRef>,
    /// The other columns.
    pub values: Vec<FieldRef>,
    /// The number of key groups.
    pub max_parallelism: u32,
}

/// Rows to encode.
pub struct FrozenRows {
    /// What happened to each.
    pub changes: Changes,
    /// How many there are.
    pub rows: usize,
    /// The key columns; `None` for rows that are about all keys.
    pub keys: Option<FrozenColumns>,
    /// The values, in several parts; the columns that are left out behind are NULL.
    pub values: Vec<FrozenColumns>,
}

impl FrozenRows {
    /// The keys in these slots with what `values` has of each, in parts of [`STATE_ROWS`].
    ///
    /// # Errors
    /// A slot is not in use.
    pub fn put(
        table: &GroupTable,
        slots: &[u32],
        mut values: impl FnMut(&[u32]) -> Vec<FrozenColumns>,
    ) -> Result<Vec<Self>> {
        let part = |part: &[u32]| {
            Ok(Self {
                changes: Changes::All(RowChange::Put),
                rows: part.len(),
                keys: Some(table.freeze(part)?),
                values: values(part),
            })
        };
        slots.chunks(STATE_ROWS).map(part).collect()
    }
}

/// What happened to rows.
#[derive(Clone, Debug)]
pub enum Changes {
    /// The same to all.
    All(RowChange),
    /// To each what is said here.
    Each(Vec<RowChange>),
}

/// Rows of state, as they were stored.
#[derive(Debug)]
pub struct KeyedRows {
    changes: UInt8Array,
    /// The key columns; NULL where a row is about all keys.
    pub keys: Vec<ArrayRef>,
    /// The values.
    pub values: Vec<ArrayRef>,
}

impl KeyedRows {
    /// How many there are.
    pub fn rows(&self) -> usize {
        self.changes.len()
    }

    /// What happened to a row.
    pub fn change(&self, row: usize) -> RowChange {
        match self.changes.value(row) {
            0 => RowChange::Put,
            1 => RowChange::Delete,
            _ => RowChange::Replace,
        }
    }

    /// The rows to which this happened.
    ///
    /// # Errors
    /// The columns cannot be filtered.
    pub fn only(&self, change: RowChange) -> Result<Self> {
        let selected = BooleanBuffer::collect_bool(self.rows(), |row| self.change(row) == change);
        if selected.count_set_bits() == self.rows() {
            return Ok(Self { changes: self.changes.clone(), keys: self.keys.clone(), values: self.values.clone() });
        }
        let mask = BooleanArray::new(selected, None);
        let filtered = |columns: &[ArrayRef]| {
            columns.iter().map(|column| compute::filter(column, &mask)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            changes: compute::filter(&self.changes, &mask).map_err(unreadable)?.as_primitive().clone(),
            keys: filtered(&self.keys).map_err(unreadable)?,
            values: filtered(&self.values).map_err(unreadable)?,
        })
    }
}

impl StateLayout {
    /// The bytes of these rows, and how many there are. Of rows that are identified by the same columns, later ones count.
    ///
    /// # Errors
    /// The rows do not fit the layout.
    pub fn encode(&self, frozen: Vec<FrozenRows>) -> Result<(Vec<u8>, u64)> {
        let schema = self.schema();
        let rows: u64 = frozen.iter().map(|rows| rows.rows as u64).sum();
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend(rows.to_le_bytes());
        // The header is as long as the widest value, so that values lie aligned.
        let options = IpcWriteOptions::try_new(HEADER, false, MetadataVersion::V5).map_err(unwritten)?;
        let mut writer = StreamWriter::try_new_with_options(bytes, &schema, options).map_err(unwritten)?;
        let mut waiting: Vec<RecordBatch> = Vec::new();
        for rows in frozen.into_iter().filter(|rows| rows.rows > 0) {
            let waiting_rows: usize = waiting.iter().map(RecordBatch::num_rows).sum();
            if waiting_rows + rows.rows > STATE_ROWS {
                write(&mut writer, &schema, &mut waiting)?;
            }
            waiting.push(self.batch(&schema, rows)?);
        }
        write(&mut writer, &schema, &mut waiting)?;
        Ok((writer.into_inner().map_err(unwritten)?, rows))
    }

    /// The rows of these key groups, those about all key groups among them, in the order in which they were encoded.
    ///
    /// # Errors
    /// The bytes are no state, or that of something else.
    pub fn decode(&self, bytes: Vec<u8>, key_groups: RangeInclusive<u32>) -> Result<Vec<KeyedRows>> {
        let header = bytes.first_chunk::<HEADER>().filter(|header| header.starts_with(MAGIC));
        let header = header.ok_or_else(|| Error::data("what is stored is no state of an operator"))?;
        if header[MAGIC.len()] != VERSION {
            return Err(Error::user(format!(
                "the state is stored in version {}, and this program reads version {VERSION}",
                header[MAGIC.len()]
            ))
            .hint("restore it with the version of Riverrun that stored it, or a later one"));
        }
        let mut rows_left = [0; 8];
        rows_left.copy_from_slice(&header[MAGIC.len() + 1..]);
        let mut rows_left = u64::from_le_bytes(rows_left);
        let mut stream = Buffer::from(bytes).slice(HEADER);
        let mut decoder = StreamDecoder::new();
        let mut known = false;
        let mut decoded = Vec::new();
        while !stream.is_empty() {
            let batch = decoder.decode(&mut stream).map_err(unreadable)?;
            if let Some(schema) = decoder.schema().filter(|_| !std::mem::replace(&mut known, true)) {
                self.check(&schema)?;
            }
            if let Some(batch) = batch {
                rows_left = rows_left.checked_sub(batch.num_rows() as u64).ok_or_else(cut_off)?;
                decoded.extend(self.select(&batch, &key_groups)?);
            }
        }
        decoder.finish().map_err(unreadable)?;
        if !known || rows_left > 0 {
            return Err(cut_off());
        }
        Ok(decoded)
    }

    fn schema(&self) -> SchemaRef {
        let own = [Field::new("key group", DataType::UInt32, false), Field::new("change", DataType::UInt8, false)];
        let nullable = |field: &FieldRef| Arc::new(Field::new(field.name(), field.data_type().clone(), true));
        let fields: Vec<FieldRef> =
            own.into_iter().map(Arc::new).chain(self.keys.iter().chain(&self.values).map(nullable)).collect();
        let metadata = HashMap::from([
            (DESCRIPTION.to_owned(), self.description.clone()),
            (MAX_PARALLELISM.to_owned(), self.max_parallelism.to_string()),
        ]);
        Arc::new(Schema::new_with_metadata(fields, metadata))
    }

    fn batch(&self, schema: &SchemaRef, frozen: FrozenRows) -> Result<RecordBatch> {
        let rows = frozen.rows;
        let mut groups = Vec::new();
        let keys = match frozen.keys {
            Some(keys) => {
                let keys = keys.get()?;
                match keys.is_empty() {
                    true => groups.resize(rows, 0),
                    false => key_groups(&keys, rows, self.max_parallelism, &mut groups)?,
                }
                keys
            }
            None => {
                groups.resize(rows, ALL_KEY_GROUPS);
                self.keys.iter().map(|field| new_null_array(field.data_type(), rows)).collect()
            }
        };
        let changes = match frozen.changes {
            Changes::All(change) => vec![change as u8; rows],
            Changes::Each(changes) => changes.into_iter().map(|change| change as u8).collect(),
        };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups)), Arc::new(UInt8Array::from(changes))];
        columns.extend(keys);
        for values in frozen.values {
            columns.extend(values.get()?);
        }
        columns.extend(schema.fields().iter().skip(columns.len()).map(|field| new_null_array(field.data_type(), rows)));
        RecordBatch::try_new(schema.clone(), columns).map_err(unwritten)
    }

    /// The rows of some key groups in a batch; `None` without any.
    fn select(&self, batch: &RecordBatch, range: &RangeInclusive<u32>) -> Result<Option<KeyedRows>> {
        let groups = batch.column(0).as_primitive::<UInt32Type>().values();
        let wanted = |group: u32| range.contains(&group) || group == ALL_KEY_GROUPS;
        let selected = BooleanBuffer::collect_bool(groups.len(), |row| wanted(groups[row]));
        let batch = match selected.count_set_bits() {
            0 => return Ok(None),
            all if all == groups.len() => batch.clone(),
            _ => compute::filter_record_batch(batch, &BooleanArray::new(selected, None)).map_err(unreadable)?,
        };
        let (keys, values) = batch.columns()[2..].split_at(self.keys.len());
        Ok(Some(KeyedRows {
            changes: batch.column(1).as_primitive::<UInt8Type>().clone(),
            keys: keys.to_vec(),
            values: values.to_vec(),
        }))
    }

    /// Whether what is stored is what is wanted.
    fn check(&self, stored: &Schema) -> Result<()> {
        let text =
            |schema: &Schema, key: &str| schema.metadata().get(key).cloned().unwrap_or_else(|| "unknown".to_owned());
        let description = text(stored, DESCRIPTION);
        let wanted = self.schema();
        let other = |stored: String, wanted: String| {
            Error::user(format!("the stored state is of {stored}, and the program has {wanted}"))
                .hint("undo the change of the statement, or start the job without stored state")
        };
        if description != self.description {
            return Err(other(description, self.description.clone()));
        }
        let types = |schema: &Schema| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        if types(stored) != types(&wanted) {
            let shown = |schema: &Schema| {
                let columns =
                    schema.fields().iter().skip(2).map(|field| format!("{} {}", field.name(), field.data_type()));
                format!("{description} in ({})", columns.collect::<Vec<_>>().join(", "))
            };
            return Err(other(shown(stored), shown(&wanted)));
        }
        let groups = text(stored, MAX_PARALLELISM);
        if groups != self.max_parallelism.to_string() && !self.keys.is_empty() {
            return Err(Error::user(format!(
                "the state was stored with a maximum parallelism of {groups}, and the job has {}",
                self.max_parallelism
            ))
            .hint(format!("SET 'pipeline.max-parallelism' = '{groups}'")));
        }
        Ok(())
    }
}

/// Writes batches as one.
fn write(writer: &mut StreamWriter<Vec<u8>>, schema: &SchemaRef, batches: &mut Vec<RecordBatch>) -> Result<()> {
    match std::mem::take(batches).as_slice() {
        [] => Ok(()),
        [only] => writer.write(only).map_err(unwritten),
        several => {
            let one = compute::concat_batches(schema, several).map_err(unwritten)?;
            writer.write(&one).map_err(unwritten)
        }
    }
}

fn unwritten(error: ArrowError) -> Error {
    Error::internal("state cannot be encoded").caused_by(error)
}

fn unreadable(error: ArrowError) -> Error {
    Error::data("stored state cannot be read").caused_by(error)
}

fn cut_off() -> Error {
    Error::data("stored state cannot be read: it is not as long as it says")
}

#[cfg(test)]
mod tests;
