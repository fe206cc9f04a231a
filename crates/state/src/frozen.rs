//! State that was copied out of an operator, and becomes columns in another thread.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use riverrun_base::{Error, Result};

/// Columns of state that are copies already, and that become Arrow's where nobody waits for it.
pub struct FrozenColumns(Make);

type Make = Box<dyn FnOnce() -> Result<Vec<ArrayRef>> + Send>;

impl FrozenColumns {
    /// Columns that are ready.
    pub fn ready(columns: Vec<ArrayRef>) -> Self {
        Self::later(|| Ok(columns))
    }

    /// Columns that are still to be made from what was copied.
    pub fn later(make: impl FnOnce() -> Result<Vec<ArrayRef>> + Send + 'static) -> Self {
        Self(Box::new(make))
    }

    /// The columns.
    ///
    /// # Errors
    /// What was copied cannot be read.
    pub fn get(self) -> Result<Vec<ArrayRef>> {
        (self.0)()
    }
}

/// Values in Arrow's row format, one behind the other. The format may change with Arrow's version, so it is not what is stored.
#[derive(Debug, Default)]
pub struct RowBytes {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl RowBytes {
    /// Room for so many.
    pub fn with_capacity(rows: usize) -> Self {
        Self { bytes: Vec::new(), ends: Vec::with_capacity(rows) }
    }

    /// Adds the bytes of a row.
    pub fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of each row.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// The columns that these rows have, which were made with converters of these fields.
    ///
    /// # Errors
    /// The fields are of a type without row format.
    pub fn columns(&self, fields: Vec<SortField>) -> Result<Vec<ArrayRef>> {
        let converter = RowConverter::new(fields).map_err(failed)?;
        let parser = converter.parser();
        converter.convert_rows(self.iter().map(|row| parser.parse(row))).map_err(failed)
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("state in row format cannot be read").caused_by(error)
}
