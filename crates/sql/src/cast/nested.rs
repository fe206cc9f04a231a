//! Casts of arrays, maps and rows, part by part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType as ArrowType, FieldRef};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, arrow_type};

use super::{Job, can_fail};
use crate::eval::arrow_error;
use crate::expr::CastMode;

impl Job<'_> {
    pub(super) fn nested(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match (self.from, self.to) {
            (L::Array(from), L::Array(to)) => self.array(array.as_list(), from, to),
            (L::Map(from_key, from_value), L::Map(to_key, to_value)) => {
                self.map(array.as_map(), (from_key, from_value), (to_key, to_value))
            }
            (L::Multiset(from), L::Multiset(to)) => {
                let count = DataType::not_null(L::Int);
                self.map(array.as_map(), (from, &count), (to, &count))
            }
            (L::Row(from), L::Row(to)) => {
                let ArrowType::Struct(fields) = arrow_type(self.to) else { return Err(self.impossible()) };
                let row: &StructArray = array.as_struct();
                let mut nulls = row.nulls().cloned();
                let mut columns = Vec::with_capacity(to.len());
                for ((column, from), to) in row.columns().iter().zip(from).zip(to) {
                    let (cast, failed) = self.part(column, &from.data_type, &to.data_type)?;
                    nulls = NullBuffer::union(nulls.as_ref(), failed.map(|failed| NullBuffer::new(!&failed)).as_ref());
                    columns.push(cast);
                }
                let row = StructArray::try_new_with_length(fields, columns, nulls, row.len())
                    .map_err(|error| self.null_where_forbidden(error))?;
                Ok(Arc::new(row))
            }
            _ => Err(self.impossible()),
        }
    }

    fn array(&self, list: &ListArray, from: &DataType, to: &DataType) -> Result<ArrayRef> {
        let ArrowType::List(field) = arrow_type(self.to) else { return Err(self.impossible()) };
        let (values, failed) = self.part(list.values(), from, to)?;
        let nulls = without_failed(list.nulls(), list.value_offsets(), failed.as_ref());
        let list = ListArray::try_new(field, list.offsets().clone(), values, nulls)
            .map_err(|error| self.null_where_forbidden(error))?;
        Ok(Arc::new(list))
    }

    fn map(&self, map: &MapArray, from: (&DataType, &DataType), to: (&DataType, &DataType)) -> Result<ArrayRef> {
        let ArrowType::Map(field, sorted) = arrow_type(self.to) else { return Err(self.impossible()) };
        let ArrowType::Struct(fields) = field.data_type() else { return Err(self.impossible()) };
        let (keys, failed_keys) = self.part(map.keys(), from.0, to.0)?;
        let (values, failed_values) = self.part(map.values(), from.1, to.1)?;
        let nulls = without_failed(map.nulls(), map.value_offsets(), failed_keys.as_ref());
        let nulls = without_failed(nulls.as_ref(), map.value_offsets(), failed_values.as_ref());
        let keys = if failed_keys.is_some() { filled_keys(&keys, &fields[0])? } else { keys };
        let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)
            .map_err(|error| self.null_where_forbidden(error))?;
        let map = MapArray::try_new(field, map.offsets().clone(), entries, nulls, sorted).map_err(arrow_error)?;
        Ok(Arc::new(map))
    }

    /// A part cast, and with `TRY_CAST` which of its cells failed, if any.
    fn part(&self, array: &ArrayRef, from: &DataType, to: &DataType) -> Result<(ArrayRef, Option<BooleanBuffer>)> {
        let job = Job { from: &from.logical, to: &to.logical, mode: self.mode, zone: self.zone };
        let cast = job.run(array)?;
        if self.mode != CastMode::Try
            || !can_fail(&from.logical, &to.logical)
            || cast.null_count() == array.null_count()
        {
            return Ok((cast, None));
        }
        let failed = BooleanBuffer::collect_bool(array.len(), |row| cast.is_null(row) && array.is_valid(row));
        Ok((cast, Some(failed)))
    }

    fn null_where_forbidden(&self, error: arrow::error::ArrowError) -> Error {
        Error::data(format!("Cannot cast from {} to {}: a NULL stands where the type has NOT NULL", self.from, self.to))
            .caused_by(error)
    }
}

/// NULL for the rows that have a failed part, too.
fn without_failed(nulls: Option<&NullBuffer>, offsets: &[i32], failed: Option<&BooleanBuffer>) -> Option<NullBuffer> {
    let Some(failed) = failed else { return nulls.cloned() };
    let position = |row: usize| offsets.get(row).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
    let sound = BooleanBuffer::collect_bool(offsets.len().saturating_sub(1), |row| {
        (position(row)..position(row + 1)).all(|cell| !failed.value(cell))
    });
    NullBuffer::union(nulls, Some(&NullBuffer::new(sound)))
}

/// Keys with a value where a cast failed: a map's keys are never NULL, and the maps that have these keys are NULL themselves.
fn filled_keys(keys: &ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
    let data = keys.to_data().into_builder().nulls(None).build().map_err(arrow_error)?;
    let keys = arrow::array::make_array(data);
    if keys.data_type() == field.data_type() {
        Ok(keys)
    } else {
        Err(Error::internal("the keys of a map changed their type"))
    }
}
