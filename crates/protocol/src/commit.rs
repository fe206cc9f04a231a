//! In which order what completed checkpoints hold is committed.
//!
//! One sink at a time, in the order of their numbers; and no checkpoint completes before the one before it is committed.
//! So where rows turn out to be lost, it is known what is visible: all of the checkpoints before and of the sinks before, and
//! nothing of the sinks behind, also by an attempt that does not know yet that it is over, since it goes by the same order and
//! meets the same loss. Were sinks asked side by side, nobody could tell whether the job may go back to the checkpoint
//! before, or would double what another sink has made visible.
//!
//! ```text
//! slot 5 written -> sink 0 -> sink 1 -> slot 6 written -> sink 0 -> sink 1 -> ...
//! ```
//!
//! A committer that answers *lost* without visible rows must have made sure that none of that call can become visible any more,
//! by whoever: what it could still commit, it has given up.

use crate::CheckpointId;

/// One commit: of one checkpoint, by one sink's committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitStep {
    /// The completed checkpoint.
    pub checkpoint: CheckpointId,
    /// The number of the transactional sink.
    pub sink: usize,
}

/// The commit of one checkpoint after the other.
///
/// ```
/// use riverrun_protocol::CheckpointId;
/// use riverrun_protocol::commit::{CommitStep, Commits};
///
/// let mut commits = Commits::new(2);
/// let step = |sink| CommitStep { checkpoint: CheckpointId(5), sink };
/// assert_eq!(commits.begin(CheckpointId(5)), Some(step(0)));
/// assert_eq!(commits.done(step(0), true), Some(step(1)));
/// assert_eq!(commits.lost(step(1), false), Some(true), "sink 0's rows are visible");
/// ```
#[derive(Clone, Debug)]
pub struct Commits {
    sinks: usize,
    current: Option<CommitStep>,
    /// Whether the checkpoint has made anything visible.
    visible: bool,
}

impl Commits {
    /// Nothing to commit yet, in this many transactional sinks.
    pub fn new(sinks: usize) -> Self {
        Self { sinks, current: None, visible: false }
    }

    /// A checkpoint is complete, and the one before is committed. Returns the step to take; none without sinks.
    pub fn begin(&mut self, checkpoint: CheckpointId) -> Option<CommitStep> {
        self.visible = false;
        self.current = (self.sinks > 0).then_some(CommitStep { checkpoint, sink: 0 });
        self.current
    }

    /// The step that is being taken; none if all that is complete is committed.
    pub fn current(&self) -> Option<CommitStep> {
        self.current
    }

    /// A step is done; `visible` says whether it had rows to make visible. Returns the next step. Another than the
    /// current step is repeated news, and changes nothing.
    pub fn done(&mut self, step: CommitStep, visible: bool) -> Option<CommitStep> {
        if self.current != Some(step) {
            return None;
        }
        self.visible |= visible;
        let sink = step.sink + 1;
        self.current = (sink < self.sinks).then_some(CommitStep { sink, ..step });
        self.current
    }

    /// Rows of a step can never be committed; `visible` says whether others of the same step are visible. Returns whether
    /// anything of the checkpoint is visible; `None` for another than the current step.
    pub fn lost(&self, step: CommitStep, visible: bool) -> Option<bool> {
        (self.current == Some(step)).then_some(visible || self.visible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(checkpoint: u64, sink: usize) -> CommitStep {
        CommitStep { checkpoint: CheckpointId(checkpoint), sink }
    }

    #[test]
    fn sinks_commit_one_after_the_other_and_repeated_news_change_nothing() {
        let mut commits = Commits::new(2);
        assert_eq!(commits.begin(CheckpointId(3)), Some(step(3, 0)));
        assert_eq!(commits.done(step(3, 0), true), Some(step(3, 1)));
        assert_eq!(commits.done(step(3, 0), true), None, "repeated");
        assert_eq!(commits.current(), Some(step(3, 1)));
        assert_eq!(commits.done(step(3, 1), true), None);
        assert_eq!(commits.current(), None);
    }

    #[test]
    fn without_transactional_sinks_nothing_waits() {
        let mut commits = Commits::new(0);
        assert_eq!((commits.begin(CheckpointId(1)), commits.current()), (None, None));
    }

    #[test]
    fn a_loss_is_mendable_only_where_no_sink_has_shown_rows_of_that_checkpoint() {
        let mut commits = Commits::new(2);
        commits.begin(CheckpointId(1));
        assert_eq!(commits.lost(step(1, 0), false), Some(false));
        assert_eq!(commits.lost(step(1, 0), true), Some(true));
        assert_eq!(commits.lost(step(1, 1), false), None, "not asked yet");
        let mut had_nothing = commits.clone();
        had_nothing.done(step(1, 0), false);
        assert_eq!(had_nothing.lost(step(1, 1), false), Some(false));
        commits.done(step(1, 0), true);
        assert_eq!(commits.lost(step(1, 1), false), Some(true));
    }
}
