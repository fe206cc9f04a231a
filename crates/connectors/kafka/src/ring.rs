//! Which transactional id a writer takes next: the smallest set that is safe to use in turn.
//!
//! An id that is used again forgets how its transaction ended. So the id of a transaction that a checkpoint may still hold is kept: until
//! it is committed, and until a *later* checkpoint is complete, from which the job would go on. The writer is told of no completed
//! checkpoint, but it can see what is committed, and a committer commits nothing else: a transaction that was prepared after this one was
//! seen committed, and is itself seen committed, is of a later checkpoint. That holds whatever number of checkpoints fails
//! in between, or is under way. With one checkpoint under way, four ids go round: one is written to, one made ready, one
//! prepared, one committed last.

/// The ids of one writer, by number. It has no clock and asks nobody.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    entries: Vec<Entry>,
    /// How many transactions were prepared so far.
    prepared: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Free,
    /// Given out, not prepared yet.
    Taken,
    Prepared {
        /// Its place among the prepared.
        place: u64,
        /// How many were prepared when it was seen committed.
        committed: Option<u64>,
    },
}

impl Ring {
    /// An id that may be written to.
    pub(crate) fn take(&mut self) -> usize {
        let free = self.entries.iter().position(|entry| *entry == Entry::Free);
        let number = free.unwrap_or(self.entries.len());
        match self.entries.get_mut(number) {
            Some(entry) => *entry = Entry::Taken,
            None => self.entries.push(Entry::Taken),
        }
        number
    }

    /// This prepared transaction was seen committed, before the next is prepared.
    pub(crate) fn see_committed(&mut self, number: usize) {
        let now = self.prepared;
        if let Some(Entry::Prepared { committed: committed @ None, .. }) = self.entries.get_mut(number) {
            *committed = Some(now);
        }
        let latest = |entry: &Entry| match entry {
            Entry::Prepared { place, committed: Some(_) } => Some(*place),
            _ => None,
        };
        let Some(latest) = self.entries.iter().filter_map(latest).max() else { return };
        for entry in &mut self.entries {
            // Those up to `seen` were prepared before it was seen, and may be in the same checkpoint.
            if matches!(entry, Entry::Prepared { committed: Some(seen), .. } if latest > *seen) {
                *entry = Entry::Free;
            }
        }
    }

    /// This transaction is prepared, and a checkpoint will hold it.
    pub(crate) fn prepare(&mut self, number: usize) {
        self.prepared += 1;
        if let Some(entry) = self.entries.get_mut(number) {
            *entry = Entry::Prepared { place: self.prepared, committed: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn with_one_checkpoint_under_way_four_ids_go_round() {
        let mut ring = Ring::default();
        let (mut current, mut ready) = (ring.take(), ring.take());
        let mut used = Vec::new();
        for _ in 0..12 {
            if let Some(last) = used.last() {
                ring.see_committed(*last);
            }
            ring.prepare(current);
            used.push(current);
            current = ready;
            ready = ring.take();
        }
        assert_eq!(used.iter().collect::<BTreeSet<_>>().len(), 4, "{used:?}");
    }

    #[test]
    fn nothing_is_used_again_while_no_checkpoint_completes() {
        let mut ring = Ring::default();
        let numbers: Vec<usize> = (0..5)
            .map(|_| {
                let number = ring.take();
                ring.prepare(number);
                number
            })
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        // All of them in one checkpoint: none is free, since the job may go on from it.
        (0..5).for_each(|number| ring.see_committed(number));
        assert_eq!(ring.take(), 5);
        ring.prepare(5);
        assert_eq!(ring.take(), 6);
        ring.see_committed(5);
        assert_eq!(ring.take(), 0);
    }

    proptest! {
        /// A job in small: checkpoints that fail pass what they hold on to the next, commits come late or not at all.
        #[test]
        fn an_id_that_a_restorable_checkpoint_holds_is_never_given_out(
            steps in proptest::collection::vec((any::<bool>(), any::<bool>(), 0u8..3, any::<bool>()), 1..200),
        ) {
            let mut ring = Ring::default();
            let (mut current, mut ready) = (ring.take(), ring.take());
            // What the next checkpoint holds, those under way, and the latest complete one.
            let (mut pending, mut restorable) = (BTreeSet::new(), BTreeSet::new());
            let mut to_commit: Vec<usize> = Vec::new();
            let mut committed: BTreeSet<usize> = BTreeSet::new();
            for (has_rows, completes, commits, is_looked_at) in steps {
                if is_looked_at {
                    committed.iter().for_each(|number| ring.see_committed(*number));
                }
                if has_rows {
                    ring.prepare(current);
                    pending.insert(current);
                    current = ready;
                    ready = ring.take();
                    prop_assert!(current != ready);
                    prop_assert!(!pending.contains(&ready), "{ready} is in the next checkpoint");
                    prop_assert!(!restorable.contains(&ready), "{ready} is in the latest checkpoint");
                    prop_assert!(!to_commit.contains(&ready), "{ready} is not committed yet");
                    committed.remove(&ready);
                }
                if completes {
                    // A checkpoint that completes while commits are outstanding holds them too.
                    restorable = pending.iter().chain(&to_commit).copied().collect();
                    to_commit.extend(std::mem::take(&mut pending));
                }
                for _ in 0..commits {
                    if !to_commit.is_empty() {
                        committed.insert(to_commit.remove(0));
                    }
                }
            }
        }
    }
}
