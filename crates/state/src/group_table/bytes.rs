//! Byte strings with their slots.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use riverrun_base::Result;

use crate::Slots;

/// A hash table over byte strings.
pub(super) struct ByteTable {
    table: HashTable<u32>,
    /// The bytes of each slot.
    keys: Vec<Bytes>,
    hasher: DefaultHashBuilder,
}

/// Short strings lie in place, which saves an allocation for each and a cache miss for each lookup.
enum Bytes {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// As many as fit into the size that a boxed slice needs anyway, rounded up to three words.
const SHORT: usize = 22;

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        match u8::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= SHORT => {
                let mut short = [0; SHORT];
                short[..bytes.len()].copy_from_slice(bytes);
                Self::Short { length, bytes: short }
            }
            _ => Self::Long(bytes.into()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl ByteTable {
    pub(super) fn new() -> Self {
        Self { table: HashTable::new(), keys: Vec::new(), hasher: DefaultHashBuilder::default() }
    }

    /// The slot of a byte string; it gets one from `slots` if it has none.
    #[inline]
    pub(super) fn intern(&mut self, key: &[u8], slots: &mut Slots) -> Result<u32> {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.table.find(hash, |slot| self.keys[*slot as usize].as_slice() == key) {
            return Ok(*slot);
        }
        let slot = slots.take()?;
        let index = slot as usize;
        if index >= self.keys.len() {
            self.keys.resize_with(index + 1, || Bytes::new(&[]));
        }
        self.keys[index] = Bytes::new(key);
        self.table.insert_unique(hash, slot, |slot| self.hasher.hash_one(self.keys[*slot as usize].as_slice()));
        Ok(slot)
    }

    /// The bytes in a slot.
    pub(super) fn bytes(&self, slot: u32) -> &[u8] {
        self.keys.get(slot as usize).map_or(&[], Bytes::as_slice)
    }

    /// Forgets the bytes in a slot; `false` if there are none.
    pub(super) fn remove(&mut self, slot: u32) -> bool {
        let hash = self.hasher.hash_one(self.bytes(slot));
        let Ok(entry) = self.table.find_entry(hash, |found| *found == slot) else { return false };
        entry.remove();
        self.keys[slot as usize] = Bytes::new(&[]);
        true
    }
}

/// A number that differs from run to run.
pub(super) fn random() -> u64 {
    DefaultHashBuilder::default().hash_one(0)
}
