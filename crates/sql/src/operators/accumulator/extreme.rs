//! MIN and MAX. Where rows are never taken back the best value is kept; otherwise all values, sorted and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, PrimitiveArray, UInt32Array};
use arrow::compute;
use arrow::compute::SortOptions;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use riverrun_base::{Error, Result};
use riverrun_state::{FrozenColumns, RowBytes};

use super::stored::{
    CountedValues, StateColumn, counted_columns, each_counted, other_columns, spread, stored, stored_column,
};
use super::{Accumulator, Updates, absent, index};

/// The least value, or the greatest.
pub(super) fn extreme(result: &DataType, greatest: bool, retracts: bool) -> Result<Box<dyn Accumulator>> {
    if retracts {
        return Ok(Box::new(Sorted { keys: Keys::new(result, greatest)?, values: Vec::new() }));
    }
    macro_rules! primitive {
        ($type:ty) => {
            Box::new(Best::<$type> { states: Vec::new(), greatest, result: result.clone() })
        };
    }
    Ok(match result {
        DataType::Int8 => primitive!(Int8Type),
        DataType::Int16 => primitive!(Int16Type),
        DataType::Int32 => primitive!(Int32Type),
        DataType::Int64 => primitive!(Int64Type),
        DataType::Float32 => primitive!(Float32Type),
        DataType::Float64 => primitive!(Float64Type),
        DataType::Decimal128(..) => primitive!(Decimal128Type),
        DataType::Date32 => primitive!(Date32Type),
        DataType::Duration(TimeUnit::Millisecond) => primitive!(DurationMillisecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive!(TimestampNanosecondType),
        _ => Box::new(BestKey { keys: Keys::new(result, greatest)?, values: Vec::new() }),
    })
}

/// The best number so far. NaN is the greatest, as it sorts.
struct Best<T: ArrowPrimitiveType> {
    states: Vec<State<T::Native>>,
    greatest: bool,
    result: DataType,
}

#[derive(Clone, Copy, Default)]
struct State<N> {
    value: N,
    present: bool,
}

impl<N: ArrowNativeTypeOp> State<N> {
    fn offer(&mut self, value: N, greatest: bool) {
        let better = if greatest { value.is_gt(self.value) } else { value.is_lt(self.value) };
        if better || !self.present {
            *self = Self { value, present: true };
        }
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Best<T> {
    fn resize(&mut self, slots: usize) {
        self.states.resize(slots.max(self.states.len()), State::default());
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let values = rows.primitive::<T>()?.values();
        let (states, greatest) = (&mut self.states, self.greatest);
        rows.for_each(|slot, row, _| states[slot].offer(values[row], greatest));
        Ok(())
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        let from = std::mem::take(&mut self.states[index(from)]);
        if from.present {
            self.states[index(into)].offer(from.value, self.greatest);
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.states[index(slot)] = State::default();
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let values: Vec<T::Native> = slots.iter().map(|slot| self.states[index(*slot)].value).collect();
        let nulls = absent(slots, |slot| self.states[slot].present);
        Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(self.result.clone())))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        vec![("best", self.result.clone())]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let state = |slot: &u32| self.states[index(*slot)];
        let values: PrimitiveArray<T> =
            slots.iter().map(state).map(|state| state.present.then_some(state.value)).collect();
        FrozenColumns::ready(vec![Arc::new(values.with_data_type(self.result.clone()))])
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        for (slot, value) in slots.iter().zip(stored::<T>(columns, 0)?) {
            self.states[index(*slot)] = value.map_or_else(State::default, |value| State { value, present: true });
        }
        Ok(())
    }
}

/// Values in Arrow's row format, whose bytes sort as the values do: the best value first.
struct Keys {
    data_type: DataType,
    field: SortField,
    converter: RowConverter,
}

impl Keys {
    fn new(data_type: &DataType, greatest: bool) -> Result<Self> {
        let options = SortOptions { descending: greatest, nulls_first: false };
        let field = SortField::new_with_options(data_type.clone(), options);
        let converter = RowConverter::new(vec![field.clone()]).map_err(failed)?;
        Ok(Self { data_type: data_type.clone(), field, converter })
    }

    fn encode(&self, rows: &Updates<'_>, mut apply: impl FnMut(usize, &[u8], i64)) -> Result<()> {
        let keys = self.converter.convert_columns(std::slice::from_ref(rows.argument()?)).map_err(failed)?;
        rows.for_each(|slot, row, sign| apply(slot, keys.row(row).as_ref(), sign));
        Ok(())
    }

    fn decode<'a>(&self, keys: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let mut found = Vec::new();
        let mut places = Vec::new();
        for key in keys {
            places.push(key.and_then(|_| u32::try_from(found.len()).ok()));
            found.extend(key.map(|key| parser.parse(key)));
        }
        let all_found = found.len() == places.len();
        let values = self.converter.convert_rows(found).map_err(failed)?;
        let values = values.first().ok_or_else(|| Error::internal("MIN or MAX without a column"))?;
        if all_found {
            Ok(values.clone())
        } else {
            compute::take(values, &UInt32Array::from(places), None).map_err(failed)
        }
    }
}

/// The best value so far, of a type that is no number.
struct BestKey {
    keys: Keys,
    values: Vec<Option<Box<[u8]>>>,
}

impl Accumulator for BestKey {
    fn resize(&mut self, slots: usize) {
        self.values.resize(slots.max(self.values.len()), None);
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let values = &mut self.values;
        self.keys.encode(rows, |slot, key, _| {
            if values[slot].as_deref().is_none_or(|best| key < best) {
                values[slot] = Some(key.into());
            }
        })
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        if let Some(other) = self.values[index(from)].take() {
            let best = &mut self.values[index(into)];
            if best.as_deref().is_none_or(|best| *other < *best) {
                *best = Some(other);
            }
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.values[index(slot)] = None;
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.keys.decode(slots.iter().map(|slot| self.values[index(*slot)].as_deref()))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        vec![("best", self.keys.data_type.clone())]
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let mut found = RowBytes::with_capacity(slots.len());
        let mut places = Vec::with_capacity(slots.len());
        for slot in slots {
            let value = self.values[index(*slot)].as_deref();
            places.push(value.and_then(|_| u32::try_from(found.len()).ok()));
            value.into_iter().for_each(|value| found.push(value));
        }
        let field = self.keys.field.clone();
        FrozenColumns::later(move || {
            let values = found.columns(vec![field])?.into_iter().next().ok_or_else(other_columns)?;
            Ok(vec![spread(&values, places)?])
        })
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let column = stored_column(columns, 0)?;
        let rows = self.keys.converter.convert_columns(std::slice::from_ref(column)).map_err(failed)?;
        for (row, slot) in slots.iter().enumerate() {
            self.values[index(*slot)] = column.is_valid(row).then(|| rows.row(row).as_ref().into());
        }
        Ok(())
    }
}

/// All values with their counts, the best first. A count is negative while a value was taken back before it came.
struct Sorted {
    keys: Keys,
    values: Vec<BTreeMap<Box<[u8]>, i64>>,
}

impl Accumulator for Sorted {
    fn resize(&mut self, slots: usize) {
        self.values.resize(slots.max(self.values.len()), BTreeMap::new());
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let values = &mut self.values;
        self.keys.encode(rows, |slot, key, sign| add(&mut values[slot], key, sign))
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        for (key, count) in std::mem::take(&mut self.values[index(from)]) {
            add(&mut self.values[index(into)], &key, count);
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.values[index(slot)].clear();
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        let best = |slot: &u32| self.values[index(*slot)].iter().find(|(_, count)| **count > 0).map(|(key, _)| &**key);
        self.keys.decode(slots.iter().map(best))
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        counted_columns(&self.keys.data_type)
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let mut counted = CountedValues::with_capacity(slots.len());
        slots.iter().for_each(|slot| counted.push(self.values[index(*slot)].iter()));
        counted.freeze(self.keys.field.clone(), self.keys.data_type.clone())
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        slots.iter().for_each(|slot| self.values[index(*slot)].clear());
        let values = &mut self.values;
        each_counted(&self.keys.converter, columns, |place, value, count| {
            values[index(slots[place])].insert(value.into(), count);
        })
    }
}

fn add(values: &mut BTreeMap<Box<[u8]>, i64>, key: &[u8], amount: i64) {
    match values.get_mut(key) {
        Some(count) => {
            *count += amount;
            if *count == 0 {
                values.remove(key);
            }
        }
        None => {
            values.insert(key.into(), amount);
        }
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("MIN or MAX failed").caused_by(error)
}
