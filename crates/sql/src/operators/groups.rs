//! Groups: keys, and behind their slots the aggregates over their rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field as ArrowField, FieldRef, Int64Type};
use riverrun_base::{Error, Result};
use riverrun_data::{RowKind, arrow_type};
use riverrun_state::{FrozenColumns, GroupTable};

use super::accumulator::{Accumulator, Updates, accumulator};
use crate::plan::{AggregateCall, AggregateFunction, Field};

/// Keys with their aggregates.
pub(crate) struct Groups {
    pub(super) table: GroupTable,
    pub(super) aggregates: Aggregates,
}

impl Groups {
    /// No groups yet, for keys of these types. `retracts` says whether rows are ever taken back.
    ///
    /// # Errors
    /// A type cannot be a key, or an aggregate does not take its type.
    pub(crate) fn new(keys: &[DataType], calls: &[AggregateCall], retracts: bool) -> Result<Self> {
        Ok(Self { table: GroupTable::new(keys)?, aggregates: Aggregates::new(calls, retracts)? })
    }

    /// Writes the slot of each row's group into `slots`, with room behind it.
    ///
    /// # Errors
    /// The keys have other types, or there are too many of them.
    pub(super) fn intern(&mut self, keys: &[ArrayRef], rows: usize, slots: &mut Vec<u32>) -> Result<()> {
        self.table.intern(keys, rows, slots)?;
        self.aggregates.resize(self.table.slots());
        Ok(())
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, slot: u32) {
        self.table.remove(slot);
        self.aggregates.clear(slot);
    }
}

/// Aggregates over rows that are sorted into slots.
pub(super) struct Aggregates {
    columns: Vec<(AggregateCall, Box<dyn Accumulator>)>,
    /// How many rows each slot has; `None` where rows are only added, so that every slot that has been used has some.
    counts: Option<Vec<i64>>,
}

impl Aggregates {
    pub(super) fn new(calls: &[AggregateCall], retracts: bool) -> Result<Self> {
        let columns =
            calls.iter().map(|call| Ok((call.clone(), accumulator(call, retracts)?))).collect::<Result<_>>()?;
        Ok(Self { columns, counts: retracts.then(Vec::new) })
    }

    /// Makes room for slots up to `slots`, which start empty.
    pub(super) fn resize(&mut self, slots: usize) {
        if let Some(counts) = &mut self.counts {
            counts.resize(slots.max(counts.len()), 0);
        }
        for (_, accumulator) in &mut self.columns {
            accumulator.resize(slots);
        }
    }

    /// Whether a slot that has been used has rows.
    pub(super) fn has_rows(&self, slot: u32) -> bool {
        self.counts.as_ref().is_none_or(|counts| counts[slot as usize] > 0)
    }

    /// How many rows a slot has, where they are counted.
    pub(super) fn rows_in(&self, slot: u32) -> usize {
        let count = self.counts.as_ref().and_then(|counts| counts.get(slot as usize));
        count.and_then(|count| usize::try_from(*count).ok()).unwrap_or_default()
    }

    /// Whether rows are ever taken back.
    pub(super) fn retracts(&self) -> bool {
        self.counts.is_some()
    }

    /// Whether a row that is added to a slot always changes its results, as with `COUNT(*)`.
    pub(super) fn changes_with_every_row(&self) -> bool {
        self.columns.iter().any(|(call, _)| {
            call.function == AggregateFunction::Count && call.argument.is_none() && call.filter.is_none()
        })
    }

    /// Adds rows to their slots, and takes rows back. `signs` are those of [`signs`].
    ///
    /// # Errors
    /// A column has another type than planned.
    pub(super) fn update(&mut self, rows: &RecordBatch, slots: &[u32], signs: Option<&[i8]>) -> Result<()> {
        match (&mut self.counts, signs) {
            (None, None) => {}
            (None, Some(_)) => return Err(Error::internal("a row is taken back from an append-only stream")),
            (Some(counts), None) => slots.iter().for_each(|slot| counts[*slot as usize] += 1),
            (Some(counts), Some(signs)) => {
                slots.iter().zip(signs).for_each(|(slot, sign)| counts[*slot as usize] += i64::from(*sign))
            }
        }
        self.accumulate(rows, slots, signs)
    }

    /// As [`Self::update`], but a row that is taken back from a slot without rows is left out, as Flink does where it keeps state for ever.
    ///
    /// # Errors
    /// A column has another type than planned.
    pub(super) fn update_known(&mut self, rows: &RecordBatch, slots: &[u32], mut signs: Option<Vec<i8>>) -> Result<()> {
        let (Some(counts), Some(signs)) = (&mut self.counts, &mut signs) else {
            return self.update(rows, slots, signs.as_deref());
        };
        for (slot, sign) in slots.iter().zip(signs.iter_mut()) {
            let count = &mut counts[*slot as usize];
            if *count == 0 && *sign < 0 {
                *sign = 0;
            }
            *count += i64::from(*sign);
        }
        self.accumulate(rows, slots, Some(signs))
    }

    fn accumulate(&mut self, rows: &RecordBatch, slots: &[u32], signs: Option<&[i8]>) -> Result<()> {
        for (call, accumulator) in &mut self.columns {
            let filtered = call.filter.map(|filter| filtered(rows.column(filter), signs)).transpose()?;
            let argument = call.argument.map(|index| rows.column(index));
            accumulator.update(&Updates { slots, argument, signs: filtered.as_deref().or(signs) })?;
        }
        Ok(())
    }

    /// The results of some slots, a column for each aggregate.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn results(&self, slots: &[u32]) -> Result<Vec<ArrayRef>> {
        self.columns.iter().map(|(_, accumulator)| accumulator.results(slots)).collect()
    }

    /// Moves what `from` holds into `into`, another slot.
    ///
    /// # Errors
    /// The state cannot be read.
    pub(super) fn merge(&mut self, into: u32, from: u32) -> Result<()> {
        if let Some(counts) = &mut self.counts {
            counts[into as usize] += std::mem::take(&mut counts[from as usize]);
        }
        self.columns.iter_mut().try_for_each(|(_, accumulator)| accumulator.merge(into, from))
    }

    /// Empties a slot.
    pub(super) fn clear(&mut self, slot: u32) {
        if let Some(counts) = &mut self.counts {
            counts[slot as usize] = 0;
        }
        for (_, accumulator) in &mut self.columns {
            accumulator.clear(slot);
        }
    }

    /// The columns in which the aggregates are stored.
    pub(super) fn state_fields(&self) -> Vec<FieldRef> {
        let counts = self.counts.iter().map(|_| ArrowField::new("rows", DataType::Int64, true));
        let of_calls = self.columns.iter().enumerate().flat_map(|(n, (call, accumulator))| {
            let field = move |(name, data_type)| {
                ArrowField::new(format!("{} {n}: {name}", call.function.name()), data_type, true)
            };
            accumulator.state_columns().into_iter().map(field)
        });
        counts.chain(of_calls).map(Arc::new).collect()
    }

    /// Copies the aggregates in some slots.
    pub(super) fn freeze(&self, slots: &[u32]) -> Vec<FrozenColumns> {
        let counts = self.counts.iter().map(|counts| {
            let counts: Vec<i64> = slots.iter().map(|slot| counts[*slot as usize]).collect();
            FrozenColumns::ready(vec![Arc::new(Int64Array::from(counts))])
        });
        counts.chain(self.columns.iter().map(|(_, accumulator)| accumulator.freeze(slots))).collect()
    }

    /// Takes on the stored aggregates of some slots, each in place of what the slot holds.
    ///
    /// # Errors
    /// The columns are not those of [`Self::state_fields`].
    pub(super) fn restore(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let others = || Error::data("the stored state of aggregates has other columns");
        let mut columns = columns;
        if let Some(counts) = &mut self.counts {
            let (stored, rest) = columns.split_first().ok_or_else(others)?;
            columns = rest;
            let stored = stored.as_primitive_opt::<Int64Type>().ok_or_else(others)?.values();
            slots.iter().zip(stored).for_each(|(slot, count)| counts[*slot as usize] = *count);
        }
        for (_, accumulator) in &mut self.columns {
            let (own, rest) = columns.split_at_checked(accumulator.state_columns().len()).ok_or_else(others)?;
            columns = rest;
            accumulator.restore(slots, own)?;
        }
        Ok(())
    }
}

/// 1 or -1 for each row as its kind adds it or takes it back; `None` where all are added.
pub(super) fn signs(kinds: Option<&[RowKind]>) -> Option<Vec<i8>> {
    let kinds = kinds?;
    if kinds.iter().all(|kind| kind.is_addition()) {
        return None;
    }
    Some(kinds.iter().map(|kind| if kind.is_addition() { 1 } else { -1 }).collect())
}

/// The signs with 0 where the filter is not true.
fn filtered(filter: &ArrayRef, signs: Option<&[i8]>) -> Result<Vec<i8>> {
    let filter = filter.as_boolean_opt().ok_or_else(|| Error::internal("FILTER is no BOOLEAN"))?;
    let passes = |row: usize| filter.is_valid(row) && filter.value(row);
    Ok((0..filter.len()).map(|row| if passes(row) { signs.map_or(1, |signs| signs[row]) } else { 0 }).collect())
}

/// The Arrow types of key columns.
pub(crate) fn key_types(fields: &[Field], keys: &[usize]) -> Vec<DataType> {
    keys.iter().map(|key| arrow_type(&fields[*key].data_type.logical)).collect()
}

/// Some columns of a batch.
pub(crate) fn columns(rows: &RecordBatch, indices: &[usize]) -> Vec<ArrayRef> {
    indices.iter().map(|index| rows.column(*index).clone()).collect()
}
