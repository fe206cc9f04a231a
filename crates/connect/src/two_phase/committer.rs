//! The committer: the transactions of completed checkpoints, always in the same order.

use std::marker::PhantomData;
use std::time::SystemTime;

use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;

use super::TwoPhaseCommitSink;
use super::committable::Prepared;
use super::timeout::TransactionTimeout;
use crate::{Commit, Committable, Committer, JobContext};

/// Commits for all writers of one attempt.
///
/// Calls for the same checkpoint commit in the same order and stop at the first transaction that fails. So what was committed by an
/// earlier call, perhaps of another process, is what comes first; a transaction that is lost at the head of the list proves that
/// nothing of this checkpoint is visible. The others are then aborted, so that nothing of it becomes visible later.
pub(super) struct TransactionCommitter<B, S> {
    sink: S,
    timeout: TransactionTimeout,
    job: JobContext,
    batch: PhantomData<fn(B)>,
}

impl<B, S: TwoPhaseCommitSink<B>> TransactionCommitter<B, S> {
    pub(super) fn new(sink: S, timeout: TransactionTimeout, job: JobContext) -> Self {
        Self { sink, timeout, job, batch: PhantomData }
    }

    fn commit_all(
        &mut self,
        committables: &[Committable],
        mut commit: impl FnMut(&mut Self, &Prepared) -> Result<Commit>,
    ) -> Result<Commit> {
        let mut all = committables.iter().map(Prepared::decode).collect::<Result<Vec<_>>>()?;
        all.sort_unstable();
        let mut visible = false;
        let mut lost: Vec<Error> = Vec::new();
        for prepared in &all {
            let (attempt, subtask, number) = (prepared.attempt, prepared.subtask, prepared.number);
            let place = |error: Error| error.with("transaction", format_args!("{attempt}-{subtask}-{number}"));
            match commit(self, prepared).map_err(place)? {
                Commit::Done => visible = true,
                Commit::Lost { visible: partly, error } => {
                    visible |= partly;
                    lost.push(place(error));
                    if !visible {
                        all.iter().skip(1).try_for_each(|prepared| self.abort(prepared))?;
                        break;
                    }
                }
            }
        }
        let count = lost.len();
        Ok(match lost.into_iter().next() {
            None => Commit::Done,
            Some(error) if count > 1 => Commit::Lost { visible, error: error.with("lost transactions", count) },
            Some(error) => Commit::Lost { visible, error },
        })
    }

    fn abort(&mut self, prepared: &Prepared) -> Result<()> {
        let transaction = self.sink.decode(&prepared.transaction)?;
        self.sink.recover_and_abort(transaction)
    }

    /// Commits a transaction that an earlier attempt may have committed.
    fn recover_and_commit(&mut self, prepared: &Prepared) -> Result<Commit> {
        let age = prepared.age(SystemTime::now());
        self.timeout.warn(age);
        let transaction = self.sink.decode(&prepared.transaction)?;
        let committed = self.sink.recover_and_commit(transaction);
        if !self.timeout.forgives(age) {
            return committed;
        }
        let error = match committed {
            Ok(Commit::Done) => return Ok(Commit::Done),
            Ok(Commit::Lost { error, .. }) | Err(error) => error,
        };
        tracing::error!(
            operator = %self.job.operator, %error, ?age,
            "the rows of a transaction are lost: it timed out, and its sink ignores failures after that"
        );
        // Whether it was committed by an earlier call is not known, so nothing may be written again.
        Ok(Commit::Done)
    }
}

impl<B, S: TwoPhaseCommitSink<B>> Committer for TransactionCommitter<B, S> {
    fn recover(&mut self, _restored: Option<CheckpointId>, committables: &[Committable]) -> Result<Commit> {
        let committed = self.commit_all(committables, Self::recover_and_commit)?;
        if matches!(committed, Commit::Done) {
            for transaction in self.sink.unfinished(&self.job)? {
                self.sink.recover_and_abort(transaction)?;
            }
        }
        Ok(committed)
    }

    fn commit(&mut self, _checkpoint: CheckpointId, committables: &[Committable]) -> Result<Commit> {
        self.commit_all(committables, |this, prepared| {
            this.timeout.warn(prepared.age(SystemTime::now()));
            let transaction = this.sink.decode(&prepared.transaction)?;
            this.sink.commit(transaction)
        })
    }
}
