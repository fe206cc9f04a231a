//! Exactly-once delivery, up to the last step, for systems without transactions: rows wait in the checkpoint.

mod group;
#[cfg(test)]
mod tests;
mod writer;

use std::num::NonZeroUsize;
use std::sync::Arc;

use riverrun_base::{MemorySize, Result};
use riverrun_data::{Batch, ChangelogMode};
use riverrun_protocol::CheckpointId;

use crate::{Commit, Commits, Committable, Committer, Sink, SinkWriter, TaskContext};
use group::Group;
use writer::LogWriter;

/// Writes groups of rows to a system outside. One thread owns it.
pub trait GroupWriter: Send {
    /// Writes all rows of a group, or fails; returns when the system has them for good.
    ///
    /// The id names the group for ever: `<job>-<operator>-<subtask>-<checkpoint>-<n>`. A group comes again, with the same rows under the
    /// same id, when it is not known that it was written: after an error, and after a crash. A system that is told the id with the rows,
    /// and leaves out what it has, holds every row exactly once; another holds every row at least once.
    ///
    /// # Errors
    /// The system cannot be reached, and this writer's own retries are spent; or it refuses a row.
    fn write_group(&mut self, id: &str, rows: Batch) -> Result<()>;
}

/// What makes a group writer, in the thread that will own it.
type Open = dyn Fn(&TaskContext) -> Result<Box<dyn GroupWriter>> + Send + Sync;

/// A sink that keeps rows in the checkpoint and writes them when it is complete, as Flink's `GenericWriteAheadSink`.
///
/// **Guarantee: at least once**, and exactly once if the destination honours the id of each group ([`GroupWriter::write_group`]). No row
/// of an interval that failed is ever written. Rows appear with each checkpoint, at the end of which they are written in one stream: the
/// groups of a writer in its order, writer after writer.
///
/// **Cost:** the rows of one checkpoint interval lie in memory ([`Self::memory`]) and in the checkpoint, as an Arrow IPC stream, not
/// compressed. What exceeds the memory fails the job, with an error that says how to mend it.
///
/// ```
/// use riverrun_base::Result;
/// use riverrun_connect::{GroupWriter, WriteAheadLog};
/// use riverrun_data::Batch;
///
/// /// Would send a request with the id in a header, `Idempotency-Key`.
/// struct Requests;
///
/// impl GroupWriter for Requests {
///     fn write_group(&mut self, id: &str, rows: Batch) -> Result<()> {
///         println!("{id}: {} rows", rows.num_rows());
///         Ok(())
///     }
/// }
///
/// let sink = WriteAheadLog::new(|_context| Ok(Box::new(Requests)));
/// ```
#[derive(Clone)]
pub struct WriteAheadLog {
    open: Arc<Open>,
    mode: ChangelogMode,
    parallelism: Option<usize>,
    limits: Limits,
}

/// How much waits in a writer.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Encoded bytes since the last barrier.
    memory: MemorySize,
    group_rows: NonZeroUsize,
}

impl WriteAheadLog {
    /// A log before a destination, which takes insertions only; `open` is called once in each attempt of the job.
    pub fn new(open: impl Fn(&TaskContext) -> Result<Box<dyn GroupWriter>> + Send + Sync + 'static) -> Self {
        let limits = Limits { memory: MemorySize(64 << 20), group_rows: NonZeroUsize::MIN.saturating_add(999) };
        Self { open: Arc::new(open), mode: ChangelogMode::INSERT_ONLY, parallelism: None, limits }
    }

    /// The row kinds that the destination takes.
    #[must_use]
    pub fn changelog_mode(mut self, mode: ChangelogMode) -> Self {
        self.mode = mode;
        self
    }

    /// The number of writers; that of the input without it.
    #[must_use]
    pub fn parallelism(mut self, writers: Option<usize>) -> Self {
        self.parallelism = writers;
        self
    }

    /// How many bytes of rows a writer keeps between two barriers, as they are encoded; 64 MiB without it.
    #[must_use]
    pub fn memory(mut self, memory: MemorySize) -> Self {
        self.limits.memory = memory;
        self
    }

    /// How many rows a group has at most; 1000 without it.
    #[must_use]
    pub fn group_rows(mut self, rows: NonZeroUsize) -> Self {
        self.limits.group_rows = rows;
        self
    }
}

impl Sink for WriteAheadLog {
    fn changelog_mode(&self, _query: ChangelogMode) -> ChangelogMode {
        self.mode
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(LogWriter::new(context, self.limits)?))
    }

    fn commits(&self) -> Commits {
        Commits::Always
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        Ok(Box::new(GroupCommitter((self.open)(context)?)))
    }
}

/// Writes what waited. Nothing is ever left behind in the destination, so there is nothing to abort.
struct GroupCommitter(Box<dyn GroupWriter>);

impl Committer for GroupCommitter {
    fn recover(&mut self, _restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let mut groups = committables.iter().map(Group::decode).collect::<Result<Vec<_>>>()?;
        groups.sort_unstable_by_key(|group| group.order);
        for group in groups {
            let rows = group.rows().map_err(|error| error.with("group", group.id))?;
            self.0.write_group(group.id, rows).map_err(|error| error.with("group", group.id))?;
        }
        Ok(Commit::Done)
    }

    fn commit(&mut self, _checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        self.recover(None, committables)
    }
}
