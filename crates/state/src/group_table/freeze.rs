//! Keys of a table as they are frozen: copied at once, made columns later.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use arrow::row::SortField;
use riverrun_base::{Error, Result};

use super::{GroupTable, Keys, from_integers};
use crate::{FrozenColumns, RowBytes};

impl GroupTable {
    /// The types of the key columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The slots in use, in ascending order.
    pub fn used(&self) -> Vec<u32> {
        self.slots.used()
    }

    /// The keys in these slots, as [`Self::keys`] gives them.
    ///
    /// # Errors
    /// Too many bytes in one column.
    pub fn freeze(&self, slots: &[u32]) -> Result<FrozenColumns> {
        Ok(match &self.keys {
            Keys::None { .. } => FrozenColumns::ready(Vec::new()),
            Keys::Integer { data_type, table, null } => {
                let values: ScalarBuffer<i64> = slots.iter().map(|slot| table.value(*slot)).collect();
                let nulls = null_of(*null, slots);
                let data_type = data_type.clone();
                FrozenColumns::later(move || Ok(vec![from_integers(Int64Array::new(values, nulls), &data_type)?]))
            }
            Keys::Bytes { data_type, table, null } => {
                let mut bytes: Vec<u8> = Vec::new();
                let mut ends: Vec<i32> = Vec::with_capacity(slots.len() + 1);
                ends.push(0);
                for slot in slots {
                    if *null != Some(*slot) {
                        bytes.extend_from_slice(table.bytes(*slot));
                    }
                    ends.push(i32::try_from(bytes.len()).map_err(|_| too_long())?);
                }
                let nulls = null_of(*null, slots);
                let is_text = *data_type == DataType::Utf8;
                FrozenColumns::later(move || {
                    let offsets = OffsetBuffer::new(ends.into());
                    let column: ArrayRef = if is_text {
                        Arc::new(StringArray::try_new(offsets, bytes.into(), nulls).map_err(super::failed)?)
                    } else {
                        Arc::new(BinaryArray::try_new(offsets, bytes.into(), nulls).map_err(super::failed)?)
                    };
                    Ok(vec![column])
                })
            }
            Keys::Rows { table, .. } => {
                let mut rows = RowBytes::with_capacity(slots.len());
                slots.iter().for_each(|slot| rows.push(table.bytes(*slot)));
                let fields = self.types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
                FrozenColumns::later(move || rows.columns(fields))
            }
        })
    }
}

fn null_of(null: Option<u32>, slots: &[u32]) -> Option<NullBuffer> {
    let null = null?;
    slots.contains(&null).then(|| slots.iter().map(|slot| *slot != null).collect())
}

fn too_long() -> Error {
    Error::user("the keys of an operator are too long to be stored").hint("65,536 keys must fit into 2 GiB")
}
