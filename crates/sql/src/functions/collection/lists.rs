//! What the functions of arrays are made of: the lists of an argument, and a new column of lists chosen from cells.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, MapArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::{EvalContext, Rows, Value, arrow_error};
use crate::functions::Argument;
use crate::functions::signature::Refusal;

/// The lists of an argument.
pub(super) struct Lists<'a> {
    list: &'a ListArray,
    mask: usize,
}

impl<'a> Lists<'a> {
    pub(super) fn new(value: &'a Value) -> Result<Self> {
        let list = value
            .array()
            .as_any()
            .downcast_ref()
            .ok_or_else(|| Error::internal(format!("{} is no array", value.array().data_type())))?;
        Ok(Self { list, mask: if value.is_scalar() { 0 } else { usize::MAX } })
    }

    /// The cells of a row's list; `None` of NULL.
    pub(super) fn get(&self, row: usize) -> Option<Range<usize>> {
        let row = row & self.mask;
        if self.list.is_null(row) { None } else { Some(range(self.list.value_offsets(), row)) }
    }

    /// The cells of all lists.
    pub(super) fn cells(&self) -> &'a ArrayRef {
        self.list.values()
    }
}

/// The cells of a row of a column of lists or maps.
pub(super) fn range(offsets: &[i32], row: usize) -> Range<usize> {
    let offset = |n: usize| offsets.get(n).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    offset(row)..offset(row + 1)
}

/// The maps of an argument.
pub(super) struct Maps<'a> {
    pub(super) map: &'a MapArray,
    mask: usize,
}

impl<'a> Maps<'a> {
    pub(super) fn new(value: &'a Value) -> Result<Self> {
        let map = value
            .array()
            .as_any()
            .downcast_ref()
            .ok_or_else(|| Error::internal(format!("{} is no map", value.array().data_type())))?;
        Ok(Self { map, mask: if value.is_scalar() { 0 } else { usize::MAX } })
    }

    /// The entries of a row's map; `None` of NULL.
    pub(super) fn get(&self, row: usize) -> Option<Range<usize>> {
        let row = row & self.mask;
        if self.map.is_null(row) { None } else { Some(range(self.map.value_offsets(), row)) }
    }
}

/// Builds a column of lists, each of cells chosen from some arrays: places are (array, cell).
pub(super) struct Chosen {
    places: Vec<(usize, usize)>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Chosen {
    pub(super) fn with_rows(rows: usize) -> Self {
        Self { places: Vec::new(), lengths: Vec::with_capacity(rows), valid: Vec::with_capacity(rows) }
    }

    /// A list of the cells at these places.
    pub(super) fn push(&mut self, places: impl IntoIterator<Item = (usize, usize)>) {
        let before = self.places.len();
        self.places.extend(places);
        self.lengths.push(self.places.len() - before);
        self.valid.push(true);
    }

    /// NULL.
    pub(super) fn push_null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    /// The column, of an Arrow list type.
    pub(super) fn finish(self, arrays: &[&dyn Array], list: &ArrowType) -> Result<ListArray> {
        let ArrowType::List(element) = list else { return Err(Error::internal(format!("{list} is no array"))) };
        let values = gather(arrays, &self.places)?;
        ListArray::try_new(
            Arc::clone(element),
            OffsetBuffer::from_lengths(self.lengths),
            values,
            Some(NullBuffer::from(self.valid)),
        )
        .map_err(arrow_error)
    }

    /// The places, and the offsets of the rows among them.
    pub(super) fn into_parts(self) -> (Vec<(usize, usize)>, OffsetBuffer<i32>, NullBuffer) {
        (self.places, OffsetBuffer::from_lengths(self.lengths), NullBuffer::from(self.valid))
    }
}

/// The cells at places of some arrays.
pub(super) fn gather(arrays: &[&dyn Array], places: &[(usize, usize)]) -> Result<ArrayRef> {
    match arrays {
        [array] => {
            let cells: UInt32Array = places.iter().map(|(_, cell)| u32::try_from(*cell).ok()).collect();
            compute::take(*array, &cells, None).map_err(arrow_error)
        }
        _ => compute::interleave(arrays, places).map_err(arrow_error),
    }
}

/// One cell for each row; `None` makes NULL.
pub(super) fn pick(
    cells: &ArrayRef,
    args: &[Value],
    context: &EvalContext,
    mut cell: impl FnMut(usize) -> Option<usize>,
) -> Result<Value> {
    let rows = Rows::all(args, context);
    let places: UInt32Array =
        (0..rows.count()).map(|row| cell(row).and_then(|cell| u32::try_from(cell).ok())).collect();
    let picked = compute::take(cells, &places, None).map_err(arrow_error)?;
    Ok(if rows.is_constant() { Value::scalar(picked) } else { Value::Array(picked) })
}

/// The type of an argument's elements.
pub(super) fn element_of(arg: &Argument) -> Result<DataType, Refusal> {
    match &arg.data_type.logical {
        L::Array(element) => Ok((**element).clone()),
        _ => Err(Refusal::Types),
    }
}

/// The types of an argument's keys and values.
pub(super) fn entries_of(arg: &Argument) -> Result<(DataType, DataType), Refusal> {
    match &arg.data_type.logical {
        L::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
        _ => Err(Refusal::Types),
    }
}

/// The type of an array.
pub(super) fn array_of(element: DataType) -> L {
    L::Array(Box::new(element))
}
