//! Sources, as FLIP-27 cuts them: an enumerator finds splits, readers read them.

use std::sync::Arc;
use std::time::Duration;

use riverrun_base::Result;
use riverrun_data::{Batch, ChangelogMode};

use crate::TaskContext;

/// Whether a source ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundedness {
    /// It ends.
    Bounded,
    /// It goes on until the job is stopped.
    Unbounded,
}

/// The name of a split, unique in its source: `orders-3`, a path.
pub type SplitId = Arc<str>;

/// A part of a source that one reader reads in order, with the position to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub id: SplitId,
    /// Where to read on, in the connector's own encoding. It is stored in checkpoints, so older encodings stay readable.
    pub position: Vec<u8>,
}

/// A source, configured and checked; nothing is started.
pub trait Source<B = Batch>: Send + Sync {
    /// Whether it ends by itself.
    fn boundedness(&self) -> Boundedness;

    /// The row kinds of its batches.
    fn changelog_mode(&self) -> ChangelogMode {
        ChangelogMode::INSERT_ONLY
    }

    /// The number of readers that the user asked for (`scan.parallelism`); the job's parallelism otherwise.
    fn parallelism(&self) -> Option<usize> {
        None
    }

    /// What finds the splits; one for each job.
    ///
    /// # Errors
    /// The system cannot be reached or has no such topic, path or table; within seconds.
    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>>;

    /// A reader, called in the thread that will own it.
    ///
    /// # Errors
    /// The system cannot be reached.
    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<B>>>;
}

/// Finds the splits of a source. One thread owns it.
pub trait SplitEnumerator: Send {
    /// The splits that have appeared since the last call; all of them at the first.
    ///
    /// # Errors
    /// The system cannot be asked; a retryable error is retried by the engine, with backoff.
    fn discover(&mut self) -> Result<Discovery>;

    /// Tells it, before the first call of [`Self::discover`], which splits a checkpoint knows already; it must not report them again.
    fn restore(&mut self, known: &[SplitId]);
}

/// What an enumerator found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// New splits, each with its first position.
    pub splits: Vec<Split>,
    /// When to ask again; never, where it is `None`: the source has no other splits.
    pub again: Option<Duration>,
}

/// Reads splits. One thread owns it.
pub trait SourceReader<B = Batch>: Send {
    /// Takes on splits, from the position each holds.
    ///
    /// # Errors
    /// A position cannot be read, or the system cannot be reached.
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()>;

    /// The next rows of one split, waiting for at most `wait`. A batch has at most some thousand rows; it is never empty.
    ///
    /// # Errors
    /// The system failed for longer than the connector retries, or a record cannot be read; the context says where.
    fn poll(&mut self, wait: Duration) -> Result<Polled<B>>;

    /// The unfinished splits with their positions right after what [`Self::poll`] has returned so far: a restored reader goes on from there.
    fn splits(&self) -> Vec<Split>;

    /// A checkpoint that holds `splits` is complete; a source may tell its system (consumer group offsets).
    ///
    /// # Errors
    /// The system refuses for good.
    fn checkpoint_completed(&mut self, splits: &[Split]) -> Result<()> {
        let _ = splits;
        Ok(())
    }
}

/// What a poll brought.
#[derive(Debug)]
pub enum Polled<B = Batch> {
    /// Rows of one split, in its order: the physical columns, then the table's metadata columns.
    Rows {
        /// Where they come from.
        split: SplitId,
        /// The rows.
        batch: B,
    },
    /// This split has ended: its rows have all been returned.
    Finished(SplitId),
    /// Nothing within the time given.
    Nothing,
}
