//! Tests of operators: golden changelogs, and properties against models that compute row by row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod calc;
mod changelog;
mod changelog_normalize;
mod golden;
mod group_aggregate;
mod pipeline;
mod query;
mod restored;
mod sessions;
mod sort;
mod text;
mod unnest;
mod windows;
