//! HBase. A row has the family `cf` with the columns `values` and `timestamp`; its key is the time and a random number, so that rows of the
//! same millisecond are rows of their own. A row counts as kept when its region server has acknowledged it.

use futures::FutureExt;
use futures::future::BoxFuture;
use riverrun_base::{Error, Result};
use riverrun_hbase_client::{Client, NewTable, Options, Put, Scan, TableName};

use super::{Found, Place, Row, Store};

const FAMILY: &str = "cf";

/// The store.
pub(crate) struct HBase {
    quorum: String,
    table: String,
    connection: Option<(Client, TableName)>,
}

impl HBase {
    /// `port` is that of the ZooKeeper servers that are named without one.
    pub(crate) fn new(quorum: &str, port: u16, table: &str) -> Self {
        let server = |server: &str| if server.contains(':') { server.to_owned() } else { format!("{server}:{port}") };
        let quorum = quorum.split(',').map(str::trim).filter(|name| !name.is_empty()).map(server).collect::<Vec<_>>();
        Self { quorum: quorum.join(","), table: table.to_owned(), connection: None }
    }

    /// A client of a cluster that has the table.
    async fn connected(&mut self) -> Result<(Client, TableName)> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let client = Client::new(Options::new(self.quorum.clone())).map_err(|error| self.failed(error))?;
        let table = TableName::new(self.table.clone())?;
        if !client.table_exists(&table).await.map_err(|error| self.failed(error))? {
            let made = client.create_table(&NewTable::new(table.clone()).family(FAMILY)).await;
            made.map_err(|error| self.failed(error))?;
        }
        self.connection = Some((client.clone(), table.clone()));
        Ok((client, table))
    }

    fn failed(&self, error: Error) -> Error {
        Error::external("HBase cannot be used").caused_by(error).with("quorum", &self.quorum).retryable()
    }

    async fn put(&mut self, rows: &[Row]) -> Result<()> {
        let (client, table) = self.connected().await?;
        let put = |row: &Row| {
            Put::new(format!("{:013}-{:016x}", row.timestamp, fastrand::u64(..)))
                .cell(FAMILY, "values", row.values.clone())
                .cell(FAMILY, "timestamp", row.timestamp.to_string())
        };
        let puts: Vec<Put> = rows.iter().map(put).collect();
        let outcomes = client.put_all(&table, &puts).await;
        outcomes.into_iter().collect::<Result<()>>().map_err(|error| {
            self.connection = None;
            self.failed(error)
        })
    }

    async fn page(&mut self, after: Option<Place>, most: usize) -> Result<(Vec<Found>, Option<Place>)> {
        let (client, table) = self.connected().await?;
        let scan = after.map_or_else(Scan::all, |after| Scan::all().start_after(after)).limit(most as u64);
        let mut scanner = client.scan(&table, scan);
        let mut found = Vec::new();
        while let Some(rows) = scanner.next_batch().await.map_err(|error| self.failed(error))? {
            for row in &rows {
                let key = String::from_utf8_lossy(row.key()).into_owned();
                let text = |column| row.value(FAMILY, column).and_then(|bytes| std::str::from_utf8(bytes).ok());
                let (Some(values), Some(timestamp)) =
                    (text("values"), text("timestamp").and_then(|text| text.parse().ok()))
                else {
                    return Err(
                        Error::data("a row of the failover store is not as this connector writes it").with("row", key)
                    );
                };
                found.push(Found { at: key, row: Row { values: values.to_owned(), timestamp } });
            }
        }
        let last = found.last().map(|found| found.at.clone());
        Ok((found, last))
    }

    async fn delete(&mut self, rows: &[Found]) -> Result<()> {
        let (client, table) = self.connected().await?;
        let keys: Vec<&str> = rows.iter().map(|found| found.at.as_str()).collect();
        let outcomes = client.delete_all(&table, &keys).await;
        outcomes.into_iter().collect::<Result<()>>().map_err(|error| self.failed(error))
    }
}

impl Store for HBase {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        self.put(rows).boxed()
    }

    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        self.page(after, most).boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        async move { self.delete(rows).await.map(|()| behind) }.boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        async {
            let (client, _) = self.connected().await?;
            client.check().await.map_err(|error| self.failed(error))
        }
        .boxed()
    }
}
