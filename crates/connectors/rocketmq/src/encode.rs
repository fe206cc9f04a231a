//! Rows to messages: bodies, keys and tags of a batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use bytes::Bytes;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_formats::{Encoded, Encoder};
use riverrun_rocketmq_client::Message;

use crate::metadata::Written;
use crate::table::Table;
use crate::writer::Encode;

/// How rows become messages, beside what the table's columns and format say.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    pub(crate) topic: String,
    /// The tag of every message.
    pub(crate) tag: String,
    pub(crate) delay_level: u8,
    pub(crate) written: Written,
}

/// Turns rows into messages. One writer owns it.
pub(crate) struct RowEncoder {
    writing: Writing,
    body: Box<dyn Encoder>,
    schema: SchemaRef,
    columns: Arc<crate::columns::Columns>,
    encoded: Encoded,
}

impl RowEncoder {
    /// An encoder for the rows of a table.
    ///
    /// # Errors
    /// The format cannot write the columns.
    pub(crate) fn new(table: &Table, writing: Writing) -> Result<Self> {
        Ok(Self {
            writing,
            body: table.body.encoder()?,
            schema: table.columns.body_schema(),
            columns: Arc::clone(&table.columns),
            encoded: Encoded::default(),
        })
    }

    fn column<'a>(&self, batch: &'a Batch, index: usize) -> Result<&'a ArrayRef> {
        batch.rows().columns().get(index).ok_or_else(|| Error::internal(format!("a row has no column {index}")))
    }

    /// A column as texts.
    fn texts(&self, batch: &Batch, index: usize) -> Result<StringArray> {
        let texts = cast(self.column(batch, index)?, &ArrowType::Utf8);
        let texts = texts.map_err(|error| Error::data("a column is no text").with("column", index).caused_by(error))?;
        Ok(texts.as_string::<i32>().clone())
    }
}

impl Encode for RowEncoder {
    type Batch = Batch;

    fn encode(&mut self, batch: Batch) -> Result<Vec<Message>> {
        let columns: Vec<ArrayRef> =
            self.columns.body.iter().map(|index| self.column(&batch, *index).cloned()).collect::<Result<_>>()?;
        let body = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::data("a row does not fit the columns of its RocketMQ table").caused_by(error))?;
        self.encoded.clear();
        self.body.encode(&batch.replace_rows(body)?, &mut self.encoded)?;
        let ends = std::mem::take(&mut self.encoded.ends);
        if ends.len() != batch.num_rows() {
            return Err(Error::internal(format!("{} rows became {} messages", batch.num_rows(), ends.len())));
        }
        let bytes = Bytes::from(std::mem::take(&mut self.encoded.bytes));
        let keys: Vec<StringArray> = match self.writing.written.keys {
            Some(index) => vec![self.texts(&batch, index)?],
            None => self.columns.keys.iter().map(|index| self.texts(&batch, *index)).collect::<Result<_>>()?,
        };
        let tag_column = self.writing.written.tags.or(self.columns.tag);
        let tags = tag_column.map(|index| self.texts(&batch, index)).transpose()?;
        let mut messages = Vec::with_capacity(ends.len());
        let mut start = 0;
        for (row, end) in ends.into_iter().enumerate() {
            let mut message = Message::new(&self.writing.topic, bytes.slice(start..end));
            start = end;
            if !keys.is_empty() {
                message = message.keys(keys.iter().filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row)));
            }
            message = match &tags {
                Some(tags) if tags.is_valid(row) => message.tags(tags.value(row)),
                Some(_) => message,
                None => message.tags(self.writing.tag.as_str()),
            };
            messages.push(message.delay_level(self.writing.delay_level));
        }
        Ok(messages)
    }
}
