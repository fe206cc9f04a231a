//! What joins the attempts of a job: checkpoints, stored and committed.

mod building;
mod chains;
mod committers;
mod durable;
mod storing;

pub(crate) use building::{Building, NodeIdentity, Prepared};
pub(crate) use chains::Chain;
pub(crate) use committers::{CommitEvent, Committers};
pub(crate) use durable::{Durable, Takeover, TakenOver, now_ms};
pub(crate) use storing::{StoreEvent, StoredState, Storing};
