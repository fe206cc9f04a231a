//! SUM in the type of its result. Integers wrap around, as in Flink.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray};
use arrow::datatypes::{
    DataType, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalUnit, IntervalYearMonthType, TimeUnit,
};
use riverrun_base::{Error, Result};
use riverrun_state::FrozenColumns;

use super::decimal_sum::DecimalSum;
use super::stored::{StateColumn, numbers, stored};
use super::{Accumulator, Updates, absent, index};

/// The sum of values of type `result`; of a DECIMAL, values of its scale. `retracts` says whether values are ever taken back.
pub(super) fn sum(result: &DataType, retracts: bool) -> Result<Box<dyn Accumulator>> {
    fn of<T: ArrowPrimitiveType>(retracts: bool) -> Box<dyn Accumulator> {
        if retracts { Box::new(Sum::<T, i64>::default()) } else { Box::new(Sum::<T, bool>::default()) }
    }
    Ok(match result {
        DataType::Int8 => of::<Int8Type>(retracts),
        DataType::Int16 => of::<Int16Type>(retracts),
        DataType::Int32 => of::<Int32Type>(retracts),
        DataType::Int64 => of::<Int64Type>(retracts),
        DataType::Float32 => of::<Float32Type>(retracts),
        DataType::Float64 => of::<Float64Type>(retracts),
        DataType::Duration(TimeUnit::Millisecond) => of::<DurationMillisecondType>(retracts),
        DataType::Interval(IntervalUnit::YearMonth) => of::<IntervalYearMonthType>(retracts),
        DataType::Decimal128(_, scale) => Box::new(DecimalSum::new(*scale)),
        other => return Err(Error::internal(format!("SUM of {other}"))),
    })
}

/// Sums, and how many values are in each as far as that must be known: a sum of nothing is NULL, also after rows are taken back.
pub(super) struct Sum<T: ArrowPrimitiveType, C = i64> {
    states: Vec<State<T::Native, C>>,
}

/// Both in one place: a row then costs one cache miss.
#[derive(Clone, Copy, Default)]
struct State<N, C> {
    sum: N,
    count: C,
}

/// What is known of the number of values in a sum.
pub(super) trait Tally: Copy + Default + Send {
    /// One value more (1) or less (-1).
    fn add(&mut self, sign: i64);
    fn merge(&mut self, other: Self);
    fn is_empty(self) -> bool;
    /// The number where it is known, else 1 for any.
    fn stored(self) -> i64;
    /// The inverse of [`Self::stored`].
    fn restored(stored: i64) -> Self;
}

impl Tally for i64 {
    fn add(&mut self, sign: i64) {
        *self += sign;
    }

    fn merge(&mut self, other: Self) {
        *self += other;
    }

    fn is_empty(self) -> bool {
        self == 0
    }

    fn stored(self) -> i64 {
        self
    }

    fn restored(stored: i64) -> Self {
        stored
    }
}

/// Whether there are any, which is enough where none is ever taken back.
impl Tally for bool {
    fn add(&mut self, _: i64) {
        *self = true;
    }

    fn merge(&mut self, other: Self) {
        *self |= other;
    }

    fn is_empty(self) -> bool {
        !self
    }

    fn stored(self) -> i64 {
        i64::from(self)
    }

    fn restored(stored: i64) -> Self {
        stored != 0
    }
}

impl<T: ArrowPrimitiveType, C> Default for Sum<T, C> {
    fn default() -> Self {
        Self { states: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType> Sum<T> {
    /// Sum and number of the values in a slot; `None` where there are none.
    pub(super) fn get(&self, slot: u32) -> Option<(T::Native, i64)> {
        let State { sum, count } = self.states[index(slot)];
        (count != 0).then_some((sum, count))
    }
}

impl<T: ArrowPrimitiveType, C: Tally> Accumulator for Sum<T, C> {
    fn resize(&mut self, slots: usize) {
        self.states.resize(slots.max(self.states.len()), State::default());
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let values = rows.primitive::<T>()?.values();
        let states = &mut self.states;
        rows.for_each(|slot, row, sign| {
            let state = &mut states[slot];
            state.sum =
                if sign > 0 { state.sum.add_wrapping(values[row]) } else { state.sum.sub_wrapping(values[row]) };
            state.count.add(sign);
        });
        Ok(())
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let from = std::mem::take(&mut self.states[index(from)]);
        let into = &mut self.states[index(into)];
        into.sum = into.sum.add_wrapping(from.sum);
        into.count.merge(from.count);
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.states[index(slot)] = State::default();
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let sums: Vec<T::Native> = slots.iter().map(|slot| self.states[index(*slot)].sum).collect();
        let nulls = absent(slots, |slot| !self.states[slot].count.is_empty());
        Ok(Arc::new(PrimitiveArray::<T>::new(sums.into(), nulls)))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        vec![("sum", T::DATA_TYPE), ("count", DataType::Int64)]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let state = |slot: &u32| self.states[index(*slot)];
        FrozenColumns::ready(vec![
            numbers::<T>(slots.iter().map(|slot| state(slot).sum)),
            numbers::<Int64Type>(slots.iter().map(|slot| state(slot).count.stored())),
        ])
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (sums, counts) = (stored::<T>(columns, 0)?.values(), stored::<Int64Type>(columns, 1)?.values());
        for ((slot, sum), count) in slots.iter().zip(sums).zip(counts) {
            self.states[index(*slot)] = State { sum: *sum, count: C::restored(*count) };
        }
        Ok(())
    }
}
