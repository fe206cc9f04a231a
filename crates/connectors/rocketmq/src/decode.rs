//! Messages to rows: bodies and metadata of one queue's messages become one batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, Counters};
use riverrun_data::{Batch, field};
use riverrun_formats::Decoder;
use riverrun_rocketmq_client::{Queue, ReceivedMessage};

use crate::metadata::Metadata;
use crate::table::Table;

/// What messages become. One reader owns it.
pub(crate) trait Decode: Send {
    /// What comes out.
    type Batch;

    /// What these messages, of one queue and in its order, become; `None` where that is nothing.
    ///
    /// # Errors
    /// A message that cannot be read, with its queue and offset.
    fn decode(&mut self, queue: &Queue, messages: &[ReceivedMessage]) -> Result<Option<Self::Batch>>;
}

/// An error of a message, with its place.
pub(crate) fn at(error: Error, queue: &Queue, message: Option<&ReceivedMessage>) -> Error {
    match message {
        Some(message) => error.with("queue", queue).with("offset", message.queue_offset),
        None => error.with("queue", queue),
    }
}

/// Turns messages into rows.
pub(crate) struct RowDecoder {
    body: Box<dyn Decoder>,
    metadata: Vec<Metadata>,
    schema: SchemaRef,
    /// Rows that could not be read and were left out.
    errors: Counter,
}

impl RowDecoder {
    /// A decoder whose rows have the physical columns and then `metadata`, whose columns have the given names.
    ///
    /// # Errors
    /// The format cannot read the columns.
    pub(crate) fn new(table: &Table, metadata: &[(String, Metadata)], counters: &Counters) -> Result<Self> {
        let physical = table.columns.physical.iter().map(|column| field(&column.name, &column.data_type));
        let beside = metadata.iter().map(|(name, metadata)| field(name, &metadata.data_type()));
        Ok(Self {
            body: table.body.decoder()?,
            metadata: metadata.iter().map(|(_, metadata)| *metadata).collect(),
            schema: Arc::new(Schema::new(physical.chain(beside).collect::<Vec<Field>>())),
            errors: counters.counter("numRecordsInErrors"),
        })
    }
}

impl Decode for RowDecoder {
    type Batch = Batch;

    fn decode(&mut self, queue: &Queue, messages: &[ReceivedMessage]) -> Result<Option<Batch>> {
        let bodies: Vec<&[u8]> = messages.iter().map(|message| &message.body()[..]).collect();
        let decoded = self.body.decode(&bodies).map_err(|error| at(error.error, queue, messages.get(error.message)))?;
        self.errors.add(decoded.skipped);
        if decoded.rows.num_rows() == 0 {
            return Ok(None);
        }
        let rows = if self.metadata.is_empty() {
            decoded.rows
        } else {
            let mut arrays: Vec<ArrayRef> = decoded.rows.columns().to_vec();
            for metadata in &self.metadata {
                arrays.push(match &decoded.messages {
                    None => metadata.read(queue, messages.iter())?,
                    Some(origins) => metadata.read(queue, origins.iter().map(|origin| &messages[*origin as usize]))?,
                });
            }
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|error| {
                Error::internal("cannot put the columns of RocketMQ messages together").caused_by(error)
            })?
        };
        match decoded.kinds {
            None => Ok(Some(Batch::insertions(rows))),
            Some(kinds) => Batch::with_kinds(rows, kinds).map(Some),
        }
    }
}
