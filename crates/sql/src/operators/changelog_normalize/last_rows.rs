//! The last row behind each slot, in Arrow's row format: equal bytes are equal rows.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use riverrun_base::{Error, Result};
use riverrun_state::{FrozenColumns, RowBytes};

/// Rows by slot. They lie one behind the other in one piece of memory, so that a row costs no allocation; a row that is not longer than
/// the former one takes its place.
pub(super) struct LastRows {
    fields: Vec<SortField>,
    converter: RowConverter,
    /// The rows that were encoded last.
    encoded: Rows,
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// How many of the bytes belong to no place.
    unused: usize,
}

/// Where the row of a slot lies. Its room stays with the slot when the row goes.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    /// [`NONE`] without a row.
    length: u32,
    room: u32,
}

impl Place {
    const EMPTY: Self = Self { start: 0, length: NONE, room: 0 };
}

/// No row is so long.
const NONE: u32 = u32::MAX;

/// Unused bytes are given back when there are so many, and more than used ones.
const MOST_UNUSED: usize = 1 << 20;

impl LastRows {
    /// No rows yet, of columns of these types.
    ///
    /// # Errors
    /// A type that has no row format.
    pub(super) fn new(types: &[DataType]) -> Result<Self> {
        let fields: Vec<SortField> = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        let converter = RowConverter::new(fields.clone()).map_err(failed)?;
        let encoded = converter.empty_rows(0, 0);
        Ok(Self { fields, converter, encoded, bytes: Vec::new(), places: Vec::new(), unused: 0 })
    }

    /// Makes room for slots below `slots`.
    pub(super) fn resize(&mut self, slots: usize) {
        self.places.resize(slots.max(self.places.len()), Place::EMPTY);
    }

    /// Encodes the rows of a batch, to which [`Self::is`] and [`Self::put`] refer.
    ///
    /// # Errors
    /// The columns have other types.
    pub(super) fn encode(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.encoded.clear();
        if columns.is_empty() {
            return Ok(());
        }
        self.converter.append(&mut self.encoded, columns).map_err(failed)
    }

    /// Whether a slot has a row.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.places[slot as usize].length != NONE
    }

    /// Whether a slot's row equals one of the encoded rows.
    pub(super) fn is(&self, slot: u32, row: u32) -> bool {
        self.bytes_of(slot) == self.encoded_row(row)
    }

    /// Puts one of the encoded rows into a slot.
    pub(super) fn put(&mut self, slot: u32, row: u32) {
        let new = if self.fields.is_empty() { &[] } else { self.encoded.row(row as usize).data() };
        let place = &mut self.places[slot as usize];
        let length = u32::try_from(new.len()).unwrap_or(NONE);
        if length > place.room {
            self.unused += place.room as usize;
            (place.start, place.room) = (self.bytes.len(), length);
            self.bytes.extend_from_slice(new);
        } else {
            self.bytes[place.start..place.start + new.len()].copy_from_slice(new);
        }
        place.length = length;
        if self.unused > MOST_UNUSED.max(self.bytes.len() / 2) {
            self.compact();
        }
    }

    /// Forgets the row of a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        self.places[slot as usize].length = NONE;
    }

    /// The rows of some slots, as columns.
    ///
    /// # Errors
    /// The rows cannot be read.
    pub(super) fn columns(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        self.converter.convert_rows(slots.iter().map(|slot| parser.parse(self.bytes_of(*slot)))).map_err(failed)
    }

    /// Copies the rows of some slots.
    pub(super) fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        if self.fields.is_empty() {
            return FrozenColumns::ready(Vec::new());
        }
        let mut rows = RowBytes::with_capacity(slots.len());
        slots.iter().for_each(|slot| rows.push(self.bytes_of(*slot)));
        let fields = self.fields.clone();
        FrozenColumns::later(move || rows.columns(fields))
    }

    fn bytes_of(&self, slot: u32) -> &[u8] {
        match self.places[slot as usize] {
            Place { length: NONE, .. } => &[],
            Place { start, length, .. } => &self.bytes[start..start + length as usize],
        }
    }

    fn encoded_row(&self, row: u32) -> &[u8] {
        if self.fields.is_empty() { &[] } else { self.encoded.row(row as usize).data() }
    }

    /// Moves the rows together, and takes the room of slots without one.
    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.unused);
        for place in &mut self.places {
            if place.length == NONE {
                *place = Place::EMPTY;
                continue;
            }
            let start = bytes.len();
            bytes.extend_from_slice(&self.bytes[place.start..place.start + place.length as usize]);
            (place.start, place.room) = (start, place.length);
        }
        self.bytes = bytes;
        self.unused = 0;
    }
}

/// Some rows of a column.
///
/// # Errors
/// A row that is not there.
pub(super) fn taken(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef> {
    compute::take(column, rows, None).map_err(failed)
}

pub(super) fn failed(error: ArrowError) -> Error {
    Error::internal("the last rows of keys cannot be read").caused_by(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    fn texts(texts: impl IntoIterator<Item = String>) -> ArrayRef {
        Arc::new(texts.into_iter().map(Some).collect::<StringArray>())
    }

    #[test]
    fn rows_that_grow_shrink_and_go_leave_no_more_unused_than_used_bytes() {
        let mut rows = LastRows::new(&[DataType::Utf8]).unwrap();
        rows.resize(100);
        let slots: Vec<u32> = (0..100).collect();
        let text = |n: u32, slot: u32| format!("{slot} {}", "x".repeat(((n * 37 + slot * 101) % 3000) as usize));
        for n in 0..200 {
            rows.encode(&[texts(slots.iter().map(|slot| text(n, *slot)))]).unwrap();
            for slot in &slots {
                rows.put(*slot, *slot);
                assert!(rows.is(*slot, *slot));
            }
            rows.remove(n % 100);
            assert!(!rows.has(n % 100));
            assert!(rows.bytes.len() <= 2 * (MOST_UNUSED + 100 * 3500), "{}", rows.bytes.len());
        }
        let kept: Vec<u32> = slots.into_iter().filter(|slot| rows.has(*slot)).collect();
        assert_eq!(kept.len(), 99);
        assert_eq!(rows.columns(&kept).unwrap(), [texts(kept.iter().map(|slot| text(199, *slot)))]);
    }

    #[test]
    fn a_row_without_columns_is_there_or_not() {
        let mut rows = LastRows::new(&[]).unwrap();
        rows.resize(2);
        rows.encode(&[]).unwrap();
        rows.put(1, 0);
        assert_eq!((rows.has(0), rows.has(1), rows.is(1, 0)), (false, true, true));
        assert!(rows.columns(&[1]).unwrap().is_empty());
    }
}
