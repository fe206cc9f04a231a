//! From parsed queries to a logical plan with names resolved and types known.

mod aggregate;
mod from;
mod insert;
mod query;
mod rel;
mod schema;
mod unnest;
mod window;

pub(crate) use insert::plan_insert;
pub(crate) use query::Planner;
pub(crate) use rel::{AggregateCall, AggregateFunction, GroupWindow, Rel, RelKind, Scan, Unnest, Window, WindowKind};
pub(crate) use schema::{Field, TimeAttribute, WindowColumn, batch_schema};
