//! `IN` with a list of values.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, AsArray, BooleanArray, Int32Array, Int64Array, StringArray};
use arrow::compute;
use hashbrown::HashSet;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::compare::{Operator, kernel};
use super::{common_of_list, sides};
use crate::eval::{EvalContext, Rows, Value, arrow_error};
use crate::functions::signature::{Choice, any_nullable};
use crate::functions::{Argument, Bound};

/// From this many constants on, a set is searched instead of comparing with each.
const SET_FROM: usize = 6;

pub(super) fn choose(args: &[Argument]) -> Choice {
    let common = common_of_list(args)?;
    let returns = DataType { logical: L::Boolean, nullable: any_nullable(args) };
    let arguments = args.iter().map(|arg| sides(arg, &common)).collect();
    let constant = args[1..].iter().all(|arg| arg.literal.is_some());
    let searchable = matches!(common, L::Int | L::BigInt | L::Char(_) | L::VarChar(_));
    if constant && searchable && args.len() > SET_FROM {
        let set = Arc::new(OnceLock::new());
        return Ok(Bound::new(arguments, returns, move |args, context| search(&set, args, context)));
    }
    let equal = kernel(Operator::Equal, &common);
    Ok(Bound::new(arguments, returns, move |args, context| {
        let [value, list @ ..] = args else { return Err(Error::internal("IN without a value")) };
        let mut found: Option<Value> = None;
        for item in list {
            let next = equal(&[value.clone(), item.clone()], context)?;
            found = Some(match found {
                None => next,
                Some(found) => either(found, next, context)?,
            });
        }
        found.ok_or_else(|| Error::internal("IN without a list"))
    }))
}

/// `OR` in three-valued logic.
fn either(left: Value, right: Value, context: &EvalContext) -> Result<Value> {
    let args = [left, right];
    let rows = Rows::all(&args, context);
    let [left, right] = args;
    let (left, right) = (left.into_column(rows.count())?, right.into_column(rows.count())?);
    Ok(rows.value(compute::or_kleene(left.as_boolean(), right.as_boolean()).map_err(arrow_error)?))
}

/// The constants of a list.
struct Constants {
    has_null: bool,
    values: ConstantSet,
}

enum ConstantSet {
    Integers(HashSet<i64>),
    Texts(HashSet<Box<str>>),
}

impl Constants {
    fn of(list: &[Value]) -> Result<Self> {
        let has_null = list.iter().any(|value| value.array().is_null(0));
        let given = || list.iter().filter(|value| value.array().is_valid(0));
        let texts = list.first().is_some_and(|value| value.array().as_string_opt::<i32>().is_some());
        let values = if texts {
            ConstantSet::Texts(
                given()
                    .map(|value| value.cells::<StringArray>().map(|cells| cells.at(0).into()))
                    .collect::<Result<_>>()?,
            )
        } else {
            ConstantSet::Integers(
                given()
                    .map(|value| match value.cells::<Int32Array>() {
                        Ok(cells) => Ok(cells.at(0).into()),
                        Err(_) => value.cells::<Int64Array>().map(|cells| cells.at(0)),
                    })
                    .collect::<Result<_>>()?,
            )
        };
        Ok(Self { has_null, values })
    }
}

fn search(set: &OnceLock<Constants>, args: &[Value], context: &EvalContext) -> Result<Value> {
    let [value, list @ ..] = args else { return Err(Error::internal("IN without a value")) };
    let constants = match set.get() {
        Some(constants) => constants,
        None => {
            let constants = Constants::of(list)?;
            set.get_or_init(|| constants)
        }
    };
    let rows = Rows::strict(std::slice::from_ref(value), context);
    let found = match &constants.values {
        ConstantSet::Texts(set) => {
            let cells = value.cells::<StringArray>()?;
            rows.booleans(|row| set.contains(cells.at(row)))
        }
        ConstantSet::Integers(set) => match value.cells::<Int32Array>() {
            Ok(cells) => rows.booleans(|row| set.contains(&i64::from(cells.at(row)))),
            Err(_) => {
                let cells = value.cells::<Int64Array>()?;
                rows.booleans(|row| set.contains(&cells.at(row)))
            }
        },
    };
    if !constants.has_null {
        return Ok(found);
    }
    // With a NULL in the list, what is not found is unknown.
    let found = found.array().as_boolean();
    Ok(rows.value(BooleanArray::new(
        found.values().clone(),
        arrow::buffer::NullBuffer::union(found.nulls(), Some(&arrow::buffer::NullBuffer::new(found.values().clone()))),
    )))
}
