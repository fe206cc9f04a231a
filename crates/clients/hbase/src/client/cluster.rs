//! Who is where, and the connections to them: what every operation needs, and what its failures teach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;
use riverrun_base::Result;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::reading;
use crate::failure::{Failure, Stale};
use crate::options::{Address, Options};
use crate::region::{Region, Regions, meta_key};
use crate::rpc::Service;
use crate::rpc::connection::Connection;
use crate::rpc::frame::Call;
use crate::rpc::messages::{Column, RegionSpecifier, Scan, ScanRequest, ScanResponse};
use crate::table::TableName;
use crate::zookeeper::ZooKeeper;

/// One HBase, as far as it is known.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) options: Options,
    zookeeper: ZooKeeper,
    connections: Mutex<HashMap<(Address, Service), Arc<Line>>>,
    regions: Regions,
    /// Held while a region is looked up, so that all who need it ask once.
    lookup: AsyncMutex<()>,
    meta: Mutex<Option<Arc<Region>>>,
    master: Mutex<Option<Address>>,
}

/// The way to a service of a server. The lock is held while a connection opens, so that one is opened.
type Line = AsyncMutex<Ends>;

#[derive(Debug, Default)]
struct Ends {
    connection: Option<Arc<Connection>>,
    /// When opening failed last: who waited for it has its answer.
    failed: Option<(Instant, Failure)>,
}

impl Cluster {
    pub(super) fn new(options: Options) -> Result<Self> {
        let zookeeper = ZooKeeper::new(options.check()?, &options);
        Ok(Self {
            options,
            zookeeper,
            connections: Mutex::default(),
            regions: Regions::default(),
            lookup: AsyncMutex::default(),
            meta: Mutex::default(),
            master: Mutex::default(),
        })
    }

    /// Reads any row of `hbase:meta`.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        self.read_meta(Scan::default()).await.map(drop)
    }

    /// The region that holds a row, as it was last known; looked up if it is not.
    pub(super) async fn locate(&self, table: &TableName, row: &[u8]) -> Result<Arc<Region>, Failure> {
        if let Some(region) = self.regions.find(table, row) {
            return Ok(region);
        }
        let _alone = self.lookup.lock().await;
        if let Some(region) = self.regions.find(table, row) {
            return Ok(region);
        }
        // the last region of the table that starts at or before the row
        let backwards = Scan {
            column: vec![Column { family: Bytes::from_static(b"info") }],
            start_row: Some(meta_key(table, row)),
            reversed: Some(true),
            ..Scan::default()
        };
        let (answer, block) = self.read_meta(backwards).await?;
        let found = reading::rows(answer, block)?;
        let region = Region::of_meta_row(found.first().map(|(row, _)| row), table, row)?;
        Ok(self.regions.keep(table, region))
    }

    /// One row of `hbase:meta`.
    async fn read_meta(&self, scan: Scan) -> Result<(ScanResponse, Bytes), Failure> {
        let known = lock(&self.meta).clone();
        let region = match known {
            Some(region) => region,
            None => {
                let region = Arc::new(Region::meta(self.zookeeper.meta_server().await?));
                lock(&self.meta).insert(region).clone()
            }
        };
        let request = ScanRequest {
            region: Some(RegionSpecifier::named(&region.name)),
            scan: Some(scan),
            number_of_rows: Some(1),
            limit_of_rows: Some(1),
            close_scanner: Some(true),
            ..ScanRequest::default()
        };
        let call = Call { is_urgent: true, ..Call::new("Scan", &request) };
        let asked = self.ask(&region.server, Service::Client, call).await;
        if let Err(Failure::Passing(passing)) = &asked
            && passing.stale != Stale::Nothing
        {
            *lock(&self.meta) = None;
        }
        asked
    }

    /// Asks the server of a region, and learns from its failure.
    pub(super) async fn ask_region<R: Message + Default>(
        &self,
        table: &TableName,
        region: &Arc<Region>,
        call: Call,
    ) -> Result<(R, Bytes), Failure> {
        let asked = self.ask(&region.server, Service::Client, call).await;
        if let Err(Failure::Passing(passing)) = &asked
            && passing.stale == Stale::Region
        {
            self.regions.forget(table, region);
        }
        asked
    }

    /// Asks a region server, about several regions of its.
    pub(super) async fn ask_server<R: Message + Default>(
        &self,
        server: &Address,
        call: Call,
    ) -> Result<(R, Bytes), Failure> {
        self.ask(server, Service::Client, call).await
    }

    /// Has a region looked up before it is asked again.
    pub(super) fn forget(&self, table: &TableName, region: &Arc<Region>) {
        self.regions.forget(table, region);
    }

    /// Tells the server of a region what it need not answer, if there is a connection.
    pub(super) fn tell(&self, region: &Region, call: Call) {
        let line = lock(&self.connections).get(&(region.server.clone(), Service::Client)).cloned();
        if let Some(line) = line
            && let Ok(ends) = line.try_lock()
            && let Some(connection) = &ends.connection
        {
            connection.tell(call);
        }
    }

    /// Asks the active master.
    pub(super) async fn ask_master<R: Message + Default>(&self, call: Call) -> Result<R, Failure> {
        let known = lock(&self.master).clone();
        let server = match known {
            Some(server) => server,
            None => {
                let server = self.zookeeper.master().await?;
                lock(&self.master).insert(server).clone()
            }
        };
        let asked = self.ask(&server, Service::Master, call).await;
        if let Err(Failure::Passing(passing)) = &asked
            && passing.stale == Stale::Server
        {
            *lock(&self.master) = None;
        }
        asked.map(|(answer, _)| answer)
    }

    async fn ask<R: Message + Default>(
        &self,
        server: &Address,
        service: Service,
        call: Call,
    ) -> Result<(R, Bytes), Failure> {
        let asked = async { self.connection(server, service).await?.ask(call).await }.await;
        if let Err(Failure::Passing(passing)) = &asked
            && passing.stale == Stale::Server
        {
            self.lose(server);
        }
        asked
    }

    /// The connection to a service, opened if there is none.
    async fn connection(&self, server: &Address, service: Service) -> Result<Arc<Connection>, Failure> {
        let begin = Instant::now();
        let line = Arc::clone(lock(&self.connections).entry((server.clone(), service)).or_default());
        let mut ends = line.lock().await;
        if let Some(connection) = &ends.connection
            && connection.is_open()
        {
            return Ok(Arc::clone(connection));
        }
        if let Some((when, failure)) = &ends.failed
            && *when >= begin
        {
            return Err(failure.clone());
        }
        let opened = Connection::open(server, service, &self.options).await;
        ends.connection = None;
        match opened {
            Ok(connection) => Ok(Arc::clone(ends.connection.insert(Arc::new(connection)))),
            Err(failure) => {
                ends.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    /// A server is lost: its regions will be elsewhere. A connection that is still open is not given up for that.
    fn lose(&self, server: &Address) {
        self.regions.forget_server(server);
        let mut meta = lock(&self.meta);
        if meta.as_ref().is_some_and(|region| region.server == *server) {
            *meta = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
