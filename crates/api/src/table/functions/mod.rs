//! Functions of a program, for SQL and the Table API.
//!
//! A function is made of a closure over types of Rust, or of whole columns; its types are those of SQL that belong to them. An argument that is no
//! `Option` takes no NULL: the function is not called then, and its result is NULL, or the row is left out of an aggregate.

mod aggregate;
mod call;
mod scalar;
mod table_function;

use riverrun_sql::UserFunction;

pub use aggregate::{AggregateFunction, aggregate};
pub use call::RowFunction;
pub use scalar::{ScalarFunction, scalar, try_scalar, vectorized};
pub use table_function::{TableFunction, table_function};

/// What can be created as a function: what [`scalar`], [`vectorized`], [`table_function`] and [`aggregate`] make.
pub trait IntoUserFunction {
    /// The function as the planner knows it.
    #[doc(hidden)]
    fn into_user_function(self) -> UserFunction;
}
