//! Which reader of a source reads which split.
//!
//! A split goes to the reader with the fewest unfinished splits, the first among equals, and stays there. So the same
//! discoveries give the same assignment, and readers differ by one split at most as long as none finishes.

use std::collections::BTreeMap;

/// The assignment of one source's splits, named by `K`.
///
/// ```
/// use riverrun_protocol::SplitAssignment;
///
/// let mut assignment = SplitAssignment::new(2);
/// assert_eq!(assignment.discovered("a"), Some(0));
/// assert_eq!(assignment.discovered("b"), Some(1));
/// assert_eq!(assignment.discovered("b"), None);
/// ```
#[derive(Clone, Debug)]
pub struct SplitAssignment<K> {
    /// Unfinished splits and their readers.
    splits: BTreeMap<K, usize>,
    /// How many unfinished splits each reader has.
    loads: Vec<usize>,
    no_more: bool,
}

impl<K: Ord> SplitAssignment<K> {
    /// No splits yet, for `readers` readers, at least one.
    pub fn new(readers: usize) -> Self {
        Self { splits: BTreeMap::new(), loads: vec![0; readers.max(1)], no_more: false }
    }

    /// The reader of a new split; `None` if the split is known and unfinished, or comes after [`Self::no_more_splits`]:
    /// the enumerator is wrong.
    pub fn discovered(&mut self, split: K) -> Option<usize> {
        if self.no_more || self.splits.contains_key(&split) {
            return None;
        }
        let (reader, load) = self.loads.iter_mut().enumerate().min_by_key(|(_, load)| **load)?;
        *load += 1;
        self.splits.insert(split, reader);
        Some(reader)
    }

    /// A reader has read a split to its end. One that is unknown, or another reader's, is refused: `false`.
    pub fn finished(&mut self, reader: usize, split: &K) -> bool {
        if self.splits.get(split) != Some(&reader) {
            return false;
        }
        self.splits.remove(split);
        self.loads[reader] -= 1;
        true
    }

    /// The source has no other splits than those discovered.
    pub fn no_more_splits(&mut self) {
        self.no_more = true;
    }

    /// Whether a reader has nothing left to read and will get nothing more.
    pub fn is_done(&self, reader: usize) -> bool {
        self.no_more && self.loads.get(reader).is_none_or(|load| *load == 0)
    }

    /// The unfinished splits with their readers, by name.
    pub fn unfinished(&self) -> impl Iterator<Item = (&K, usize)> {
        self.splits.iter().map(|(split, reader)| (split, *reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Random;

    #[test]
    fn a_split_goes_to_the_reader_with_the_fewest() {
        let mut assignment = SplitAssignment::new(3);
        let readers: Vec<_> = (0..5).map(|split| assignment.discovered(split)).collect();
        assert_eq!(readers, [Some(0), Some(1), Some(2), Some(0), Some(1)]);
        assert!(assignment.finished(1, &1) && assignment.finished(1, &4));
        assert_eq!(assignment.discovered(9), Some(1));
    }

    #[test]
    fn what_contradicts_the_assignment_is_refused() {
        let mut assignment = SplitAssignment::new(2);
        assignment.discovered("a");
        assert_eq!(assignment.discovered("a"), None, "known");
        assert!(!assignment.finished(1, &"a"), "another reader's");
        assert!(!assignment.finished(0, &"b"), "unknown");
        assignment.no_more_splits();
        assert_eq!(assignment.discovered("c"), None, "after the last");
    }

    #[test]
    fn a_reader_is_done_when_its_splits_are_read_and_no_more_come() {
        let mut assignment = SplitAssignment::new(2);
        assignment.discovered("a");
        assert!(!assignment.is_done(1));
        assignment.no_more_splits();
        assert!(assignment.is_done(1) && !assignment.is_done(0));
        assignment.finished(0, &"a");
        assert!(assignment.is_done(0));
    }

    /// Any order of discoveries and ends: each unfinished split has one reader that never changes, counts agree, and
    /// without ends loads differ by one.
    #[test]
    fn random_events_keep_every_split_with_one_reader() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let readers = 1 + random.below(5);
            let mut assignment = SplitAssignment::new(readers);
            let mut model: BTreeMap<usize, usize> = BTreeMap::new();
            let ends = random.below(2) == 0;
            for split in 0..100 {
                let reader = assignment.discovered(split);
                assert!(reader.is_some_and(|reader| reader < readers), "seed {seed}");
                model.insert(split, reader.unwrap_or_default());
                if ends && random.below(2) == 0 {
                    let split = random.below(split + 1);
                    let reader = random.below(readers);
                    assert_eq!(assignment.finished(reader, &split), model.get(&split) == Some(&reader), "seed {seed}");
                    model.retain(|other, owner| *other != split || *owner != reader);
                }
                assert!(
                    assignment
                        .unfinished()
                        .map(|(split, reader)| (*split, reader))
                        .eq(model.iter().map(|(s, r)| (*s, *r))),
                    "seed {seed}"
                );
                let count = |reader| model.values().filter(|owner| **owner == reader).count();
                assert!((0..readers).all(|reader| assignment.loads[reader] == count(reader)), "seed {seed}");
                let (least, most) = (assignment.loads.iter().min(), assignment.loads.iter().max());
                assert!(ends || most.zip(least).is_some_and(|(most, least)| most - least <= 1), "seed {seed}");
            }
        }
    }
}
