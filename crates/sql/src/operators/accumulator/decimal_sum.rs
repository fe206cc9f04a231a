//! SUM of DECIMAL(p, s): a DECIMAL(38, s), NULL beyond its 38 digits.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DecimalType, Int64Type};
use arrow::error::ArrowError;
use riverrun_base::{Error, Result};
use riverrun_state::FrozenColumns;

use super::stored::{StateColumn, numbers, stored};
use super::{Accumulator, Updates, index};

/// Exact sums, wider than their results, so that a sum that has passed 38 digits is right again when it comes back.
pub(super) struct DecimalSum {
    states: Vec<State>,
    scale: i8,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// The sum is `low + carry * 2^128`.
    low: i128,
    carry: i64,
    count: i64,
}

impl State {
    fn add(&mut self, value: i128) {
        let (low, overflows) = self.low.overflowing_add(value);
        self.low = low;
        if overflows {
            self.carry += if value < 0 { -1 } else { 1 };
        }
    }

    fn subtract(&mut self, value: i128) {
        let (low, overflows) = self.low.overflowing_sub(value);
        self.low = low;
        if overflows {
            self.carry -= if value < 0 { -1 } else { 1 };
        }
    }

    fn value(&self) -> Option<i128> {
        let fits = self.count != 0
            && self.carry == 0
            && Decimal128Type::is_valid_decimal_precision(self.low, DECIMAL128_MAX_PRECISION);
        fits.then_some(self.low)
    }
}

impl DecimalSum {
    /// Sums of values of this scale.
    pub(super) fn new(scale: i8) -> Self {
        Self { states: Vec::new(), scale }
    }

    /// The scale of the sums.
    pub(super) fn scale(&self) -> i8 {
        self.scale
    }

    /// Sum and number of the values in a slot; `None` where there are none, or the sum has more than 38 digits.
    pub(super) fn get(&self, slot: u32) -> Option<(i128, i64)> {
        let state = &self.states[index(slot)];
        state.value().map(|sum| (sum, state.count))
    }
}

impl Accumulator for DecimalSum {
    fn resize(&mut self, slots: usize) {
        self.states.resize(slots.max(self.states.len()), State::default());
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let values = rows.primitive::<Decimal128Type>()?.values();
        let states = &mut self.states;
        rows.for_each(|slot, row, sign| {
            let state = &mut states[slot];
            if sign > 0 {
                state.add(values[row]);
            } else {
                state.subtract(values[row]);
            }
            state.count += sign;
        });
        Ok(())
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let from = std::mem::take(&mut self.states[index(from)]);
        let into = &mut self.states[index(into)];
        into.add(from.low);
        into.carry += from.carry;
        into.count += from.count;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.states[index(slot)] = State::default();
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let sums: Decimal128Array = slots.iter().map(|slot| self.states[index(*slot)].value()).collect();
        Ok(Arc::new(sums.with_precision_and_scale(DECIMAL128_MAX_PRECISION, self.scale).map_err(failed)?))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        // 128 bits that may have more than 38 digits.
        vec![("low", Decimal128Type::DEFAULT_TYPE), ("carry", DataType::Int64), ("count", DataType::Int64)]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let state = |slot: &u32| &self.states[index(*slot)];
        FrozenColumns::ready(vec![
            numbers::<Decimal128Type>(slots.iter().map(|slot| state(slot).low)),
            numbers::<Int64Type>(slots.iter().map(|slot| state(slot).carry)),
            numbers::<Int64Type>(slots.iter().map(|slot| state(slot).count)),
        ])
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let low = stored::<Decimal128Type>(columns, 0)?.values();
        let (carry, count) = (stored::<Int64Type>(columns, 1)?.values(), stored::<Int64Type>(columns, 2)?.values());
        for (((slot, low), carry), count) in slots.iter().zip(low).zip(carry).zip(count) {
            self.states[index(*slot)] = State { low: *low, carry: *carry, count: *count };
        }
        Ok(())
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("SUM failed").caused_by(error)
}
