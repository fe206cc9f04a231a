//! One of the two inputs of an operator, for its errors.

use riverrun_base::Error;

use crate::functions::{BoxError, at_record};

/// Which input it is, and how many of its records the subtask has seen.
pub(super) struct CoInput {
    number: u8,
    subtask: usize,
    pub(super) seen: u64,
}

impl CoInput {
    pub(super) fn first(subtask: usize) -> Self {
        Self { number: 1, subtask, seen: 0 }
    }

    pub(super) fn second(subtask: usize) -> Self {
        Self { number: 2, subtask, seen: 0 }
    }

    /// What the function failed with, at the record that was seen last.
    pub(super) fn failed(&self, error: BoxError, timestamp: Option<i64>) -> Error {
        at_record(error, self.subtask, self.seen, timestamp).with("input", self.number)
    }
}
