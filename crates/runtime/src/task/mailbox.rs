//! What a source's task is told from outside: its splits, barriers, and to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use riverrun_base::{Error, Result};
use riverrun_connect::Split;
use riverrun_protocol::{CheckpointId, Timestamp};

use crate::Barrier;

/// The mailbox of one source task. Its contents are a state, not a queue: it grows only with splits and barriers that
/// someone asked for.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    arrived: Condvar,
    /// Whether there may be mail: what the task looks at between polls.
    flag: AtomicBool,
}

#[derive(Default)]
struct State {
    mail: Mail,
    closed: bool,
}

/// A split for a task, and the watermark that it had in the checkpoint it comes from.
#[derive(Clone, Debug)]
pub(crate) struct AssignedSplit {
    pub(crate) split: Split,
    pub(crate) watermark: Option<Timestamp>,
}

/// What follows a barrier in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterBarrier {
    /// The stream goes on.
    Rows,
    /// Nothing: it is the last barrier. `drain` says that event time comes to its end before it.
    End { drain: bool },
}

/// What has come since the task looked last.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) splits: Vec<AssignedSplit>,
    /// Splits were dealt out, even if none was for this task.
    pub(crate) assigned: bool,
    /// No split follows.
    pub(crate) no_more_splits: bool,
    /// Barriers, each with how many of the splits came before it: what came after it is not in its checkpoint, as that does not know it.
    pub(crate) barriers: Vec<(Barrier, AfterBarrier, usize)>,
    /// The youngest checkpoint that is complete.
    pub(crate) completed: Option<CheckpointId>,
    pub(crate) stop: bool,
}

impl Mailbox {
    /// Deals out splits; none follow if `no_more`.
    pub(crate) fn assign(&self, splits: Vec<AssignedSplit>, no_more: bool) {
        self.post(|state| {
            state.mail.splits.extend(splits);
            state.mail.assigned = true;
            state.mail.no_more_splits |= no_more;
        });
    }

    pub(crate) fn barrier(&self, barrier: Barrier, after: AfterBarrier) {
        self.post(|state| state.mail.barriers.push((barrier, after, state.mail.splits.len())));
    }

    /// A checkpoint is complete.
    pub(crate) fn completed(&self, checkpoint: CheckpointId) {
        self.post(|state| state.mail.completed = state.mail.completed.max(Some(checkpoint)));
    }

    pub(crate) fn stop(&self) {
        self.post(|state| state.mail.stop = true);
    }

    /// Ends every wait; from now on [`Self::take`] and [`Self::wait`] fail.
    pub(crate) fn close(&self) {
        self.post(|state| state.closed = true);
    }

    /// Whether there may be mail, without taking the lock.
    pub(crate) fn has_mail(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// What has come.
    ///
    /// # Errors
    /// The job stops.
    pub(crate) fn take(&self) -> Result<Mail> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::canceled());
        }
        self.flag.store(false, Ordering::Release);
        Ok(std::mem::take(&mut state.mail))
    }

    /// Waits for mail, until `deadline` at most.
    pub(crate) fn wait(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        while !self.has_mail() {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return,
                Some(left) => self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn post(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        self.flag.store(true, Ordering::Release);
        drop(state);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_barrier_tells_which_splits_came_before_it() {
        let split = |id: &str| AssignedSplit { split: Split { id: id.into(), position: Vec::new() }, watermark: None };
        let barrier = |checkpoint| Barrier { checkpoint: CheckpointId(checkpoint) };
        let mailbox = Mailbox::default();
        mailbox.barrier(barrier(1), AfterBarrier::Rows);
        mailbox.assign(vec![split("a"), split("b")], false);
        mailbox.barrier(barrier(2), AfterBarrier::Rows);
        mailbox.assign(vec![split("c")], true);
        let mail = mailbox.take().unwrap();
        let before: Vec<usize> = mail.barriers.iter().map(|(_, _, before)| *before).collect();
        assert_eq!((before, mail.splits.len()), (vec![0, 2], 3));
    }
}
