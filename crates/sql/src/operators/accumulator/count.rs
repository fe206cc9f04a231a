//! COUNT.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use riverrun_base::Result;
use riverrun_state::FrozenColumns;

use super::stored::{StateColumn, numbers, stored};
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

    fn state_columns(&self) -> Vec<StateColumn> {
        vec![("count", DataType::Int64)]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        FrozenColumns::ready(vec![numbers::<Int64Type>(slots.iter().map(|slot| self.counts[index(*slot)]))])
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        for (slot, count) in slots.iter().zip(stored::<Int64Type>(columns, 0)?.values()) {
            self.counts[index(*slot)] = *count;
        }
        Ok(())
    }
}
