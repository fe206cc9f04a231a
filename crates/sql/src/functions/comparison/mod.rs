//! `=`, `<`, `IS DISTINCT FROM`, `IN`, `LIKE`, `SIMILAR TO`.

mod compare;
mod like;
mod membership;
mod nested;
mod similar;
#[cfg(test)]
mod tests;

use riverrun_data::{DataType, LogicalType as L};

use super::signature::{Choice, Refusal, any_nullable, count, exactly};
use super::{Argument, Bound, ScalarFunction};
use crate::types::comparison_type;
use compare::{Operator, decimal_kernel, distinct_kernel, kernel};

use compare::exact_types;
pub(super) use nested::{CellEquality, cells as cell_equality};

/// The comparison operators.
pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["="],
        usage: "value = value",
        description: "Whether two values are equal.",
        choose: |args| compare(Operator::Equal, args),
    },
    ScalarFunction {
        names: &["<>"],
        usage: "value <> value",
        description: "Whether two values differ.",
        choose: |args| compare(Operator::NotEqual, args),
    },
    ScalarFunction {
        names: &["<"],
        usage: "value < value",
        description: "Whether the first value is less.",
        choose: |args| compare(Operator::Less, args),
    },
    ScalarFunction {
        names: &["<="],
        usage: "value <= value",
        description: "Whether the first value is less or equal.",
        choose: |args| compare(Operator::LessOrEqual, args),
    },
    ScalarFunction {
        names: &[">"],
        usage: "value > value",
        description: "Whether the first value is greater.",
        choose: |args| compare(Operator::Greater, args),
    },
    ScalarFunction {
        names: &[">="],
        usage: "value >= value",
        description: "Whether the first value is greater or equal.",
        choose: |args| compare(Operator::GreaterOrEqual, args),
    },
    ScalarFunction {
        names: &["IS DISTINCT FROM"],
        usage: "value IS DISTINCT FROM value",
        description: "Whether two values differ, where NULL equals NULL.",
        choose: |args| distinct(true, args),
    },
    ScalarFunction {
        names: &["IS NOT DISTINCT FROM"],
        usage: "value IS NOT DISTINCT FROM value",
        description: "Whether two values are equal, where NULL equals NULL.",
        choose: |args| distinct(false, args),
    },
    ScalarFunction {
        names: &["IN"],
        usage: "value IN (value, ...)",
        description: "Whether a value is one of a list; NULL where it is not but the list has a NULL.",
        choose: membership::choose,
    },
];

/// The operators that match text with a pattern.
pub(super) const PATTERNS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["LIKE"],
        usage: "string LIKE pattern [ESCAPE character]",
        description: "Whether a text matches a pattern of % (any text) and _ (any character).",
        choose: like::choose,
    },
    ScalarFunction {
        names: &["SIMILAR TO"],
        usage: "string SIMILAR TO pattern [ESCAPE character]",
        description: "Whether a text matches a regular expression of the SQL standard.",
        choose: similar::choose,
    },
];

fn compare(operator: Operator, args: &[Argument]) -> Choice {
    let [left, right] = exactly(args)?;
    let returns = DataType { logical: L::Boolean, nullable: any_nullable(args) };
    let (a, b) = (&left.data_type.logical, &right.data_type.logical);
    if exact_types(a, b) {
        let (a, b) = decimals(a, b)?;
        return Ok(Bound::new(vec![left.as_type(a), right.as_type(b)], returns, decimal_kernel(operator)));
    }
    let common = comparison_type(a, b, operator.orders()).ok_or_else(|| not_comparable(a, b))?;
    Ok(Bound::new(vec![sides(left, &common), sides(right, &common)], returns, kernel(operator, &common)))
}

fn distinct(negated: bool, args: &[Argument]) -> Choice {
    let [left, right] = exactly(args)?;
    let (a, b) = (&left.data_type.logical, &right.data_type.logical);
    let common = comparison_type(a, b, false).ok_or_else(|| not_comparable(a, b))?;
    Ok(Bound::new(
        vec![sides(left, &common), sides(right, &common)],
        DataType::not_null(L::Boolean),
        distinct_kernel(negated, &common),
    ))
}

/// What an argument is cast to for a comparison in `common`: texts and bytes are compared in whatever length they have.
pub(super) fn sides(arg: &Argument, common: &L) -> DataType {
    let own = &arg.data_type.logical;
    let same_family = (own.is_character() && common.is_character()) || (own.is_binary() && common.is_binary());
    if same_family { arg.data_type.clone() } else { arg.as_type(common.clone()) }
}

fn decimals(a: &L, b: &L) -> Result<(L, L), Refusal> {
    let exact =
        |logical: &L| logical.as_decimal().map(|(precision, scale)| L::Decimal(precision, scale)).ok_or(Refusal::Types);
    Ok((exact(a)?, exact(b)?))
}

fn not_comparable(a: &L, b: &L) -> Refusal {
    if (a.is_character() && b.is_numeric()) || (a.is_numeric() && b.is_character()) {
        return Refusal::Because(
            riverrun_base::Error::user(format!("implicit type conversion between {a} and {b} is not supported"))
                .hint("cast one side to the type of the other"),
        );
    }
    Refusal::Types
}

/// The types that the value and the list of `IN` are compared in.
fn common_of_list(args: &[Argument]) -> Result<L, Refusal> {
    count(args, 2..=usize::MAX)?;
    let mut common = args[0].data_type.logical.clone();
    for arg in &args[1..] {
        // A list may be written as strings: they are converted to the value's type.
        common = comparison_type(&common, &arg.data_type.logical, true)
            .or_else(|| comparison_type(&common, &arg.data_type.logical, false))
            .ok_or(Refusal::Types)?;
    }
    Ok(common)
}
