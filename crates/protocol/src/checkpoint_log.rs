//! What the slots of a job's checkpoint log mean: which checkpoint is restored, and which slot comes next.
//!
//! A slot is written once, by whoever creates it first. It holds a completed checkpoint, a takeover by a new attempt, or says
//! that its number is skipped.
//!
//! ```text
//! slot      1          2          3          4             5          6
//!      takeover 1 completed  completed  takeover 2     completed  takeover 3
//!      restores -                       restores 3                restores 5
//! attempt   1          1          1          2             2          3
//!                                       ^ attempt 1, asleep until now, would have completed its next checkpoint here
//! ```
//!
//! # Why an attempt that is over cannot complete a checkpoint
//! 1. *No holes.* An attempt writes the slot after the last one it knows to be written, which at first is its takeover. Numbers of
//!    aborted checkpoints are written as skipped before a younger one is. So the slots that an attempt has written are the
//!    ones directly behind its takeover.
//! 2. *A takeover is written behind the last slot.* So the first slot behind those that an attempt has written, as soon as
//!    there is one, is the takeover of the next attempt: the very slot that the old one would have to create. One of
//!    the two is first: either the checkpoint is in the log before the takeover, and restored; or it never is.
//! 3. *Slots are removed oldest first, and the last one never*, but with the whole log of a job that has ended. Who creates a
//!    slot that was there before and was removed must notice: so what is created counts only if, when the numbers are read
//!    again afterwards, it is the last slot, and the one that the writer knew as the last is there ([`standing`]). It is left
//!    where it is, since it may have counted and been restored by another meanwhile; below the last slot it decides nothing.
//! 4. *What is committed is in the log before.* Nothing is committed for a slot of which it is not known that it counts.
//!
//! What this cannot exclude: a slot that is created after the whole log was removed, by a request that was under way, or by a process that
//! is killed before it looks again or looks when another such slot is there. It is the first slot of a new log then. What it refers to
//! is gone, so that restoring it fails, unless it has no state of its own.
//!
//! A takeover may restore an older checkpoint than the last one, where rows of that one are lost ([`CheckpointLog::rollback`]): what lies
//! between is dead, and is never restored or committed again.

use std::collections::BTreeMap;

use crate::CheckpointId;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// A completed checkpoint, with the slot's number.
    Completed {
        /// The attempt that took it.
        attempt: u64,
    },
    /// An attempt has begun.
    Takeover {
        /// Its number; the first is 1.
        attempt: u64,
        /// What it restores; `None` for the state that the job began with.
        restores: Option<CheckpointId>,
    },
    /// Nothing: the checkpoint of this number was aborted.
    Skipped {
        /// The attempt that aborted it.
        attempt: u64,
    },
}

impl LogEntry {
    /// The attempt that wrote it.
    pub fn attempt(self) -> u64 {
        match self {
            Self::Completed { attempt } | Self::Takeover { attempt, .. } | Self::Skipped { attempt } => attempt,
        }
    }
}

/// What has become of a slot that was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Counts,
    /// Another attempt has gone on behind it. It stays where it is.
    Overtaken,
    /// The whole log was removed before. The slot must be removed too, with those that were skipped for it.
    Orphaned,
}

/// What has become of a slot, in a log whose numbers were read after it was created. `known` is the slot that was the last one before,
/// as far as the writer knew; 0 if there was none. Slots between the two were skipped by the writer itself.
///
/// ```
/// use riverrun_protocol::CheckpointId;
/// use riverrun_protocol::checkpoint_log::{Standing, standing};
///
/// let standing = |numbers: &[u64]| standing(CheckpointId(2), CheckpointId(4), numbers.iter().copied().map(CheckpointId));
/// assert_eq!(standing(&[1, 2, 3, 4]), Standing::Counts);
/// assert_eq!(standing(&[3, 4, 8, 9]), Standing::Overtaken);
/// assert_eq!(standing(&[3, 4]), Standing::Orphaned);
/// ```
pub fn standing(known: CheckpointId, slot: CheckpointId, numbers: impl IntoIterator<Item = CheckpointId>) -> Standing {
    let (mut before, mut behind) = (known.0 == 0, false);
    for number in numbers {
        before |= number == known;
        behind |= number > slot;
    }
    match (behind, before) {
        (true, _) => Standing::Overtaken,
        (false, true) => Standing::Counts,
        (false, false) => Standing::Orphaned,
    }
}

/// What a new attempt writes and goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The slot to create. If somebody else was first, read the log again and decide again.
    pub slot: CheckpointId,
    /// The number of the attempt.
    pub attempt: u64,
    /// What it restores; `None` for the state that the job began with.
    pub restores: Option<CheckpointId>,
    /// Whether what it restores is committed for certain: there was a younger checkpoint already, which is gone back behind.
    /// Committers then have nothing to commit again, and only give up what else is left.
    pub is_committed: bool,
    /// The checkpoints that can be restored, oldest first; the last one is `restores`.
    pub live: Vec<CheckpointId>,
    /// The slots that were skipped.
    pub skipped: Vec<CheckpointId>,
}

/// What a process has of a job that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// The largest number of an attempt for which it has tried to write a takeover.
    pub attempt: u64,
    /// The last slot that its attempts have written and that counts; 0 if there is none.
    pub slot: CheckpointId,
}

/// Why an attempt cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogError {
    /// Another process runs the job by now.
    Fenced {
        /// The number of its attempt.
        attempt: u64,
    },
    /// The log is gone: another process has brought the job to its end.
    Removed,
    /// The checkpoint to restore is not in the log: somebody else has removed it.
    Missing(CheckpointId),
    /// There is no checkpoint before the one that has lost rows.
    NothingBefore(CheckpointId),
}

/// The slots of a job's log.
///
/// ```
/// use riverrun_protocol::CheckpointId;
/// use riverrun_protocol::checkpoint_log::{CheckpointLog, LogEntry};
///
/// let log = CheckpointLog::new([
///     (CheckpointId(1), LogEntry::Takeover { attempt: 1, restores: None }),
///     (CheckpointId(2), LogEntry::Completed { attempt: 1 }),
///     (CheckpointId(3), LogEntry::Completed { attempt: 1 }),
/// ]);
/// let next = log.takeover(None).unwrap();
/// assert_eq!((next.slot, next.attempt, next.restores), (CheckpointId(4), 2, Some(CheckpointId(3))));
/// assert_eq!(log.rollback(None, CheckpointId(3)).unwrap().restores, Some(CheckpointId(2)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CheckpointLog {
    slots: BTreeMap<CheckpointId, LogEntry>,
}

impl CheckpointLog {
    /// The log with these slots, in any order.
    pub fn new(slots: impl IntoIterator<Item = (CheckpointId, LogEntry)>) -> Self {
        Self { slots: slots.into_iter().collect() }
    }

    /// How the next attempt begins. A process that had the job does not take it back from one that came later.
    ///
    /// # Errors
    /// Another process has taken over, or the checkpoint to restore is gone.
    pub fn takeover(&self, own: Option<Own>) -> Result<Takeover, LogError> {
        if let Some(own) = own {
            let later = self.slots.range(own.slot..).find(|(_, entry)| entry.attempt() > own.attempt);
            if let Some((_, later)) = later {
                return Err(LogError::Fenced { attempt: later.attempt() });
            }
            // Only a later attempt removes it, or who removes the whole log.
            if own.slot.0 > 0 && !self.slots.contains_key(&own.slot) {
                return Err(LogError::Removed);
            }
        }
        Ok(self.behind_the_last(self.history()?.live))
    }

    /// As [`Self::takeover`], but going back to the checkpoint before `lost`, of which rows are lost and none are visible. If the
    /// log has gone back behind it already, it is a plain takeover.
    ///
    /// # Errors
    /// As [`Self::takeover`]; or there is no checkpoint before.
    pub fn rollback(&self, own: Option<Own>, lost: CheckpointId) -> Result<Takeover, LogError> {
        let mut takeover = self.takeover(own)?;
        if takeover.live.contains(&lost) {
            takeover.live.retain(|live| *live < lost);
            if takeover.live.is_empty() && !self.history()?.reaches_the_beginning {
                return Err(LogError::NothingBefore(lost));
            }
            takeover = self.behind_the_last(takeover.live);
        }
        Ok(takeover)
    }

    fn last_slot(&self) -> CheckpointId {
        self.slots.last_key_value().map_or(CheckpointId(0), |(slot, _)| *slot)
    }

    fn behind_the_last(&self, live: Vec<CheckpointId>) -> Takeover {
        let skipped = self.slots.iter().filter(|(_, entry)| matches!(entry, LogEntry::Skipped { .. }));
        Takeover {
            slot: CheckpointId(self.last_slot().0 + 1),
            attempt: self.slots.values().map(|entry| entry.attempt()).max().unwrap_or(0) + 1,
            restores: live.last().copied(),
            is_committed: live.last().is_some_and(|restores| self.is_committed(*restores)),
            skipped: skipped.map(|(slot, _)| *slot).collect(),
            live,
        }
    }

    /// Whether a younger checkpoint was completed directly behind this one: it was committed before.
    fn is_committed(&self, checkpoint: CheckpointId) -> bool {
        let mut behind = self.slots.range(CheckpointId(checkpoint.0 + 1)..).map(|(_, entry)| entry);
        let first = behind.find(|entry| !matches!(entry, LogEntry::Skipped { .. }));
        matches!(first, Some(LogEntry::Completed { .. }))
    }

    /// The checkpoints that led to the last slot, from there back to the first one that is removed.
    fn history(&self) -> Result<History, LogError> {
        let mut live = Vec::new();
        let mut next = self.slots.last_key_value().map(|(slot, _)| *slot);
        // Set while the next slot must be there, as a takeover restores it.
        let mut restored = None;
        let mut reaches_the_beginning = self.slots.is_empty();
        while let Some(slot) = next {
            let before = CheckpointId(slot.0.saturating_sub(1));
            next = match self.slots.get(&slot) {
                Some(LogEntry::Completed { .. }) => {
                    live.push(slot);
                    restored = None;
                    Some(before)
                }
                Some(LogEntry::Takeover { restores, .. }) => {
                    // Only what the last takeover restores has to be there.
                    if live.is_empty() {
                        restored = *restores;
                    }
                    reaches_the_beginning = restores.is_none();
                    // It was written behind what it restores; anything else is no log of ours.
                    restores.filter(|restores| *restores < slot)
                }
                Some(LogEntry::Skipped { .. }) => Some(before),
                None => None,
            };
        }
        match restored {
            Some(restored) => Err(LogError::Missing(restored)),
            None => {
                live.reverse();
                Ok(History { live, reaches_the_beginning })
            }
        }
    }
}

struct History {
    live: Vec<CheckpointId>,
    /// Whether nothing before was removed.
    reaches_the_beginning: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: LogEntry = LogEntry::Completed { attempt: 1 };
    const S: LogEntry = LogEntry::Skipped { attempt: 1 };

    fn taken(attempt: u64, restores: u64) -> LogEntry {
        LogEntry::Takeover { attempt, restores: (restores > 0).then_some(CheckpointId(restores)) }
    }

    fn log(slots: &[(u64, LogEntry)]) -> CheckpointLog {
        CheckpointLog::new(slots.iter().map(|(slot, entry)| (CheckpointId(*slot), *entry)))
    }

    fn ids(numbers: &[u64]) -> Vec<CheckpointId> {
        numbers.iter().copied().map(CheckpointId).collect()
    }

    #[test]
    fn an_empty_log_begins_with_the_first_slot_and_no_state() {
        let takeover = CheckpointLog::default().takeover(None).unwrap();
        assert_eq!((takeover.slot, takeover.attempt, takeover.restores), (CheckpointId(1), 1, None));
        assert_eq!(takeover.live, []);
    }

    #[test]
    fn the_last_slot_tells_what_is_restored() {
        let restored = |slots: &[(u64, LogEntry)]| log(slots).takeover(None).unwrap().restores.map(|one| one.0);
        assert_eq!(restored(&[(1, taken(1, 0))]), None);
        assert_eq!(restored(&[(1, taken(1, 0)), (2, C)]), Some(2));
        assert_eq!(restored(&[(1, taken(1, 0)), (2, C), (3, S)]), Some(2));
        assert_eq!(restored(&[(1, taken(1, 0)), (2, C), (3, S), (4, taken(2, 2))]), Some(2));
        assert_eq!(restored(&[(1, taken(1, 0)), (2, S), (3, taken(2, 0)), (4, S)]), None);
        assert_eq!(restored(&[(1, taken(1, 0)), (2, C), (3, C), (4, taken(2, 2))]), Some(2), "gone back");
    }

    #[test]
    fn the_next_slot_and_attempt_are_behind_all_others() {
        let takeover =
            log(&[(1, taken(1, 0)), (2, C), (3, taken(2, 2)), (4, taken(3, 2)), (5, S)]).takeover(None).unwrap();
        assert_eq!((takeover.slot, takeover.attempt), (CheckpointId(6), 4));
        assert_eq!(takeover.skipped, ids(&[5]));
    }

    #[test]
    fn what_a_takeover_has_gone_back_behind_is_dead() {
        let gone_back = log(&[(1, taken(1, 0)), (2, C), (3, C), (4, C), (5, taken(2, 2)), (6, C)]);
        let takeover = gone_back.takeover(None).unwrap();
        assert_eq!(takeover.live, ids(&[2, 6]));
    }

    #[test]
    fn what_lies_before_a_removed_slot_is_dead() {
        let takeover = log(&[(1, taken(1, 0)), (2, C), (4, C), (5, C)]).takeover(None).unwrap();
        assert_eq!(takeover.live, ids(&[4, 5]));
    }

    #[test]
    fn a_process_does_not_take_a_job_back_from_one_that_came_later() {
        let own = |attempt, slot| Some(Own { attempt, slot: CheckpointId(slot) });
        let written = log(&[(1, taken(1, 0)), (2, taken(2, 0)), (3, LogEntry::Completed { attempt: 2 })]);
        assert_eq!(written.takeover(own(1, 1)), Err(LogError::Fenced { attempt: 2 }));
        assert_eq!(
            written.takeover(own(2, 1)).unwrap().attempt,
            3,
            "its own, of which it does not know that it arrived"
        );
        assert_eq!(written.takeover(own(3, 3)).unwrap().attempt, 3, "its own, which did not arrive");
        let late = log(&[(2, taken(2, 0)), (5, C), (6, C)]);
        assert_eq!(late.takeover(own(1, 6)).unwrap().attempt, 3, "a late one, below what is written already");
        let removed = log(&[(8, LogEntry::Completed { attempt: 2 })]);
        assert_eq!(
            removed.takeover(own(1, 3)),
            Err(LogError::Fenced { attempt: 2 }),
            "also when the takeover is removed"
        );
        assert_eq!(CheckpointLog::default().takeover(own(1, 3)), Err(LogError::Removed));
        assert_eq!(
            log(&[(4, taken(2, 0))]).takeover(own(2, 3)),
            Err(LogError::Removed),
            "its own, which came after that"
        );
    }

    #[test]
    fn attempts_are_counted_on_when_their_takeovers_are_removed() {
        assert_eq!(log(&[(8, LogEntry::Completed { attempt: 4 })]).takeover(None).unwrap().attempt, 5);
    }

    #[test]
    fn what_is_restored_again_is_committed_if_a_checkpoint_came_after_it() {
        let is_committed = |slots: &[(u64, LogEntry)]| log(slots).takeover(None).unwrap().is_committed;
        assert!(!is_committed(&[(1, taken(1, 0)), (2, C)]));
        assert!(!is_committed(&[(1, taken(1, 0)), (2, C), (3, S), (4, taken(2, 2))]));
        assert!(is_committed(&[(1, taken(1, 0)), (2, C), (3, S), (4, C), (5, taken(2, 2))]));
    }

    #[test]
    fn a_checkpoint_that_somebody_removed_is_missed() {
        assert_eq!(log(&[(1, taken(1, 0)), (3, taken(2, 2))]).takeover(None), Err(LogError::Missing(CheckpointId(2))));
        let removed_in_order = log(&[(1, taken(1, 0)), (3, taken(2, 2)), (4, C)]);
        assert_eq!(removed_in_order.takeover(None).unwrap().live, ids(&[4]));
    }

    #[test]
    fn rollback_restores_the_checkpoint_before_and_once() {
        let slots = [(1, taken(1, 0)), (2, C), (3, S), (4, C), (5, C)];
        let takeover = log(&slots).rollback(Some(Own { attempt: 1, slot: CheckpointId(5) }), CheckpointId(4)).unwrap();
        assert_eq!((takeover.slot, takeover.attempt, takeover.restores), (CheckpointId(6), 2, Some(CheckpointId(2))));
        assert_eq!(takeover.live, ids(&[2]));
        let again = log(&[&slots[..], &[(6, taken(2, 2)), (7, C)]].concat()).rollback(None, CheckpointId(4)).unwrap();
        assert_eq!(again.restores, Some(CheckpointId(7)), "4 is dead already");
    }

    #[test]
    fn rollback_from_the_first_checkpoint_restores_the_beginning_unless_another_was_removed() {
        let first = log(&[(1, taken(1, 0)), (2, S), (3, C)]);
        assert_eq!(first.rollback(None, CheckpointId(3)).unwrap().restores, None);
        let not_the_first = log(&[(1, taken(1, 0)), (3, C)]);
        assert_eq!(not_the_first.rollback(None, CheckpointId(3)), Err(LogError::NothingBefore(CheckpointId(3))));
        let restored = log(&[(1, taken(1, 0)), (3, C), (4, taken(2, 3))]);
        assert_eq!(restored.rollback(None, CheckpointId(3)), Err(LogError::NothingBefore(CheckpointId(3))));
    }
}
