//! Records that could not be delivered: what is kept of them, where, and how they are read again.
//!
//! A row of a store has two fields, as people know them from Apache StreamPark: `values`, which holds an [`Envelope`] as JSON, and
//! `timestamp`, the time it was kept in milliseconds since 1970. Kafka has them as a JSON object without a key, a folder as such objects
//! a line each in `<path>/<table>/<date>/`, SQL as columns.

mod envelope;
mod files;
mod folder;
#[cfg(feature = "hbase")]
mod hbase;
#[cfg(feature = "hdfs")]
mod hdfs;
#[cfg(feature = "kafka")]
mod kafka;
mod keeper;
mod replay;
mod settings;
#[cfg(feature = "sql")]
mod sql;

use futures::future::BoxFuture;
use riverrun_base::{Error, Result};

pub use envelope::Envelope;
pub(crate) use envelope::Stamp;
pub(crate) use keeper::Keeper;
pub use replay::{Failover, Filter, Kept, Outcome, Replay};
pub(crate) use settings::StoreSettings;

/// A row of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The envelope, as JSON.
    pub(crate) values: String,
    /// When it was kept, in milliseconds since 1970.
    pub(crate) timestamp: i64,
}

impl Row {
    /// As one line of JSON.
    pub(crate) fn line(&self) -> String {
        serde_json::json!({ "values": self.values, "timestamp": self.timestamp }).to_string()
    }

    /// The inverse of [`Self::line`].
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let read = || {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            let values = value.get("values")?.as_str()?.to_owned();
            Some(Self { values, timestamp: value.get("timestamp")?.as_i64()? })
        };
        read().ok_or_else(|| Error::data("a row of the failover store is not as this connector writes it"))
    }
}

/// A place in a store, between rows: in the store's own terms.
pub(crate) type Place = String;

/// A row as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where, in the store's own terms.
    pub(crate) at: String,
    /// The row.
    pub(crate) row: Row,
}

/// A store. It connects when it is first used, keeps its connection, and makes a new one after a failure.
pub(crate) trait Store: Send {
    /// Makes rows durable, all or so that writing them again does no harm but to have some twice.
    ///
    /// # Errors
    /// An error of the kind *data* says that the store will never take one of them; any other may pass.
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>>;

    /// Up to about `most` rows behind a place (from the beginning without one), and the place behind them; none at the end. Rows that come
    /// later may be read or not.
    ///
    /// # Errors
    /// It cannot be reached or read.
    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>>;

    /// Removes rows that were read together. Answers the place that the place behind them is now: removing may move rows.
    ///
    /// # Errors
    /// It cannot be reached or written to; some may be removed.
    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>>;

    /// Whether it could be written to now; makes the table, topic or folder where it is missing.
    ///
    /// # Errors
    /// Why not.
    fn probe(&mut self) -> BoxFuture<'_, Result<()>>;
}
