//! State of keys: what a function on a keyed stream remembers, stored in checkpoints and dealt out anew when the parallelism changes.
//!
//! State is declared by a *descriptor* when a function is opened; the handle that comes back reads and writes the state of the key that
//! the function is called for. Every value is stored with the names of its fields, so that a struct can get a new field, with
//! `#[serde(default)]`, and still be restored from an older savepoint.

mod aggregating;
mod backend;
mod broadcast;
mod codec;
mod column;
mod delta;
mod key_hash;
mod keyed;
mod list;
mod map;
mod operator;
mod timed;
mod timers;
mod ttl;
mod value;

#[cfg(test)]
mod tests;

pub use aggregating::{AggregatingState, AggregatingStateDescriptor, ReducingState, ReducingStateDescriptor};
pub(crate) use backend::{Backend, Found};
pub(crate) use broadcast::MakeMap;
pub use broadcast::{BroadcastAccess, BroadcastAccessMut, BroadcastState, BroadcastStates};
pub(crate) use codec::{decode, encode};
pub(crate) use delta::count_keyed_state;
pub(crate) use key_hash::hash_key;
pub use keyed::{KeyedState, StateAccess};
pub use list::{ListState, ListStateDescriptor};
pub use map::{MapState, MapStateDescriptor, MapStateKey};
pub use operator::{FunctionInitializationContext, FunctionSnapshotContext};
pub(crate) use operator::{OperatorLists, with_lists, without_lists};
pub use ttl::{StateTtlConfig, StateVisibility, UpdateType};
pub use value::{ValueState, ValueStateDescriptor};
