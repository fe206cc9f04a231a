//! From parsed queries to a logical plan with names resolved and types known.

mod aggregate;
mod from;
mod insert;
mod order;
mod query;
mod rel;
mod schema;
mod steps;
mod unnest;
mod window;

pub(crate) use insert::{fitted, plan_insert};
pub(crate) use query::Planner;
pub(crate) use rel::{
    AggregateCall, AggregateFunction, External, GroupWindow, Rel, RelKind, Scan, Sort, SortKey, Unnest,
    UserAggregateFunction, Window, WindowKind,
};
pub use schema::TimeAttribute;
pub(crate) use schema::{Field, WindowColumn, batch_schema};
