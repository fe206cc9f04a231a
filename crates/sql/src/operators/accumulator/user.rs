//! Aggregates of a program.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::DataType;
use riverrun_base::{Error, Result};
use riverrun_state::FrozenColumns;

use super::stored::{StateColumn, other_columns, stored_column};
use super::{Accumulator, Updates};
use crate::functions::UserAccumulators;
use crate::plan::UserAggregateFunction;

/// The accumulators of an aggregate of the program. What it stores of a slot is bytes that it alone can read.
pub(super) struct User {
    accumulators: Box<dyn UserAccumulators>,
    /// How many arguments it takes; several come as one of type ROW.
    arguments: usize,
    name: Arc<str>,
}

impl User {
    /// No accumulators yet.
    pub(super) fn new(user: &UserAggregateFunction) -> Result<Self> {
        Ok(Self {
            accumulators: user.function.accumulators(&user.signature)?,
            arguments: user.signature.arguments.len(),
            name: Arc::clone(&user.name),
        })
    }

    fn place(&self, error: Error) -> Error {
        error.with("function", &self.name)
    }
}

impl Accumulator for User {
    fn resize(&mut self, slots: usize) {
        self.accumulators.resize(slots);
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let argument = rows.argument()?;
        let own = std::slice::from_ref(argument);
        let columns: &[ArrayRef] = if self.arguments == 1 { own } else { argument.as_struct().columns() };
        let updated = self.accumulators.update(rows.slots, columns, rows.signs);
        updated.map_err(|error| self.place(error))
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let merged = self.accumulators.merge(into, from);
        merged.map_err(|error| self.place(error))
    }

    fn clear(&mut self, slot: u32) {
        self.accumulators.clear(slot);
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.accumulators.results(slots).map_err(|error| self.place(error))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        vec![("accumulator", DataType::Binary)]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let states: Result<Vec<Vec<u8>>> = slots.iter().map(|slot| self.accumulators.freeze(*slot)).collect();
        FrozenColumns::later(move || Ok(vec![Arc::new(BinaryArray::from_iter_values(states?)) as ArrayRef]))
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let states = stored_column(columns, 0)?.as_binary_opt::<i32>().ok_or_else(other_columns)?;
        for (n, slot) in slots.iter().enumerate().take(states.len()) {
            let restored = self.accumulators.restore(*slot, states.value(n));
            restored.map_err(|error| self.place(error))?;
        }
        Ok(())
    }
}
