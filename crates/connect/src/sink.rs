//! Sinks.

use std::time::Instant;

use riverrun_base::Result;
use riverrun_data::{Batch, ChangelogMode};

use crate::TaskContext;

/// A sink, configured and checked; nothing is started.
pub trait Sink<B = Batch>: Send + Sync {
    /// The row kinds it wants from a query that makes `query`: the query's own, or fewer (an upsert sink needs no `-U`).
    /// Where it does not cover what the query needs, the planner refuses the statement.
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode;

    /// The number of writers that the user asked for (`sink.parallelism`); that of the input otherwise.
    fn parallelism(&self) -> Option<usize> {
        None
    }

    /// A writer, called in the thread that will own it.
    ///
    /// # Errors
    /// The system cannot be reached or refuses the table, within seconds.
    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<B>>>;
}

/// Why everything must be durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// A barrier: the checkpoint counts on every row before it.
    Barrier,
    /// The end of bounded input, or an orderly stop: no row follows.
    End,
}

/// Writes rows. One thread owns it. Dropped without a flush, it abandons what it has not written.
pub trait SinkWriter<B = Batch>: Send {
    /// Takes rows; may buffer them within its limits, and blocks when they are reached, which slows the job down.
    ///
    /// # Errors
    /// A row cannot be written and the connector's retries are spent.
    fn write(&mut self, batch: B) -> Result<()>;

    /// When [`Self::tick`] is due at the latest.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Called at or after [`Self::deadline`]: a flush interval has passed.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn tick(&mut self) -> Result<()> {
        Ok(())
    }

    /// Makes every row written so far durable in the destination; returns only when it is.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn flush(&mut self, reason: Flush) -> Result<()>;
}
