//! The checkpoints of an attempt that runs: what has come of each, who waits for it, and what follows from its failure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::Checkpoint;
use riverrun_protocol::CheckpointId;
use riverrun_protocol::checkpoint::{
    CheckpointCoordinator, CheckpointFailure, CheckpointKind, FailReason, RequestError, RequestId, Start,
};

use super::{Building, Chain, Committers, Durable, Prepared, Storing, Takeover};
use crate::job::attempt::Attempt;
use crate::job::master::{Job, Message};
use crate::job::restoration::overlapping;
use crate::job::running::Cause;
use crate::{CheckpointStatistics, KeyGroupRange, OperatorKind};

/// The checkpoints of an attempt.
pub(crate) struct Ongoing<'a> {
    pub(crate) durable: &'a Durable,
    pub(crate) attempt_number: u64,
    pub(crate) coordinator: CheckpointCoordinator,
    pub(crate) storing: Storing,
    pub(crate) committers: Option<Committers>,
    pub(crate) building: BTreeMap<CheckpointId, Building>,
    pub(crate) prepared: Prepared,
    /// Savepoints whose files are written before their slot.
    pub(crate) assembled: BTreeMap<CheckpointId, (Checkpoint, CheckpointKind)>,
    pub(crate) kinds: BTreeMap<CheckpointId, CheckpointKind>,
    pub(crate) requests: BTreeMap<RequestId, Request>,
    pub(crate) next_request: u64,
    /// The last error of what was given up, for the error of a job that fails over it.
    pub(crate) last_error: Option<Error>,
    pub(crate) lost: Option<Error>,
    pub(crate) triggered: BTreeMap<CheckpointId, Instant>,
    /// Whether all states must be handed over in full until a checkpoint is complete.
    pub(crate) starts_full: bool,
}

/// Somebody who waits for a checkpoint.
pub(crate) struct Request {
    pub(crate) answer: Answer,
    /// Where the savepoint goes; the end of a job in order needs none.
    pub(crate) directory: Option<String>,
    /// Where it lies.
    pub(crate) path: Option<String>,
}

pub(crate) enum Answer {
    Checkpoint(SyncSender<Result<CheckpointId>>),
    Savepoint(SyncSender<Result<String>>),
    Nobody,
}

impl<'a> Ongoing<'a> {
    pub(crate) fn new(
        job: &Job,
        epoch: u64,
        durable: &'a Durable,
        takeover: Takeover,
        committers: Option<Committers>,
        attempt: &Attempt,
    ) -> Result<Self> {
        let messages = job.messages.clone();
        let report = move |event| {
            // Nobody listens any more when the job has ended.
            let _ = messages.send(Message::Store(epoch, event));
        };
        let chains = chains(job, &takeover);
        let storing = Storing::start(Arc::clone(&durable.log), takeover.attempt, chains, report)?;
        let settings = durable.checkpointing.clone().unwrap_or_default().coordinator();
        let start = Start {
            takeover: takeover.slot,
            live: takeover.live,
            skipped: takeover.skipped,
            tasks: attempt.tasks().len(),
            sinks: job.sinks.len(),
        };
        if takeover.starts_full {
            attempt.task_handles().for_each(|task| task.wants_full.store(true, Ordering::Release));
        }
        Ok(Self {
            durable,
            attempt_number: takeover.attempt,
            coordinator: CheckpointCoordinator::new(settings, start, job.now_ms()),
            storing,
            committers,
            building: BTreeMap::new(),
            prepared: Prepared::default(),
            assembled: BTreeMap::new(),
            kinds: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_request: 0,
            last_error: None,
            lost: None,
            triggered: BTreeMap::new(),
            starts_full: takeover.starts_full,
        })
    }

    pub(crate) fn savepoint_directory(&self) -> Option<String> {
        self.durable.checkpointing.as_ref().and_then(|checkpointing| checkpointing.savepoint_directory.clone())
    }

    /// Lets a checkpoint be written: to its savepoint's folder first, if it has one, then into its slot.
    pub(crate) fn write(&mut self, job: &Job, checkpoint: CheckpointId) {
        let Some(building) = self.building.remove(&checkpoint) else { return };
        let kind = self.kinds.remove(&checkpoint).unwrap_or(CheckpointKind::Checkpoint);
        let directory = match kind.is_savepoint() {
            true => self.requests.values().find_map(|request| request.directory.clone()),
            false => None,
        };
        let blank = self.durable.blank(checkpoint, self.attempt_number, directory.is_some());
        let prepared = self.prepared.take(checkpoint);
        let written = building.written;
        let assembled = building.finish(&job.nodes, job.graph.settings.max_parallelism, prepared, blank);
        job.shared.checkpoints(|statistics| record_size(statistics, &assembled, written));
        match directory {
            Some(directory) => {
                self.storing.write_savepoint(directory, assembled.clone());
                self.assembled.insert(checkpoint, (assembled, kind));
            }
            None => self.storing.write_slot(assembled),
        }
    }

    pub(crate) fn answer(&mut self, request: RequestId, result: Result<CheckpointId, RequestError>) {
        let Some(request) = self.requests.remove(&request) else { return };
        match (result, request.answer, request.path) {
            (Ok(checkpoint), Answer::Checkpoint(answer), _) => drop(answer.try_send(Ok(checkpoint))),
            (Ok(_), Answer::Savepoint(answer), Some(path)) => drop(answer.try_send(Ok(path))),
            (Ok(_), answer, _) => answer.give_error(Error::internal("a savepoint without a place")),
            (Err(error), answer, _) => answer.give_error(match error {
                RequestError::Ending => Error::user("the job is ending"),
                RequestError::TooMany => Error::user("too many requests for checkpoints wait").retryable(),
                RequestError::JobFailed => Error::external("the job failed before the checkpoint was complete"),
                RequestError::Aborted(failure) => {
                    let error = Error::external(format!("the checkpoint was given up: {}", told(failure)));
                    match self.last_error.take() {
                        Some(cause) => error.caused_by(cause),
                        None => error,
                    }
                }
            }),
        }
    }

    pub(crate) fn refuse_all(&mut self, why: &str) {
        for (_, request) in std::mem::take(&mut self.requests) {
            request.answer.give_error(Error::user(why));
        }
    }

    pub(crate) fn cause_of(&mut self, reason: FailReason) -> Cause {
        let failed = |message: String, cause: Option<Error>| {
            let error = Error::external(message);
            Cause::Failed(match cause {
                Some(cause) => error.caused_by(cause),
                None => error,
            })
        };
        match reason {
            FailReason::TooManyFailures { failures, checkpoint, last } => failed(
                format!(
                    "checkpoint {checkpoint} failed, {}; {failures} failed one after another, more than \
                     'execution.checkpointing.tolerable-failed-checkpoints' allows",
                    told(last)
                ),
                self.last_error.take(),
            ),
            FailReason::LastCheckpointFailed { checkpoint, cause } => {
                failed(format!("the last checkpoint, {checkpoint}, failed: {}", told(cause)), self.last_error.take())
            }
            FailReason::CommitLost { checkpoint, visible, .. } => {
                let error =
                    self.lost.take().unwrap_or_else(|| Error::external("rows of a complete checkpoint are lost"));
                Cause::Lost { checkpoint, visible, error: error.with("checkpoint", checkpoint) }
            }
        }
    }
}

impl Answer {
    pub(crate) fn give_error(self, error: Error) {
        match self {
            Self::Checkpoint(answer) => drop(answer.try_send(Err(error))),
            Self::Savepoint(answer) => drop(answer.try_send(Err(error))),
            Self::Nobody => {}
        }
    }
}

/// The chains of all operators' subtasks, as far as they are restored.
fn chains(job: &Job, takeover: &Takeover) -> BTreeMap<(usize, usize), Chain> {
    let max_parallelism = job.graph.settings.max_parallelism;
    let mut chains = BTreeMap::new();
    for (index, node) in job.nodes.iter().enumerate().filter(|(_, node)| node.kind == OperatorKind::Operator) {
        let restored = takeover.restoration.as_ref().filter(|_| !takeover.starts_full);
        let state = restored.and_then(|restored| restored.checkpoint.operator(&node.uid));
        for subtask in 0..node.parallelism {
            let range = KeyGroupRange::of_subtask(subtask, node.parallelism, max_parallelism);
            let files = state.map_or_else(Vec::new, |state| {
                overlapping(state, range).into_iter().map(|(range, files)| (range, files.to_vec())).collect()
            });
            chains.insert((index, subtask), Chain::new(range, files));
        }
    }
    chains
}

fn record_size(statistics: &mut CheckpointStatistics, checkpoint: &Checkpoint, written: u64) {
    statistics.last_size = written;
    statistics.last_full_size = checkpoint.state_bytes();
}

fn told(failure: CheckpointFailure) -> &'static str {
    match failure {
        CheckpointFailure::Expired => "it took longer than 'execution.checkpointing.timeout'",
        CheckpointFailure::Declined { .. } => "state could not be stored",
        CheckpointFailure::Overtaken => "a younger one has overtaken it",
        CheckpointFailure::SlotNotWritten => "it could not be written",
    }
}
