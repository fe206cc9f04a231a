//! Rows as they are read.

use bytes::Bytes;

/// A row that was read: its key, and the newest version of each of its cells.
///
/// Keys and values are slices of the server's answer, which lives as long as one of them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(crate) key: Bytes,
    pub(crate) cells: Vec<Cell>,
}

/// A cell of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The column family.
    pub family: Bytes,
    /// The column in the family; any bytes, none included.
    pub qualifier: Bytes,
    /// When it was written, in milliseconds since 1970, by the server's clock or as the put said.
    pub timestamp_ms: i64,
    /// The value.
    pub value: Bytes,
}

impl Row {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The cells, ordered by family and qualifier. At least one.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The value of a column, if the row has it.
    #[must_use]
    pub fn value(&self, family: impl AsRef<[u8]>, qualifier: impl AsRef<[u8]>) -> Option<&[u8]> {
        let (family, qualifier) = (family.as_ref(), qualifier.as_ref());
        let cell = self.cells.iter().find(|cell| cell.family == family && cell.qualifier == qualifier)?;
        Some(&cell.value)
    }
}
