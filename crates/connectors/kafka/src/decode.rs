//! Records to rows: key, value and metadata of one partition's records become one batch.
//!
//! Most tables have a value only; their batches are what the format decoded. Otherwise rows are put together from the rows of the value, the rows
//! of the key and the metadata of each record, as Flink does: a record gives one row for each pair of a key row and a value row; a key or value
//! that gives no row (null, or skipped by its format) drops the record, except that `upsert` turns a null value into a deletion, and that `raw`
//! reads null as NULL.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, RecordBatch, StructArray, UInt32Array, make_array, new_null_array};
use arrow::compute;
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, Counters};
use riverrun_data::{Batch, RowKind, field};
use riverrun_formats::{DecodeError, Decoded, Decoder};

use crate::batch_queue::Messages;
use crate::columns::Columns;
use crate::metadata::Metadata;

/// Decodes one side of records: keys or values.
pub(crate) struct Side {
    decoder: Box<dyn Decoder>,
    /// Whether null is a NULL, as `raw` has it, and not the absence of a row.
    null_is_value: bool,
}

impl Side {
    /// The side that a format of this name reads.
    pub(crate) fn new(decoder: Box<dyn Decoder>, format: &str) -> Self {
        Self { decoder, null_is_value: format == "raw" }
    }
}

/// What records become. One reader owns it.
pub(crate) trait Decode: Send {
    /// What comes out.
    type Batch;

    /// What the records in `range`, of one partition and in its order, become; `None` where that is nothing.
    ///
    /// # Errors
    /// A record that cannot be read, with its topic, partition and offset.
    fn decode(&mut self, messages: &Messages, range: Range<usize>) -> Result<Option<Self::Batch>>;
}

/// An error of the record at an index, with its place.
pub(crate) fn at(error: Error, messages: &Messages, index: usize) -> Error {
    error.with("offset", messages.offset(index)).with("partition", messages.partition()).with("topic", messages.topic())
}

/// Turns records into rows.
pub(crate) struct RowDecoder {
    value: Side,
    key: Option<Side>,
    columns: Arc<Columns>,
    metadata: Vec<Metadata>,
    upsert: bool,
    schema: SchemaRef,
    /// Records that their format skipped.
    errors: Counter,
    /// Records that gave no row because key or value is null.
    nulls: Counter,
}

/// The rows of one side, by record.
struct Rows {
    decoded: Decoded,
    /// Row `n` of record `m` is in `first[m]..first[m + 1]`; `None` where record and row have the same number.
    first: Option<Vec<u32>>,
    /// The records without bytes, in order.
    null: Vec<u32>,
}

/// Where each row of a batch comes from.
#[derive(Default)]
struct Plan {
    /// The record.
    message: Vec<u32>,
    /// The row of the value, none for a null.
    value: Vec<Option<u32>>,
    /// The row of the key, none for a null.
    key: Vec<Option<u32>>,
}

impl RowDecoder {
    /// A decoder whose rows have the physical columns and then `metadata`, whose columns have the given names.
    pub(crate) fn new(
        value: Side,
        key: Option<Side>,
        columns: Arc<Columns>,
        metadata: &[(String, Metadata)],
        upsert: bool,
        counters: &Counters,
    ) -> Self {
        let physical = columns.physical.iter().map(|column| field(&column.name, &column.data_type));
        let beside = metadata.iter().map(|(name, metadata)| field(name, &metadata.data_type()));
        let schema = Arc::new(Schema::new(physical.chain(beside).collect::<Vec<Field>>()));
        Self {
            value,
            key,
            columns,
            metadata: metadata.iter().map(|(_, metadata)| *metadata).collect(),
            upsert,
            schema,
            errors: counters.counter("numRecordsInErrors"),
            nulls: counters.counter("numRecordsInNull"),
        }
    }
}

impl Decode for RowDecoder {
    type Batch = Batch;

    fn decode(&mut self, messages: &Messages, range: Range<usize>) -> Result<Option<Batch>> {
        let start = range.start;
        let at = |error: Error, message: usize| at(error, messages, start + message);
        let value = decode_side(&mut self.value, range.clone().map(|index| messages.value(index)))
            .map_err(|error| at(error.error, error.message))?;
        self.errors.add(value.decoded.skipped);
        if self.key.is_none() && self.metadata.is_empty() && (value.null.is_empty() || !self.keeps_nulls()) {
            self.nulls.add(value.null.len() as u64);
            return batch(value.decoded.rows, value.decoded.kinds);
        }
        let key = match &mut self.key {
            Some(side) => {
                let keys = decode_side(side, range.clone().map(|index| messages.key(index)));
                Some(keys.map_err(|error| at(error.error.with("part", "key"), error.message))?)
            }
            None => None,
        };
        self.errors.add(key.as_ref().map_or(0, |key| key.decoded.skipped));
        let plan = self.plan(range.len(), &value, key.as_ref());
        if plan.message.is_empty() {
            return Ok(None);
        }
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for column in 0..self.columns.physical.len() {
            arrays.push(self.physical(column, &plan, &value, key.as_ref()).map_err(bug)?);
        }
        let records: Vec<u32> = plan.message.iter().map(|message| narrow(start + *message as usize)).collect();
        for metadata in &self.metadata {
            arrays.push(metadata.read(messages, &records)?);
        }
        let kinds = self.kinds(&plan, &value);
        for (array, field) in arrays.iter().zip(self.schema.fields()) {
            if field.is_nullable() || array.null_count() == 0 {
                continue;
            }
            if let Some(row) = (0..array.len()).find(|row| array.is_null(*row)) {
                let error = Error::data("null cannot be read into a NOT NULL column").with("column", field.name());
                return Err(at(error, plan.message.get(row).map_or(0, |message| *message as usize)));
            }
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(bug)?;
        batch(rows, kinds)
    }
}

impl RowDecoder {
    /// Whether a null value makes a row.
    fn keeps_nulls(&self) -> bool {
        self.upsert || self.value.null_is_value
    }

    /// Which rows the batch has.
    fn plan(&self, messages: usize, value: &Rows, key: Option<&Rows>) -> Plan {
        if value.first.is_none() && key.is_none_or(|key| key.first.is_none()) {
            let rows: Vec<Option<u32>> = (0..narrow(messages)).map(Some).collect();
            return Plan {
                message: (0..narrow(messages)).collect(),
                value: rows.clone(),
                key: if key.is_some() { rows } else { Vec::new() },
            };
        }
        let mut plan = Plan::default();
        let null_key_is_row = self.key.as_ref().is_some_and(|side| side.null_is_value && !self.upsert);
        let (mut value_nulls, mut key_nulls) =
            (value.null.iter().peekable(), key.map(|key| key.null.iter().peekable()));
        for message in 0..narrow(messages) {
            let null_value = value_nulls.next_if_eq(&&message).is_some();
            let null_key = key_nulls.as_mut().is_some_and(|nulls| nulls.next_if_eq(&&message).is_some());
            if null_value && !self.keeps_nulls() || null_key && !null_key_is_row {
                self.nulls.add(1);
                continue;
            }
            let values = value.of(message);
            let keys = key.map_or(0..0, |key| key.of(message));
            let no_key_row = key.is_none() || null_key;
            // Every value row, or one null; with each of them every key row, or one null.
            for value_row in values.map(Some).chain(null_value.then_some(None)) {
                for key_row in keys.clone().map(Some).chain(no_key_row.then_some(None)) {
                    plan.message.push(message);
                    plan.value.push(value_row);
                    plan.key.push(key_row);
                }
            }
        }
        plan
    }

    /// One physical column: from the value where it is there, else from the key.
    fn physical(&self, column: usize, plan: &Plan, value: &Rows, key: Option<&Rows>) -> Result<ArrayRef, ArrowError> {
        let rows = plan.message.len();
        let in_value = self
            .columns
            .value
            .iter()
            .position(|index| *index == column)
            .and_then(|n| value.decoded.rows.columns().get(n));
        let in_key = self
            .columns
            .key
            .iter()
            .position(|index| *index == column)
            .zip(key)
            .and_then(|(n, key)| key.decoded.rows.columns().get(n));
        match (in_value, in_key) {
            (Some(values), None) if plan.value.iter().all(Option::is_some) => pick(values, &plan.value),
            (Some(values), None) => {
                let nothing = self.nothing(column, values.data_type())?;
                let choose = |row: &Option<u32>| row.map_or((1, 0), |row| (0, row as usize));
                compute::interleave(
                    &[values.as_ref(), nothing.as_ref()],
                    &plan.value.iter().map(choose).collect::<Vec<_>>(),
                )
            }
            (None, Some(keys)) => pick(keys, &plan.key),
            (Some(values), Some(_)) if plan.value.iter().all(Option::is_some) => pick(values, &plan.value),
            (Some(values), Some(keys)) => {
                let nothing = self.nothing(column, values.data_type())?;
                let choose =
                    |row: usize| match (plan.value.get(row).copied().flatten(), plan.key.get(row).copied().flatten()) {
                        (Some(row), _) => (0, row as usize),
                        (None, Some(row)) => (1, row as usize),
                        (None, None) => (2, 0),
                    };
                compute::interleave(
                    &[values.as_ref(), keys.as_ref(), nothing.as_ref()],
                    &(0..rows).map(choose).collect::<Vec<_>>(),
                )
            }
            (None, None) => Err(ArrowError::SchemaError(format!("column {column} is neither in key nor value"))),
        }
    }

    fn kinds(&self, plan: &Plan, value: &Rows) -> Option<Vec<RowKind>> {
        if !self.upsert && value.decoded.kinds.is_none() {
            return None;
        }
        let of_value = |row: u32| {
            value
                .decoded
                .kinds
                .as_ref()
                .and_then(|kinds| kinds.get(row as usize).copied())
                .unwrap_or(RowKind::UpdateAfter)
        };
        Some(
            plan.value
                .iter()
                .map(|row| row.map_or(if self.upsert { RowKind::Delete } else { RowKind::Insert }, of_value))
                .collect(),
        )
    }

    /// What a column holds in a row without a value: NULL; in a deletion, of which only the key counts, the zero of its type where it is NOT NULL.
    fn nothing(&self, column: usize, data_type: &ArrowType) -> Result<ArrayRef, ArrowError> {
        let null = new_null_array(data_type, 1);
        if self.upsert && !self.schema.field(column).is_nullable() {
            without_nulls(null.to_data(), data_type).map(make_array)
        } else {
            Ok(null)
        }
    }
}

impl Rows {
    /// The rows of a record.
    fn of(&self, message: u32) -> Range<u32> {
        match &self.first {
            None => message..message + 1,
            Some(first) => {
                let at = |index: u32| first.get(index as usize).copied().unwrap_or_default();
                at(message)..at(message + 1)
            }
        }
    }
}

/// Decodes the bytes of one side of consecutive records.
fn decode_side<'a>(
    side: &mut Side,
    bytes: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
) -> Result<Rows, DecodeError> {
    let count = bytes.len();
    let mut slices: Vec<&[u8]> = Vec::with_capacity(count);
    let mut null = Vec::new();
    // The record of each slice, once the numbers differ.
    let mut origin: Vec<u32> = Vec::new();
    for (message, bytes) in bytes.enumerate() {
        match bytes {
            Some(bytes) => {
                slices.push(bytes);
                if !null.is_empty() {
                    origin.push(narrow(message));
                }
            }
            None => {
                if null.is_empty() {
                    origin.extend(0..narrow(message));
                }
                null.push(narrow(message));
            }
        }
    }
    let record = |slice: usize| origin.get(slice).map_or(slice, |message| *message as usize);
    let decoded =
        side.decoder.decode(&slices).map_err(|error| DecodeError { message: record(error.message), ..error })?;
    if null.is_empty() && decoded.messages.is_none() {
        return Ok(Rows { decoded, first: None, null });
    }
    // Count the rows of each record, then sum up.
    let mut first = vec![0u32; count + 1];
    let mut count_row = |slice: usize| {
        if let Some(rows) = first.get_mut(record(slice) + 1) {
            *rows += 1;
        }
    };
    match &decoded.messages {
        Some(messages) => messages.iter().for_each(|message| count_row(*message as usize)),
        None => (0..decoded.rows.num_rows()).for_each(count_row),
    }
    let mut sum = 0;
    for rows in &mut first {
        sum += *rows;
        *rows = sum;
    }
    Ok(Rows { decoded, first: Some(first), null })
}

/// The rows of a column in the order of a plan; the column itself where the plan is all its rows in order.
fn pick(column: &ArrayRef, rows: &[Option<u32>]) -> Result<ArrayRef, ArrowError> {
    if rows.len() == column.len() && rows.iter().enumerate().all(|(n, row)| *row == Some(narrow(n))) {
        return Ok(Arc::clone(column));
    }
    compute::take(column, &UInt32Array::from(rows.to_vec()), None)
}

/// The same data where every null has become some valid value.
fn without_nulls(data: ArrayData, data_type: &ArrowType) -> Result<ArrayData, ArrowError> {
    if let ArrowType::Struct(fields) = data_type {
        let array = StructArray::from(data);
        let children = array.columns().iter().zip(fields).map(|(child, field)| {
            if field.is_nullable() {
                Ok(Arc::clone(child))
            } else {
                without_nulls(child.to_data(), field.data_type()).map(make_array)
            }
        });
        return Ok(StructArray::try_new(fields.clone(), children.collect::<Result<_, _>>()?, None)?.to_data());
    }
    data.into_builder().nulls(None).build()
}

fn batch(rows: RecordBatch, kinds: Option<Vec<RowKind>>) -> Result<Option<Batch>> {
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    match kinds {
        None => Ok(Some(Batch::insertions(rows))),
        Some(kinds) => Batch::with_kinds(rows, kinds).map(Some),
    }
}

fn bug(error: ArrowError) -> Error {
    Error::internal("cannot put the columns of Kafka records together").caused_by(error)
}

/// An index of a record or row; both are far fewer than 2^32 in a batch.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
