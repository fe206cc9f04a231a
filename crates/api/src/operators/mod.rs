//! The operators behind a stream's methods: what the runtime calls, a batch at a time.

mod event_time;
mod filter;
mod flat_map;
mod keyed_process;
mod map;
mod process;
mod reduce;
mod sided;

pub(crate) use event_time::EventTimeOperator;
pub(crate) use filter::{FilterClosure, FilterOperator};
pub(crate) use flat_map::{FlatMapClosure, FlatMapOperator};
pub(crate) use keyed_process::KeyedProcessOperator;
pub(crate) use map::{MapClosure, MapOperator, TryMapClosure};
pub(crate) use process::ProcessOperator;
pub(crate) use reduce::ReduceOperator;
pub(crate) use sided::MainOnly;
