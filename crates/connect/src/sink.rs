//! Sinks.

use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_data::{Batch, ChangelogMode};
use riverrun_protocol::CheckpointId;

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

    /// Whether rows become visible only when their checkpoint is complete: exactly once. Such a sink has a committer.
    fn commits(&self) -> Commits {
        Commits::Never
    }

    /// What commits for all writers of a transactional sink; one for each attempt of the job, opened and recovered before the first
    /// writer. It must not need the writers: they may be gone.
    ///
    /// # Errors
    /// The system cannot be reached, or is not set up for transactions.
    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let _ = context;
        Err(Error::internal("a sink without transactions was asked for its committer"))
    }
}

/// When a sink's rows become visible by a commit. In a job that takes no checkpoints ([`crate::JobContext::checkpoint_interval`]) nobody
/// calls [`Sink::committer`] and [`SinkWriter::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// Never: the writer makes them visible by itself.
    Never,
    /// By commits in a job that takes checkpoints; in another, the writer makes them visible by itself.
    WithCheckpoints,
    /// Always by commits: a job that takes no checkpoints is refused.
    Always,
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

    /// Makes every row written so far durable in the destination; returns only when it is. A transactional sink need not: only
    /// [`Self::prepare`] counts there, and the last barrier comes before the end.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn flush(&mut self, reason: Flush) -> Result<()>;

    /// A checkpoint's barrier: every row written so far is made durable, and what is returned commits those of them that are not
    /// visible yet. It is stored in the checkpoint. Rows written from now on belong to the next checkpoint.
    ///
    /// If the checkpoint is given up and the job goes on (`tolerable-failed-checkpoints`), it is committed together with the next one
    /// that completes. If the job fails before one does, it is never committed, and the rows come again, to a new writer.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let _ = checkpoint;
        self.flush(Flush::Barrier)?;
        Ok(Vec::new())
    }

    /// Called after [`Self::prepare`] at the same barrier: the rows that were written and are not done, for a writer whose `prepare` does
    /// not wait for them. They are stored in the checkpoint, each as an entry in the connector's own encoding, whose older forms stay
    /// readable; an entry holds no secret. The writer goes on with its rows: an entry is needed only if the job goes back to this
    /// checkpoint. The order is kept.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn snapshot(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    /// Takes entries of [`Self::snapshot`] on, before the first row; not called if there are none. At the same parallelism they are those
    /// of the same subtask; at another they are dealt out evenly.
    ///
    /// # Errors
    /// They are another sink's, or cannot be read.
    fn restore(&mut self, entries: Vec<Vec<u8>>) -> Result<()> {
        let _ = entries;
        Err(Error::user("a checkpoint holds rows on their way for a sink that keeps none").hint(
            "the program has changed: give its sinks the uids they had, or start with '--allow-non-restored-state'",
        ))
    }
}

/// What it takes to commit prepared rows, from any process, in the connector's own encoding. It is stored in checkpoints, so older
/// encodings stay readable; it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committable(pub Vec<u8>);

/// Commits what writers have prepared. One thread owns it.
pub trait Committer: Send {
    /// Called once, before the attempt's writers are opened: commits `committables`, those of the checkpoint that is restored, then
    /// aborts whatever else earlier attempts have left behind. What a *later* attempt has prepared is not touched: a process that was
    /// stopped at this place and woken does not know that it is over.
    ///
    /// # Errors
    /// As [`Self::commit`].
    fn recover(&mut self, restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit>;

    /// Commits what a completed checkpoint holds. It may be called again with what was committed before, by this process or another,
    /// and answers as if for the first time. It waits and retries as long as there is hope, within the connector's own limits.
    ///
    /// # Errors
    /// The system could not be reached for longer than the connector retries; what was not committed still can be.
    fn commit(&mut self, checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit>;
}

/// How a commit went.
#[derive(Debug)]
pub enum Commit {
    /// All rows are visible.
    Done,
    /// Prepared rows are gone, because the system gave the transaction up: they can never be committed.
    Lost {
        /// Whether other rows of the same call are visible, or may be. Where none are, here and in the job's other sinks, the job goes back
        /// to the checkpoint before and loses nothing. So none of them may become visible later, by whoever: what the committer could
        /// still commit, it has given up.
        visible: bool,
        /// Which rows are lost, and why.
        error: Error,
    },
}
