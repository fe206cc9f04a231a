//! What the coordinator is told, and what it answers.

use crate::CheckpointId;

/// Names a request, so that the answer finds who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A checkpoint now, within the limit of concurrent ones.
    Checkpoint,
    /// A savepoint now. It waits only for what others have asked for.
    Savepoint,
    /// A savepoint that ends the job.
    StopWithSavepoint {
        /// Whether the largest watermark goes before it, so that windows and timers fire: the job will not go on.
        drain: bool,
    },
}

/// What the barriers of a checkpoint are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// To go back to.
    Checkpoint,
    /// The user's: whole, and in a place of its own.
    Savepoint,
    /// The user's, and the last: no row follows its barrier.
    StopWithSavepoint {
        /// Whether the largest watermark goes before the barrier.
        drain: bool,
    },
    /// All input has been read: no row follows its barrier.
    Last,
}

impl CheckpointKind {
    /// Whether no row follows its barrier, and the job ends when it is committed.
    pub fn is_last(self) -> bool {
        matches!(self, Self::StopWithSavepoint { .. } | Self::Last)
    }

    /// Whether it goes to the savepoint folder too.
    pub fn is_savepoint(self) -> bool {
        matches!(self, Self::Savepoint | Self::StopWithSavepoint { .. })
    }
}

/// Why a task declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decline {
    /// The barrier of a younger checkpoint has overtaken this one's. It is no failure.
    Overtaken,
    /// The state could not be frozen or stored.
    Failed,
}

/// How writing a slot went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotOutcome {
    /// The slot holds this checkpoint as this attempt has written it, now or in an earlier try, and it
    /// [counts](crate::checkpoint_log::standing).
    Written,
    /// It holds something of another attempt, or does not count.
    Taken,
    /// Nobody knows: the checkpoint may be complete, now or when a delayed request arrives.
    Unknown,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time has passed; nothing else. Wanted at [`CheckpointCoordinator::next_deadline`](super::CheckpointCoordinator::next_deadline).
    Tick,
    /// Somebody wants a checkpoint; [`Action::Answer`] follows, once.
    Requested {
        /// Names the request.
        request: RequestId,
        /// What is wanted.
        kind: RequestKind,
    },
    /// A task has stored its state, and handed over what it prepared for this and every earlier barrier. May be repeated.
    Acknowledged {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The task's number.
        task: usize,
    },
    /// A task will not store its state.
    Declined {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The task's number.
        task: usize,
        /// Why.
        reason: Decline,
    },
    /// All sources have read all their input.
    SourcesExhausted,
    /// The answer to [`Action::WriteSlot`].
    SlotWritten {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// How it went.
        outcome: SlotOutcome,
    },
    /// The answer to [`Action::Commit`]: all its rows are visible.
    Committed {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The sink's number.
        sink: usize,
        /// Whether there were any.
        visible: bool,
    },
    /// The answer to [`Action::Commit`]: rows can never be committed. One that may succeed later is a failure of the
    /// attempt and no event here: the next attempt commits before it does anything else.
    CommitLost {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The sink's number.
        sink: usize,
        /// Whether other rows of the same commit are, or may become, visible.
        visible: bool,
    },
}

/// What the owner does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let every source put this barrier into its stream.
    TriggerBarriers {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// What it is for.
        kind: CheckpointKind,
    },
    /// Write the slot of this number if it is absent, and every absent slot between `after` and it as skipped, before it;
    /// [`Event::SlotWritten`] follows, once. A savepoint's own files are written before. Never two at a time, and repeated
    /// for the same checkpoint only after [`SlotOutcome::Unknown`].
    WriteSlot {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The last slot that is known to be written. Checkpoints between it and this one were aborted: what sinks
        /// prepared for them is committed with this one, so the slot holds that too, in the order of its barriers.
        after: CheckpointId,
    },
    /// This attempt will not complete it. What only it needs may be removed: not the files that the state of a later
    /// barrier builds on, and not what sinks prepared for it as long as the attempt runs (see [`Action::WriteSlot`]).
    Abort(CheckpointId),
    /// It is complete: tell sources and tasks.
    NotifyCompleted(CheckpointId),
    /// Let the committer of a sink commit what the slot holds; [`Event::Committed`] or [`Event::CommitLost`] follows, or the
    /// attempt fails. Never two at a time.
    Commit {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The sink's number.
        sink: usize,
    },
    /// Remove this slot, which holds a checkpoint or was skipped, and what only it needs: oldest first, with the takeovers between.
    /// In other words: everything before the first of [`CheckpointCoordinator::kept`](super::CheckpointCoordinator::kept).
    Remove(CheckpointId),
    /// Answer a request: the checkpoint is complete; or, where it stops the job, committed.
    Answer {
        /// Names the request.
        request: RequestId,
        /// The checkpoint, or why there is none.
        result: Result<CheckpointId, RequestError>,
    },
    /// The attempt has failed. Nothing follows: let nothing be written or committed any more.
    FailJob(FailReason),
    /// Another attempt has taken over. Nothing follows: stop, commit nothing, remove nothing.
    Fenced {
        /// The slot that the other has.
        slot: CheckpointId,
    },
    /// The last checkpoint is committed. Nothing follows.
    Finished {
        /// The last checkpoint.
        checkpoint: CheckpointId,
        /// [`CheckpointKind::Last`], or [`CheckpointKind::StopWithSavepoint`] where somebody has asked for the end.
        kind: CheckpointKind,
    },
}

/// Why a request is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The last checkpoint is being taken: the job ends.
    Ending,
    /// Too many requests wait.
    TooMany,
    /// The checkpoint was aborted.
    Aborted(CheckpointFailure),
    /// The attempt has failed, or another has taken over.
    JobFailed,
}

/// Why a checkpoint was aborted, or is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointFailure {
    /// Not all tasks have acknowledged it in time.
    Expired,
    /// This task could not store its state.
    Declined {
        /// The task's number.
        task: usize,
    },
    /// A younger one's barriers have overtaken its.
    Overtaken,
    /// Its slot could not be written.
    SlotNotWritten,
}

/// Why an attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailReason {
    /// More checkpoints have failed in a row than is tolerable.
    TooManyFailures {
        /// How many.
        failures: u32,
        /// The last of them.
        checkpoint: CheckpointId,
        /// Why that failed.
        last: CheckpointFailure,
    },
    /// The last checkpoint has failed. There can be no other: tasks may have ended behind its barrier.
    LastCheckpointFailed {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why.
        cause: CheckpointFailure,
    },
    /// Rows of a complete checkpoint are lost.
    CommitLost {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The sink that has lost them.
        sink: usize,
        /// Whether other rows of it are visible, in any sink. Where none are, the job goes back to
        /// [the checkpoint before](crate::checkpoint_log::CheckpointLog::rollback) and nothing is lost.
        visible: bool,
    },
}
