//! Functions of a program, found by their names before those of SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use riverrun_base::{Error, Result};
use riverrun_data::DataType;

use super::Bound;
use crate::eval::{EvalContext, Value};
use crate::types;

/// What a function takes and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSignature {
    /// The types of the arguments; a call's are cast to them where that is implicit in SQL.
    pub arguments: Vec<DataType>,
    /// The type of the result.
    pub returns: DataType,
}

/// A function of the values of a row, computed for whole columns.
pub trait UserScalar: Send + Sync {
    /// What it takes and answers, called with arguments of these types.
    ///
    /// # Errors
    /// It does not take them.
    fn signature(&self, arguments: &[DataType]) -> Result<UserSignature>;

    /// Whether the same arguments always give the same result.
    fn is_deterministic(&self) -> bool {
        true
    }

    /// The results for columns of so many rows, in the type of its signature.
    ///
    /// # Errors
    /// The job fails with this error.
    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef>;
}

/// A function that puts the values of many rows together.
pub trait UserAggregate: Send + Sync {
    /// What it takes and answers, called with arguments of these types.
    ///
    /// # Errors
    /// It does not take them.
    fn signature(&self, arguments: &[DataType]) -> Result<UserSignature>;

    /// Whether rows can be taken back, as an updating input needs.
    fn retracts(&self) -> bool;

    /// Whether two accumulators can be put together, as session windows need.
    fn merges(&self) -> bool;

    /// Accumulators for arguments and a result of a signature.
    ///
    /// # Errors
    /// The types are not its own.
    fn accumulators(&self, signature: &UserSignature) -> Result<Box<dyn UserAccumulators>>;
}

/// The accumulators of a [`UserAggregate`], one for each slot.
pub trait UserAccumulators: Send {
    /// Makes room for slots up to `slots`, which start empty.
    fn resize(&mut self, slots: usize);

    /// Adds rows (sign 1) to their slots, takes rows back (-1), or leaves them out (0); all are added without signs.
    ///
    /// # Errors
    /// The job fails with this error.
    fn update(&mut self, slots: &[u32], arguments: &[ArrayRef], signs: Option<&[i8]>) -> Result<()>;

    /// Moves what `from` holds into `into`; `from` is empty afterwards.
    ///
    /// # Errors
    /// The job fails with this error.
    fn merge(&mut self, into: u32, from: u32) -> Result<()>;

    /// Empties a slot.
    fn clear(&mut self, slot: u32);

    /// The results of some slots, in that order.
    ///
    /// # Errors
    /// The job fails with this error.
    fn results(&self, slots: &[u32]) -> Result<ArrayRef>;

    /// The state of a slot, to be stored.
    ///
    /// # Errors
    /// The job fails with this error.
    fn freeze(&self, slot: u32) -> Result<Vec<u8>>;

    /// Takes stored state on, in place of what the slot holds.
    ///
    /// # Errors
    /// The state is another function's.
    fn restore(&mut self, slot: u32, state: &[u8]) -> Result<()>;
}

/// A function of a program.
#[derive(Clone)]
pub enum UserFunction {
    /// Of a row's values.
    Scalar(Arc<dyn UserScalar>),
    /// Of a row's values to any number of rows: it answers an array, of ROW where the rows have several columns.
    Table(Arc<dyn UserScalar>),
    /// Of many rows' values.
    Aggregate(Arc<dyn UserAggregate>),
}

impl fmt::Debug for UserFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar(_) => "Scalar",
            Self::Table(_) => "Table",
            Self::Aggregate(_) => "Aggregate",
        })
    }
}

/// The functions of a program. Their names are found in any case, as those of SQL.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFunctions(BTreeMap<String, (Arc<str>, UserFunction)>);

impl UserFunctions {
    /// Adds a function, in place of one of the same name.
    pub(crate) fn insert(&mut self, name: &str, function: UserFunction) {
        self.0.insert(name.to_uppercase(), (name.into(), function));
    }

    /// Removes a function; answers whether there was one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(&name.to_uppercase()).is_some()
    }

    /// The function of a name, with the name as it was given.
    pub(crate) fn get(&self, name: &str) -> Option<&(Arc<str>, UserFunction)> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&name.to_uppercase())
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|(name, _)| &**name)
    }
}

/// The function bound to arguments of these types.
///
/// # Errors
/// It does not take them.
pub(crate) fn bind_user(name: &str, function: &Arc<dyn UserScalar>, arguments: &[DataType]) -> Result<Bound> {
    let UserSignature { arguments, returns } = checked_signature(name, function.signature(arguments)?, arguments)?;
    let (kernel, name): (_, Arc<str>) = (Arc::clone(function), name.into());
    let deterministic = function.is_deterministic();
    let call = move |args: &[Value], context: &EvalContext| -> Result<Value> {
        let constant = deterministic && !args.is_empty() && args.iter().all(Value::is_scalar);
        let rows = if constant { 1 } else { context.rows };
        let columns = args.iter().map(|arg| arg.clone().into_column(rows)).collect::<Result<Vec<_>>>()?;
        let result = kernel.call(&columns, rows).map_err(|error| error.with("function", &name))?;
        if result.len() != rows {
            let message = format!("a function answered {} values for {rows} rows", result.len());
            return Err(Error::user(message).with("function", &name));
        }
        Ok(if constant { Value::scalar(result) } else { Value::Array(result) })
    };
    Ok(Bound { arguments, returns, deterministic, can_fail: true, kernel: Arc::new(call) })
}

/// The signature, if the call's arguments can be cast to it.
///
/// # Errors
/// They cannot.
pub(crate) fn checked_signature(name: &str, signature: UserSignature, arguments: &[DataType]) -> Result<UserSignature> {
    let texts =
        |types: &[DataType]| types.iter().map(|data_type| data_type.logical.to_string()).collect::<Vec<_>>().join(", ");
    if signature.arguments.len() != arguments.len() {
        return Err(Error::user(format!("Invalid number of arguments to function '{name}': {}", arguments.len()))
            .hint(format!("it is called as {name}({})", texts(&signature.arguments))));
    }
    let fits = |(from, to): (&DataType, &DataType)| {
        from.logical == to.logical || types::implicit_cast_allowed(&from.logical, &to.logical)
    };
    if !arguments.iter().zip(&signature.arguments).all(fits) {
        return Err(Error::user(format!("Cannot apply '{name}' to arguments of type '{name}({})'", texts(arguments)))
            .hint(format!("it is called as {name}({})", texts(&signature.arguments))));
    }
    Ok(signature)
}
