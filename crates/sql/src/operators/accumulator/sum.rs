//! SUM in the type of its result. Integers wrap around, as in Flink.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray};
use arrow::datatypes::{
    DataType, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalUnit, IntervalYearMonthType, TimeUnit,
};
use riverrun_base::{Error, Result};

use super::decimal_sum::DecimalSum;
use super::{Accumulator, Updates, absent, index};

/// The sum of values of type `result`; of a DECIMAL, values of its scale.
pub(super) fn sum(result: &DataType) -> Result<Box<dyn Accumulator>> {
    Ok(match result {
        DataType::Int8 => Box::new(Sum::<Int8Type>::default()),
        DataType::Int16 => Box::new(Sum::<Int16Type>::default()),
        DataType::Int32 => Box::new(Sum::<Int32Type>::default()),
        DataType::Int64 => Box::new(Sum::<Int64Type>::default()),
        DataType::Float32 => Box::new(Sum::<Float32Type>::default()),
        DataType::Float64 => Box::new(Sum::<Float64Type>::default()),
        DataType::Duration(TimeUnit::Millisecond) => Box::new(Sum::<DurationMillisecondType>::default()),
        DataType::Interval(IntervalUnit::YearMonth) => Box::new(Sum::<IntervalYearMonthType>::default()),
        DataType::Decimal128(_, scale) => Box::new(DecimalSum::new(*scale)),
        other => return Err(Error::internal(format!("SUM of {other}"))),
    })
}

/// Sums with the number of their values, so that a sum of nothing is NULL, also after rows are taken back.
pub(super) struct Sum<T: ArrowPrimitiveType> {
    states: Vec<State<T::Native>>,
}

/// Both in one place: a row then costs one cache miss.
#[derive(Clone, Copy, Default)]
struct State<N> {
    sum: N,
    count: i64,
}

impl<T: ArrowPrimitiveType> Default for Sum<T> {
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

impl<T: ArrowPrimitiveType> Accumulator for Sum<T> {
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
            state.count += sign;
        });
        Ok(())
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let from = std::mem::take(&mut self.states[index(from)]);
        let into = &mut self.states[index(into)];
        into.sum = into.sum.add_wrapping(from.sum);
        into.count += from.count;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.states[index(slot)] = State::default();
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let sums: Vec<T::Native> = slots.iter().map(|slot| self.states[index(*slot)].sum).collect();
        let nulls = absent(slots, |slot| self.states[slot].count != 0);
        Ok(Arc::new(PrimitiveArray::<T>::new(sums.into(), nulls)))
    }
}
