//! What a record has beside key and value, as columns: <https://nightlies.apache.org/flink/flink-docs-stable/docs/connectors/table/kafka/#available-metadata>.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, Int32Array, Int64Array, MapArray, MapBuilder, MapFieldNames,
    StringArray, StringBuilder, TimestampMillisecondArray,
};
use rdkafka::message::{Header, OwnedHeaders};
use riverrun_base::{Error, Result, nearest};
use riverrun_connect::{MetadataColumn, MetadataKey, TableContext};
use riverrun_data::{DataType, LogicalType};

use crate::batch_queue::Messages;

/// A kind of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// The topic's name.
    Topic,
    /// The partition's number.
    Partition,
    /// The headers.
    Headers,
    /// The epoch of the leader that took the record.
    LeaderEpoch,
    /// The offset in the partition.
    Offset,
    /// The time of the record.
    Timestamp,
    /// Where that time comes from.
    TimestampType,
}

const ALL: [Metadata; 7] = [
    Metadata::Topic,
    Metadata::Partition,
    Metadata::Headers,
    Metadata::LeaderEpoch,
    Metadata::Offset,
    Metadata::Timestamp,
    Metadata::TimestampType,
];

impl Metadata {
    /// The key in `METADATA FROM '...'`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Partition => "partition",
            Self::Headers => "headers",
            Self::LeaderEpoch => "leader-epoch",
            Self::Offset => "offset",
            Self::Timestamp => "timestamp",
            Self::TimestampType => "timestamp-type",
        }
    }

    /// The type in which it is read and written.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Topic | Self::TimestampType => DataType::not_null(LogicalType::STRING),
            Self::Partition => DataType::not_null(LogicalType::Int),
            Self::Headers => DataType::not_null(LogicalType::Map(
                Box::new(DataType::nullable(LogicalType::STRING)),
                Box::new(DataType::nullable(LogicalType::BYTES)),
            )),
            Self::LeaderEpoch => DataType::nullable(LogicalType::Int),
            Self::Offset => DataType::not_null(LogicalType::BigInt),
            Self::Timestamp => DataType::not_null(LogicalType::TimestampLtz(3)),
        }
    }

    fn is_writable(self) -> bool {
        matches!(self, Self::Topic | Self::Headers | Self::Timestamp)
    }

    fn description(self) -> &'static str {
        match self {
            Self::Topic => "The topic's name. A sink takes it where the table names several topics.",
            Self::Partition => "The partition's number.",
            Self::Headers => "The headers as a map of raw bytes; of several with one name, the last.",
            Self::LeaderEpoch => "The epoch of the partition's leader, where the broker tells it.",
            Self::Offset => "The offset in the partition.",
            Self::Timestamp => "The record's time.",
            Self::TimestampType => "What the time stands for: NoTimestampType, CreateTime or LogAppendTime.",
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

    /// The column of the records at `rows`, in [`Self::data_type`].
    ///
    /// # Errors
    /// A bug: an array cannot be built.
    pub(crate) fn read(self, messages: &Messages, rows: &[u32]) -> Result<ArrayRef> {
        let rows = rows.iter().map(|row| *row as usize);
        Ok(match self {
            Self::Topic => {
                let topic = messages.topic();
                let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * topic.len());
                rows.for_each(|_| builder.append_value(&topic));
                Arc::new(builder.finish())
            }
            Self::Partition => Arc::new(Int32Array::from_iter_values(rows.map(|_| messages.partition()))),
            Self::Headers => read_headers(messages, rows)?,
            Self::LeaderEpoch => Arc::new(rows.map(|row| messages.leader_epoch(row)).collect::<Int32Array>()),
            Self::Offset => Arc::new(Int64Array::from_iter_values(rows.map(|row| messages.offset(row)))),
            Self::Timestamp => Arc::new(
                TimestampMillisecondArray::from_iter_values(rows.map(|row| messages.timestamp(row).millis))
                    .with_timezone("UTC"),
            ),
            Self::TimestampType => {
                Arc::new(StringArray::from_iter_values(rows.map(|row| messages.timestamp(row).kind)))
            }
        })
    }
}

fn read_headers(messages: &Messages, rows: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new());
    let mut headers: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for row in rows {
        headers.clear();
        messages.for_each_header(row, |name, value| {
            let value = value.map(<[u8]>::to_vec);
            match headers.iter_mut().find(|(known, _)| known == name) {
                Some((_, last)) => *last = value,
                None => headers.push((name.to_owned(), value)),
            }
        });
        for (name, value) in &headers {
            builder.keys().append_value(name);
            builder.values().append_option(value.as_ref());
        }
        builder.append(true).map_err(|error| Error::internal("cannot build a column of headers").caused_by(error))?;
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
    /// The topic of a row.
    pub(crate) topic: Option<usize>,
    /// The headers.
    pub(crate) headers: Option<usize>,
    /// The time.
    pub(crate) timestamp: Option<usize>,
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
                Metadata::Topic => written.topic = index,
                Metadata::Headers => written.headers = index,
                Metadata::Timestamp => written.timestamp = index,
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

/// The headers of one row; `None` where the row has none.
pub(crate) fn headers(column: &MapArray, row: usize) -> Option<OwnedHeaders> {
    if column.is_null(row) {
        return None;
    }
    let entries = column.value(row);
    let names = entries.column(0).as_any().downcast_ref::<StringArray>()?;
    let values = entries.column(1).as_any().downcast_ref::<BinaryArray>()?;
    // As in Flink, a header without a name or a value is not written.
    let filled = (0..entries.len()).filter(|entry| names.is_valid(*entry) && values.is_valid(*entry));
    let add = |headers: OwnedHeaders, entry: usize| {
        headers.insert(Header { key: names.value(entry), value: Some(values.value(entry)) })
    };
    Some(filled.fold(OwnedHeaders::new_with_capacity(entries.len()), add))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn table(columns: &[(&str, bool)]) -> TableContext {
        TableContext {
            name: "t".into(),
            columns: Vec::new(),
            metadata: columns
                .iter()
                .map(|(key, is_virtual)| MetadataColumn {
                    key: (*key).into(),
                    name: format!("m_{key}"),
                    data_type: DataType::nullable(LogicalType::STRING),
                    is_virtual: *is_virtual,
                })
                .collect(),
            primary_key: Vec::new(),
            options: [].into(),
            connector: "kafka".into(),
        }
    }

    #[test]
    fn keys_and_types_are_flinks() {
        let shown: Vec<String> = keys()
            .iter()
            .map(|key| format!("{} {}{}", key.key, key.data_type, if key.writable { " R/W" } else { "" }))
            .collect();
        assert_eq!(
            shown,
            [
                "topic STRING NOT NULL R/W",
                "partition INT NOT NULL",
                "headers MAP<STRING, BYTES> NOT NULL R/W",
                "leader-epoch INT",
                "offset BIGINT NOT NULL",
                "timestamp TIMESTAMP_LTZ(3) NOT NULL R/W",
                "timestamp-type STRING NOT NULL",
            ]
        );
    }

    #[test]
    fn written_metadata_stands_behind_the_physical_columns_without_the_virtual_ones() {
        let written = Written::of(&table(&[("offset", true), ("timestamp", false), ("headers", false)])).unwrap();
        assert_eq!(written, Written { topic: None, headers: Some(1), timestamp: Some(0) });
        let error = Written::of(&table(&[("offset", false)])).unwrap_err().to_string();
        assert!(error.contains("VIRTUAL") && error.contains("m_offset"), "{error}");
        let error = Written::of(&table(&[("header", false)])).unwrap_err().to_string();
        assert!(error.contains("did you mean 'headers'?"), "{error}");
    }
}
