//! Aggregate functions as columns of state: an entry for each slot.
//!
//! An update takes a whole batch. Every accumulator can take rows back, so that one implementation serves append-only and updating
//! inputs; only MIN and MAX have a cheaper form where nothing is ever taken back.

mod average;
mod count;
mod decimal_sum;
mod distinct;
mod extreme;
mod stored;
mod sum;
#[cfg(test)]
mod tests;
mod user;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use riverrun_base::{Error, Result};
use riverrun_data::arrow_type;
use riverrun_state::FrozenColumns;

pub(crate) use self::stored::StateColumn;
use crate::plan::{AggregateCall, AggregateFunction};

/// The state of one aggregate for all slots.
pub(crate) trait Accumulator: Send {
    /// Makes room for slots up to `slots`, which start empty.
    fn resize(&mut self, slots: usize);

    /// Adds rows and takes rows back.
    ///
    /// # Errors
    /// The argument has another type than the call was planned with.
    fn update(&mut self, rows: &Updates<'_>) -> Result<()>;

    /// Moves what `from` holds into `into`, another slot; `from` is empty afterwards.
    ///
    /// # Errors
    /// The state cannot be read.
    fn merge(&mut self, into: u32, from: u32) -> Result<()>;

    /// Empties a slot.
    fn clear(&mut self, slot: u32);

    /// The results of some slots, in that order. An empty slot has the result of no rows.
    ///
    /// # Errors
    /// The state cannot be read.
    fn results(&self, slots: &[u32]) -> Result<ArrayRef>;

    /// The columns in which its state is stored. They are part of the format of savepoints.
    fn state_columns(&self) -> Vec<StateColumn>;

    /// Copies the state of some slots.
    fn freeze(&self, slots: &[u32]) -> FrozenColumns;

    /// Takes on the stored state of some slots, each in place of what the slot holds.
    ///
    /// # Errors
    /// The columns are not those of [`Self::state_columns`].
    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()>;
}

/// Rows for an accumulator.
#[derive(Clone, Copy)]
pub(crate) struct Updates<'a> {
    /// The slot of each row.
    pub(crate) slots: &'a [u32],
    /// The argument of each row; `None` for `COUNT(*)`.
    pub(crate) argument: Option<&'a ArrayRef>,
    /// For each row 1 to add it, -1 to take it back, 0 to leave it out; every row is added where it is `None`.
    pub(crate) signs: Option<&'a [i8]>,
}

impl<'a> Updates<'a> {
    /// Calls `apply` with slot, row and sign of every row that counts: not left out, and its argument not NULL.
    #[inline]
    fn for_each(&self, mut apply: impl FnMut(usize, usize, i64)) {
        let nulls: Option<&NullBuffer> =
            self.argument.and_then(|argument| argument.nulls()).filter(|nulls| nulls.null_count() > 0);
        match (nulls, self.signs) {
            (None, None) => {
                for (row, slot) in self.slots.iter().enumerate() {
                    apply(*slot as usize, row, 1);
                }
            }
            (nulls, signs) => {
                for (row, slot) in self.slots.iter().enumerate() {
                    let sign = signs.map_or(1, |signs| signs[row]);
                    if sign != 0 && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                        apply(*slot as usize, row, i64::from(sign));
                    }
                }
            }
        }
    }

    fn argument(&self) -> Result<&'a ArrayRef> {
        self.argument.ok_or_else(|| Error::internal("an aggregate without its argument"))
    }

    /// The argument's values.
    fn primitive<T: ArrowPrimitiveType>(&self) -> Result<&'a PrimitiveArray<T>> {
        let argument = self.argument()?;
        argument
            .as_primitive_opt()
            .ok_or_else(|| Error::internal(format!("an aggregate over {} got {}", T::DATA_TYPE, argument.data_type())))
    }
}

/// The accumulator of a call. `retracts` says whether rows are ever taken back.
///
/// # Errors
/// The function does not take this type.
pub(crate) fn accumulator(call: &AggregateCall, retracts: bool) -> Result<Box<dyn Accumulator>> {
    let argument = arrow_type(&call.argument_type.logical);
    let result = arrow_type(&call.data_type.logical);
    match &call.function {
        AggregateFunction::User(user) => Ok(Box::new(user::User::new(user)?)),
        // DISTINCT changes nothing here.
        AggregateFunction::Min => extreme::extreme(&result, false, retracts),
        AggregateFunction::Max => extreme::extreme(&result, true, retracts),
        _ if call.distinct => {
            let inner = accumulator(&AggregateCall { distinct: false, ..call.clone() }, retracts)?;
            Ok(Box::new(distinct::Distinct::new(inner, argument)?))
        }
        AggregateFunction::Count => Ok(Box::new(count::Count::default())),
        AggregateFunction::Sum => sum::sum(&result, retracts),
        AggregateFunction::Avg => average::average(&argument, &result),
    }
}

/// The nulls of results: those of slots that are not present.
fn absent(slots: &[u32], present: impl Fn(usize) -> bool) -> Option<NullBuffer> {
    if slots.iter().all(|slot| present(index(*slot))) {
        return None;
    }
    Some(NullBuffer::new(BooleanBuffer::collect_bool(slots.len(), |n| present(index(slots[n])))))
}

/// The index of a slot in a column of state.
fn index(slot: u32) -> usize {
    slot as usize
}
