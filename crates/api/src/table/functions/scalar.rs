//! Functions of the values of a row.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::ArrayRef;
use riverrun_base::Result;
use riverrun_data::DataType;
use riverrun_sql::{UserFunction, UserScalar, UserSignature};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::IntoUserFunction;
use super::call::{Arguments, RowFunction};
use crate::functions::{BoxError, FnResult, function_failed};
use crate::table::rows::{Builder, data_type_of};

/// A function of the values of a row: what [`scalar`], [`try_scalar`] and [`vectorized`] make.
#[derive(Clone)]
pub struct ScalarFunction {
    make: Arc<dyn Fn(Option<String>, bool) -> Arc<dyn UserScalar>>,
    returns: Option<String>,
    is_deterministic: bool,
}

impl ScalarFunction {
    /// Says the type of the result, where Rust's type does not tell it: `returns("DECIMAL(10, 2)")`.
    #[must_use]
    pub fn returns(self, data_type: impl Into<String>) -> Self {
        Self { returns: Some(data_type.into()), ..self }
    }

    /// Says that the same arguments may give other results, so that calls with constants are not computed beforehand.
    #[must_use]
    pub fn not_deterministic(self) -> Self {
        Self { is_deterministic: false, ..self }
    }
}

impl IntoUserFunction for ScalarFunction {
    fn into_user_function(self) -> UserFunction {
        UserFunction::Scalar((self.make)(self.returns, self.is_deterministic))
    }
}

/// A function of one to eight values, called for each row.
///
/// ```
/// use riverrun::table::{TableEnvironment, call, lit, scalar};
///
/// let env = TableEnvironment::create();
/// env.create_temporary_function("half", scalar(|number: i64| number as f64 / 2.0));
/// let rows = env.from_values(["n"], [lit(3)])?.select([call("half", [riverrun::table::col("n")])]).execute()?.collect()?;
/// assert_eq!(rows[0].to_string(), "+I[1.5]");
/// # Ok::<(), riverrun::Error>(())
/// ```
pub fn scalar<F, A, R>(function: F) -> ScalarFunction
where
    F: RowFunction<A, R>,
    A: DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    of_rows(move |arguments: A| Ok(function.call(arguments)))
}

/// As [`scalar`], of a closure that can fail, which fails the job.
pub fn try_scalar<F, A, R, E>(function: F) -> ScalarFunction
where
    F: RowFunction<A, Result<R, E>>,
    A: DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
    E: Into<BoxError> + 'static,
{
    of_rows(move |arguments: A| function.call(arguments).map_err(|error| function_failed(error.into())))
}

/// A function of whole columns, in [Arrow's](arrow) arrays: for speed. It takes and answers the types that are named, as SQL writes them, and must
/// answer as many values as the columns have; NULLs are its own matter.
///
/// ```
/// use std::sync::Arc;
///
/// use riverrun::table::arrow::array::AsArray;
/// use riverrun::table::arrow::compute::kernels::arity::unary;
/// use riverrun::table::arrow::datatypes::Int64Type;
/// use riverrun::table::{TableEnvironment, vectorized};
///
/// let double = vectorized(["BIGINT"], "BIGINT", |columns| {
///     Ok(Arc::new(unary::<_, _, Int64Type>(columns[0].as_primitive::<Int64Type>(), |n| n * 2)) as _)
/// });
/// let env = TableEnvironment::create();
/// env.create_temporary_function("double_it", double);
/// let rows = env.sql_query("SELECT double_it(n) FROM (VALUES (1), (2)) AS t(n)")?.execute()?.collect()?;
/// assert_eq!(rows[1].to_string(), "+I[4]");
/// # Ok::<(), riverrun::Error>(())
/// ```
pub fn vectorized<F>(
    arguments: impl IntoIterator<Item = impl Into<String>>,
    returns: impl Into<String>,
    function: F,
) -> ScalarFunction
where
    F: Fn(&[ArrayRef]) -> FnResult<ArrayRef> + Send + Sync + 'static,
{
    let arguments: Arc<[String]> = arguments.into_iter().map(Into::into).collect();
    let function = Arc::new(function);
    ScalarFunction {
        make: Arc::new(move |returns, is_deterministic| {
            let (arguments, function) = (Arc::clone(&arguments), Arc::clone(&function));
            Arc::new(OfColumns { arguments, returns: returns.unwrap_or_default(), is_deterministic, function })
        }),
        returns: Some(returns.into()),
        is_deterministic: true,
    }
}

fn of_rows<C, A, R>(function: C) -> ScalarFunction
where
    C: Fn(A) -> Result<R> + Send + Sync + 'static,
    A: DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    let function = Arc::new(function);
    ScalarFunction {
        make: Arc::new(move |returns, is_deterministic| {
            let function = Arc::clone(&function);
            Arc::new(OfRows { function, returns, is_deterministic, types: PhantomData })
        }),
        returns: None,
        is_deterministic: true,
    }
}

struct OfRows<C, A, R> {
    function: Arc<C>,
    returns: Option<String>,
    is_deterministic: bool,
    types: PhantomData<fn(A) -> R>,
}

impl<C, A, R: DeserializeOwned> OfRows<C, A, R> {
    fn returned(&self) -> Result<DataType> {
        let own = data_type_of::<R>()?;
        match &self.returns {
            None => Ok(own),
            Some(text) => Ok(DataType { nullable: own.nullable, ..riverrun_sql::data_type(text)? }),
        }
    }
}

impl<C, A, R> UserScalar for OfRows<C, A, R>
where
    C: Fn(A) -> Result<R> + Send + Sync,
    A: DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    fn signature(&self, arguments: &[DataType]) -> Result<UserSignature> {
        Arguments::<A>::signature(arguments, self.returned()?, true)
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut results = Builder::of(&self.returned()?)?;
        Arguments::<A>::each(arguments, rows, |_, arguments| {
            match arguments {
                Some(arguments) => results.push(&(self.function)(arguments)?)?,
                None => results.null(),
            }
            Ok(())
        })?;
        results.finish()
    }
}

struct OfColumns<F> {
    arguments: Arc<[String]>,
    returns: String,
    is_deterministic: bool,
    function: Arc<F>,
}

impl<F: Fn(&[ArrayRef]) -> FnResult<ArrayRef> + Send + Sync> UserScalar for OfColumns<F> {
    fn signature(&self, _: &[DataType]) -> Result<UserSignature> {
        let arguments = self.arguments.iter().map(|text| riverrun_sql::data_type(text)).collect::<Result<_>>()?;
        Ok(UserSignature { arguments, returns: riverrun_sql::data_type(&self.returns)? })
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic
    }

    fn call(&self, arguments: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        let result = (self.function)(arguments).map_err(function_failed)?;
        let wanted = riverrun_data::arrow_type(&riverrun_sql::data_type(&self.returns)?.logical);
        if *result.data_type() != wanted {
            return Err(riverrun_base::Error::user(format!(
                "the function answers {}, and says that it answers {}",
                result.data_type(),
                self.returns
            )));
        }
        Ok(result)
    }
}
