//! Reading many rows.
//!
//! A scanner of the server lives only as long as a batch is fetched: between two batches nothing is held there. So a reader may take its time, servers
//! may restart and regions move meanwhile, and the next batch goes on behind the last row. For that it opens a scanner anew, which costs the server
//! a look into its index.

use std::sync::Arc;

use bytes::Bytes;
use riverrun_base::Result;

use super::cluster::Cluster;
use super::reading;
use crate::failure::Failure;
use crate::region::Region;
use crate::row::Row;
use crate::rpc::frame::Call;
use crate::rpc::messages::{self, RegionSpecifier, ScanRequest, ScanResponse};
use crate::scan::Scan;
use crate::table::TableName;
use crate::tries::Tries;

/// How much a server sends at once, about.
const PORTION_BYTES: u64 = 2 << 20;

/// Rows in the order of their keys, batch by batch.
///
/// Each batch shows the rows as they are when it is read: rows that are written meanwhile, behind the last that was read, are seen.
#[derive(Debug)]
pub struct Scanner {
    cluster: Arc<Cluster>,
    table: TableName,
    /// What is left to read.
    left: Scan,
}

/// What one region had.
struct Portion {
    rows: Vec<Row>,
    next: Next,
}

/// Where to go on.
enum Next {
    /// In the next region.
    Region,
    /// Behind the last row.
    Row,
    /// From here on: nothing was found before.
    At(Bytes),
}

impl Scanner {
    pub(super) fn new(cluster: Arc<Cluster>, table: TableName, scan: Scan) -> Self {
        Self { cluster, table, left: scan }
    }

    /// The next rows, at least one; none when there are no more. It may be asked again after an error, and goes on where it was.
    ///
    /// # Errors
    /// There is no such table; or HBase did not answer in time.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Row>>> {
        let mut tries = Tries::new("read rows", self.cluster.options.operation_timeout);
        // what was searched in vain is not searched again, so that a batch that takes too long is nearer the next time
        while !self.left.is_over() {
            let portion = tries.attempt(self.portion()).await.map_err(|error| error.with("table", &self.table))?;
            let Some((region, portion)) = portion else { continue };
            self.advance(&region, &portion);
            if !portion.rows.is_empty() {
                return Ok(Some(portion.rows));
            }
        }
        Ok(None)
    }

    /// Goes on behind what was read.
    fn advance(&mut self, region: &Region, portion: &Portion) {
        self.left.limit -= (portion.rows.len() as u64).min(self.left.limit);
        match (&portion.next, portion.rows.last()) {
            (Next::Region, _) if region.end().is_empty() => self.left.limit = 0,
            (Next::Region, _) => self.left.start = region.end().to_vec(),
            (Next::Row, Some(last)) => self.left.start = [last.key(), &[0][..]].concat(),
            (Next::Row, None) => {}
            (Next::At(row), _) => self.left.start = row.to_vec(),
        }
    }

    /// Reads from one region, until there is a row or it has no more.
    async fn portion(&self) -> Result<(Arc<Region>, Portion), Failure> {
        let region = self.cluster.locate(&self.table, &self.left.start).await?;
        let most = u64::try_from(self.left.batch_rows).unwrap_or(u64::MAX).min(self.left.limit);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let mut open = None;
        let outcome = self.fetch(&region, most, &mut open).await;
        if let Some(scanner) = open {
            let close = ScanRequest { scanner_id: Some(scanner), close_scanner: Some(true), ..ScanRequest::default() };
            self.cluster.tell(&region, Call::new("Scan", &close));
        }
        outcome.map(|portion| (region, portion))
    }

    /// `open` is the server's scanner, as long as it has one.
    async fn fetch(&self, region: &Arc<Region>, most: u32, open: &mut Option<u64>) -> Result<Portion, Failure> {
        let scan = messages::Scan {
            start_row: Some(Bytes::copy_from_slice(&self.left.start)),
            stop_row: Some(Bytes::copy_from_slice(&self.left.stop)),
            max_result_size: Some(PORTION_BYTES),
            need_cursor_result: Some(true),
            ..messages::Scan::default()
        };
        let mut request = ScanRequest {
            region: Some(RegionSpecifier::named(&region.name)),
            scan: Some(scan),
            number_of_rows: Some(most),
            limit_of_rows: Some(most),
            client_handles_partials: Some(true),
            client_handles_heartbeats: Some(true),
            ..ScanRequest::default()
        };
        let mut gathered = Gathered::default();
        for call in 0.. {
            let asked = self.cluster.ask_region(&self.table, region, Call::new("Scan", &request)).await;
            let (answer, block): (ScanResponse, _) = asked?;
            // without these there is more
            let is_last = !answer.more_results_in_region.unwrap_or(true);
            let is_over = is_last || !answer.more_results.unwrap_or(true);
            let (scanner, cursor) = (answer.scanner_id, answer.cursor.clone());
            *open = if is_over { None } else { scanner.or(*open) };
            gathered.add(reading::rows(answer, block)?);
            if is_over {
                return Ok(Portion { rows: gathered.all(), next: if is_last { Next::Region } else { Next::Row } });
            }
            if gathered.has_whole_row() {
                return Ok(Portion { rows: gathered.whole(), next: Next::Row });
            }
            // among much that was deleted, the server says from time to time how far it is
            if let Some(row) = cursor.and_then(|cursor| cursor.row)
                && gathered.rows.is_empty()
            {
                return Ok(Portion { rows: Vec::new(), next: Next::At(row) });
            }
            // a part of a large row
            request = ScanRequest { scanner_id: *open, next_call_seq: Some(call), region: None, scan: None, ..request };
        }
        Err(Failure::malformed("the answer to a scan"))
    }
}

/// Rows, of which the last may lack cells that come in the next portion.
#[derive(Default)]
struct Gathered {
    rows: Vec<Row>,
    is_last_partial: bool,
}

impl Gathered {
    fn add(&mut self, rows: Vec<(Row, bool)>) {
        for (row, is_partial) in rows {
            match self.rows.last_mut() {
                Some(last) if self.is_last_partial && last.key == row.key => last.cells.extend(row.cells),
                _ => self.rows.push(row),
            }
            self.is_last_partial = is_partial;
        }
    }

    fn has_whole_row(&self) -> bool {
        self.rows.len() > usize::from(self.is_last_partial)
    }

    /// Without a last row that may lack cells: it is read again.
    fn whole(mut self) -> Vec<Row> {
        if self.is_last_partial {
            self.rows.pop();
        }
        self.rows
    }

    /// Where no cells follow, the last row is whole.
    fn all(self) -> Vec<Row> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Cell;

    fn piece(key: &'static str, cells: usize, is_partial: bool) -> (Row, bool) {
        let cell = Cell { family: "f".into(), qualifier: "q".into(), timestamp_ms: 1, value: Bytes::new() };
        (Row { key: key.into(), cells: vec![cell; cells] }, is_partial)
    }

    fn shape(rows: &[Row]) -> Vec<(&[u8], usize)> {
        rows.iter().map(|row| (&row.key[..], row.cells.len())).collect()
    }

    #[test]
    fn a_row_in_pieces_is_put_together_over_portions() {
        let mut gathered = Gathered::default();
        gathered.add(vec![piece("a", 1, true)]);
        assert!(!gathered.has_whole_row());
        gathered.add(vec![]);
        gathered.add(vec![piece("a", 2, true), piece("a", 3, false), piece("b", 1, true)]);
        assert!(gathered.has_whole_row());
        assert_eq!(shape(&gathered.whole()), [(&b"a"[..], 6)]);
    }

    #[test]
    fn a_piece_whose_rest_never_comes_is_a_row() {
        let mut gathered = Gathered::default();
        gathered.add(vec![piece("a", 1, true)]);
        gathered.add(vec![piece("b", 1, true)]);
        assert_eq!(shape(&gathered.all()), [(&b"a"[..], 1), (&b"b"[..], 1)]);
    }
}
