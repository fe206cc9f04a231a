//! What is written: puts, and rows that are deleted.

use riverrun_base::{Error, Result};

use crate::rpc::cells;

/// What HBase takes: a key's length is 15 bits, a family's 7.
const ROW_BYTES_MAX: usize = 32_767;
const FAMILY_BYTES_MAX: usize = 127;

/// A row that is to be written: its key and cells. Cells it does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    pub(crate) row: Vec<u8>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) cells: Vec<PutCell>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PutCell {
    pub(crate) family: Vec<u8>,
    pub(crate) qualifier: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Put {
    /// A row without cells yet; HBase wants at least one.
    pub fn new(row: impl Into<Vec<u8>>) -> Self {
        Self { row: row.into(), timestamp_ms: None, cells: Vec::new() }
    }

    /// With one more cell. Any bytes will do for qualifier and value.
    #[must_use]
    pub fn cell(
        mut self,
        family: impl Into<Vec<u8>>,
        qualifier: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        self.cells.push(PutCell { family: family.into(), qualifier: qualifier.into(), value: value.into() });
        self
    }

    /// As a version of this time, in milliseconds since 1970, instead of the server's clock. The version with the highest time is the one that is
    /// read, so a clock that is behind hides what it writes; in return the same put is one version, however often it is sent.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The key.
    #[must_use]
    pub fn row(&self) -> &[u8] {
        &self.row
    }
}

/// One row's change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    Put(&'a Put),
    /// Of the whole row, all families and versions.
    Delete(&'a [u8]),
}

impl<'a> Change<'a> {
    pub(crate) fn row(self) -> &'a [u8] {
        match self {
            Self::Put(put) => &put.row,
            Self::Delete(row) => row,
        }
    }

    /// What no server would take, and what could not even be sent.
    pub(crate) fn check(self) -> Result<()> {
        let row = self.row();
        if row.is_empty() || row.len() > ROW_BYTES_MAX {
            let error = Error::data(format!("a row's key has {} bytes", row.len()));
            return Err(error.hint(format!("HBase takes keys from 1 to {ROW_BYTES_MAX} bytes")));
        }
        let Self::Put(put) = self else { return Ok(()) };
        if put.cells.is_empty() {
            return Err(Error::data("a row without cells cannot be put").hint("HBase keeps cells, and no rows without"));
        }
        if put.timestamp_ms.is_some_and(|time| time < 0) {
            return Err(Error::data("the time of a put is before 1970").hint("HBase has no versions of such times"));
        }
        for cell in &put.cells {
            if cell.family.is_empty() || cell.family.len() > FAMILY_BYTES_MAX {
                let error = Error::data(format!("the name of a column family has {} bytes", cell.family.len()));
                return Err(error.hint(format!("HBase takes from 1 to {FAMILY_BYTES_MAX}")));
            }
            let length = row.len().saturating_add(cell.qualifier.len()).saturating_add(cell.value.len());
            if length > cells::CELL_BYTES_MAX {
                let error = Error::data(format!("a cell has {length} bytes"));
                return Err(error.hint(format!("{} at most; HBase itself refuses 10 MiB", cells::CELL_BYTES_MAX)));
            }
        }
        Ok(())
    }

    /// About how many bytes it takes on the wire.
    pub(crate) fn bytes(self) -> usize {
        let Self::Put(put) = self else { return self.row().len() + 32 };
        let of = |cell: &PutCell| put.row.len() + cell.family.len() + cell.qualifier.len() + cell.value.len() + 32;
        put.cells.iter().map(of).sum::<usize>() + put.row.len() + 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hbase_cannot_take_is_a_bad_record() {
        let good = Put::new("r").cell("f", "", "");
        assert!(Change::Put(&good).check().is_ok());
        let cases = [
            (Put::new("").cell("f", "q", "v"), "a row's key has 0 bytes"),
            (Put::new(vec![0; 32_768]).cell("f", "q", "v"), "a row's key has 32768 bytes"),
            (Put::new("r"), "a row without cells"),
            (Put::new("r").cell("", "q", "v"), "a column family has 0 bytes"),
            (Put::new("r").cell(vec![b'f'; 128], "q", "v"), "a column family has 128 bytes"),
            (good.timestamp_ms(-1), "before 1970"),
        ];
        for (put, expected) in cases {
            let error = Change::Put(&put).check().unwrap_err();
            assert_eq!(error.kind(), riverrun_base::Kind::Data);
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(Change::Delete(b"").check().is_err());
    }
}
