//! The scalar functions and operators of Flink SQL.
//!
//! A function is a table entry ([`ScalarFunction`]): names, how it is called, and `bind`, which looks at the arguments' types and returns
//! the types it wants them cast to, its own type, and the kernel that computes whole columns. Families of functions are files; each has a
//! list that [`lookup`] searches.
//!
//! `AND`, `OR`, `CASE`, `COALESCE`, `IF`, `IFNULL` and `NULLIF` are not here: they evaluate lazily and are expressions of their own.

mod arithmetic;
mod collection;
mod comparison;
mod decimal;
mod extremes;
mod hash;
mod logic;
mod math;
mod random;
mod rounding;
mod signature;
mod strings;
mod temporal;
#[cfg(test)]
pub(crate) mod tests;
mod type_of;
mod user;

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Scalar};
use riverrun_base::Result;
use riverrun_data::DataType;

use crate::eval::{EvalContext, Value};
use signature::Refusal;

pub use user::{UserAccumulators, UserAggregate, UserFunction, UserScalar, UserSignature};
pub(crate) use user::{UserFunctions, bind_user, checked_signature};

/// A scalar function or operator.
pub(crate) struct ScalarFunction {
    /// Its names, upper case, the first being the one that plans show (`CHAR_LENGTH`, `CHARACTER_LENGTH`); an operator's is its symbol.
    pub(crate) names: &'static [&'static str],
    /// How it is called, for errors and the reference: `SUBSTRING(string, start [, length])`.
    pub(crate) usage: &'static str,
    /// What it does, in a sentence.
    pub(crate) description: &'static str,
    /// Chooses the implementation for the arguments; called by [`ScalarFunction::bind`].
    choose: fn(&[Argument]) -> Result<Bound, Refusal>,
}

impl ScalarFunction {
    /// Chooses the implementation for the arguments.
    ///
    /// # Errors
    /// The function takes other arguments: how many, or of which types; the hint shows how it is called.
    pub(crate) fn bind(&self, args: &[Argument]) -> Result<Bound> {
        (self.choose)(args).map_err(|refusal| refusal.explain(self, args))
    }
}

/// An argument as a function sees it when it is bound.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    /// Its type.
    pub(crate) data_type: DataType,
    /// Its value where it is a constant.
    pub(crate) literal: Option<Scalar<ArrayRef>>,
}

/// A function bound to the types of its arguments.
#[derive(Clone)]
pub(crate) struct Bound {
    /// The types the arguments are cast to before the kernel sees them.
    pub(crate) arguments: Vec<DataType>,
    /// The type of the result.
    pub(crate) returns: DataType,
    /// Whether the same arguments always give the same result, so that constants can be computed once.
    pub(crate) deterministic: bool,
    /// Whether a value can make it fail (division by zero), so that it must not see rows that a condition excludes.
    pub(crate) can_fail: bool,
    /// Computes a column.
    pub(crate) kernel: Kernel,
}

/// Computes a column from the columns of the arguments, which have the bound types; constants come as scalars. The result has as many rows
/// as the context says, or is a scalar.
pub(crate) type Kernel = Arc<dyn Fn(&[Value], &EvalContext) -> Result<Value> + Send + Sync>;

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("arguments", &self.arguments)
            .field("returns", &self.returns)
            .finish_non_exhaustive()
    }
}

/// A function as the reference shows it.
#[derive(Clone, Copy, Debug)]
pub struct FunctionDescription {
    /// Its names, upper case; an operator's is its symbol.
    pub names: &'static [&'static str],
    /// How it is called.
    pub usage: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
}

/// Every scalar function and operator, family by family.
pub fn functions() -> impl Iterator<Item = FunctionDescription> {
    all().map(|function| FunctionDescription {
        names: function.names,
        usage: function.usage,
        description: function.description,
    })
}

/// The families.
static FAMILIES: &[&[ScalarFunction]] = &[
    comparison::FUNCTIONS,
    comparison::PATTERNS,
    logic::FUNCTIONS,
    arithmetic::FUNCTIONS,
    math::FUNCTIONS,
    rounding::FUNCTIONS,
    random::FUNCTIONS,
    extremes::FUNCTIONS,
    strings::CASE,
    strings::CONCATENATION,
    strings::ENCODING,
    strings::FORMATTING,
    strings::PADDING,
    strings::PARTS,
    strings::REGULAR_EXPRESSIONS,
    strings::REPLACEMENT,
    strings::SEARCH,
    strings::SPLITTING,
    strings::TRIMMING,
    strings::URL,
    temporal::CONVERSION,
    temporal::CURRENT,
    temporal::FIELDS,
    temporal::FORMATTING,
    temporal::INTERVALS,
    temporal::PARSING,
    temporal::ROUNDING,
    hash::FUNCTIONS,
    collection::ACCESS,
    collection::ARRAYS,
    collection::CONSTRUCTION,
    collection::MAPS,
    collection::SETS,
    type_of::FUNCTIONS,
];

/// All functions, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    FAMILIES.iter().copied().flatten()
}

/// The function of a name, in any case; an operator by its symbol.
pub(crate) fn lookup(name: &str) -> Option<&'static ScalarFunction> {
    all().find(|function| function.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Every name, for errors that show the nearest one.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().flat_map(|function| function.names).copied()
}
