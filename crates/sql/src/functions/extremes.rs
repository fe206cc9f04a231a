//! `GREATEST` and `LEAST`.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::{cmp, zip};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, Refusal, any_nullable, count};
use super::{Argument, Bound, ScalarFunction};
use crate::eval::{EvalContext, Value, arrow_error};
use crate::types::common_type;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["GREATEST"],
        usage: "GREATEST(value, ...)",
        description: "The largest of the values; NULL if any is NULL.",
        choose: |args| extreme(args, true),
    },
    ScalarFunction {
        names: &["LEAST"],
        usage: "LEAST(value, ...)",
        description: "The smallest of the values; NULL if any is NULL.",
        choose: |args| extreme(args, false),
    },
];

fn extreme(args: &[Argument], greatest: bool) -> Choice {
    count(args, 1..=usize::MAX)?;
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type.clone()).collect();
    let common = common_type(&types).ok_or(Refusal::Types)?;
    if matches!(common.logical, L::Array(_) | L::Map(..) | L::Multiset(_) | L::Row(_) | L::Null) {
        return Err(Refusal::Types);
    }
    let returns = DataType { logical: common.logical.clone(), nullable: any_nullable(args) };
    let arguments = args.iter().map(|arg| arg.as_type(common.logical.clone())).collect();
    Ok(Bound::new(arguments, returns, move |args, context| compute(greatest, args, context)))
}

fn compute(greatest: bool, args: &[Value], context: &EvalContext) -> Result<Value> {
    let Some((first, rest)) = args.split_first() else { return Err(Error::internal("no values")) };
    let constant = args.iter().all(Value::is_scalar);
    let rows = if constant { 1 } else { context.rows };
    let mut best = first.clone().into_column(rows)?;
    let mut nulls = best.logical_nulls();
    for value in rest {
        let value = value.clone().into_column(rows)?;
        nulls = NullBuffer::union(nulls.as_ref(), value.logical_nulls().as_ref());
        let better = if greatest { cmp::gt(&value, &best) } else { cmp::lt(&value, &best) }.map_err(arrow_error)?;
        best = zip::zip(&better, &value, &best).map_err(arrow_error)?;
    }
    let best = with_nulls(&best, nulls)?;
    Ok(if constant { Value::scalar(best) } else { Value::Array(best) })
}

/// NULL wherever an argument is.
fn with_nulls(array: &ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return Ok(ArrayRef::clone(array)) };
    let missing = BooleanArray::new(!nulls.inner(), None);
    arrow::compute::nullif(array, &missing).map_err(arrow_error)
}
