//! The Table API: queries as Rust values, on the planner and the operators of SQL.
//!
//! A [`TableEnvironment`] knows tables, views and functions; a [`Table`] is a query that is put together by methods, with
//! [expressions](Expression) over its columns. A [`StreamTableEnvironment`] makes tables of data streams and data streams of tables, in one job.
//!
//! ```
//! use riverrun::table::{TableEnvironment, Tumble, col, lit};
//!
//! # fn main() -> riverrun::Result<()> {
//! let env = TableEnvironment::create();
//! env.execute_sql("CREATE TABLE transactions (account_id BIGINT, amount BIGINT, transaction_time TIMESTAMP(3),
//!     WATERMARK FOR transaction_time AS transaction_time - INTERVAL '5' SECOND)
//!     WITH ('connector' = 'datagen', 'number-of-rows' = '100')")?;
//! let report = env
//!     .from("transactions")?
//!     .window(Tumble::over(lit(1).hours()).on(col("transaction_time")).as_("log_ts"))
//!     .group_by([col("account_id"), col("log_ts")])
//!     .select([col("account_id"), col("log_ts").start().as_("log_ts"), col("amount").sum().as_("amount")]);
//! println!("{}", report.explain()?);
//! # Ok(()) }
//! ```

mod bridge;
mod environment;
mod expression;
mod functions;
mod group_window;
mod result;
mod rows;
mod schema;
mod statement_set;
mod stream_environment;
#[allow(clippy::module_inception, reason = "the file holds the type that the module is named for")]
mod table;

pub use arrow;
pub use environment::TableEnvironment;
pub use expression::{
    Expression, Literal, TimeIntervalUnit, TimePointUnit, all, and, array, call, coalesce, col, count_all,
    if_then_else, lit, not, null_of, or, row,
};
pub use functions::{
    AggregateFunction, IntoUserFunction, RowFunction, ScalarFunction, TableFunction, aggregate, scalar, table_function,
    try_scalar, vectorized,
};
pub use group_window::{GroupWindow, Session, Slide, SlideOver, Tumble, WindowOnTime};
pub use result::{RowIterator, TableResult};
pub use riverrun_data::{ChangelogMode, DataType, LogicalType, RowField, RowKind};
pub use riverrun_sql::{RelationColumn, TimeAttribute};
pub use rows::{Date, Decimal, Row, Time, Timestamp, TimestampLtz, Value};
pub use schema::{Schema, TableDescriptor};
pub use statement_set::StatementSet;
pub use stream_environment::StreamTableEnvironment;
pub use table::{GroupedTable, Table, WindowedTable};
