//! Equality of arrays, maps and rows: NULL parts equal NULL parts, and the order of a map's entries does not count.

use arrow::array::{Array, AsArray, DynComparator, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::{Error, Result};

use crate::eval::{Value, arrow_error};

/// Tells for a row whether two values are equal; of rows where one is NULL the answer means nothing.
pub(super) type Equality<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// The equality of the two arguments.
pub(super) fn equality(args: &[Value]) -> Result<Equality<'_>> {
    let [left, right] = args else { return Err(Error::internal("a comparison has two sides")) };
    let equal = cells(left.array(), right.array())?;
    let (a, b) = (if left.is_scalar() { 0 } else { usize::MAX }, if right.is_scalar() { 0 } else { usize::MAX });
    Ok(Box::new(move |row| equal(row & a, row & b)))
}

/// Tells whether a cell of one array equals a cell of another.
pub(in crate::functions) type CellEquality<'a> = Box<dyn Fn(usize, usize) -> bool + 'a>;

/// The equality of the cells of two arrays of a type.
///
/// # Errors
/// Arrow cannot compare the type, which is a bug of the binder.
pub(in crate::functions) fn cells<'a>(left: &'a dyn Array, right: &'a dyn Array) -> Result<CellEquality<'a>> {
    let equal: CellEquality<'a> = match left.data_type() {
        ArrowType::Map(..) => {
            let (a, b) = (left.as_map(), right.as_map());
            let (keys, values) = (cells(a.keys(), b.keys())?, cells(a.values(), b.values())?);
            let range = |offsets: &[i32], row: usize| -> std::ops::Range<usize> {
                let offset =
                    |n: usize| offsets.get(n).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
                offset(row)..offset(row + 1)
            };
            Box::new(move |i, j| {
                let (ours, theirs) = (range(a.value_offsets(), i), range(b.value_offsets(), j));
                ours.len() == theirs.len()
                    && ours.into_iter().all(|m| theirs.clone().any(|n| keys(m, n) && values(m, n)))
            })
        }
        ArrowType::List(_) => {
            let (a, b) = (left.as_list::<i32>(), right.as_list::<i32>());
            let elements = cells(a.values(), b.values())?;
            let range = |offsets: &[i32], row: usize| -> std::ops::Range<usize> {
                let offset =
                    |n: usize| offsets.get(n).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or_default();
                offset(row)..offset(row + 1)
            };
            Box::new(move |i, j| {
                let (ours, theirs) = (range(a.value_offsets(), i), range(b.value_offsets(), j));
                ours.len() == theirs.len() && ours.zip(theirs).all(|(m, n)| elements(m, n))
            })
        }
        ArrowType::Struct(_) => {
            let (a, b) = (left.as_struct(), right.as_struct());
            let fields = a.columns().iter().zip(b.columns()).map(|(a, b)| cells(a, b)).collect::<Result<Vec<_>>>()?;
            Box::new(move |i, j| fields.iter().all(|equal| equal(i, j)))
        }
        _ => {
            let compare: DynComparator = make_comparator(left, right, SortOptions::default()).map_err(arrow_error)?;
            return Ok(Box::new(move |i, j| compare(i, j).is_eq()));
        }
    };
    Ok(Box::new(move |i, j| match (left.is_null(i), right.is_null(j)) {
        (true, true) => true,
        (false, false) => equal(i, j),
        _ => false,
    }))
}
