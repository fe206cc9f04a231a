//! Sources that wait for each other (FLIP-182): none runs further ahead in event time than the user allows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use riverrun_connect::SplitId;

/// The sources of a group: how far each subtask has come.
#[derive(Debug, Default)]
pub(crate) struct AlignmentGroup(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    next: u64,
    /// The watermark of each subtask that has one.
    reached: HashMap<u64, i64>,
}

/// A subtask of a source in a group. Dropped, it holds nobody back any more.
#[derive(Debug)]
pub(super) struct Aligned {
    group: Arc<AlignmentGroup>,
    member: u64,
    max_drift: i64,
    splits: HashMap<SplitId, i64>,
    own: Option<i64>,
}

impl Aligned {
    pub(super) fn join(group: Arc<AlignmentGroup>, max_drift: i64) -> Self {
        let member = {
            let mut members = group.0.lock().unwrap_or_else(PoisonError::into_inner);
            members.next += 1;
            members.next
        };
        Self { group, member, max_drift, splits: HashMap::new(), own: None }
    }

    /// A split has come to a watermark.
    pub(super) fn reached(&mut self, split: &SplitId, watermark: i64) {
        let known = self.splits.entry(Arc::clone(split)).or_insert(watermark);
        *known = watermark.max(*known);
        let own = self.splits.values().copied().min();
        if own != self.own
            && let Some(watermark) = own
        {
            self.own = own;
            let mut members = self.group.0.lock().unwrap_or_else(PoisonError::into_inner);
            members.reached.insert(self.member, watermark);
        }
    }

    /// Whether it is too far ahead of the slowest.
    pub(super) fn waits(&self) -> bool {
        let Some(own) = self.own else { return false };
        let members = self.group.0.lock().unwrap_or_else(PoisonError::into_inner);
        members.reached.values().min().is_some_and(|slowest| own > slowest.saturating_add(self.max_drift))
    }
}

impl Drop for Aligned {
    fn drop(&mut self) {
        self.group.0.lock().unwrap_or_else(PoisonError::into_inner).reached.remove(&self.member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_source_waits_until_the_slower_has_come_near_or_is_gone() {
        let group = Arc::new(AlignmentGroup::default());
        let mut fast = Aligned::join(Arc::clone(&group), 1_000);
        let mut slow = Aligned::join(group, 1_000);
        fast.reached(&"a".into(), 5_000);
        assert!(!fast.waits());
        slow.reached(&"b".into(), 3_000);
        assert!(fast.waits() && !slow.waits());
        slow.reached(&"b".into(), 4_000);
        assert!(!fast.waits());
        fast.reached(&"a".into(), 9_000);
        assert!(fast.waits());
        drop(slow);
        assert!(!fast.waits());
    }
}
