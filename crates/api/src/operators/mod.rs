//! The operators behind a stream's methods: what the runtime calls, a batch at a time.

mod async_wait;
mod broadcast_process;
mod co_flat_map;
mod co_input;
mod co_map;
mod co_process;
mod event_time;
mod filter;
mod flat_map;
mod keyed_broadcast_process;
mod keyed_co_process;
mod keyed_process;
mod map;
mod process;
mod reduce;
mod sided;
mod with_lists;

pub(crate) use async_wait::{AsyncWait, AsyncWaitOperator};
pub(crate) use broadcast_process::BroadcastProcessOperator;
pub(crate) use co_flat_map::{CoFlatMapClosures, CoFlatMapOperator};
pub(crate) use co_map::{CoMapClosures, CoMapOperator};
pub(crate) use co_process::CoProcessOperator;
pub(crate) use event_time::EventTimeOperator;
pub(crate) use filter::{FilterClosure, FilterOperator};
pub(crate) use flat_map::{FlatMapClosure, FlatMapOperator};
pub(crate) use keyed_broadcast_process::KeyedBroadcastProcessOperator;
pub(crate) use keyed_co_process::KeyedCoProcessOperator;
pub(crate) use keyed_process::KeyedProcessOperator;
pub(crate) use map::{MapClosure, MapOperator, TryMapClosure};
pub(crate) use process::ProcessOperator;
pub(crate) use reduce::ReduceOperator;
pub(crate) use sided::MainOnly;
