//! The client: what can be asked of HBase, each until it is done or its time is up.

mod batch;
mod cluster;
mod reading;
mod scanner;
mod tables;

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use riverrun_base::Result;

use crate::failure::Failure;
use crate::mutation::{Change, Put};
use crate::options::Options;
use crate::row::Row;
use crate::rpc::cells;
use crate::rpc::frame::Call;
use crate::rpc::messages::{
    self, BinaryComparator, ByteArrayComparable, Comparator, Condition, MutateRequest, MutateResponse, MutationProto,
    RegionSpecifier,
};
use crate::scan::Scan;
use crate::table::TableName;
use crate::tries::Tries;
use cluster::Cluster;

pub use scanner::Scanner;

/// A client of one HBase. Clones share its connections and what it knows of regions; many tasks may use it at once.
#[derive(Clone, Debug)]
pub struct Client(Arc<Cluster>);

impl Client {
    /// A client that has not talked to anybody yet.
    ///
    /// # Errors
    /// The options are not as they should be.
    pub fn new(options: Options) -> Result<Self> {
        Ok(Self(Arc::new(Cluster::new(options)?)))
    }

    /// Asks HBase for a sign of life: ZooKeeper and the server of `hbase:meta` answer.
    ///
    /// # Errors
    /// They do not, within [`Options::operation_timeout`], or refuse to.
    pub async fn check(&self) -> Result<()> {
        let mut tries = self.tries("reach HBase");
        loop {
            if tries.attempt(self.0.greet()).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Writes a row; when this returns `Ok`, it is as durable as its table promises.
    ///
    /// # Errors
    /// The row or the server refuses it; or HBase did not acknowledge it in time, in which case it may be written nonetheless.
    pub async fn put(&self, table: &TableName, put: &Put) -> Result<()> {
        self.change_one(table, Change::Put(put), "write a row").await
    }

    /// Writes rows, many in a call and servers side by side. The outcome of each has the place of its put. Rows are written in no particular order.
    ///
    /// # Errors
    /// Each row's as [`Client::put`].
    pub async fn put_all(&self, table: &TableName, puts: &[Put]) -> Vec<Result<()>> {
        let changes: Vec<Change<'_>> = puts.iter().map(Change::Put).collect();
        self.change_all(table, &changes, "write rows").await
    }

    /// Writes a row unless its *first* cell's column has a value already; whether it did. HBase takes an empty value for none.
    ///
    /// Where an answer was lost and the column has this very value afterwards, `true`: this call may have written it.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn put_if_absent(&self, table: &TableName, put: &Put) -> Result<bool> {
        Change::Put(put).check()?;
        let mut tries = self.tries("write a row");
        loop {
            let written =
                tries.attempt(self.put_if_absent_once(table, put)).await.map_err(|error| error.with("table", table))?;
            match written {
                // an earlier attempt may have been ours, and successful
                Some(false) if tries.is_open() => break,
                Some(is_written) => return Ok(is_written),
                None => {}
            }
        }
        loop {
            let read =
                tries.attempt(self.get_once(table, &put.row)).await.map_err(|error| error.with("table", table))?;
            if let (Some(row), Some(first)) = (read, put.cells.first()) {
                return Ok(row.is_some_and(|row| row.value(&first.family, &first.qualifier) == Some(&first.value)));
            }
        }
    }

    /// Deletes a row, with all its families and versions. A row that is not there is deleted too.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn delete(&self, table: &TableName, row: impl AsRef<[u8]>) -> Result<()> {
        self.change_one(table, Change::Delete(row.as_ref()), "delete a row").await
    }

    /// Deletes rows, as [`Client::put_all`] writes them.
    ///
    /// # Errors
    /// Each row's as [`Client::put`].
    pub async fn delete_all<R: AsRef<[u8]>>(&self, table: &TableName, rows: &[R]) -> Vec<Result<()>> {
        let changes: Vec<Change<'_>> = rows.iter().map(|row| Change::Delete(row.as_ref())).collect();
        self.change_all(table, &changes, "delete rows").await
    }

    /// Reads a row; none if it has no cells.
    ///
    /// # Errors
    /// There is no such table; or HBase did not answer in time.
    pub async fn get(&self, table: &TableName, row: impl AsRef<[u8]>) -> Result<Option<Row>> {
        let row = row.as_ref();
        let mut tries = self.tries("read a row");
        loop {
            let read = tries.attempt(self.get_once(table, row)).await.map_err(|error| error.with("table", table))?;
            if let Some(row) = read {
                return Ok(row);
            }
        }
    }

    /// Reads rows in the order of their keys. Nothing is asked before the first batch is.
    #[must_use]
    pub fn scan(&self, table: &TableName, scan: Scan) -> Scanner {
        Scanner::new(Arc::clone(&self.0), table.clone(), scan)
    }

    fn tries(&self, what: &'static str) -> Tries {
        Tries::new(what, self.0.options.operation_timeout)
    }

    async fn get_once(&self, table: &TableName, row: &[u8]) -> Result<Option<Row>, Failure> {
        let region = self.0.locate(table, row).await?;
        let get = messages::Get { row: Bytes::copy_from_slice(row) };
        let request = messages::GetRequest { region: RegionSpecifier::named(&region.name), get };
        let asked = self.0.ask_region(table, &region, Call::new("Get", &request)).await;
        let (answer, mut block): (messages::GetResponse, _) = asked?;
        reading::row(answer.result.unwrap_or_default(), &mut block).map_err(Failure::from)
    }

    async fn put_if_absent_once(&self, table: &TableName, put: &Put) -> Result<bool, Failure> {
        let region = self.0.locate(table, &put.row).await?;
        let first = put.cells.first();
        let comparator = BinaryComparator { comparable: ByteArrayComparable { value: Some(Bytes::new()) } };
        let condition = Condition {
            row: Bytes::copy_from_slice(&put.row),
            family: first.map(|cell| Bytes::copy_from_slice(&cell.family)),
            qualifier: first.map(|cell| Bytes::copy_from_slice(&cell.qualifier)),
            compare_type: Some(messages::EQUAL),
            comparator: Some(Comparator {
                name: "org.apache.hadoop.hbase.filter.BinaryComparator".to_owned(),
                serialized_comparator: Some(comparator.encode_to_vec().into()),
            }),
        };
        let mut block = Vec::new();
        let mutation = mutation(Change::Put(put), &mut block);
        let request =
            MutateRequest { region: RegionSpecifier::named(&region.name), mutation, condition: Some(condition) };
        let call = Call { cells: block, ..Call::new("Mutate", &request) };
        let (answer, _): (MutateResponse, _) = self.0.ask_region(table, &region, call).await?;
        Ok(answer.processed.unwrap_or(false))
    }
}

/// A change as a message; its cells go beside it.
fn mutation(change: Change<'_>, block: &mut Vec<u8>) -> MutationProto {
    let (mutate_type, count) = match change {
        Change::Put(put) => {
            for cell in &put.cells {
                let time = put.timestamp_ms.unwrap_or(cells::NOW);
                cells::encode_put(block, &put.row, (&cell.family, &cell.qualifier), time, &cell.value);
            }
            (messages::PUT, put.cells.len())
        }
        // without cells: every family's
        Change::Delete(_) => (messages::DELETE, 0),
    };
    MutationProto {
        row: Some(Bytes::copy_from_slice(change.row())),
        mutate_type: Some(mutate_type),
        associated_cell_count: i32::try_from(count).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::NewTable;

    #[test]
    fn whatever_is_asked_may_be_asked_from_any_task() {
        fn may_move<T: Send>(_: T) {}
        let client = Client::new(Options::new("nobody")).unwrap();
        let (table, put) = (TableName::new("t").unwrap(), Put::new("r"));
        may_move(client.check());
        may_move(client.create_table(&NewTable::new(table.clone())));
        may_move(client.split_region(&table, "r"));
        may_move(client.put(&table, &put));
        may_move(client.put_all(&table, std::slice::from_ref(&put)));
        may_move(client.put_if_absent(&table, &put));
        may_move(client.delete_all(&table, &["r"]));
        may_move(client.get(&table, "r"));
        may_move(client.scan(&table, Scan::all()).next_batch());
    }
}
