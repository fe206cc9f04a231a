//! Functions of one array and its elements.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, BooleanArray, DynComparator, Int64Array, StringArray, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::lists::{Chosen, Lists, array_of, element_of, pick};
use crate::eval::{EvalContext, Rows, Text, Value, arrow_error};
use crate::functions::comparison::cell_equality;
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, any_nullable, arrow, count, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};
use crate::types::common_type;

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ARRAY_CONTAINS"],
        usage: "ARRAY_CONTAINS(array, value)",
        description: "Whether an array has an element; NULL is one too.",
        choose: contains,
    },
    ScalarFunction {
        names: &["ARRAY_POSITION"],
        usage: "ARRAY_POSITION(array, value)",
        description: "Where an element stands first, from 1; 0 where it does not.",
        choose: position,
    },
    ScalarFunction {
        names: &["ARRAY_REMOVE"],
        usage: "ARRAY_REMOVE(array, value)",
        description: "The array without the elements that equal a value.",
        choose: remove,
    },
    ScalarFunction {
        names: &["ARRAY_APPEND"],
        usage: "ARRAY_APPEND(array, value)",
        description: "The array with a value behind it.",
        choose: |args| extended(args, false),
    },
    ScalarFunction {
        names: &["ARRAY_PREPEND"],
        usage: "ARRAY_PREPEND(array, value)",
        description: "The array with a value before it.",
        choose: |args| extended(args, true),
    },
    ScalarFunction {
        names: &["ARRAY_REVERSE"],
        usage: "ARRAY_REVERSE(array)",
        description: "The elements in opposite order.",
        choose: reverse,
    },
    ScalarFunction {
        names: &["ARRAY_SLICE"],
        usage: "ARRAY_SLICE(array, start [, end])",
        description: "The elements from a place to another, both counted from 1, or from the end where negative.",
        choose: slice,
    },
    ScalarFunction {
        names: &["ARRAY_MAX"],
        usage: "ARRAY_MAX(array)",
        description: "The largest element; NULLs are left out.",
        choose: |args| extreme(args, Ordering::Greater),
    },
    ScalarFunction {
        names: &["ARRAY_MIN"],
        usage: "ARRAY_MIN(array)",
        description: "The smallest element; NULLs are left out.",
        choose: |args| extreme(args, Ordering::Less),
    },
    ScalarFunction {
        names: &["ARRAY_SORT"],
        usage: "ARRAY_SORT(array [, ascending [, nulls_first]])",
        description: "The elements in order; NULLs stand first in ascending order and last in descending order unless it is said otherwise.",
        choose: sort,
    },
    ScalarFunction {
        names: &["ARRAY_JOIN"],
        usage: "ARRAY_JOIN(array, separator [, null_replacement])",
        description: "The texts of an array with a separator between them; NULLs are left out or replaced.",
        choose: join,
    },
];

/// The array and value as arguments of one element type.
fn with_value(args: &[Argument]) -> Result<(&Argument, &Argument, DataType), Refusal> {
    let [array, value] = exactly(args)?;
    let element = element_of(array)?;
    let common = common_type(&[element, value.data_type.clone()]).ok_or(Refusal::Types)?;
    Ok((array, value, common))
}

fn two(args: &[Value]) -> Result<(&Value, &Value)> {
    match args {
        [array, value, ..] => Ok((array, value)),
        _ => Err(Error::internal("a function without its array and value")),
    }
}

/// The places of the elements that equal a row's value; NULL equals NULL.
#[allow(clippy::type_complexity, reason = "a closure that is called in place")]
fn found<'a>(args: &'a [Value]) -> Result<impl Fn(usize) -> Option<(std::ops::Range<usize>, Vec<usize>)> + 'a> {
    let (array, value) = two(args)?;
    let lists = Lists::new(array)?;
    let (equal, mask) = (cell_equality(lists.cells(), value.array())?, if value.is_scalar() { 0 } else { usize::MAX });
    Ok(move |row: usize| {
        let range = lists.get(row)?;
        let places = range.clone().filter(|cell| equal(*cell, row & mask)).collect();
        Some((range, places))
    })
}

/// The types of the array and the value for a comparison of elements.
fn compared(array: &Argument, value: &Argument, element: &DataType) -> Vec<DataType> {
    vec![
        array.as_type(array_of(DataType { nullable: true, ..element.clone() })),
        value.as_type(element.logical.clone()),
    ]
}

fn contains(args: &[Argument]) -> Choice {
    let (array, value, element) = with_value(args)?;
    Ok(Bound::new(compared(array, value, &element), array.as_type(L::Boolean), |args, context| {
        let found = found(args)?;
        Rows::all(args, context).try_booleans(|row| Ok(found(row).map(|(_, places)| !places.is_empty())))
    }))
}

fn position(args: &[Argument]) -> Choice {
    let (array, value, element) = with_value(args)?;
    Ok(Bound::new(
        compared(array, value, &element),
        DataType { logical: L::Int, nullable: any_nullable(args) },
        |args, context| {
            let found = found(args)?;
            let (_, value) = two(args)?;
            let mask = if value.is_scalar() { 0 } else { usize::MAX };
            Rows::all(args, context).try_numbers::<Int32Type>(&ArrowType::Int32, |row| {
                let Some((range, places)) = found(row).filter(|_| value.array().is_valid(row & mask)) else {
                    return Ok(None);
                };
                Ok(Some(places.first().map_or(0, |cell| i32::try_from(cell - range.start + 1).unwrap_or(i32::MAX))))
            })
        },
    ))
}

fn remove(args: &[Argument]) -> Choice {
    let (array, value, element) = with_value(args)?;
    let own = element_of(array)?;
    let returns = array.as_type(array_of(DataType { logical: element.logical.clone(), nullable: own.nullable }));
    let list = arrow(&returns);
    let arguments = vec![returns.clone(), value.as_type(element.logical)];
    Ok(Bound::new(arguments, returns, move |args, context| {
        let (array, _) = two(args)?;
        let (found, rows) = (found(args)?, Rows::all(args, context));
        let mut chosen = Chosen::with_rows(rows.count());
        for row in 0..rows.count() {
            match found(row) {
                None => chosen.push_null(),
                Some((range, places)) => chosen.push(range.filter(|cell| !places.contains(cell)).map(|cell| (0, cell))),
            }
        }
        let lists = Lists::new(array)?;
        Ok(rows.value(chosen.finish(&[lists.cells()], &list)?))
    }))
}

fn extended(args: &[Argument], before: bool) -> Choice {
    let (array, value, element) = with_value(args)?;
    let returns = array.as_type(array_of(element.clone()));
    let list = arrow(&returns);
    Ok(Bound::new(vec![returns.clone(), value.as_type(element.logical)], returns, move |args, context| {
        let (array, value) = two(args)?;
        let (lists, rows) = (Lists::new(array)?, Rows::all(args, context));
        let mask = if value.is_scalar() { 0 } else { usize::MAX };
        let mut chosen = Chosen::with_rows(rows.count());
        for row in 0..rows.count() {
            let Some(range) = lists.get(row) else {
                chosen.push_null();
                continue;
            };
            let (cells, added) = (range.map(|cell| (0, cell)), std::iter::once((1, row & mask)));
            if before { chosen.push(added.chain(cells)) } else { chosen.push(cells.chain(added)) }
        }
        Ok(rows.value(chosen.finish(&[lists.cells(), value.array()], &list)?))
    }))
}

/// A function from array to array that only chooses among its elements.
fn chosen(
    args: &[Argument],
    arguments: Vec<DataType>,
    choose: impl Fn(&[Value], &Lists<'_>, usize) -> Result<Option<Vec<usize>>> + Send + Sync + 'static,
) -> Choice {
    element_of(&args[0])?;
    let returns = DataType { logical: args[0].data_type.logical.clone(), nullable: any_nullable(args) };
    let list = arrow(&returns);
    Ok(Bound::new(arguments, returns, move |args: &[Value], context: &EvalContext| {
        let (lists, rows) = (Lists::new(one(args)?)?, Rows::all(args, context));
        let mut out = Chosen::with_rows(rows.count());
        for row in 0..rows.count() {
            match choose(args, &lists, row)? {
                None => out.push_null(),
                Some(cells) => out.push(cells.into_iter().map(|cell| (0, cell))),
            }
        }
        Ok(rows.value(out.finish(&[lists.cells()], &list)?))
    }))
}

fn reverse(args: &[Argument]) -> Choice {
    let [array] = exactly(args)?;
    chosen(args, vec![array.data_type.clone()], |_, lists, row| Ok(lists.get(row).map(|range| range.rev().collect())))
}

fn slice(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let mut arguments = vec![args[0].data_type.clone()];
    for arg in &args[1..] {
        arguments.push(arg.integer()?);
    }
    chosen(args, arguments, |args, lists, row| {
        let number = |n: usize| args.get(n).map(|value| value.cells::<Int64Array>()).transpose();
        let Some(range) = lists.get(row) else { return Ok(None) };
        let length = i64::try_from(range.len()).unwrap_or(i64::MAX);
        // Counted from the end where negative; before the first element is the first.
        let place = |n: i64| if n < 0 { (length + n).max(0) } else { (n - 1).max(0) };
        let Some(start) = number(1)?.and_then(|start| start.get(row)) else { return Ok(None) };
        let last = match number(2)? {
            None => length - 1,
            Some(end) => match end.get(row) {
                None => return Ok(None),
                Some(end) if end < 0 && length + end < 0 => -1,
                Some(0) => 0,
                Some(end) => place(end).min(length - 1),
            },
        };
        let cells = place(start)..=last;
        Ok(Some(
            cells
                .filter_map(|n| usize::try_from(n).ok())
                .map(|n| range.start + n)
                .filter(|cell| range.contains(cell))
                .collect(),
        ))
    })
}

/// Compares two cells of an array.
fn comparator(array: &dyn Array, descending: bool, nulls_first: bool) -> Result<DynComparator> {
    make_comparator(array, array, SortOptions { descending, nulls_first }).map_err(arrow_error)
}

fn ordered(arg: &Argument) -> Result<DataType, Refusal> {
    let element = element_of(arg)?;
    if matches!(element.logical, L::Array(_) | L::Map(..) | L::Multiset(_) | L::Row(_) | L::Null) {
        Err(Refusal::Types)
    } else {
        Ok(element)
    }
}

fn extreme(args: &[Argument], wanted: Ordering) -> Choice {
    let [array] = exactly(args)?;
    let element = ordered(array)?;
    Ok(Bound::new(
        vec![array.data_type.clone()],
        DataType::nullable(element.logical),
        move |args: &[Value], context: &EvalContext| {
            let lists = Lists::new(one(args)?)?;
            let cells = lists.cells();
            let compare = comparator(cells, false, true)?;
            pick(cells, args, context, |row| {
                lists
                    .get(row)?
                    .filter(|cell| cells.is_valid(*cell))
                    .reduce(|best, cell| if compare(cell, best) == wanted { cell } else { best })
            })
        },
    ))
}

fn sort(args: &[Argument]) -> Choice {
    count(args, 1..=3)?;
    ordered(&args[0])?;
    let mut arguments = vec![args[0].data_type.clone()];
    for arg in &args[1..] {
        arguments.push(arg.boolean()?);
    }
    chosen(args, arguments, |args, lists, row| {
        let flag = |n: usize| -> Result<Option<Option<bool>>> {
            args.get(n).map(|value| Ok(value.cells::<BooleanArray>()?.get(row))).transpose()
        };
        let (Some(range), ascending) = (lists.get(row), flag(1)?) else { return Ok(None) };
        let Some(ascending) = ascending.unwrap_or(Some(true)) else { return Ok(None) };
        let Some(nulls_first) = flag(2)?.unwrap_or(Some(ascending)) else { return Ok(None) };
        let compare = comparator(lists.cells(), !ascending, nulls_first)?;
        let mut cells: Vec<usize> = range.collect();
        cells.sort_by(|a, b| compare(*a, *b));
        Ok(Some(cells))
    })
}

fn join(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let element = element_of(&args[0])?;
    if !element.logical.is_character() {
        return Err(Refusal::Types);
    }
    let mut arguments = vec![args[0].data_type.clone()];
    for arg in &args[1..] {
        arguments.push(arg.text()?);
    }
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, |args, context| {
        let [array, separator, replacement @ ..] = args else {
            return Err(Error::internal("ARRAY_JOIN without its arguments"));
        };
        let lists = Lists::new(array)?;
        let cells = lists.cells().as_string::<i32>();
        let (separator, replacement) = (
            separator.cells::<StringArray>()?,
            replacement.first().map(|replacement| replacement.cells::<StringArray>()).transpose()?,
        );
        Rows::strict(args, context).texts(|row, out| {
            let Some(range) = lists.get(row) else { return Ok(false) };
            let mut between = "";
            for cell in range {
                let text = match (cells.is_valid(cell), &replacement) {
                    (true, _) => cells.value(cell),
                    (false, Some(replacement)) => replacement.at(row),
                    (false, None) => continue,
                };
                out.push(between);
                out.push(text);
                between = separator.at(row);
            }
            Ok(true)
        })
    }))
}
