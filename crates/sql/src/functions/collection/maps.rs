//! Functions of maps.

use std::sync::Arc;

use arrow::array::{Array, ListArray, StructArray};
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, RowField};

use super::construction::map_array;
use super::lists::{Chosen, Lists, Maps, array_of, element_of, entries_of, gather};
use crate::eval::{EvalContext, Rows, Value, arrow_error};
use crate::functions::comparison::cell_equality;
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, bad_value, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::common_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["MAP_KEYS"],
        usage: "MAP_KEYS(map)",
        description: "The keys as an array.",
        choose: |args| part(args, Part::Keys),
    },
    ScalarFunction {
        names: &["MAP_VALUES"],
        usage: "MAP_VALUES(map)",
        description: "The values as an array.",
        choose: |args| part(args, Part::Values),
    },
    ScalarFunction {
        names: &["MAP_ENTRIES"],
        usage: "MAP_ENTRIES(map)",
        description: "The entries as an array of rows of key and value.",
        choose: |args| part(args, Part::Entries),
    },
    ScalarFunction {
        names: &["MAP_FROM_ARRAYS"],
        usage: "MAP_FROM_ARRAYS(keys, values)",
        description: "A map of an array of keys and one of values, of one length.",
        choose: from_arrays,
    },
    ScalarFunction {
        names: &["MAP_UNION"],
        usage: "MAP_UNION(map, ...)",
        description: "A map of the entries of all; of a key that comes twice the last value counts.",
        choose: union,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Keys,
    Values,
    Entries,
}

fn part(args: &[Argument], part: Part) -> Choice {
    let [map] = exactly(args)?;
    let (key, value) = entries_of(map)?;
    let element = match part {
        Part::Keys => key.clone(),
        Part::Values => value.clone(),
        Part::Entries => {
            let field = |name: &str, data_type: &DataType| RowField { name: name.into(), data_type: data_type.clone() };
            DataType::nullable(L::Row(vec![field("key", &key), field("value", &value)]))
        }
    };
    let returns = map.as_type(array_of(element));
    let list = arrow(&returns);
    Ok(Bound::new(vec![map.data_type.clone()], returns, move |args: &[Value], context: &EvalContext| {
        let maps = Maps::new(one(args)?)?;
        let ArrowType::List(element) = &list else { return Err(Error::internal("no array")) };
        let (map, rows) = (maps.map, Rows::all(args, context));
        let values: Arc<dyn Array> = match part {
            Part::Keys => Arc::clone(map.keys()),
            Part::Values => Arc::clone(map.values()),
            Part::Entries => {
                let ArrowType::Struct(fields) = element.data_type() else { return Err(Error::internal("no row")) };
                Arc::new(
                    StructArray::try_new(fields.clone(), vec![Arc::clone(map.keys()), Arc::clone(map.values())], None)
                        .map_err(arrow_error)?,
                )
            }
        };
        let array = ListArray::try_new(Arc::clone(element), map.offsets().clone(), values, map.nulls().cloned())
            .map_err(arrow_error)?;
        Ok(rows.value(array))
    }))
}

fn from_arrays(args: &[Argument]) -> Choice {
    let [keys, values] = exactly(args)?;
    let (key, value) = (element_of(keys)?, element_of(values)?);
    let returns = DataType { logical: L::Map(Box::new(key), Box::new(value)), nullable: any_nullable(args) };
    let map = arrow(&returns);
    let kernel = move |args: &[Value], context: &EvalContext| {
        let [keys, values] = args else { return Err(Error::internal("MAP_FROM_ARRAYS without its arguments")) };
        let (keys, values, rows) = (Lists::new(keys)?, Lists::new(values)?, Rows::all(args, context));
        let mut entries = Entries::new(rows.count(), &[keys.cells()])?;
        for row in 0..rows.count() {
            let (Some(key_cells), Some(value_cells)) = (keys.get(row), values.get(row)) else {
                entries.push_null();
                continue;
            };
            if key_cells.len() != value_cells.len() {
                return Err(bad_value(format!(
                    "The length of the keys array {} is not equal to the length of the values array {}",
                    key_cells.len(),
                    value_cells.len()
                )));
            }
            entries.push(key_cells.map(|cell| (0, cell)).zip(value_cells.map(|cell| (0, cell))))?;
        }
        Ok(rows.value(entries.finish(&map, &[values.cells()])?))
    };
    Ok(Bound::new(vec![keys.data_type.clone(), values.data_type.clone()], returns, kernel).failing())
}

fn union(args: &[Argument]) -> Choice {
    count(args, 1..=usize::MAX)?;
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    args.iter().try_for_each(|arg| entries_of(arg).map(|_| ()))?;
    let common = common_type(&types).ok_or(Refusal::Types)?;
    let returns = DataType { logical: common.logical.clone(), nullable: any_nullable(args) };
    let map = arrow(&returns);
    let arguments = args.iter().map(|arg| arg.as_type(common.logical.clone())).collect();
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let maps = args.iter().map(Maps::new).collect::<Result<Vec<_>>>()?;
        let rows = Rows::all(args, context);
        let keys: Vec<&dyn Array> = maps.iter().map(|maps| -> &dyn Array { maps.map.keys() }).collect();
        let values: Vec<&dyn Array> = maps.iter().map(|maps| -> &dyn Array { maps.map.values() }).collect();
        let mut entries = Entries::new(rows.count(), &keys)?;
        for row in 0..rows.count() {
            let ranges: Option<Vec<_>> = maps.iter().map(|maps| maps.get(row)).collect();
            match ranges {
                None => entries.push_null(),
                Some(ranges) => entries.push(
                    ranges.into_iter().enumerate().flat_map(|(n, range)| range.map(move |cell| ((n, cell), (n, cell)))),
                )?,
            }
        }
        Ok(rows.value(entries.finish(&map, &values)?))
    })
    .failing())
}

/// Builds a column of maps, each of entries whose keys and values are cells of some arrays; a later entry of a key takes the place of an earlier one.
struct Entries<'a> {
    keys: Vec<&'a dyn Array>,
    equal: Vec<Vec<crate::functions::comparison::CellEquality<'a>>>,
    chosen: Chosen,
    values: Vec<(usize, usize)>,
}

impl<'a> Entries<'a> {
    fn new(rows: usize, keys: &[&'a dyn Array]) -> Result<Self> {
        let equal = keys.iter().map(|a| keys.iter().map(|b| cell_equality(*a, *b)).collect()).collect::<Result<_>>()?;
        Ok(Self { keys: keys.to_vec(), equal, chosen: Chosen::with_rows(rows), values: Vec::new() })
    }

    fn push_null(&mut self) {
        self.chosen.push_null();
    }

    fn push(&mut self, entries: impl Iterator<Item = ((usize, usize), (usize, usize))>) -> Result<()> {
        let mut kept: Vec<((usize, usize), (usize, usize))> = Vec::new();
        for (key, value) in entries {
            if self.keys[key.0].is_null(key.1) {
                return Err(bad_value("The key of a map is NULL"));
            }
            match kept.iter_mut().find(|(known, _)| self.equal[known.0][key.0](known.1, key.1)) {
                Some(entry) => entry.1 = value,
                None => kept.push((key, value)),
            }
        }
        self.values.extend(kept.iter().map(|(_, value)| *value));
        self.chosen.push(kept.into_iter().map(|(key, _)| key));
        Ok(())
    }

    fn finish(self, map: &ArrowType, values: &[&dyn Array]) -> Result<arrow::array::MapArray> {
        let (places, offsets, nulls) = self.chosen.into_parts();
        map_array(map, offsets, gather(&self.keys, &places)?, gather(values, &self.values)?, nulls)
    }
}
