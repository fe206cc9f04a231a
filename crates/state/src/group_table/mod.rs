//! From keys to slots.
//!
//! What a table costs is cache misses, so each kind of key has its own: one integer column is hashed beside its slot ([`IntegerTable`]), one
//! column of strings or bytes is hashed as it is, and anything else in Arrow's row format ([`ByteTable`]).

mod bytes;
mod freeze;
mod integer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, Int64Array, StringBuilder};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType,
    Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use riverrun_base::{Error, Result};

use self::bytes::ByteTable;
use self::integer::IntegerTable;
use crate::Slots;

/// The keys of an operator, each with its slot. NULL is a key like any other.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array};
/// use arrow::datatypes::DataType;
/// use riverrun_state::GroupTable;
///
/// let mut table = GroupTable::new(&[DataType::Int64])?;
/// let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(7)]));
/// let mut slots = Vec::new();
/// table.intern(&[keys.clone()], 3, &mut slots)?;
/// assert_eq!(slots, [0, 1, 0]);
/// assert_eq!(table.keys(&slots)?, [keys]);
/// # Ok::<(), riverrun_base::Error>(())
/// ```
pub struct GroupTable {
    types: Vec<DataType>,
    keys: Keys,
    slots: Slots,
}

enum Keys {
    /// No key columns: one group.
    None { slot: Option<u32> },
    /// One column of integers or times, as 64 bits.
    Integer { data_type: DataType, table: IntegerTable, null: Option<u32> },
    /// One column of strings or bytes.
    Bytes { data_type: DataType, table: ByteTable, null: Option<u32> },
    /// Any columns, in row format.
    Rows { converter: RowConverter, table: ByteTable },
}

impl GroupTable {
    /// An empty table for keys of these types.
    ///
    /// # Errors
    /// A type cannot be a key.
    pub fn new(types: &[DataType]) -> Result<Self> {
        let keys = match types {
            [] => Keys::None { slot: None },
            [only] if is_integer(only) => {
                Keys::Integer { data_type: only.clone(), table: IntegerTable::new(), null: None }
            }
            [only @ (DataType::Utf8 | DataType::Binary)] => {
                Keys::Bytes { data_type: only.clone(), table: ByteTable::new(), null: None }
            }
            _ => {
                let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
                Keys::Rows { converter: RowConverter::new(fields).map_err(failed)?, table: ByteTable::new() }
            }
        };
        Ok(Self { types: types.to_vec(), keys, slots: Slots::default() })
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.slots.in_use()
    }

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the columns behind the slots. As long as no key is removed, new keys get the slots from here on, in their order.
    pub fn slots(&self) -> usize {
        self.slots.end()
    }

    /// Writes the slot of each row's key into `slots`; keys that are new get one.
    ///
    /// # Errors
    /// The columns have other types than the table, or there are more than 2^32 keys.
    pub fn intern(&mut self, columns: &[ArrayRef], rows: usize, slots: &mut Vec<u32>) -> Result<()> {
        slots.clear();
        slots.reserve(rows);
        match &mut self.keys {
            Keys::None { slot } => slots.resize(rows, one(slot, &mut self.slots)?),
            Keys::Integer { table, null, .. } => {
                let column = integers(first(columns)?)?;
                match nulls(&column) {
                    None => {
                        for value in column.values() {
                            slots.push(table.intern(*value, &mut self.slots)?);
                        }
                    }
                    Some(nulls) => {
                        for (value, valid) in column.values().iter().zip(nulls) {
                            slots.push(if valid {
                                table.intern(*value, &mut self.slots)?
                            } else {
                                one(null, &mut self.slots)?
                            });
                        }
                    }
                }
            }
            Keys::Bytes { data_type, table, null } => {
                let column = first(columns)?;
                if column.data_type() != data_type {
                    return Err(other_type(column.data_type()));
                }
                let nulls = nulls(column);
                for row in 0..rows {
                    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        slots.push(one(null, &mut self.slots)?);
                        continue;
                    }
                    let value = match data_type {
                        DataType::Utf8 => column.as_string::<i32>().value(row).as_bytes(),
                        _ => column.as_binary::<i32>().value(row),
                    };
                    slots.push(table.intern(value, &mut self.slots)?);
                }
            }
            Keys::Rows { converter, table } => {
                for key in &converter.convert_columns(columns).map_err(failed)? {
                    slots.push(table.intern(key.as_ref(), &mut self.slots)?);
                }
            }
        }
        Ok(())
    }

    /// The keys in these slots, as columns.
    ///
    /// # Errors
    /// A slot is not in use.
    pub fn keys(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.keys {
            Keys::None { .. } => Ok(Vec::new()),
            Keys::Integer { data_type, table, null } => {
                let values: ScalarBuffer<i64> = slots.iter().map(|slot| table.value(*slot)).collect();
                let nulls = null.map(|null| slots.iter().map(|slot| *slot != null).collect::<NullBuffer>());
                Ok(vec![from_integers(Int64Array::new(values, nulls), data_type)?])
            }
            Keys::Bytes { data_type: DataType::Utf8, table, null } => {
                let mut column = StringBuilder::with_capacity(slots.len(), 0);
                for slot in slots {
                    if *null == Some(*slot) {
                        column.append_null();
                    } else {
                        column.append_value(
                            std::str::from_utf8(table.bytes(*slot))
                                .map_err(|error| Error::internal("a key is no UTF-8").caused_by(error))?,
                        );
                    }
                }
                Ok(vec![Arc::new(column.finish())])
            }
            Keys::Bytes { table, null, .. } => {
                let mut column = BinaryBuilder::with_capacity(slots.len(), 0);
                for slot in slots {
                    column.append_option((*null != Some(*slot)).then(|| table.bytes(*slot)));
                }
                Ok(vec![Arc::new(column.finish())])
            }
            Keys::Rows { converter, table } => {
                let parser = converter.parser();
                converter.convert_rows(slots.iter().map(|slot| parser.parse(table.bytes(*slot)))).map_err(failed)
            }
        }
    }

    /// Forgets the key in a slot, which may be used for another key from now on. A slot without a key is left as it is.
    pub fn remove(&mut self, slot: u32) {
        let removed = match &mut self.keys {
            Keys::None { slot: only } | Keys::Integer { null: only, .. } | Keys::Bytes { null: only, .. }
                if *only == Some(slot) =>
            {
                only.take().is_some()
            }
            Keys::None { .. } => false,
            Keys::Integer { table, .. } => table.remove(slot),
            Keys::Bytes { table, .. } | Keys::Rows { table, .. } => table.remove(slot),
        };
        if removed {
            self.slots.give_back(slot);
        }
    }
}

/// The slot of a key that stands beside the table; it gets one if it has none.
fn one(slot: &mut Option<u32>, slots: &mut Slots) -> Result<u32> {
    match *slot {
        Some(slot) => Ok(slot),
        None => Ok(*slot.insert(slots.take()?)),
    }
}

fn first(columns: &[ArrayRef]) -> Result<&ArrayRef> {
    columns.first().ok_or_else(|| Error::internal("a key column is missing"))
}

fn nulls(column: &dyn Array) -> Option<&NullBuffer> {
    column.nulls().filter(|nulls| nulls.null_count() > 0)
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
    ) || matches!(
        data_type,
        DataType::Time32(TimeUnit::Millisecond) | DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond)
    )
}

/// A column of integers or times as 64 bits.
fn integers(column: &ArrayRef) -> Result<Int64Array> {
    fn widened<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef) -> Int64Array {
        column.as_primitive::<T>().unary(Into::into)
    }
    Ok(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().clone(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            column.as_primitive::<TimestampMicrosecondType>().reinterpret_cast()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            column.as_primitive::<TimestampNanosecondType>().reinterpret_cast()
        }
        DataType::Time64(TimeUnit::Microsecond) => column.as_primitive::<Time64MicrosecondType>().reinterpret_cast(),
        DataType::Time64(TimeUnit::Nanosecond) => column.as_primitive::<Time64NanosecondType>().reinterpret_cast(),
        DataType::Int8 => widened::<Int8Type>(column),
        DataType::Int16 => widened::<Int16Type>(column),
        DataType::Int32 => widened::<Int32Type>(column),
        DataType::Date32 => widened::<Date32Type>(column),
        DataType::Time32(TimeUnit::Millisecond) => widened::<Time32MillisecondType>(column),
        other => return Err(other_type(other)),
    })
}

/// The inverse of [`integers`].
fn from_integers(values: Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    #[allow(clippy::cast_possible_truncation, reason = "the values were widened from this type")]
    let column: ArrayRef = match data_type {
        DataType::Int64 => Arc::new(values),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_data_type(data_type.clone()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_data_type(data_type.clone()))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Arc::new(values.reinterpret_cast::<TimestampNanosecondType>().with_data_type(data_type.clone()))
        }
        DataType::Time64(TimeUnit::Microsecond) => Arc::new(values.reinterpret_cast::<Time64MicrosecondType>()),
        DataType::Time64(TimeUnit::Nanosecond) => Arc::new(values.reinterpret_cast::<Time64NanosecondType>()),
        DataType::Int8 => Arc::new(values.unary::<_, Int8Type>(|value| value as i8)),
        DataType::Int16 => Arc::new(values.unary::<_, Int16Type>(|value| value as i16)),
        DataType::Int32 => Arc::new(values.unary::<_, Int32Type>(|value| value as i32)),
        DataType::Date32 => Arc::new(values.unary::<_, Date32Type>(|value| value as i32)),
        DataType::Time32(TimeUnit::Millisecond) => {
            Arc::new(values.unary::<_, Time32MillisecondType>(|value| value as i32))
        }
        other => return Err(other_type(other)),
    };
    Ok(column)
}

fn other_type(found: &DataType) -> Error {
    Error::internal(format!("a key column of another type came: {found}"))
}

fn failed(error: ArrowError) -> Error {
    Error::internal("keys cannot be read").caused_by(error)
}
