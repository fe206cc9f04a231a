//! Rows out of answers: their cells are in the message, or beside it.

use bytes::Bytes;

use crate::failure::Failure;
use crate::row::{Cell, Row};
use crate::rpc::cells::{self, Malformed};
use crate::rpc::messages::{self, RowResult, ScanResponse};

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::malformed("a row from HBase")
    }
}

/// One row, and the next of its cells from the block; none without cells.
pub(super) fn row(result: RowResult, block: &mut Bytes) -> Result<Option<Row>, Malformed> {
    let beside = usize::try_from(result.associated_cell_count.unwrap_or(0)).map_err(|_| Malformed)?;
    let mut row: Option<Row> = None;
    for cell in result.cell {
        add(&mut row, within(cell));
    }
    for _ in 0..beside {
        add(&mut row, cells::decode(block)?);
    }
    Ok(row)
}

/// The rows of a portion of a scan, each with whether cells of it may follow in the next portion.
pub(super) fn rows(answer: ScanResponse, mut block: Bytes) -> Result<Vec<(Row, bool)>, Malformed> {
    let mut rows = Vec::with_capacity(answer.cells_per_result.len().max(answer.results.len()));
    for (n, count) in answer.cells_per_result.iter().enumerate() {
        let count = i32::try_from(*count).map_err(|_| Malformed)?;
        let result = RowResult { associated_cell_count: Some(count), ..RowResult::default() };
        let is_partial = answer.partial_flag_per_result.get(n).copied().unwrap_or(false);
        rows.extend(row(result, &mut block)?.map(|row| (row, is_partial)));
    }
    for result in answer.results {
        let is_partial = result.partial.unwrap_or(false);
        rows.extend(row(result, &mut block)?.map(|row| (row, is_partial)));
    }
    Ok(rows)
}

fn add(row: &mut Option<Row>, (key, cell): (Bytes, Cell)) {
    row.get_or_insert_with(|| Row { key, cells: Vec::new() }).cells.push(cell);
}

fn within(cell: messages::Cell) -> (Bytes, Cell) {
    let read = Cell {
        family: cell.family.unwrap_or_default(),
        qualifier: cell.qualifier.unwrap_or_default(),
        timestamp_ms: cell.timestamp.and_then(|time| i64::try_from(time).ok()).unwrap_or_default(),
        value: cell.value.unwrap_or_default(),
    };
    (cell.row.unwrap_or_default(), read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(cells: &[(&str, &str)]) -> Bytes {
        let mut block = Vec::new();
        for (row, qualifier) in cells {
            cells::encode_put(&mut block, row.as_bytes(), (b"f", qualifier.as_bytes()), 1, b"v");
        }
        block.into()
    }

    #[test]
    fn a_row_has_the_cells_in_and_beside_its_message() {
        let inside = messages::Cell { row: Some("r".into()), qualifier: Some("a".into()), ..Default::default() };
        let result = RowResult { cell: vec![inside], associated_cell_count: Some(1), partial: None };
        let row = row(result, &mut block(&[("r", "b")])).unwrap().unwrap();
        let qualifiers: Vec<&[u8]> = row.cells().iter().map(|cell| &cell.qualifier[..]).collect();
        assert_eq!((&row.key()[..], qualifiers), (&b"r"[..], vec![&b"a"[..], b"b"]));
        assert_eq!(super::row(RowResult::default(), &mut Bytes::new()), Ok(None));
    }

    #[test]
    fn rows_of_a_scan_are_told_apart_by_the_number_of_their_cells() {
        let answer = ScanResponse {
            cells_per_result: vec![2, 1],
            partial_flag_per_result: vec![false, true],
            ..Default::default()
        };
        let rows = rows(answer.clone(), block(&[("r", "a"), ("r", "b"), ("s", "a")])).unwrap();
        let found: Vec<_> = rows.iter().map(|(row, partial)| (&row.key[..], row.cells.len(), *partial)).collect();
        assert_eq!(found, [(&b"r"[..], 2, false), (&b"s"[..], 1, true)]);
        assert!(super::rows(answer, block(&[("r", "a")])).is_err());
    }
}
