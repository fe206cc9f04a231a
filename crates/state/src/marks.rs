//! Which slots have changed since the last snapshot: two bits for each.

use std::ops::Range;

/// Marks of slots. A slot in use is *dirty* if it has changed since the last snapshot, *stored* if a snapshot has its key, or both.
#[derive(Debug, Default)]
pub struct Marks {
    dirty: Vec<u64>,
    stored: Vec<u64>,
}

impl Marks {
    /// Marks after a snapshot of everything, or a restore: these slots are stored, and nothing is dirty.
    pub fn of_stored(slots: &[u32]) -> Self {
        let mut marks = Self::default();
        if let Some(last) = slots.iter().max() {
            marks.resize(*last as usize + 1);
        }
        slots.iter().for_each(|slot| set(&mut marks.stored, *slot));
        marks
    }

    /// Makes room for slots below `end`.
    pub fn resize(&mut self, end: usize) {
        let words = end.div_ceil(64);
        if words > self.dirty.len() {
            self.dirty.resize(words, 0);
            self.stored.resize(words, 0);
        }
    }

    /// These slots have changed; there is [room](Self::resize) for them.
    #[inline]
    pub fn mark(&mut self, slots: &[u32]) {
        for slot in slots {
            set(&mut self.dirty, *slot);
        }
    }

    /// A slot is no longer in use. Answers whether a snapshot has its key, which must then be deleted there.
    pub fn forget(&mut self, slot: u32) -> bool {
        let (word, bit) = place(slot);
        let stored = self.stored.get(word).is_some_and(|stored| stored & bit != 0);
        if let (Some(dirty), Some(stored)) = (self.dirty.get_mut(word), self.stored.get_mut(word)) {
            *dirty &= !bit;
            *stored &= !bit;
        }
        stored
    }

    /// How many slots are dirty.
    pub fn dirty(&self) -> usize {
        self.dirty.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The slots that are dirty, and those in use within `also`, in ascending order. They are stored and clean from now on.
    pub fn take(&mut self, also: &Range<usize>) -> Vec<u32> {
        let mut slots = Vec::new();
        for (n, (dirty, stored)) in self.dirty.iter_mut().zip(&mut self.stored).enumerate() {
            let mut taken = *dirty | (*stored & mask(n, also));
            if taken == 0 {
                continue;
            }
            *stored |= *dirty;
            *dirty = 0;
            let first = u32::try_from(n * 64).unwrap_or(u32::MAX);
            while taken != 0 {
                slots.push(first + taken.trailing_zeros());
                taken &= taken - 1;
            }
        }
        slots
    }
}

/// The bits of the `n`th word that stand for slots in a range.
fn mask(n: usize, range: &Range<usize>) -> u64 {
    let bits_below = |end: usize| match end.saturating_sub(n * 64) {
        bits @ 0..64 => (1u64 << bits) - 1,
        _ => u64::MAX,
    };
    bits_below(range.end) & !bits_below(range.start)
}

fn place(slot: u32) -> (usize, u64) {
    (slot as usize / 64, 1 << (slot % 64))
}

#[inline]
fn set(words: &mut [u64], slot: u32) {
    let (word, bit) = place(slot);
    words[word] |= bit;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_taken_when_it_is_dirty_or_in_the_range_and_in_use() {
        let mut marks = Marks::of_stored(&[0, 1, 63, 64, 130]);
        marks.resize(200);
        marks.mark(&[1, 150, 150]);
        assert_eq!(marks.dirty(), 2);
        assert_eq!(marks.take(&(0..0)), [1, 150]);
        assert_eq!((marks.dirty(), marks.take(&(0..0))), (0, vec![]));
        assert_eq!(marks.take(&(63..131)), [63, 64, 130]);
        assert_eq!(marks.take(&(64..64)), []);
        assert_eq!(marks.take(&(0..1000)), [0, 1, 63, 64, 130, 150]);
    }

    #[test]
    fn a_slot_that_is_forgotten_is_told_if_it_was_stored() {
        let mut marks = Marks::of_stored(&[3]);
        marks.resize(10);
        marks.mark(&[3, 4]);
        assert_eq!([3, 4, 5, 900].map(|slot| marks.forget(slot)), [true, false, false, false]);
        assert_eq!(marks.take(&(0..10)), []);
        marks.mark(&[4]);
        assert_eq!(marks.take(&(0..0)), [4]);
        assert!(marks.forget(4));
    }
}
