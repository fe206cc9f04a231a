//! COUNT.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use riverrun_base::Result;

use super::{Accumulator, Updates, index};

/// How many rows, or how many whose argument is not NULL.
#[derive(Default)]
pub(super) struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn resize(&mut self, slots: usize) {
        self.counts.resize(slots.max(self.counts.len()), 0);
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        rows.for_each(|slot, _, sign| self.counts[slot] += sign);
        Ok(())
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        self.counts[index(into)] += std::mem::take(&mut self.counts[index(from)]);
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[index(slot)] = 0;
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let counts: Vec<i64> = slots.iter().map(|slot| self.counts[index(*slot)]).collect();
        Ok(Arc::new(Int64Array::from(counts)))
    }
}
