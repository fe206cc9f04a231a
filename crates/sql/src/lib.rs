//! Flink SQL: statements, catalog, planner and the operators that carry a plan out.
//!
//! A script goes through `parser` (text to statements), `plan` (names and types, a logical plan), `stream` (changelog modes, the job
//! graph) and runs on the runtime with `operators`. Expressions are typed once in `expr` and evaluated on whole columns in `eval`.
//!
//! ```no_run
//! use riverrun_sql::{Outcome, Session};
//! # fn run(connectors: riverrun_connect::Connectors) -> riverrun_base::Result<()> {
//! let mut session = Session::new(connectors);
//! let script = session.parse("CREATE TABLE t (a INT) WITH ('connector' = 'datagen'); INSERT INTO s SELECT a FROM t")?;
//! session.check(&script)?;
//! for step in &script.steps {
//!     if let Outcome::Insert(job) = session.execute(step)? {
//!         job.start()?.wait()?;
//!     }
//! }
//! # Ok(()) }
//! ```

/// The parsed form of expressions and queries, for programs that put [relations](Relation) together.
pub use sqlparser::ast;

mod cast;
mod catalog;
mod eval;
mod expr;
mod functions;
mod operators;
mod parser;
mod plan;
mod session;
mod stream;
mod types;

pub use functions::{
    FunctionDescription, UserAccumulators, UserAggregate, UserFunction, UserScalar, UserSignature, functions,
};
pub use plan::TimeAttribute;
pub use session::{
    COLUMN_WIDTH, Column, ExternalStreams, InsertJob, Insertion, Outcome, Planned, QueryJob, QueryRows, Relation,
    RelationColumn, ResultSender, ResultTable, Row, Script, Session, SettingSpec, Step, StreamColumn, StreamInput,
    TableColumnSpec, TableSpec, Tableau, converts_implicitly, data_type, setting_specs,
};
