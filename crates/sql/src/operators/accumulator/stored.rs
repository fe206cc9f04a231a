//! Columns of accumulators' state, as snapshots hold them: exact, and in Arrow's types, whatever the state looks like in memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, ListArray, PrimitiveArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute;
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use riverrun_base::{Error, Result};
use riverrun_state::{FrozenColumns, RowBytes};

/// The name of a column of state, and its type.
pub(crate) type StateColumn = (&'static str, DataType);

/// Numbers, one for each slot.
pub(super) fn numbers<T: ArrowPrimitiveType>(values: impl Iterator<Item = T::Native>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
}

/// One of the columns of state, which is of numbers.
///
/// # Errors
/// There is no such column.
pub(super) fn stored<T: ArrowPrimitiveType>(columns: &[ArrayRef], column: usize) -> Result<&PrimitiveArray<T>> {
    columns.get(column).and_then(|column| column.as_primitive_opt()).ok_or_else(other_columns)
}

/// One of the columns of state.
///
/// # Errors
/// There is no such column.
pub(super) fn stored_column(columns: &[ArrayRef], column: usize) -> Result<&ArrayRef> {
    columns.get(column).ok_or_else(other_columns)
}

/// The columns of [`CountedValues`] of this type.
pub(super) fn counted_columns(value: &DataType) -> Vec<StateColumn> {
    vec![("values", list_of(value.clone())), ("counts", list_of(DataType::Int64))]
}

/// Values with their counts for each of some slots, copied in row format: a list of values and a list of counts.
pub(super) struct CountedValues {
    values: RowBytes,
    counts: Vec<i64>,
    lengths: Vec<usize>,
}

impl CountedValues {
    pub(super) fn with_capacity(slots: usize) -> Self {
        Self { values: RowBytes::default(), counts: Vec::new(), lengths: Vec::with_capacity(slots) }
    }

    /// Adds the values of a slot.
    pub(super) fn push<'a>(&mut self, values: impl Iterator<Item = (&'a Box<[u8]>, &'a i64)>) {
        let before = self.counts.len();
        for (value, count) in values {
            self.values.push(value);
            self.counts.push(*count);
        }
        self.lengths.push(self.counts.len() - before);
    }

    /// The columns. `field` is that of the row format.
    pub(super) fn freeze(self, field: SortField, data_type: DataType) -> FrozenColumns {
        FrozenColumns::later(move || {
            let values = self.values.columns(vec![field])?.into_iter().next().ok_or_else(other_columns)?;
            let offsets = OffsetBuffer::<i32>::from_lengths(self.lengths);
            let list = |data_type: DataType, values: ArrayRef| -> Result<ArrayRef> {
                let item = Arc::new(Field::new("item", data_type, true));
                Ok(Arc::new(ListArray::try_new(item, offsets.clone(), values, None).map_err(failed)?))
            };
            Ok(vec![list(data_type, values)?, list(DataType::Int64, Arc::new(Int64Array::from(self.counts)))?])
        })
    }
}

/// Calls `take` with the place of each slot, a value in row format and its count.
///
/// # Errors
/// The columns are others.
pub(super) fn each_counted(
    converter: &RowConverter,
    columns: &[ArrayRef],
    mut take: impl FnMut(usize, &[u8], i64),
) -> Result<()> {
    let list =
        |column: usize| columns.get(column).and_then(|column| column.as_list_opt::<i32>()).ok_or_else(other_columns);
    let (values, counts) = (list(0)?, list(1)?);
    if values
        .offsets()
        .windows(2)
        .zip(counts.offsets().windows(2))
        .any(|(one, other)| one[1] - one[0] != other[1] - other[0])
    {
        return Err(other_columns());
    }
    let rows = converter.convert_columns(std::slice::from_ref(values.values())).map_err(failed)?;
    let numbers = counts.values().as_primitive_opt::<Int64Type>().ok_or_else(other_columns)?.values();
    for slot in 0..values.len() {
        let (first, first_count) = (offset(values, slot), offset(counts, slot));
        for n in 0..offset(values, slot + 1) - first {
            take(slot, rows.row(first + n).as_ref(), numbers[first_count + n]);
        }
    }
    Ok(())
}

fn offset(lists: &ListArray, place: usize) -> usize {
    usize::try_from(lists.offsets()[place]).unwrap_or_default()
}

/// The values that are there, among NULLs: for each place the index into `values`, or none.
///
/// # Errors
/// An index is out of bounds.
pub(super) fn spread(values: &ArrayRef, places: Vec<Option<u32>>) -> Result<ArrayRef> {
    compute::take(values, &arrow::array::UInt32Array::from(places), None).map_err(failed)
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, true)))
}

pub(super) fn other_columns() -> Error {
    Error::data("the stored state of an aggregate has other columns")
}

fn failed(error: ArrowError) -> Error {
    Error::data("the stored state of an aggregate cannot be read").caused_by(error)
}
