//! A client of the shared HBase, and a table nobody else has.

use std::time::Duration;

use riverrun_hbase_client::{Client, NewTable, Options, Put, Row, Scan, TableName};
use riverrun_testkit::{HBaseServer, hbase, unique};
use tokio::runtime::Runtime;

/// Runs a test with a client of the shared HBase.
#[track_caller]
pub(crate) fn with_client<F: Future<Output = ()>>(test: impl FnOnce(Client) -> F) {
    let client = client_of(hbase());
    Runtime::new().unwrap().block_on(test(client));
}

/// A client that waits for a server that restarts on a busy machine.
pub(crate) fn client_of(server: &HBaseServer) -> Client {
    let options = Options { operation_timeout: Duration::from_secs(90), ..Options::new(server.quorum()) };
    Client::new(options).unwrap()
}

/// A new table with the family `cf`, and a region from each of these rows on.
pub(crate) async fn table(client: &Client, split_keys: &[&str]) -> TableName {
    let name = TableName::new(unique("t")).unwrap();
    let table = split_keys.iter().fold(NewTable::new(name.clone()).family("cf"), |table, key| table.split_at(*key));
    assert!(client.create_table(&table).await.unwrap());
    name
}

/// A row with a value in `cf:v`.
pub(crate) fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Put {
    Put::new(key).cell("cf", "v", value)
}

/// Writes rows, all of which must be acknowledged.
#[track_caller]
pub(crate) fn all_written(outcomes: Vec<riverrun_base::Result<()>>) {
    outcomes.into_iter().collect::<riverrun_base::Result<()>>().unwrap();
}

/// All rows of a scan.
pub(crate) async fn read(client: &Client, table: &TableName, scan: Scan) -> Vec<Row> {
    let mut scanner = client.scan(table, scan);
    let mut rows = Vec::new();
    while let Some(batch) = scanner.next_batch().await.unwrap() {
        assert!(!batch.is_empty());
        rows.extend(batch);
    }
    rows
}

/// The keys of a scan, as texts.
pub(crate) async fn keys(client: &Client, table: &TableName, scan: Scan) -> Vec<String> {
    let rows = read(client, table, scan).await;
    rows.iter().map(|row| String::from_utf8_lossy(row.key()).into_owned()).collect()
}
