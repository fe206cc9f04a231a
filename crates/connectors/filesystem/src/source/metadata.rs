//! What metadata columns can hold.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMillisecondArray};
use riverrun_connect::MetadataKey;
use riverrun_data::{DataType, LogicalType};

use super::file::FileInfo;

/// Something about the file that a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metadata {
    Path,
    Name,
    Size,
    ModificationTime,
}

impl Metadata {
    /// All there are.
    pub(crate) const ALL: [Self; 4] = [Self::Path, Self::Name, Self::Size, Self::ModificationTime];

    /// The one with this key.
    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metadata| metadata.key().key == key)
    }

    /// Key, type and meaning.
    pub(crate) fn key(self) -> MetadataKey {
        let (key, logical, description) = match self {
            Self::Path => ("file.path", LogicalType::STRING, "The absolute path of the file."),
            Self::Name => ("file.name", LogicalType::STRING, "The name of the file, without its folders."),
            Self::Size => ("file.size", LogicalType::BigInt, "The size of the file in bytes."),
            Self::ModificationTime => {
                ("file.modification-time", LogicalType::TimestampLtz(3), "When the file was changed last.")
            }
        };
        MetadataKey { key, data_type: DataType::not_null(logical), writable: false, description }
    }

    /// The value for `rows` rows.
    pub(super) fn values(self, file: &FileInfo, rows: usize) -> ArrayRef {
        match self {
            Self::Path => Arc::new(StringArray::new_repeated(&file.path, rows)),
            Self::Name => Arc::new(StringArray::new_repeated(file.name(), rows)),
            Self::Size => Arc::new(Int64Array::from_value(file.size, rows)),
            Self::ModificationTime => {
                Arc::new(TimestampMillisecondArray::from_value(file.modified, rows).with_timezone("UTC"))
            }
        }
    }
}
