//! `ARRAY[...]`, `MAP[...]` and `ROW(...)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MapArray, StructArray};
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, RowField};

use super::lists::{Chosen, array_of, gather};
use crate::eval::{EvalContext, Rows, Value, arrow_error};
use crate::functions::comparison::cell_equality;
use crate::functions::signature::{Choice, Refusal, arrow, bad_value};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::common_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ARRAY"],
        usage: "ARRAY[value, ...]",
        description: "An array of values, which are converted to their common type.",
        choose: array,
    },
    ScalarFunction {
        names: &["MAP"],
        usage: "MAP[key, value, ...]",
        description: "A map of keys and values; of a key that comes twice the last value counts.",
        choose: map,
    },
    ScalarFunction {
        names: &["ROW"],
        usage: "ROW(value, ...)",
        description: "A row of values; its fields are named EXPR$0, EXPR$1 and so on.",
        choose: row,
    },
];

fn common(args: &[&Argument]) -> Result<DataType, Refusal> {
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    common_type(&types).ok_or_else(|| Refusal::because("Parameters must be of the same type"))
}

fn array(args: &[Argument]) -> Choice {
    if args.is_empty() {
        return Err(Refusal::because("Require at least 1 argument"));
    }
    let element = common(&args.iter().collect::<Vec<_>>())?;
    let arguments = args.iter().map(|arg| arg.as_type(element.logical.clone())).collect();
    let returns = DataType::not_null(array_of(element));
    let list = arrow(&returns);
    Ok(Bound::new(arguments, returns, move |args, context| {
        let rows = Rows::all(args, context);
        let mut chosen = Chosen::with_rows(rows.count());
        for row in 0..rows.count() {
            chosen.push(args.iter().enumerate().map(|(n, value)| (n, place(value, row))));
        }
        let arrays: Vec<&dyn Array> = args.iter().map(Value::array).collect();
        Ok(rows.value(chosen.finish(&arrays, &list)?))
    }))
}

/// Where a row's value of an argument stands.
fn place(value: &Value, row: usize) -> usize {
    if value.is_scalar() { 0 } else { row }
}

fn map(args: &[Argument]) -> Choice {
    if args.is_empty() || !args.len().is_multiple_of(2) {
        return Err(Refusal::because("Map requires an even number of arguments"));
    }
    let (keys, values): (Vec<&Argument>, Vec<&Argument>) =
        (args.iter().step_by(2).collect(), args.iter().skip(1).step_by(2).collect());
    let (key, value) = (common(&keys)?, common(&values)?);
    let arguments = args
        .iter()
        .enumerate()
        .map(|(n, arg)| arg.as_type(if n % 2 == 0 { key.logical.clone() } else { value.logical.clone() }))
        .collect();
    let returns = DataType::not_null(L::Map(Box::new(key), Box::new(value)));
    let map = arrow(&returns);
    Ok(Bound::new(arguments, returns, move |args, context| map_of(args, &map, context)).failing())
}

fn map_of(args: &[Value], map: &ArrowType, context: &EvalContext) -> Result<Value> {
    let rows = Rows::all(args, context);
    let (keys, values): (Vec<&dyn Array>, Vec<&dyn Array>) = (
        args.iter().step_by(2).map(Value::array).collect(),
        args.iter().skip(1).step_by(2).map(Value::array).collect(),
    );
    let cell = |n: usize, row: usize| args.get(n).map_or(0, |value| place(value, row));
    // Whether the keys of two places are equal, for every pair of arguments.
    let mut same = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        for later in keys.iter().skip(n + 1) {
            same.push(cell_equality(*key, *later)?);
        }
    }
    let pairs = |n: usize| (0..n).map(|k| keys.len() - 1 - k).sum::<usize>();
    let mut chosen_keys = Chosen::with_rows(rows.count());
    let mut chosen_values: Vec<(usize, usize)> = Vec::new();
    for row in 0..rows.count() {
        let mut entries: Vec<(usize, usize)> = Vec::with_capacity(keys.len());
        for (n, key) in keys.iter().enumerate() {
            if key.is_null(cell(2 * n, row)) {
                return Err(bad_value("The key of a map is NULL"));
            }
            let known = entries
                .iter_mut()
                .find(|(first, _)| same[pairs(*first) + n - first - 1](cell(2 * first, row), cell(2 * n, row)));
            match known {
                Some(entry) => entry.1 = n,
                None => entries.push((n, n)),
            }
        }
        chosen_values.extend(entries.iter().map(|(_, value)| (*value, cell(2 * value + 1, row))));
        chosen_keys.push(entries.into_iter().map(|(key, _)| (key, cell(2 * key, row))));
    }
    let (key_places, offsets, nulls) = chosen_keys.into_parts();
    let (keys, values) = (gather(&keys, &key_places)?, gather(&values, &chosen_values)?);
    Ok(rows.value(map_array(map, offsets, keys, values, nulls)?))
}

/// A column of maps, of an Arrow map type.
pub(super) fn map_array(
    map: &ArrowType,
    offsets: arrow::buffer::OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: arrow::buffer::NullBuffer,
) -> Result<MapArray> {
    let ArrowType::Map(entries, sorted) = map else { return Err(Error::internal(format!("{map} is no map"))) };
    let ArrowType::Struct(fields) = entries.data_type() else { return Err(Error::internal("a map without entries")) };
    let structs = StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(arrow_error)?;
    MapArray::try_new(Arc::clone(entries), offsets, structs, Some(nulls), *sorted).map_err(arrow_error)
}

fn row(args: &[Argument]) -> Choice {
    if args.is_empty() {
        return Err(Refusal::Count);
    }
    let fields = args
        .iter()
        .enumerate()
        .map(|(n, arg)| RowField { name: format!("EXPR${n}"), data_type: arg.data_type.clone() })
        .collect();
    let arguments = args.iter().map(|arg| arg.data_type.clone()).collect();
    let returns = DataType::not_null(L::Row(fields));
    let ArrowType::Struct(fields) = arrow(&returns) else { return Err(Refusal::Types) };
    Ok(Bound::new(arguments, returns, move |args, context| {
        let rows = Rows::all(args, context);
        let columns = args.iter().map(|value| value.clone().into_column(rows.count())).collect::<Result<Vec<_>>>()?;
        Ok(rows.value(StructArray::try_new(fields.clone(), columns, None).map_err(arrow_error)?))
    }))
}
