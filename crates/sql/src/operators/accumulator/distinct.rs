//! DISTINCT in an aggregate: the inner accumulator gets a value when its count rises from zero, and loses it when it falls to zero.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;
use riverrun_base::{Error, Result};
use riverrun_state::FrozenColumns;

use super::stored::{CountedValues, StateColumn, counted_columns, each_counted};
use super::{Accumulator, Updates, index};

/// Counts every value of a slot, in Arrow's row format, before the inner accumulator.
pub(super) struct Distinct {
    inner: Box<dyn Accumulator>,
    argument: DataType,
    converter: RowConverter,
    values: Vec<Values>,
}

type Values = HashMap<Box<[u8]>, i64>;

impl Distinct {
    /// Lets `inner` see every value of type `argument` once.
    ///
    /// # Errors
    /// Values of the type cannot be told apart.
    pub(super) fn new(inner: Box<dyn Accumulator>, argument: DataType) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(argument.clone())]).map_err(failed)?;
        Ok(Self { inner, argument, converter, values: Vec::new() })
    }
}

impl Accumulator for Distinct {
    fn resize(&mut self, slots: usize) {
        self.values.resize_with(slots.max(self.values.len()), HashMap::new);
        self.inner.resize(slots);
    }

    fn update(&mut self, rows: &Updates<'_>) -> Result<()> {
        let keys = self.converter.convert_columns(std::slice::from_ref(rows.argument()?)).map_err(failed)?;
        let mut signs = vec![0; rows.slots.len()];
        let values = &mut self.values;
        rows.for_each(|slot, row, sign| signs[row] = count(&mut values[slot], keys.row(row).as_ref(), sign));
        self.inner.update(&Updates { signs: Some(&signs), ..*rows })
    }

    fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        self.inner.clear(from);
        let mut changed = Vec::new();
        let mut signs = Vec::new();
        for (key, amount) in std::mem::take(&mut self.values[index(from)]) {
            let sign = count(&mut self.values[index(into)], &key, amount);
            if sign != 0 {
                changed.push(key);
                signs.push(sign);
            }
        }
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(changed.iter().map(|key| parser.parse(key))).map_err(failed)?;
        self.inner.update(&Updates {
            slots: &vec![into; changed.len()],
            argument: columns.first(),
            signs: Some(&signs),
        })
    }

    fn clear(&mut self, slot: u32) {
        self.values[index(slot)] = HashMap::new();
        self.inner.clear(slot);
    }

    fn results(&self, slots: &[u32]) -> Result<ArrayRef> {
        self.inner.results(slots)
    }

    fn state_columns(&self) -> Vec<StateColumn> {
        [counted_columns(&self.argument), self.inner.state_columns()].concat()
    }

    fn freeze(&self, slots: &[u32]) -> FrozenColumns {
        let mut counted = CountedValues::with_capacity(slots.len());
        slots.iter().for_each(|slot| counted.push(self.values[index(*slot)].iter()));
        let values = counted.freeze(SortField::new(self.argument.clone()), self.argument.clone());
        let inner = self.inner.freeze(slots);
        FrozenColumns::later(move || Ok([values.get()?, inner.get()?].concat()))
    }

    fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        slots.iter().for_each(|slot| self.values[index(*slot)] = HashMap::new());
        let values = &mut self.values;
        each_counted(&self.converter, columns, |place, value, count| {
            values[index(slots[place])].insert(value.into(), count);
        })?;
        self.inner.restore(slots, columns.get(2..).unwrap_or_default())
    }
}

/// Changes the count of a value: 1 when it appears, -1 when it disappears, else 0. A count is negative while a value was taken back
/// before it came.
fn count(values: &mut Values, key: &[u8], amount: i64) -> i8 {
    let Some(known) = values.get_mut(key) else {
        values.insert(key.into(), amount);
        return i8::from(amount > 0);
    };
    let before = *known;
    let after = before + amount;
    *known = after;
    if after == 0 {
        values.remove(key);
    }
    i8::from(after > 0) - i8::from(before > 0)
}

fn failed(error: ArrowError) -> Error {
    Error::internal("DISTINCT failed").caused_by(error)
}
