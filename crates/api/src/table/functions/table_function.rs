//! Functions that answer any number of rows.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::ArrayRef;
use riverrun_base::Result;
use riverrun_data::{DataType, LogicalType};
use riverrun_sql::{UserFunction, UserScalar, UserSignature};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::IntoUserFunction;
use super::call::{Arguments, RowFunction};
use crate::table::rows::{Builder, data_type_of};

/// A function that answers rows: what [`table_function`] makes.
#[derive(Clone)]
pub struct TableFunction(Arc<dyn UserScalar>);

impl IntoUserFunction for TableFunction {
    fn into_user_function(self) -> UserFunction {
        UserFunction::Table(self.0)
    }
}

/// A function of one to eight values that answers rows: structs, tuples, or single values. It is called by
/// `CROSS JOIN LATERAL TABLE(f(x)) AS t(a, b)` in SQL, and by [`join_lateral`](crate::table::Table::join_lateral).
///
/// ```
/// use riverrun::table::{TableEnvironment, call, col, lit, table_function};
///
/// let env = TableEnvironment::create();
/// let split = table_function(|line: String| line.split(' ').map(|word| (word.to_owned(), word.len() as i64)).collect::<Vec<_>>());
/// env.create_temporary_function("split", split);
/// let lines = env.from_values(["line"], [lit("to be")])?;
/// let words = lines.join_lateral(call("split", [col("line")]), ["word", "length"]).select([col("word"), col("length")]);
/// let rows: Vec<String> = words.execute()?.collect()?.iter().map(ToString::to_string).collect();
/// assert_eq!(rows, ["+I[to, 2]", "+I[be, 2]"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub fn table_function<F, A, I>(function: F) -> TableFunction
where
    F: RowFunction<A, I>,
    A: DeserializeOwned + 'static,
    I: IntoIterator + 'static,
    I::Item: Serialize + DeserializeOwned + 'static,
{
    TableFunction(Arc::new(OfRows { function, types: PhantomData::<fn(A) -> I> }))
}

struct OfRows<F, A, I> {
    function: F,
    types: PhantomData<fn(A) -> I>,
}

fn array_of<R: DeserializeOwned>() -> Result<DataType> {
    Ok(DataType::not_null(LogicalType::Array(Box::new(data_type_of::<R>()?))))
}

impl<F, A, I> UserScalar for OfRows<F, A, I>
where
    F: RowFunction<A, I>,
    A: DeserializeOwned,
    I: IntoIterator,
    I::Item: Serialize + DeserializeOwned,
{
    fn signature(&self, arguments: &[DataType]) -> Result<UserSignature> {
        Arguments::<A>::signature(arguments, array_of::<I::Item>()?, true)
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut results = Builder::of(&array_of::<I::Item>()?)?;
        Arguments::<A>::each(arguments, rows, |_, arguments| {
            match arguments {
                Some(arguments) => results.push(&self.function.call(arguments).into_iter().collect::<Vec<_>>())?,
                None => results.null(),
            }
            Ok(())
        })?;
        results.finish()
    }
}
