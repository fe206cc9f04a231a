//! What the functions' `choose` is made of: how many arguments, of which types, and what to say where they do not fit.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Datum};
use arrow::datatypes::{DataType as ArrowType, Int8Type, Int16Type, Int32Type, Int64Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L, arrow_type};

use super::{Argument, Bound, ScalarFunction};
use crate::eval::{EvalContext, Value};

/// Why a function does not take its arguments.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Too few or too many.
    Count,
    /// Of other types.
    Types,
    /// For a reason of its own.
    Because(Error),
}

impl Refusal {
    /// A reason in words.
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self::Because(Error::user(reason))
    }

    /// The error that the author of the script reads.
    pub(super) fn explain(self, function: &ScalarFunction, args: &[Argument]) -> Error {
        let name = function.names.first().copied().unwrap_or_default();
        let types: Vec<String> = args.iter().map(|arg| arg.data_type.logical.to_string()).collect();
        let call = match types.as_slice() {
            [left, right] if !name.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("{left} {name} {right}"),
            _ => format!("{name}({})", types.join(", ")),
        };
        let error = match self {
            Self::Count => Error::user(format!("Invalid number of arguments to function '{name}': {}", args.len())),
            Self::Types => Error::user(format!("Cannot apply '{name}' to arguments of type '{call}'")),
            Self::Because(error) => error,
        };
        if error.hint_text().is_some() { error } else { error.hint(format!("it is called as {}", function.usage)) }
    }
}

/// What `choose` returns.
pub(super) type Choice = Result<Bound, Refusal>;

/// The arguments, if there are as many as the function takes.
pub(super) fn count(args: &[Argument], allowed: RangeInclusive<usize>) -> Result<(), Refusal> {
    if allowed.contains(&args.len()) { Ok(()) } else { Err(Refusal::Count) }
}

/// The arguments, if there are exactly `N`.
pub(super) fn exactly<const N: usize>(args: &[Argument]) -> Result<&[Argument; N], Refusal> {
    args.try_into().map_err(|_| Refusal::Count)
}

/// Whether any of the arguments can be NULL, which makes most results nullable.
pub(super) fn any_nullable(args: &[Argument]) -> bool {
    args.iter().any(Argument::is_nullable)
}

impl Argument {
    /// Whether it can be NULL.
    pub(super) fn is_nullable(&self) -> bool {
        self.data_type.nullable || self.data_type.logical == L::Null
    }

    /// `logical` with this argument's nullability.
    pub(super) fn as_type(&self, logical: L) -> DataType {
        DataType { logical, nullable: self.is_nullable() }
    }

    /// Its own type, if `accepts` holds or it is a bare NULL, which becomes `otherwise`.
    pub(super) fn own(&self, accepts: impl Fn(&L) -> bool, otherwise: L) -> Result<DataType, Refusal> {
        match &self.data_type.logical {
            L::Null => Ok(DataType::nullable(otherwise)),
            logical if accepts(logical) => Ok(self.data_type.clone()),
            _ => Err(Refusal::Types),
        }
    }

    /// A character string.
    pub(super) fn text(&self) -> Result<DataType, Refusal> {
        self.own(L::is_character, L::STRING)
    }

    /// A number of any type.
    pub(super) fn number(&self) -> Result<DataType, Refusal> {
        self.own(L::is_numeric, L::Double)
    }

    /// A number that is cast to `DOUBLE`.
    pub(super) fn double(&self) -> Result<DataType, Refusal> {
        self.number().map(|_| self.as_type(L::Double))
    }

    /// An integer that is cast to `BIGINT`: a position, a count.
    pub(super) fn integer(&self) -> Result<DataType, Refusal> {
        self.own(L::is_integer, L::BigInt).map(|_| self.as_type(L::BigInt))
    }

    /// A truth value.
    pub(super) fn boolean(&self) -> Result<DataType, Refusal> {
        self.own(|logical| *logical == L::Boolean, L::Boolean)
    }

    /// Its text where it is a constant that is not NULL.
    pub(super) fn literal_text(&self) -> Option<&str> {
        let array = self.literal.as_ref()?.get().0;
        let texts = array.as_string_opt::<i32>()?;
        texts.is_valid(0).then(|| texts.value(0))
    }

    /// Its value where it is a constant integer that is not NULL.
    pub(super) fn literal_integer(&self) -> Option<i64> {
        let array = self.literal.as_ref()?.get().0;
        if array.is_null(0) {
            return None;
        }
        Some(match array.data_type() {
            ArrowType::Int8 => array.as_primitive::<Int8Type>().value(0).into(),
            ArrowType::Int16 => array.as_primitive::<Int16Type>().value(0).into(),
            ArrowType::Int32 => array.as_primitive::<Int32Type>().value(0).into(),
            ArrowType::Int64 => array.as_primitive::<Int64Type>().value(0),
            _ => return None,
        })
    }
}

impl Bound {
    /// A deterministic function that cannot fail.
    pub(super) fn new(
        arguments: Vec<DataType>,
        returns: DataType,
        kernel: impl Fn(&[Value], &EvalContext) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Self { arguments, returns, deterministic: true, can_fail: false, kernel: Arc::new(kernel) }
    }

    /// The same, but a value can make it fail.
    pub(super) fn failing(mut self) -> Self {
        self.can_fail = true;
        self
    }

    /// The same, but its result changes from call to call.
    pub(super) fn volatile(mut self) -> Self {
        self.deterministic = false;
        self
    }
}

/// The Arrow type of a result.
pub(super) fn arrow(data_type: &DataType) -> ArrowType {
    arrow_type(&data_type.logical)
}

/// An error of a row's value.
pub(super) fn bad_value(message: impl Into<String>) -> Error {
    Error::data(message)
}
