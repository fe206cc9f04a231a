//! Jobs that statements have become, planned and checked, not yet started.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use riverrun_base::Result;
use riverrun_data::Batch;
use riverrun_runtime::{JobGraph, JobHandle};

use super::result::{Column, Row, rows};
use crate::cast::zone::Zone;
use crate::operators::Environment;
use crate::stream::ResultSink;

/// How many batches of a result wait for whoever shows them.
const WAITING_RESULTS: usize = 4;

/// An INSERT or a statement set.
pub struct InsertJob {
    /// The job's name: `insert-into_default_catalog.default_database.t`.
    pub name: String,
    /// Whether the script waits for its end (`table.dml-sync`).
    pub waits: bool,
    pub(crate) graph: JobGraph,
}

impl InsertJob {
    /// Starts the job.
    ///
    /// # Errors
    /// The graph cannot be run, for example with a parallelism that is too large.
    pub fn start(self) -> Result<JobHandle> {
        self.graph.start()
    }
}

/// A query whose result is shown.
pub struct QueryJob {
    /// The result's columns.
    pub columns: Vec<Column>,
    /// Whether the result has other changes than insertions.
    pub updating: bool,
    pub(crate) graph: JobGraph,
    pub(crate) rows: Receiver<Batch>,
    pub(crate) environment: Environment,
}

/// The rows of a running query, as they come.
pub struct QueryRows {
    columns: Vec<Column>,
    rows: Receiver<Batch>,
    zone: Zone,
}

/// The two ends through which a query's rows go.
pub(crate) fn result_channel() -> (ResultSink, Receiver<Batch>) {
    let (sender, receiver) = sync_channel(WAITING_RESULTS);
    (ResultSink(sender), receiver)
}

impl QueryJob {
    /// Starts the job. Its rows must be taken, or dropped, for it to go on.
    ///
    /// # Errors
    /// The graph cannot be run.
    pub fn start(self) -> Result<(JobHandle, QueryRows)> {
        let rows = QueryRows::new(self.columns, self.rows, &self.environment);
        Ok((self.graph.start()?, rows))
    }
}

impl QueryRows {
    pub(super) fn new(columns: Vec<Column>, rows: Receiver<Batch>, environment: &Environment) -> Self {
        Self { columns, rows, zone: Zone::new(environment.zone) }
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next rows, none if none came within `wait`; `None` when the job has ended and all have been taken.
    ///
    /// # Errors
    /// The rows do not fit the columns.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Vec<Row>>> {
        match self.next_batch(wait) {
            Ok(batch) => self.texts(&batch).map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(Some(Vec::new())),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// The next rows, in columns.
    ///
    /// # Errors
    /// `Timeout` when none came within `wait`; `Disconnected` when the job has ended and all have been taken.
    pub fn next_batch(&mut self, wait: Duration) -> Result<Batch, RecvTimeoutError> {
        self.rows.recv_timeout(wait)
    }

    /// The rows of a batch of this query as text.
    ///
    /// # Errors
    /// The rows do not fit the columns.
    pub fn texts(&self, batch: &Batch) -> Result<Vec<Row>> {
        rows(&self.columns, batch, &self.zone)
    }
}
