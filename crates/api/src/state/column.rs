//! The column of one state: a cell for each slot.

use std::any::Any;

use riverrun_base::Result;

use super::codec;
use super::ttl::{Cleanup, Expired, Ttl};
use crate::State;

/// A column, whatever its cells are.
pub(super) trait Column: Any + Send {
    fn name(&self) -> &str;

    /// Whether its cells know when they were used.
    fn is_timed(&self) -> bool;

    /// Copies the cells of these slots, to be encoded in another thread.
    fn freeze(&self, slots: &[u32]) -> Box<dyn FrozenColumn>;

    /// Puts a stored value, of a column that was timed or not, into a slot's cell; answers whether the cell was empty.
    fn restore(&mut self, slot: u32, bytes: &[u8], timed: bool, now: i64) -> Result<bool>;

    /// Empties a slot's cell; answers whether something was in it.
    fn clear(&mut self, slot: u32) -> bool;

    /// Drops what has expired in a slot's cell, which is empty afterwards if that was all.
    fn expire(&mut self, slot: u32, now: i64) -> Expired;

    /// When expired state is dropped without being read; `None` for a column that is not timed.
    fn cleanup(&self) -> Option<&Cleanup>;

    /// The slot that clean-up looks at next.
    fn set_next_cleanup(&mut self, slot: u32);

    fn as_any(&self) -> &dyn Any;

    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// Cells as they were at a barrier.
pub(super) trait FrozenColumn: Send {
    /// Appends the encoded cell at an index of the slots that were asked for; answers whether there is one.
    fn encode(&self, index: usize, bytes: &mut Vec<u8>) -> Result<bool>;
}

/// Reads what a column of the other kind has stored: a timed one for one that is not, and the other way round. It is told the time now.
pub(super) type Convert<V> = fn(&[u8], i64) -> Result<V>;

/// The cells of a state whose value for a key is a `V`.
pub(super) struct Cells<V> {
    name: String,
    cells: Vec<Option<V>>,
    convert: Option<Convert<V>>,
    expiry: Option<Expiry<V>>,
}

/// How the cells of a timed column expire.
pub(super) struct Expiry<V> {
    pub(super) ttl: Ttl,
    pub(super) cleanup: Cleanup,
    /// Drops what was last used so long before a time.
    pub(super) expire: fn(&mut V, Ttl, i64) -> Expired,
}

impl<V: State> Cells<V> {
    pub(super) fn new(name: String, convert: Option<Convert<V>>, expiry: Option<Expiry<V>>) -> Self {
        Self { name, cells: Vec::new(), convert, expiry }
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&V> {
        self.cells.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn cell(&mut self, slot: u32) -> &mut Option<V> {
        let slot = slot as usize;
        if slot >= self.cells.len() {
            self.cells.resize_with(slot + 1, || None);
        }
        &mut self.cells[slot]
    }
}

impl<V: State> Column for Cells<V> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_timed(&self) -> bool {
        self.expiry.is_some()
    }

    fn freeze(&self, slots: &[u32]) -> Box<dyn FrozenColumn> {
        Box::new(Frozen(slots.iter().map(|slot| self.get(*slot).cloned()).collect()))
    }

    fn restore(&mut self, slot: u32, bytes: &[u8], timed: bool, now: i64) -> Result<bool> {
        let value = match self.convert {
            Some(convert) if timed != self.is_timed() => convert(bytes, now),
            _ => codec::decode::<V>(bytes),
        };
        let value = value.map_err(|error| error.with("state", &self.name))?;
        Ok(self.cell(slot).replace(value).is_none())
    }

    fn clear(&mut self, slot: u32) -> bool {
        self.cells.get_mut(slot as usize).and_then(Option::take).is_some()
    }

    fn expire(&mut self, slot: u32, now: i64) -> Expired {
        let Some(Expiry { ttl, expire, .. }) = &self.expiry else { return Expired::Nothing };
        let Some(cell) = self.cells.get_mut(slot as usize) else { return Expired::Nothing };
        let Some(value) = cell else { return Expired::Nothing };
        let expired = expire(value, *ttl, now);
        if expired == Expired::All {
            *cell = None;
        }
        expired
    }

    fn cleanup(&self) -> Option<&Cleanup> {
        self.expiry.as_ref().map(|expiry| &expiry.cleanup)
    }

    fn set_next_cleanup(&mut self, slot: u32) {
        if let Some(expiry) = &mut self.expiry {
            expiry.cleanup.next = slot;
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

struct Frozen<V>(Vec<Option<V>>);

impl<V: State> FrozenColumn for Frozen<V> {
    fn encode(&self, index: usize, bytes: &mut Vec<u8>) -> Result<bool> {
        match self.0.get(index) {
            Some(Some(value)) => codec::encode(value, bytes).map(|()| true),
            _ => Ok(false),
        }
    }
}
