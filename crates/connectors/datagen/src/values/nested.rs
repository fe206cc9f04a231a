//! Arrays, maps, multisets and rows, made of other generators.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, ListArray, MapArray, StructArray, UInt32Array, make_comparator};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{FieldRef, Fields};
use riverrun_base::Result;

use super::{Generator, Rows, Values, refused};

/// `ARRAY`.
pub(crate) struct Array {
    /// The element's field.
    pub field: FieldRef,
    /// The elements.
    pub element: Generator,
    /// How many each array has.
    pub length: usize,
}

impl Values for Array {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let elements = self.element.fill(&rows.elements(self.length))?;
        let offsets = OffsetBuffer::from_repeated_length(self.length, rows.count);
        let array = ListArray::try_new(Arc::clone(&self.field), offsets, elements, rows.nulls.clone());
        Ok(Arc::new(array.map_err(refused)?))
    }

    fn width(&self) -> usize {
        self.element.values.width().saturating_mul(self.length)
    }
}

/// `MAP` and `MULTISET`. A key that was drawn twice stands once, so a map can have fewer entries than its length.
pub(crate) struct Map {
    /// The field of the entries.
    pub field: FieldRef,
    /// The fields of key and value.
    pub entry: Fields,
    /// The keys.
    pub key: Generator,
    /// The values.
    pub value: Generator,
    /// How many entries are drawn for each map.
    pub length: usize,
}

impl Values for Map {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let entries = rows.elements(self.length);
        let (mut keys, mut values) = (self.key.fill(&entries)?, self.value.fill(&entries)?);
        let (kept, lengths) = distinct(&keys, rows.count, self.length)?;
        if kept.len() < keys.len() {
            keys = take(&keys, &kept, None).map_err(refused)?;
            values = take(&values, &kept, None).map_err(refused)?;
        }
        let entries = StructArray::try_new(self.entry.clone(), vec![keys, values], None).map_err(refused)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let map = MapArray::try_new(Arc::clone(&self.field), offsets, entries, rows.nulls.clone(), false);
        Ok(Arc::new(map.map_err(refused)?))
    }

    fn width(&self) -> usize {
        self.key.values.width().saturating_add(self.value.values.width()).saturating_mul(self.length)
    }
}

/// The first of equal keys of each map, and how many keys that leaves it; `keys` are those of `maps` maps with `length` keys each.
fn distinct(keys: &ArrayRef, maps: usize, length: usize) -> Result<(UInt32Array, Vec<usize>)> {
    let compare = make_comparator(keys, keys, SortOptions::default()).map_err(refused)?;
    let mut kept: Vec<u32> = Vec::with_capacity(keys.len());
    let mut lengths = Vec::with_capacity(maps);
    let mut order: Vec<usize> = Vec::with_capacity(length);
    for map in 0..maps {
        order.clear();
        order.extend(map * length..(map + 1) * length);
        order.sort_by(|a, b| compare(*a, *b));
        order.dedup_by(|b, a| compare(*a, *b) == Ordering::Equal);
        order.sort_unstable();
        lengths.push(order.len());
        kept.extend(order.iter().map(|entry| u32::try_from(*entry).unwrap_or(u32::MAX)));
    }
    Ok((kept.into(), lengths))
}

/// `ROW`.
pub(crate) struct Row {
    /// The fields.
    pub fields: Fields,
    /// A generator for each.
    pub columns: Vec<Generator>,
}

impl Values for Row {
    fn fill(&self, rows: &Rows) -> Result<ArrayRef> {
        let columns = self.columns.iter().map(|column| column.fill(rows)).collect::<Result<Vec<_>>>()?;
        let row = StructArray::try_new(self.fields.clone(), columns, rows.nulls.clone());
        Ok(Arc::new(row.map_err(refused)?))
    }

    fn width(&self) -> usize {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(column.values.width()))
    }
}
