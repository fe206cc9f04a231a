//! Keyed state of operators: which keys there are, and where the state of each lies.
//!
//! A [`GroupTable`] gives every key a *slot*, a small number under which an operator keeps the key's state in columns. One operator
//! owns it; nothing is shared, so it can be frozen between two batches.

mod group_table;
mod key_hash;
mod slots;

pub use group_table::GroupTable;
pub use key_hash::{hash_keys, key_groups};
pub use slots::Slots;
