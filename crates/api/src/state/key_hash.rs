//! The hash of a key, by which it finds its subtask and its slot. It is part of the format of savepoints: it never changes.
//!
//! Numbers are mixed by the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), bytes by
//! XXH3. What a type feeds into it is its own `Hash`, so [`probe`] is stored with the state, and a compiler that hashes otherwise is noticed.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// The hash of a key.
#[inline]
pub(crate) fn hash_key<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = KeyHasher(0);
    key.hash(&mut hasher);
    hasher.finish()
}

/// What a few values of the standard library's types hash to.
pub(super) fn probe() -> u64 {
    hash_key(&("riverrun", 42u64, -7i32, 'x', Some(true), vec![1u8, 2], (1u16, String::from("é"))))
}

struct KeyHasher(u64);

impl KeyHasher {
    #[inline]
    fn fold(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.fold(xxh3_64(bytes));
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.fold(u64::from(value));
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.fold(u64::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.fold(u64::from(value));
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.fold(value as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let value = self.0 ^ (self.0 >> 30);
        let value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_that_savepoints_rely_on() {
        assert_eq!(hash_key(&1u64), hash_key(&1i64));
        assert_ne!(hash_key("ab"), hash_key("ba"));
        assert_eq!(
            [hash_key(&0u64), hash_key(&42u64), hash_key("page")],
            [0, 1_391_454_601_869_358_542, 12_391_082_822_349_305_230]
        );
        assert_eq!(probe(), 11_747_393_291_024_186_323);
    }

    #[test]
    fn neighbours_spread_over_key_groups_and_subtasks() {
        let mut groups = [0; 128];
        for key in 0..128_000u64 {
            groups[riverrun_runtime::key_group(hash_key(&key), 128) as usize] += 1;
        }
        assert!(groups.iter().all(|count| (850..1150).contains(count)), "{groups:?}");
    }
}
