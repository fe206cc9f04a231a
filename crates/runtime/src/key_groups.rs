//! Key groups: the unit in which keyed rows and keyed state are dealt out to subtasks.
//!
//! A key belongs to one of `max_parallelism` groups for ever; a subtask owns a contiguous range of groups, which
//! depends on the parallelism. So state that is stored by group can be restored at any parallelism up to the largest.
//! The ranges are Flink's (`KeyGroupRangeAssignment`).

/// The key group of a key with this hash, which must be the same in every run and version, as stored state is found by
/// it.
///
/// It takes the upper bits of the hash's lower half (Lemire, *Fast random integer generation in an interval*, 2019): no
/// division, and other bits than those by which a hash table of the same hash finds its buckets (lowest) and tags
/// (highest), so that a subtask's keys still spread in its tables.
#[inline]
pub fn key_group(hash: u64, max_parallelism: usize) -> u32 {
    let groups = max_parallelism.min(u32::MAX as usize) as u64;
    u32::try_from(((hash & 0xffff_ffff) * groups) >> 32).unwrap_or(u32::MAX)
}

/// The subtask that owns a key group.
pub fn subtask_of_key_group(key_group: u32, parallelism: usize, max_parallelism: usize) -> usize {
    key_group as usize * parallelism / max_parallelism.max(1)
}

/// The key groups of one subtask, `start` to `end` inclusive.
///
/// ```
/// use riverrun_runtime::KeyGroupRange;
///
/// let second = KeyGroupRange::of_subtask(1, 3, 128);
/// assert_eq!((second.start, second.end), (43, 85));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGroupRange {
    /// The first group.
    pub start: u32,
    /// The last group.
    pub end: u32,
}

impl KeyGroupRange {
    /// The range of a subtask; `parallelism` is between 1 and `max_parallelism`.
    pub fn of_subtask(subtask: usize, parallelism: usize, max_parallelism: usize) -> Self {
        let parallelism = parallelism.max(1);
        let bound = |group: usize| u32::try_from(group).unwrap_or(u32::MAX);
        Self {
            start: bound((subtask * max_parallelism).div_ceil(parallelism)),
            end: bound(((subtask + 1) * max_parallelism).saturating_sub(1) / parallelism),
        }
    }

    /// Whether the group is in the range.
    pub fn contains(&self, key_group: u32) -> bool {
        (self.start..=self.end).contains(&key_group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_within_bounds_even_and_never_change() {
        assert_eq!([0, 1 << 25, u64::MAX, 0x1234_5678_9abc_def0].map(|hash| key_group(hash, 128)), [0, 1, 127, 77]);
        let mut counts = [0; 7];
        for key in 0..70_000u64 {
            counts[key_group(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), 7) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }

    #[test]
    fn ranges_and_owners_agree_for_every_parallelism() {
        for max_parallelism in [1, 7, 128, 1000] {
            for parallelism in 1..=max_parallelism.min(200) {
                for group in 0..u32::try_from(max_parallelism).unwrap_or(0) {
                    let owner = subtask_of_key_group(group, parallelism, max_parallelism);
                    for subtask in [owner.saturating_sub(1), owner, owner + 1] {
                        let range = KeyGroupRange::of_subtask(subtask, parallelism, max_parallelism);
                        assert_eq!(
                            range.contains(group),
                            subtask == owner,
                            "{group} of {max_parallelism}, {subtask} of {parallelism}"
                        );
                    }
                }
            }
        }
    }
}
