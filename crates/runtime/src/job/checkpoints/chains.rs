//! The files that hold the state of an operator's subtask, from one snapshot to the next.

use std::collections::VecDeque;

use riverrun_checkpoints::{StateChain, StateFile};

use crate::KeyGroupRange;

/// The deltas that are needed to restore one subtask of an operator.
#[derive(Debug)]
pub(crate) struct Chain {
    key_groups: KeyGroupRange,
    /// What the subtask was restored from, cut to its key groups; ranges do not overlap.
    restored: Vec<(KeyGroupRange, Vec<StateFile>)>,
    /// Its own deltas since, the oldest first.
    own: VecDeque<StateFile>,
    /// Whether a delta is missing, so that only a full one helps.
    broken: bool,
}

impl Chain {
    /// The chain of a subtask that was restored from these files.
    pub(crate) fn new(key_groups: KeyGroupRange, restored: Vec<(KeyGroupRange, Vec<StateFile>)>) -> Self {
        Self { key_groups, restored, own: VecDeque::new(), broken: false }
    }

    /// The delta of a snapshot could not be stored.
    pub(crate) fn lose(&mut self) {
        self.broken = true;
    }

    /// Takes a snapshot on. `suffices` is [`Snapshot::suffices`](crate::Snapshot::suffices). False if the state cannot be restored
    /// from what is there, because a delta before this one was lost.
    pub(crate) fn push(&mut self, delta: Option<StateFile>, suffices: Option<usize>) -> bool {
        let full = delta.is_some() && suffices == Some(1);
        self.own.extend(delta);
        if let Some(count) = suffices {
            self.restored.clear();
            self.own.drain(..self.own.len().saturating_sub(count));
        }
        self.broken &= !full;
        !self.broken
    }

    /// What a checkpoint refers to.
    pub(crate) fn files(&self) -> Vec<StateChain> {
        let chain = |range: KeyGroupRange, restored: &[StateFile]| StateChain {
            key_groups: range.start..range.end + 1,
            files: restored.iter().chain(&self.own).cloned().collect(),
        };
        let mut chains: Vec<StateChain> = self.restored.iter().map(|(range, files)| chain(*range, files)).collect();
        if !self.own.is_empty() {
            chains.extend(self.new_ranges().into_iter().map(|range| chain(range, &[])));
        }
        chains
    }

    /// The key groups that nothing was restored for.
    fn new_ranges(&self) -> Vec<KeyGroupRange> {
        let mut restored: Vec<KeyGroupRange> = self.restored.iter().map(|(range, _)| *range).collect();
        restored.sort_by_key(|range| range.start);
        let mut free = Vec::new();
        let mut start = self.key_groups.start;
        for range in restored {
            if start < range.start {
                free.push(KeyGroupRange { start, end: range.start - 1 });
            }
            start = range.end + 1;
        }
        if start <= self.key_groups.end {
            free.push(KeyGroupRange { start, end: self.key_groups.end });
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use riverrun_checkpoints::StateData;

    use super::*;

    fn file(name: u8) -> StateFile {
        StateFile { data: StateData::Inline(vec![name]), rows: 1 }
    }

    fn range(start: u32, end: u32) -> KeyGroupRange {
        KeyGroupRange { start, end }
    }

    /// The chains as first group, group after the last, and the files' names.
    fn shown(chain: &Chain) -> Vec<(u32, u32, Vec<u8>)> {
        let name = |file: &StateFile| match &file.data {
            StateData::Inline(bytes) => bytes[0],
            StateData::Stored { .. } => 0,
        };
        let shown =
            |chain: StateChain| (chain.key_groups.start, chain.key_groups.end, chain.files.iter().map(name).collect());
        chain.files().into_iter().map(shown).collect()
    }

    #[test]
    fn deltas_follow_each_other_until_later_ones_suffice() {
        let mut chain = Chain::new(range(0, 127), Vec::new());
        assert_eq!(shown(&chain), []);
        assert!(chain.push(Some(file(1)), Some(1)));
        assert!(chain.push(Some(file(2)), None));
        assert!(chain.push(None, None));
        assert_eq!(shown(&chain), [(0, 128, vec![1, 2])]);
        assert!(chain.push(Some(file(3)), Some(2)));
        assert_eq!(shown(&chain), [(0, 128, vec![2, 3])]);
        assert!(chain.push(Some(file(4)), Some(1)));
        assert_eq!(shown(&chain), [(0, 128, vec![4])]);
    }

    #[test]
    fn what_was_restored_stays_below_new_deltas_in_its_own_groups() {
        let restored = vec![(range(20, 29), vec![file(1)]), (range(10, 14), vec![file(2), file(3)])];
        let mut chain = Chain::new(range(10, 39), restored);
        assert_eq!(shown(&chain), [(20, 30, vec![1]), (10, 15, vec![2, 3])]);
        chain.push(Some(file(4)), None);
        assert_eq!(
            shown(&chain),
            [(20, 30, vec![1, 4]), (10, 15, vec![2, 3, 4]), (15, 20, vec![4]), (30, 40, vec![4])]
        );
        chain.push(Some(file(5)), Some(1));
        assert_eq!(shown(&chain), [(10, 40, vec![5])]);
    }

    #[test]
    fn a_lost_delta_is_made_good_by_a_full_one_only() {
        let mut chain = Chain::new(range(0, 9), Vec::new());
        assert!(chain.push(Some(file(1)), Some(1)));
        chain.lose();
        assert!(!chain.push(Some(file(2)), None));
        assert!(!chain.push(None, None));
        assert!(chain.push(Some(file(3)), Some(1)));
        assert_eq!(shown(&chain), [(0, 10, vec![3])]);
    }
}
