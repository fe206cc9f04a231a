//! Rows to records that go to their topics, at once or, for `upsert-kafka`, from a buffer.

use std::time::{Duration, Instant};

use arrow::array::{Array, MapArray, StringArray, TimestampMillisecondArray};
use rdkafka::message::OwnedHeaders;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;

use crate::encode::{Record, RowEncoder};
use crate::metadata::{self, Written};
use crate::output::{Outgoing, Output};
use crate::partitioner::Partitioner;
use crate::table::Table;
use crate::upsert::Buffer;
use crate::writer::Encode;

/// How rows become records, beside what the table's columns and formats say.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// The columns that hold topic, headers and time.
    pub(crate) written: Written,
    /// How rows are spread over partitions.
    pub(crate) partitioner: Partitioner,
    /// How many keys `upsert-kafka` holds back, and for how long.
    pub(crate) buffer: Option<(usize, Duration)>,
}

/// Sends rows. One writer owns it.
pub(crate) struct Rows {
    encoder: RowEncoder,
    writing: Writing,
    buffer: Option<Buffer>,
}

impl Rows {
    /// For the rows of a table.
    ///
    /// # Errors
    /// A format cannot write the columns.
    pub(crate) fn new(table: &Table, writing: &Writing) -> Result<Self> {
        let buffer = writing.buffer.map(|(rows, interval)| Buffer::new(rows, interval));
        Ok(Self { encoder: RowEncoder::new(table)?, writing: writing.clone(), buffer })
    }

    fn send(&mut self, batch: &Batch, output: &mut Output) -> Result<()> {
        let columns = Beside::of(batch, self.writing.written)?;
        let partitioner = self.writing.partitioner;
        self.encoder.encode(batch, |record| send(output, &record, &columns, partitioner))?;
        output.report(Duration::ZERO)
    }
}

impl Encode for Rows {
    type Batch = Batch;

    fn write(&mut self, batch: Batch, output: &mut Output) -> Result<()> {
        let Some(buffer) = &mut self.buffer else { return self.send(&batch, output) };
        self.encoder.encode_keys(&batch)?;
        buffer.add(batch, self.encoder.keys(), Instant::now())?;
        if buffer.is_due(Instant::now()) { self.release(output) } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        self.buffer.as_ref().and_then(Buffer::deadline)
    }

    fn release(&mut self, output: &mut Output) -> Result<()> {
        let batches = match &mut self.buffer {
            Some(buffer) => buffer.drain()?,
            None => return Ok(()),
        };
        batches.iter().try_for_each(|batch| self.send(batch, output))
    }
}

fn send(output: &mut Output, record: &Record<'_>, beside: &Beside<'_>, partitioner: Partitioner) -> Result<()> {
    let target = std::sync::Arc::clone(&output.target);
    let topic = match (target.topics.single(), beside.topic) {
        (Some(topic), _) => topic,
        (None, Some(column)) if column.is_valid(record.row) => column.value(record.row),
        (None, _) => return Err(Error::data("a row has no topic to go to").with("column", "topic")),
    };
    let partitions = output.partitions(topic)?;
    output.send(Outgoing {
        topic,
        partition: partitioner.partition(output.subtask, partitions),
        key: record.key,
        value: record.value,
        timestamp: beside.timestamp(record.row),
        headers: beside.headers(record.row),
    })
}

/// The columns beside key and value of one batch.
struct Beside<'a> {
    topic: Option<&'a StringArray>,
    headers: Option<&'a MapArray>,
    timestamp: Option<&'a TimestampMillisecondArray>,
}

impl<'a> Beside<'a> {
    fn of(batch: &'a Batch, written: Written) -> Result<Self> {
        Ok(Self {
            topic: column(batch, written.topic)?,
            headers: column(batch, written.headers)?,
            timestamp: column(batch, written.timestamp)?,
        })
    }

    fn timestamp(&self, row: usize) -> Option<i64> {
        self.timestamp.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    }

    fn headers(&self, row: usize) -> Option<OwnedHeaders> {
        self.headers.and_then(|column| metadata::headers(column, row))
    }
}

fn column<T: 'static>(batch: &Batch, index: Option<usize>) -> Result<Option<&T>> {
    let Some(index) = index else { return Ok(None) };
    let array = batch.rows().columns().get(index).and_then(|array| array.as_any().downcast_ref());
    array.map(Some).ok_or_else(|| Error::internal(format!("column {index} does not hold the metadata it should")))
}
