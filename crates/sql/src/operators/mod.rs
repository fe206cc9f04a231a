//! The streaming operators: plain synchronous code over batches, each in one thread, the owner of its state.

pub(crate) mod accumulator;
mod assign_windows;
mod calc;
mod changelog_normalize;
mod changes;
mod group_aggregate;
mod groups;
mod limit;
mod row_at_a_time;
mod session_aggregate;
mod sessions;
mod sink_guard;
mod sort;
mod source_calc;
mod stored;
#[cfg(test)]
mod tests;
mod touched;
mod unnest;
mod wall_clock;
mod watermark_assigner;
mod window_aggregate;
mod window_columns;

pub(crate) use assign_windows::AssignWindows;
pub(crate) use calc::{Calc, Environment};
pub(crate) use changelog_normalize::ChangelogNormalize;
pub(crate) use group_aggregate::GroupAggregate;
pub(crate) use groups::{Groups, columns, key_types};
pub(crate) use limit::Limit;
pub(crate) use row_at_a_time::RowAtATime;
pub(crate) use session_aggregate::SessionAggregate;
pub(crate) use sink_guard::SinkGuard;
pub(crate) use sort::Sort;
pub(crate) use source_calc::SourceCalc;
pub(crate) use stored::StateOf;
pub(crate) use unnest::Unnest;
pub(crate) use wall_clock::WallClock;
pub(crate) use watermark_assigner::WatermarkAssigner;
pub(crate) use window_aggregate::WindowAggregate;
