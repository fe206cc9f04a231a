//! Exactly once, for any sink that commits: a scripted engine that crashes between any two calls.
//!
//! The engine writes numbered rows through one to three writers, takes checkpoints, completes some of them, commits, and crashes:
//! what the last call answered is then lost, the writers are dropped or vanish as in a killed process, and a new attempt with another
//! number of writers restores the last completed checkpoint. Commits are repeated, late, or left to the recovery; a checkpoint that is
//! not completed is committed with the next; writers and committers of earlier attempts wake up and go on. After every call, what can
//! be seen in the destination must be
//!
//! - every row whose commit was acknowledged,
//! - no row of a checkpoint that is not completed,
//! - no row twice;
//!
//! at the end it is every row once, and nothing is left unfinished.
//!
//! A script follows from its seed alone. A failure shows the seed and every call, and [`random_crashes`] with `seed..seed + 1`, or
//! [`crash_after_every_call`] with that seed, plays it again.
//!
//! ```no_run
//! use std::ops::Range;
//!
//! use riverrun_connect::Sink;
//! use riverrun_testkit::suites::two_phase::{self, Destination};
//!
//! struct Table; // What it takes to reach an empty table.
//!
//! impl Destination<Vec<u64>> for Table {
//!     fn sink(&mut self) -> Box<dyn Sink<Vec<u64>>> {
//!         unimplemented!("a new sink for this table")
//!     }
//!
//!     fn rows(&mut self, numbers: Range<u64>) -> Vec<u64> {
//!         numbers.collect()
//!     }
//!
//!     fn visible(&mut self) -> Vec<u64> {
//!         unimplemented!("what any reader sees in it")
//!     }
//! }
//!
//! two_phase::crash_after_every_call(1..3, || Table);
//! two_phase::random_crashes(0..100, || Table);
//! ```

mod engine;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use riverrun_connect::Sink;

use engine::{Crashes, Engine};

/// An empty place that a sink writes to, and a way to look at it.
pub trait Destination<B> {
    /// A new sink for it, as a new process makes it.
    fn sink(&mut self) -> Box<dyn Sink<B>>;

    /// Rows that carry these numbers.
    fn rows(&mut self, numbers: Range<u64>) -> B;

    /// The numbers of all rows that a reader sees now, in any order.
    fn visible(&mut self) -> Vec<u64>;

    /// What is neither committed nor aborted: the names of open transactions, of hidden files. Asked at the end, when there must be
    /// none.
    fn unfinished(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a writer can be left as it is when its attempt crashes, as a killed process leaves it, and wake up later. Not so where
    /// it would go on holding locks that only the end of its process frees; then it is dropped.
    fn writers_vanish(&self) -> bool {
        true
    }
}

/// What a sink did that it must not do, and how it came to it.
#[derive(Clone)]
struct Violation {
    what: String,
    seed: u64,
    crashes: Crashes,
    calls: Vec<String>,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nseed {}, crashes: {:?}, calls:", self.what, self.seed, self.crashes)?;
        self.calls.iter().enumerate().try_for_each(|(number, call)| writeln!(f, "{:4} {call}", number + 1))
    }
}

/// For each seed: plays its script once for each of its calls, and crashes once, right after that call.
///
/// # Panics
/// When the sink does what it must not do.
#[track_caller]
pub fn crash_after_every_call<B: 'static, D: Destination<B>>(seeds: Range<u64>, make: impl FnMut() -> D) {
    if let Err(violation) = try_crash_after_every_call(seeds, make) {
        panic!("{violation:?}");
    }
}

/// For each seed: plays a script that crashes at random, up to six times.
///
/// # Panics
/// When the sink does what it must not do.
#[track_caller]
pub fn random_crashes<B: 'static, D: Destination<B>>(seeds: Range<u64>, make: impl FnMut() -> D) {
    if let Err(violation) = try_random_crashes(seeds, make) {
        panic!("{violation:?}");
    }
}

fn try_crash_after_every_call<B: 'static, D: Destination<B>>(
    seeds: Range<u64>,
    mut make: impl FnMut() -> D,
) -> Result<(), Box<Violation>> {
    for seed in seeds {
        for call in 1.. {
            let crashed = Engine::new(make(), seed, Crashes::AfterCall(call)).run()?;
            if !crashed {
                break;
            }
        }
    }
    Ok(())
}

fn try_random_crashes<B: 'static, D: Destination<B>>(
    mut seeds: Range<u64>,
    mut make: impl FnMut() -> D,
) -> Result<(), Box<Violation>> {
    seeds.try_for_each(|seed| Engine::new(make(), seed, Crashes::Random).run().map(drop))
}
