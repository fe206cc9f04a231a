//! Keyed state of operators: which keys there are, and where the state of each lies.
//!
//! A [`GroupTable`] gives every key a *slot*, a small number under which an operator keeps the key's state in columns. One operator
//! owns it; nothing is shared, so it can be frozen between two batches.
//!
//! A [`Tracker`] says what of it a snapshot has to hold, so that snapshots cost what has changed; [`StateLayout`] is how rows of state are stored.

mod frozen;
mod group_table;
mod key_hash;
mod keyed_rows;
mod marks;
mod rebase;
mod slots;
mod tracker;

pub use frozen::{FrozenColumns, RowBytes};
pub use group_table::GroupTable;
pub use key_hash::{hash_keys, key_groups};
pub use keyed_rows::{Changes, FrozenRows, KeyedRows, RowChange, STATE_ROWS, StateLayout};
pub use marks::Marks;
pub use rebase::Rebase;
pub use slots::Slots;
pub use tracker::{Cut, Tracker};
