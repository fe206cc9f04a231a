//! What joins the attempts of a job: checkpoints, stored and committed.

mod building;
mod chains;
mod committers;
mod durable;
mod ongoing;
mod storing;

pub(crate) use building::{Building, NodeIdentity, Prepared};
pub(crate) use chains::Chain;
pub(crate) use committers::{CommitEvent, Committers};
pub(crate) use durable::{Durable, TakenOver, Takeover, check_fit, now_ms};
pub(crate) use ongoing::{Answer, Ongoing, Request};
pub(crate) use storing::{StoreEvent, StoredState, Storing};
