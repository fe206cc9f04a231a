//! Sinks that commit in two phases, in the words of Flink's `TwoPhaseCommitSinkFunction`: one trait to implement, and the
//! [`Sink`] that [`TwoPhaseCommit`] makes of it.

mod committable;
mod committer;
#[cfg(test)]
mod tests;
mod timeout;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_data::{Batch, ChangelogMode};

use crate::{Commit, Commits, Committer, JobContext, Sink, SinkWriter, TaskContext};
use committer::TransactionCommitter;
use timeout::TransactionTimeout;
use writer::TransactionWriter;

/// A system with transactions that outlive the process that wrote them. Implement this, wrap it in [`TwoPhaseCommit`], and every row
/// is visible exactly once, whatever crashes when.
///
/// Each writer and the committer of an attempt own a clone, and call it from one thread; what clones share is yours to share.
///
/// | call | on the clone of | when |
/// |---|---|---|
/// | [`open`](Self::open) | either | once, before any other |
/// | [`begin`](Self::begin) | a writer | the first batch since the start or the last barrier has come; without rows there is no transaction |
/// | [`write`](Self::write) | that writer | for each batch |
/// | [`pre_commit`](Self::pre_commit), [`encode`](Self::encode) | that writer | at a checkpoint's barrier, once; nothing is written to it any more |
/// | [`abort`](Self::abort) | that writer | the attempt ends, and the transaction has not been pre-committed |
/// | [`decode`](Self::decode), [`commit`](Self::commit) | the committer | the checkpoint is complete: perhaps again, perhaps in another process |
/// | [`recover_and_commit`](Self::recover_and_commit) | the committer | an attempt starts, for each transaction of the checkpoint that it restores, committed before or not |
/// | [`unfinished`](Self::unfinished), [`recover_and_abort`](Self::recover_and_abort) | the committer | then, for whatever earlier attempts have left |
///
/// A process can die between any two calls and within each. What follows from that:
///
/// - After [`pre_commit`](Self::pre_commit) the rows are durable, not visible, and can be committed with nothing but what
///   [`encode`](Self::encode) returns, when the writer, its connection and its process are gone. A connection is not a transaction.
/// - A commit must succeed in the end. An error is answered by a restart, which commits again; so a commit of what is committed
///   answers [`Commit::Done`], and an abort of what is gone answers `Ok`.
/// - A pre-committed transaction whose checkpoint is not completed is either committed with a later checkpoint, or never: then its rows
///   come again in another transaction, and [`unfinished`](Self::unfinished) is how it is found and aborted.
/// - An attempt that is over and does not know (a process that was stopped and woken) may still begin and pre-commit: nobody commits
///   that. It may commit again what is committed already, and list what is unfinished.
///
/// Differences from Flink: a transaction begins with the first row, not with the checkpoint; the commit is not made by the writer;
/// what is left behind is listed by the system instead of remembered in the state, so that it is found whenever it was begun.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use riverrun_base::{Error, Result};
/// use riverrun_connect::{Commit, JobContext, TransactionId, TwoPhaseCommit, TwoPhaseCommitSink};
///
/// /// A store that stands for a server: rows that wait under a transaction's name, and rows that all can see.
/// #[derive(Clone, Default)]
/// struct Store(Arc<Mutex<Tables>>);
///
/// #[derive(Default)]
/// struct Tables {
///     waiting: BTreeMap<String, Vec<i64>>,
///     visible: Vec<i64>,
/// }
///
/// impl TwoPhaseCommitSink<Vec<i64>> for Store {
///     type Transaction = String;
///
///     fn begin(&mut self, id: &TransactionId) -> Result<String> {
///         let name = id.to_string();
///         self.0.lock().unwrap().waiting.insert(name.clone(), Vec::new());
///         Ok(name)
///     }
///
///     fn write(&mut self, name: &mut String, rows: Vec<i64>) -> Result<()> {
///         let mut tables = self.0.lock().unwrap();
///         let waiting = tables.waiting.get_mut(name).ok_or_else(|| Error::external("no such transaction"))?;
///         waiting.extend(rows);
///         Ok(())
///     }
///
///     fn pre_commit(&mut self, _name: &mut String) -> Result<()> {
///         Ok(()) // A server would bring the rows to disk here.
///     }
///
///     fn encode(&self, name: &String) -> Result<Vec<u8>> {
///         Ok(name.clone().into_bytes())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<String> {
///         String::from_utf8(bytes.to_vec()).map_err(|error| Error::data("not a name").caused_by(error))
///     }
///
///     fn commit(&mut self, name: String) -> Result<Commit> {
///         let mut tables = self.0.lock().unwrap();
///         // What waits no longer was committed by an earlier call.
///         let rows = tables.waiting.remove(&name).unwrap_or_default();
///         tables.visible.extend(rows);
///         Ok(Commit::Done)
///     }
///
///     fn abort(&mut self, name: String) -> Result<()> {
///         self.0.lock().unwrap().waiting.remove(&name);
///         Ok(())
///     }
///
///     fn unfinished(&mut self, job: &JobContext) -> Result<Vec<String>> {
///         let left = |name: &&String| TransactionId::parse(name, job).is_some_and(|id| id.attempt < job.attempt);
///         Ok(self.0.lock().unwrap().waiting.keys().filter(left).cloned().collect())
///     }
/// }
///
/// let sink = TwoPhaseCommit::new(Store::default());
/// ```
pub trait TwoPhaseCommitSink<B = Batch>: Clone + Send + Sync + 'static {
    /// A transaction. While it is open it may hold what is needed to write to it (a connection, a buffer); behind
    /// [`Self::decode`] it is only what commits or aborts it.
    type Transaction: Send;

    /// The row kinds it takes; see [`Sink::changelog_mode`]. Insertions, unless it says more.
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        let _ = query;
        ChangelogMode::INSERT_ONLY
    }

    /// See [`Sink::parallelism`].
    fn parallelism(&self) -> Option<usize> {
        None
    }

    /// Connects, and checks that the system is set up for transactions.
    ///
    /// # Errors
    /// The system cannot be reached, or is not set up.
    fn open(&mut self, context: &TaskContext) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Begins a transaction under a name that no other has, had or will have.
    ///
    /// # Errors
    /// The system cannot begin one.
    fn begin(&mut self, id: &TransactionId) -> Result<Self::Transaction>;

    /// Writes rows that nobody sees yet. Blocks while the system is slow.
    ///
    /// # Errors
    /// A row cannot be written.
    fn write(&mut self, transaction: &mut Self::Transaction, batch: B) -> Result<()>;

    /// Makes every row durable, and the transaction independent of this process. Returns only when that is so.
    ///
    /// # Errors
    /// A row was refused, perhaps long after it was written, or the system gave the transaction up.
    fn pre_commit(&mut self, transaction: &mut Self::Transaction) -> Result<()>;

    /// What commits or aborts a pre-committed transaction from any process. It is stored in checkpoints: it holds no secret, and
    /// later versions still read it.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn encode(&self, transaction: &Self::Transaction) -> Result<Vec<u8>>;

    /// The transaction that [`Self::encode`] encoded.
    ///
    /// # Errors
    /// The bytes are not what it makes.
    fn decode(&self, bytes: &[u8]) -> Result<Self::Transaction>;

    /// Makes the rows visible, all at once, and durably so. [`Commit::Done`] also if it was committed before.
    ///
    /// [`Commit::Lost`] is for what can never be committed: its `visible` says whether some of this transaction's own rows are.
    /// Whether a transaction is unknown because it was committed long ago, or because it is lost, is for the implementation to tell.
    ///
    /// # Errors
    /// The system cannot be reached; whether it was committed may be unknown.
    fn commit(&mut self, transaction: Self::Transaction) -> Result<Commit>;

    /// Gives up a transaction that was begun here; its rows are never seen. Nothing happens if it is gone.
    ///
    /// # Errors
    /// The system cannot be reached. The transaction stays for [`Self::recover_and_abort`], or its time-out.
    fn abort(&mut self, transaction: Self::Transaction) -> Result<()>;

    /// As [`Self::commit`], after a restart.
    ///
    /// # Errors
    /// As [`Self::commit`].
    fn recover_and_commit(&mut self, transaction: Self::Transaction) -> Result<Commit> {
        self.commit(transaction)
    }

    /// As [`Self::abort`], in the committer: for a transaction of an earlier attempt, pre-committed or not, whose writer may be gone, or
    /// alive and unaware; and for those of a checkpoint that is given up because its first transaction is lost. Nobody can commit it
    /// afterwards.
    ///
    /// # Errors
    /// As [`Self::abort`]; the attempt then fails, since rows that stay behind could be locked or seen.
    fn recover_and_abort(&mut self, transaction: Self::Transaction) -> Result<()> {
        self.abort(transaction)
    }

    /// The transactions of this operator of this job ([`TransactionId::parse`]) that are neither committed nor aborted, of every attempt
    /// *before* [`JobContext::attempt`], at whatever parallelism; asked after everything of the restored checkpoint is committed. Those
    /// of a later attempt are not ours to end: a process that was stopped at this place and woken does not know that it is over.
    ///
    /// Where a system cannot tell, none: then only its own time-out ends what a crash leaves behind.
    ///
    /// # Errors
    /// The system cannot be reached.
    fn unfinished(&mut self, job: &JobContext) -> Result<Vec<Self::Transaction>> {
        let _ = job;
        Ok(Vec::new())
    }
}

/// Names a transaction: `<job>-<operator>-<attempt>-<subtask>-<number>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionId {
    /// The job's id.
    pub job: Arc<str>,
    /// The operator's uid.
    pub operator: Arc<str>,
    /// The attempt, which rises also over restarts of the process.
    pub attempt: u64,
    /// The writer.
    pub subtask: usize,
    /// The writer's transactions, counted from 0.
    pub number: u64,
}

impl TransactionId {
    /// The id that a name shows, if it is one of this operator of this job.
    pub fn parse(name: &str, job: &JobContext) -> Option<Self> {
        let numbers =
            name.strip_prefix(&*job.id)?.strip_prefix('-')?.strip_prefix(&*job.operator)?.strip_prefix('-')?;
        let mut numbers = numbers.split('-');
        let mut number = || numbers.next()?.parse().ok();
        let (attempt, subtask, number) = (number()?, usize::try_from(number()?).ok()?, number()?);
        let id = Self { job: job.id.clone(), operator: job.operator.clone(), attempt, subtask, number };
        numbers.next().is_none().then_some(id)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}-{}-{}", self.job, self.operator, self.attempt, self.subtask, self.number)
    }
}

/// The [`Sink`] that a [`TwoPhaseCommitSink`] makes.
#[derive(Clone, Debug)]
pub struct TwoPhaseCommit<S> {
    sink: S,
    timeout: TransactionTimeout,
}

impl<S> TwoPhaseCommit<S> {
    /// A sink whose transactions never time out.
    pub fn new(sink: S) -> Self {
        Self { sink, timeout: TransactionTimeout::default() }
    }

    /// Says after which time the system itself aborts a transaction (Flink's `setTransactionTimeout`). A warning at the start of each
    /// attempt then names the longest outage that is survived.
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.timeout.after = Some(timeout);
        self
    }

    /// Warns at a commit when the transaction has been open for longer than this part of its time-out (Flink's
    /// `enableTransactionTimeoutWarnings`).
    ///
    /// # Errors
    /// The ratio is not between 0 and 1.
    pub fn transaction_timeout_warnings(mut self, ratio: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Error::user(format!("the ratio of a transaction's time-out is between 0 and 1, not {ratio}")));
        }
        self.timeout.warn_at = Some(ratio);
        Ok(self)
    }

    /// **Loses rows, knowingly:** a transaction that cannot be committed at a restart and is older than its time-out is given up with
    /// an error in the log, and the job goes on without its rows (Flink's `ignoreFailuresAfterTransactionTimeout`). Without this the
    /// job fails. It changes nothing before the time-out, or without one.
    #[must_use]
    pub fn ignore_failures_after_transaction_timeout(mut self) -> Self {
        self.timeout.ignore_failures = true;
        self
    }
}

impl<B, S> Sink<B> for TwoPhaseCommit<S>
where
    B: 'static,
    S: TwoPhaseCommitSink<B>,
{
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        self.sink.changelog_mode(query)
    }

    fn parallelism(&self) -> Option<usize> {
        self.sink.parallelism()
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<B>>> {
        let mut sink = self.sink.clone();
        sink.open(context)?;
        Ok(Box::new(TransactionWriter::<B, S>::new(sink, context)))
    }

    fn commits(&self) -> Commits {
        Commits::Always
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        self.timeout.check(context);
        let mut sink = self.sink.clone();
        sink.open(context)?;
        Ok(Box::new(TransactionCommitter::<B, S>::new(sink, self.timeout, context.job.clone())))
    }
}
