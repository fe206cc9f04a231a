//! The writer: one transaction between two barriers.

use std::marker::PhantomData;
use std::time::SystemTime;

use riverrun_base::{Error, Result};
use riverrun_protocol::CheckpointId;

use super::committable::Prepared;
use super::{TransactionId, TwoPhaseCommitSink};
use crate::{Committable, Flush, SinkWriter, TaskContext};

/// Begins a transaction with the first batch, pre-commits it at the barrier, and aborts what is open when it is dropped.
pub(super) struct TransactionWriter<B, S: TwoPhaseCommitSink<B>> {
    sink: S,
    /// Of the next transaction.
    id: TransactionId,
    open: Option<Open<S::Transaction>>,
    batch: PhantomData<fn(B)>,
}

struct Open<T> {
    transaction: T,
    begun: SystemTime,
    number: u64,
}

impl<B, S: TwoPhaseCommitSink<B>> TransactionWriter<B, S> {
    pub(super) fn new(sink: S, context: &TaskContext) -> Self {
        let (job, operator) = (context.job.id.clone(), context.job.operator.clone());
        let id = TransactionId { job, operator, attempt: context.job.attempt, subtask: context.subtask, number: 0 };
        Self { sink, id, open: None, batch: PhantomData }
    }

    fn begin(&mut self) -> Result<Open<S::Transaction>> {
        let (begun, number) = (SystemTime::now(), self.id.number);
        let transaction = self.sink.begin(&self.id).map_err(|error| error.with("transaction", &self.id))?;
        self.id.number += 1;
        Ok(Open { transaction, begun, number })
    }

    fn pre_commit(&mut self, open: &mut Open<S::Transaction>) -> Result<Committable> {
        self.sink.pre_commit(&mut open.transaction)?;
        let transaction = self.sink.encode(&open.transaction)?;
        let subtask = u32::try_from(self.id.subtask).map_err(|error| Error::internal("subtask").caused_by(error))?;
        Ok(Prepared::new(self.id.attempt, open.number, subtask, open.begun, transaction).encode())
    }

    /// The rows come again; what stays open is found by the next attempt, or ends by its time-out.
    fn abort(&mut self, open: Open<S::Transaction>) {
        let id = TransactionId { number: open.number, ..self.id.clone() };
        if let Err(error) = self.sink.abort(open.transaction) {
            tracing::warn!(transaction = %id, %error, "a transaction could not be aborted and is left for the next attempt");
        }
    }
}

impl<B, S: TwoPhaseCommitSink<B>> SinkWriter<B> for TransactionWriter<B, S> {
    fn write(&mut self, batch: B) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let begun = self.begin()?;
                self.open.insert(begun)
            }
        };
        self.sink.write(&mut open.transaction, batch)
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        match (reason, &self.open) {
            (Flush::End, Some(_)) => {
                Err(Error::internal("a transaction is open at the end: no barrier came behind its rows"))
            }
            _ => Ok(()),
        }
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Vec<Committable>> {
        let Some(mut open) = self.open.take() else {
            return Ok(Vec::new());
        };
        match self.pre_commit(&mut open) {
            Ok(committable) => Ok(vec![committable]),
            Err(error) => {
                self.abort(open);
                Err(error)
            }
        }
    }
}

impl<B, S: TwoPhaseCommitSink<B>> Drop for TransactionWriter<B, S> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            self.abort(open);
        }
    }
}
