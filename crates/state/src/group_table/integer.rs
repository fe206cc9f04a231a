//! Integers with their slots.

use riverrun_base::Result;

use super::bytes::random;
use crate::Slots;

/// An open-addressing table with linear probing. An entry holds its integer, so that a lookup mostly touches one cache line.
pub(super) struct IntegerTable {
    /// A power of two of entries, at most five eighths of them in use.
    entries: Vec<Entry>,
    used: usize,
    /// What turns a hash into the index where its entry is looked for first: the top bits.
    shift: u32,
    /// Other for each table, so that nobody can prepare keys that collide.
    seed: u64,
    /// The integer of each slot.
    values: Vec<i64>,
}

/// Twelve bytes, not the sixteen of an aligned one: the entries are most of what a table takes.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
struct Entry {
    value: i64,
    slot: u32,
}

/// The slot of an entry that is not in use; no key has it.
const VACANT: u32 = u32::MAX;
const SMALLEST: usize = 16;

impl IntegerTable {
    pub(super) fn new() -> Self {
        Self {
            entries: vacant(SMALLEST),
            used: 0,
            shift: u64::BITS - SMALLEST.ilog2(),
            seed: random(),
            values: Vec::new(),
        }
    }

    /// The slot of a value; it gets one from `slots` if it has none.
    #[inline]
    pub(super) fn intern(&mut self, value: i64, slots: &mut Slots) -> Result<u32> {
        let mask = self.entries.len() - 1;
        let mut index = self.home(value);
        loop {
            let entry = self.entries[index];
            if entry.slot == VACANT {
                return self.insert(value, slots);
            }
            if entry.value == value {
                return Ok(entry.slot);
            }
            index = (index + 1) & mask;
        }
    }

    /// The value in a slot.
    pub(super) fn value(&self, slot: u32) -> i64 {
        self.values.get(slot as usize).copied().unwrap_or_default()
    }

    /// Forgets the value in a slot; `false` if there is none.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let mask = self.entries.len() - 1;
        let mut hole = self.home(self.value(slot));
        while self.entries[hole].slot != slot {
            if self.entries[hole].slot == VACANT {
                return false;
            }
            hole = (hole + 1) & mask;
        }
        // Entries behind the hole move up into it where their probing passes it, so that it never ends at a hole too early.
        let mut index = (hole + 1) & mask;
        while self.entries[index].slot != VACANT {
            let home = self.home(self.entries[index].value);
            if index.wrapping_sub(home) & mask >= index.wrapping_sub(hole) & mask {
                self.entries[hole] = self.entries[index];
                hole = index;
            }
            index = (index + 1) & mask;
        }
        self.entries[hole].slot = VACANT;
        self.used -= 1;
        true
    }

    #[cold]
    fn insert(&mut self, value: i64, slots: &mut Slots) -> Result<u32> {
        let slot = slots.take()?;
        if (self.used + 1) * 8 > self.entries.len() * 5 {
            let entries = vacant(self.entries.len() * 2);
            self.shift -= 1;
            for entry in std::mem::replace(&mut self.entries, entries) {
                if entry.slot != VACANT {
                    self.place(entry);
                }
            }
        }
        self.place(Entry { value, slot });
        self.used += 1;
        let index = slot as usize;
        if index >= self.values.len() {
            self.values.resize(index + 1, 0);
        }
        self.values[index] = value;
        Ok(slot)
    }

    /// Puts an entry at the first vacant place of its probing.
    fn place(&mut self, entry: Entry) {
        let mask = self.entries.len() - 1;
        let mut index = self.home(entry.value);
        while self.entries[index].slot != VACANT {
            index = (index + 1) & mask;
        }
        self.entries[index] = entry;
    }

    /// Where a value is looked for first.
    #[inline]
    fn home(&self, value: i64) -> usize {
        let product = u128::from(value.cast_unsigned() ^ self.seed) * 0x9e37_79b9_7f4a_7c15;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "both halves are folded together, and the shift leaves an index"
        )]
        let index = (((product >> 64) as u64 ^ product as u64) >> self.shift) as usize;
        index
    }
}

fn vacant(entries: usize) -> Vec<Entry> {
    vec![Entry { value: 0, slot: VACANT }; entries]
}
