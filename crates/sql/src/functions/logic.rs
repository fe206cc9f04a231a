//! `NOT` and the tests for NULL and truth.

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, exactly};
use super::{Argument, Bound, ScalarFunction};
use crate::eval::{EvalContext, Rows, Value, arrow_error};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["NOT"],
        usage: "NOT boolean",
        description: "The opposite of a truth value; NULL of NULL.",
        choose: not,
    },
    ScalarFunction {
        names: &["IS NULL"],
        usage: "value IS NULL",
        description: "Whether a value is NULL.",
        choose: |args| null_test(true, args),
    },
    ScalarFunction {
        names: &["IS NOT NULL"],
        usage: "value IS NOT NULL",
        description: "Whether a value is not NULL.",
        choose: |args| null_test(false, args),
    },
    ScalarFunction {
        names: &["IS TRUE"],
        usage: "boolean IS TRUE",
        description: "Whether a truth value is true.",
        choose: |args| truth_test(true, true, args),
    },
    ScalarFunction {
        names: &["IS NOT TRUE"],
        usage: "boolean IS NOT TRUE",
        description: "Whether a truth value is false or NULL.",
        choose: |args| truth_test(true, false, args),
    },
    ScalarFunction {
        names: &["IS FALSE"],
        usage: "boolean IS FALSE",
        description: "Whether a truth value is false.",
        choose: |args| truth_test(false, true, args),
    },
    ScalarFunction {
        names: &["IS NOT FALSE"],
        usage: "boolean IS NOT FALSE",
        description: "Whether a truth value is true or NULL.",
        choose: |args| truth_test(false, false, args),
    },
    ScalarFunction {
        names: &["IS UNKNOWN"],
        usage: "boolean IS UNKNOWN",
        description: "Whether a truth value is NULL.",
        choose: |args| unknown_test(true, args),
    },
    ScalarFunction {
        names: &["IS NOT UNKNOWN"],
        usage: "boolean IS NOT UNKNOWN",
        description: "Whether a truth value is not NULL.",
        choose: |args| unknown_test(false, args),
    },
];

fn not(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.boolean()?;
    Ok(Bound::new(vec![data_type.clone()], data_type, |args, context| {
        let value = one(args)?;
        let result = compute::not(value.array().as_boolean()).map_err(arrow_error)?;
        Ok(Rows::all(args, context).value(result))
    }))
}

fn null_test(wanted: bool, args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let kernel = move |args: &[Value], context: &EvalContext| {
        let value = one(args)?;
        let rows = Rows::all(args, context);
        let test = if wanted { compute::is_null } else { compute::is_not_null };
        // Not `nulls`: an array of type NULL keeps none.
        Ok(rows.value(test(value.array()).map_err(arrow_error)?))
    };
    Ok(Bound::new(vec![arg.data_type.clone()], DataType::not_null(L::Boolean), kernel))
}

fn unknown_test(wanted: bool, args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    arg.boolean()?;
    null_test(wanted, args)
}

/// `IS [NOT] TRUE` and `IS [NOT] FALSE`: whether being `truth` is what is `wanted`.
fn truth_test(truth: bool, wanted: bool, args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.boolean()?;
    let kernel = move |args: &[Value], context: &EvalContext| {
        let array = one(args)?.array().as_boolean();
        let mut bits = if truth { array.values().clone() } else { !array.values() };
        if let Some(nulls) = array.nulls() {
            bits = &bits & nulls.inner();
        }
        let bits = if wanted { bits } else { !&bits };
        Ok(Rows::all(args, context).value(BooleanArray::new(bits, None)))
    };
    Ok(Bound::new(vec![data_type], DataType::not_null(L::Boolean), kernel))
}

/// The only argument.
pub(super) fn one(args: &[Value]) -> Result<&Value> {
    args.first().ok_or_else(|| Error::internal("a kernel without its argument"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use super::*;
    use crate::functions::tests::{call, nullable};

    #[test]
    fn truth_tests_are_never_null() {
        let truths: Arc<dyn Array> = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
        let results = |name: &str| -> Vec<Option<bool>> {
            let (data_type, value) =
                call(name, &[(nullable(L::Boolean), Value::Array(Arc::clone(&truths)))], 3).unwrap();
            assert!(!data_type.nullable, "{name}");
            value.into_column(3).unwrap().as_boolean().iter().collect()
        };
        let bits = |bits: [bool; 3]| bits.map(Some).to_vec();
        assert_eq!(results("IS TRUE"), bits([true, false, false]));
        assert_eq!(results("IS NOT TRUE"), bits([false, true, true]));
        assert_eq!(results("IS FALSE"), bits([false, true, false]));
        assert_eq!(results("IS NOT FALSE"), bits([true, false, true]));
        assert_eq!(results("IS UNKNOWN"), bits([false, false, true]));
        assert_eq!(results("IS NOT NULL"), bits([true, true, false]));
    }
}
