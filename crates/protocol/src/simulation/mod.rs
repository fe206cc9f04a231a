//! A world in which everything goes wrong that can, the same from the same seed, for ever.
//!
//! Processes run one job by the real state machines: its master, the coordinator, alignment, the log's decisions, restarts. Around them
//! are a log whose writes may succeed unheard or arrive late, tasks whose news are late, repeated or lost, and sinks that
//! prepare and commit in transactions, whose answers get lost, and which may give a transaction up. Any process may be
//! killed between any two actions, sleep and wake as a zombie, or be started beside another. After a while nothing goes
//! wrong any more, and the job has to come to its end.
//!
//! What must hold, at every step: no row is visible twice; nothing is committed that no completed checkpoint holds; no slot holds two
//! things one after the other; nothing that is needed is removed. At the end: every row is visible once, or the job has told
//! that rows are lost; every transaction is committed or aborted.

mod attempt;
mod process;
mod systems;
mod tests;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap_or(0)
    }

    /// A number from 0 up to but without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 24)).unwrap_or(0)) / f64::from(1 << 24)
    }
}
