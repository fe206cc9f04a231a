//! What a message has beside its body, as columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder, TimestampMillisecondArray,
};
use riverrun_base::{Error, Result, nearest};
use riverrun_connect::{MetadataColumn, MetadataKey, TableContext};
use riverrun_data::{DataType, LogicalType};
use riverrun_rocketmq_client::{Queue, ReceivedMessage};

/// A kind of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    Topic,
    Broker,
    QueueId,
    QueueOffset,
    Keys,
    Tags,
    BornTimestamp,
    StoreTimestamp,
    MessageId,
    Properties,
}

const ALL: [Metadata; 10] = [
    Metadata::Topic,
    Metadata::Broker,
    Metadata::QueueId,
    Metadata::QueueOffset,
    Metadata::Keys,
    Metadata::Tags,
    Metadata::BornTimestamp,
    Metadata::StoreTimestamp,
    Metadata::MessageId,
    Metadata::Properties,
];

impl Metadata {
    /// The key in `METADATA FROM '...'`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::QueueId => "queue-id",
            Self::QueueOffset => "queue-offset",
            Self::Keys => "keys",
            Self::Tags => "tags",
            Self::BornTimestamp => "born-timestamp",
            Self::StoreTimestamp => "store-timestamp",
            Self::MessageId => "message-id",
            Self::Properties => "properties",
        }
    }

    /// The type in which it is read and written.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Topic | Self::Broker => DataType::not_null(LogicalType::STRING),
            Self::QueueId => DataType::not_null(LogicalType::Int),
            Self::QueueOffset => DataType::not_null(LogicalType::BigInt),
            Self::Keys | Self::Tags | Self::MessageId => DataType::nullable(LogicalType::STRING),
            Self::BornTimestamp | Self::StoreTimestamp => DataType::not_null(LogicalType::TimestampLtz(3)),
            Self::Properties => DataType::not_null(LogicalType::Map(
                Box::new(DataType::nullable(LogicalType::STRING)),
                Box::new(DataType::nullable(LogicalType::STRING)),
            )),
        }
    }

    fn is_writable(self) -> bool {
        matches!(self, Self::Keys | Self::Tags)
    }

    fn description(self) -> &'static str {
        match self {
            Self::Topic => "The topic's name.",
            Self::Broker => "The name of the broker that has the queue.",
            Self::QueueId => "The queue's number on its broker.",
            Self::QueueOffset => "The offset in the queue.",
            Self::Keys => "The keys, separated by blanks.",
            Self::Tags => "The tag.",
            Self::BornTimestamp => "When the sender made the message, by the sender's clock.",
            Self::StoreTimestamp => "When the broker stored the message, by the broker's clock.",
            Self::MessageId => "The identity that the sender gave the message.",
            Self::Properties => {
                "All properties as a map, RocketMQ's own among them; of several with one name, the last."
            }
        }
    }

    /// The metadata of this key.
    ///
    /// # Errors
    /// There is none; the error names the nearest.
    pub(crate) fn of(column: &MetadataColumn) -> Result<Self> {
        ALL.into_iter().find(|metadata| metadata.key() == column.key).ok_or_else(|| {
            let keys = ALL.map(Self::key);
            let guess = nearest(&column.key, keys).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
            Error::user(format!("there is no metadata '{}'", column.key))
                .with("column", &column.name)
                .hint(format!("{guess}the keys are: {}", keys.join(", ")))
        })
    }

    /// The column of these messages, in [`Self::data_type`].
    ///
    /// # Errors
    /// A bug: an array cannot be built.
    pub(crate) fn read<'a>(
        self,
        queue: &Queue,
        messages: impl ExactSizeIterator<Item = &'a ReceivedMessage>,
    ) -> Result<ArrayRef> {
        let times = |millis: TimestampMillisecondArray| Arc::new(millis.with_timezone("UTC")) as ArrayRef;
        Ok(match self {
            Self::Topic => repeat(&queue.topic, messages.len()),
            Self::Broker => repeat(&queue.broker, messages.len()),
            Self::QueueId => Arc::new(Int32Array::from_iter_values(messages.map(|message| message.queue_id))),
            Self::QueueOffset => Arc::new(Int64Array::from_iter_values(messages.map(|message| message.queue_offset))),
            Self::Keys => Arc::new(messages.map(ReceivedMessage::keys).collect::<StringArray>()),
            Self::Tags => Arc::new(messages.map(ReceivedMessage::tags).collect::<StringArray>()),
            Self::MessageId => Arc::new(messages.map(ReceivedMessage::unique_key).collect::<StringArray>()),
            Self::BornTimestamp => times(messages.map(|message| Some(message.born_timestamp)).collect()),
            Self::StoreTimestamp => times(messages.map(|message| Some(message.store_timestamp)).collect()),
            Self::Properties => properties(messages)?,
        })
    }
}

fn repeat(text: &str, times: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, times)))
}

fn properties<'a>(messages: impl Iterator<Item = &'a ReceivedMessage>) -> Result<ArrayRef> {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for message in messages {
        seen.clear();
        for (name, value) in message.properties() {
            match seen.iter_mut().find(|(known, _)| *known == name) {
                Some((_, last)) => *last = value,
                None => seen.push((name, value)),
            }
        }
        for (name, value) in &seen {
            builder.keys().append_value(name);
            builder.values().append_value(value);
        }
        builder
            .append(true)
            .map_err(|error| Error::internal("cannot build a column of properties").caused_by(error))?;
    }
    Ok(Arc::new(builder.finish()))
}

/// All keys, for the planner and the reference page.
pub(crate) fn keys() -> Vec<MetadataKey> {
    ALL.into_iter()
        .map(|metadata| MetadataKey {
            key: metadata.key(),
            data_type: metadata.data_type(),
            writable: metadata.is_writable(),
            description: metadata.description(),
        })
        .collect()
}

/// Where a sink finds the metadata it writes: indices of columns in its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) keys: Option<usize>,
    pub(crate) tags: Option<usize>,
}

impl Written {
    /// The columns that are not virtual, which stand behind the physical ones.
    ///
    /// # Errors
    /// A column that can only be read.
    pub(crate) fn of(table: &TableContext) -> Result<Self> {
        let mut written = Self::default();
        for (n, column) in table.metadata.iter().filter(|column| !column.is_virtual).enumerate() {
            let index = Some(table.columns.len() + n);
            match Metadata::of(column)? {
                Metadata::Keys => written.keys = index,
                Metadata::Tags => written.tags = index,
                other => {
                    return Err(Error::user(format!("the metadata '{}' cannot be written", other.key()))
                        .with("column", &column.name)
                        .hint("declare the column VIRTUAL"));
                }
            }
        }
        Ok(written)
    }
}
