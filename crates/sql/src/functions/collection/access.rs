//! Elements and fields: `array[1]`, `map['key']`, `row.field`, `CARDINALITY`, `ELEMENT`.

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::lists::{Lists, Maps, element_of, entries_of, pick};
use crate::eval::{EvalContext, Rows, Value};
use crate::functions::comparison::{CellEquality, cell_equality};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, any_nullable, bad_value, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::comparison_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ITEM"],
        usage: "array[index] or map[key]",
        description: "The element at an index, counted from 1, or the value of a key; NULL where there is none.",
        choose: item,
    },
    ScalarFunction { names: &["FIELD"], usage: "row.field", description: "A field of a row.", choose: field },
    ScalarFunction {
        names: &["CARDINALITY"],
        usage: "CARDINALITY(array or map)",
        description: "How many elements or entries there are.",
        choose: cardinality,
    },
    ScalarFunction {
        names: &["ELEMENT"],
        usage: "ELEMENT(array)",
        description: "The only element of an array; NULL of an empty one, a failure if there are more.",
        choose: element,
    },
];

fn item(args: &[Argument]) -> Choice {
    let [collection, key] = exactly(args)?;
    if let L::Map(..) = collection.data_type.logical {
        return of_map(collection, key);
    }
    let element = element_of(collection)?;
    if let Some(index) = key.literal_integer() {
        check_index(index).map_err(|error| Refusal::because(error.message()))?;
    }
    let returns = DataType::nullable(element.logical);
    let bound = Bound::new(vec![collection.data_type.clone(), key.integer()?], returns, |args, context| {
        let [array, index] = args else { return Err(Error::internal("no array or no index")) };
        let (lists, index) = (Lists::new(array)?, index.cells::<Int64Array>()?);
        let mut wrong = None;
        let picked = pick(lists.cells(), args, context, |row| {
            let (range, index) = (lists.get(row)?, index.get(row)?);
            if let Err(error) = check_index(index) {
                wrong.get_or_insert(error);
                return None;
            }
            let cell = range.start.checked_add(usize::try_from(index - 1).ok()?)?;
            (cell < range.end).then_some(cell)
        })?;
        wrong.map_or(Ok(picked), Err)
    });
    Ok(bound.failing())
}

fn check_index(index: i64) -> Result<()> {
    if index >= 1 {
        Ok(())
    } else {
        Err(bad_value(format!("Array element access needs an index starting at 1 but was {index}.")))
    }
}

fn of_map(map: &Argument, key: &Argument) -> Choice {
    let (key_type, value_type) = entries_of(map)?;
    let common = comparison_type(&key_type.logical, &key.data_type.logical, false).ok_or(Refusal::Types)?;
    // Keys are compared as they are; the argument is converted to their type.
    let wanted =
        if common.is_character() || common.is_binary() { key.data_type.clone() } else { key.as_type(key_type.logical) };
    let returns = DataType::nullable(value_type.logical);
    Ok(Bound::new(vec![map.data_type.clone(), wanted], returns, |args, context| {
        let [map, key] = args else { return Err(Error::internal("no map or no key")) };
        let (maps, wanted) = (Maps::new(map)?, key.array());
        if wanted.data_type() == &ArrowType::Null {
            return pick(maps.map.values(), args, context, |_| None);
        }
        let equal: CellEquality<'_> = cell_equality(maps.map.keys(), wanted)?;
        let mask = if key.is_scalar() { 0 } else { usize::MAX };
        pick(maps.map.values(), args, context, |row| {
            if wanted.is_null(row & mask) {
                return None;
            }
            maps.get(row)?.find(|entry| equal(*entry, row & mask))
        })
    }))
}

fn field(args: &[Argument]) -> Choice {
    let [row, name] = exactly(args)?;
    let L::Row(fields) = &row.data_type.logical else { return Err(Refusal::Types) };
    let wanted = name.literal_text().ok_or(Refusal::Types)?;
    let place = fields.iter().position(|field| field.name == wanted).ok_or_else(|| {
        let error = Error::user(format!("the row has no field '{wanted}'"));
        Refusal::Because(match riverrun_base::nearest(wanted, fields.iter().map(|field| field.name.as_str())) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!(
                "its fields are {}",
                fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
            )),
        })
    })?;
    let data_type = &fields[place].data_type;
    let returns = DataType { logical: data_type.logical.clone(), nullable: data_type.nullable || row.is_nullable() };
    Ok(Bound::new(vec![row.data_type.clone(), name.data_type.clone()], returns, move |args, _| {
        let [row, _] = args else { return Err(Error::internal("no row")) };
        let array = row.array().as_struct_opt().ok_or_else(|| Error::internal("a field of what is no row"))?;
        let column = array.columns().get(place).ok_or_else(|| Error::internal("a row without its field"))?;
        // A NULL row has NULL fields, whatever its columns hold.
        let column = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => std::sync::Arc::clone(column),
            Some(nulls) => {
                let missing = arrow::array::BooleanArray::new(!nulls.inner(), None);
                arrow::compute::nullif(column, &missing).map_err(crate::eval::arrow_error)?
            }
        };
        Ok(if row.is_scalar() { Value::scalar(column) } else { Value::Array(column) })
    }))
}

fn cardinality(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let logical = &arg.data_type.logical;
    if !matches!(logical, L::Array(_) | L::Map(..) | L::Multiset(_)) {
        return Err(Refusal::Types);
    }
    let is_map = !matches!(logical, L::Array(_));
    Ok(Bound::new(vec![arg.data_type.clone()], arg.as_type(L::Int), move |args: &[Value], context: &EvalContext| {
        let value = one(args)?;
        let rows = Rows::all(args, context);
        let length =
            |range: Option<std::ops::Range<usize>>| Ok(range.and_then(|range| i32::try_from(range.len()).ok()));
        if is_map {
            let maps = Maps::new(value)?;
            return rows.try_numbers::<Int32Type>(&ArrowType::Int32, |row| length(maps.get(row)));
        }
        let lists = Lists::new(value)?;
        rows.try_numbers::<Int32Type>(&ArrowType::Int32, |row| length(lists.get(row)))
    }))
}

fn element(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let element = element_of(arg)?;
    let returns = DataType { logical: element.logical, nullable: element.nullable || any_nullable(args) };
    let bound = Bound::new(vec![arg.data_type.clone()], returns, |args, context| {
        let lists = Lists::new(one(args)?)?;
        let mut too_many = false;
        let picked = pick(lists.cells(), args, context, |row| {
            let range = lists.get(row)?;
            too_many |= range.len() > 1;
            (range.len() == 1).then_some(range.start)
        })?;
        if too_many { Err(bad_value("Array has more than one element.")) } else { Ok(picked) }
    });
    Ok(bound.failing())
}
