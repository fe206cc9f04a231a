//! The column of one state: a cell for each slot.

use std::any::Any;
use std::ops::Range;

use riverrun_base::Result;

use super::codec;
use super::ttl::{Cleanup, Expired, Ttl};
use crate::State;

/// A column, whatever its cells are.
pub(super) trait Column: Any + Send {
    fn name(&self) -> &str;

    /// Whether its cells know when they were used.
    fn is_timed(&self) -> bool;

    /// Whether cells can be stored by what has changed in them, and then [have parts](Self::parts).
    fn has_parts(&self) -> bool;

    /// Of how many parts a slot's cell is, each of which can change; 0 of an empty one.
    fn parts(&self, slot: u32) -> usize;

    /// Copies the cells of these slots, to be encoded in another thread: those of the slots in `whole`, and others of which only that
    /// can be stored as they are, of the rest what has changed in them.
    fn freeze(&mut self, slots: &[u32], whole: &Range<usize>) -> Box<dyn FrozenColumn>;

    /// Puts a stored value, of a column that was timed or not, into a slot's cell; answers whether the cell was empty.
    fn restore(&mut self, slot: u32, bytes: &[u8], timed: bool, now: i64) -> Result<bool>;

    /// Does to a slot's cell what is stored as changed in it; answers whether the cell was empty.
    fn restore_changes(&mut self, slot: u32, bytes: &[u8], now: i64) -> Result<bool>;

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

/// Cells as they were at a barrier, by the index of the slots that were asked for.
pub(super) trait FrozenColumn: Send {
    /// Whether there is a cell.
    fn has(&self, index: usize) -> bool;

    /// Whether of a cell there is only what has changed in it.
    fn is_changes(&self, index: usize) -> bool;

    /// Appends an encoded cell.
    fn encode(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()>;
}

/// How a value is stored by what has changed in it.
pub(super) struct Changing<V> {
    /// What has changed since the last time, and from now on nothing has. It is nothing, if the value is to be stored as a whole, which the
    /// argument can say.
    pub(super) freeze: fn(&mut V, bool) -> Option<Changes>,
    /// Of how many parts a value is.
    pub(super) parts: fn(&V) -> usize,
    /// Does to a value what is stored as changed in it.
    pub(super) apply: fn(&mut Option<V>, &[u8], i64) -> Result<()>,
}

/// Appends what has changed.
pub(super) type Changes = Box<dyn Fn(&mut Vec<u8>) -> Result<()> + Send>;

/// Reads what a column of the other kind has stored: a timed one for one that is not, and the other way round. It is told the time now.
pub(super) type Convert<V> = fn(&[u8], i64) -> Result<V>;

/// The cells of a state whose value for a key is a `V`.
pub(super) struct Cells<V> {
    name: String,
    cells: Vec<Option<V>>,
    convert: Option<Convert<V>>,
    expiry: Option<Expiry<V>>,
    changing: Option<Changing<V>>,
}

/// How the cells of a timed column expire.
pub(super) struct Expiry<V> {
    pub(super) ttl: Ttl,
    pub(super) cleanup: Cleanup,
    /// Drops what was last used so long before a time.
    pub(super) expire: fn(&mut V, Ttl, i64) -> Expired,
}

impl<V: State> Cells<V> {
    pub(super) fn new(
        name: String,
        convert: Option<Convert<V>>,
        expiry: Option<Expiry<V>>,
        changing: Option<Changing<V>>,
    ) -> Self {
        Self { name, cells: Vec::new(), convert, expiry, changing }
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&V> {
        self.cells.get(slot as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.cells.get_mut(slot as usize)?.as_mut()
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

    fn has_parts(&self) -> bool {
        self.changing.is_some()
    }

    fn parts(&self, slot: u32) -> usize {
        self.get(slot).map_or(0, |value| self.changing.as_ref().map_or(1, |changing| (changing.parts)(value)))
    }

    fn freeze(&mut self, slots: &[u32], whole: &Range<usize>) -> Box<dyn FrozenColumn> {
        let freeze = self.changing.as_ref().map(|changing| changing.freeze);
        let cells = &mut self.cells;
        let frozen = slots.iter().map(|slot| {
            let Some(Some(value)) = cells.get_mut(*slot as usize) else { return FrozenCell::Nothing };
            match freeze.and_then(|freeze| freeze(value, whole.contains(&(*slot as usize)))) {
                Some(changes) => FrozenCell::Changes(changes),
                None => FrozenCell::Whole(value.clone()),
            }
        });
        Box::new(Frozen(frozen.collect()))
    }

    fn restore(&mut self, slot: u32, bytes: &[u8], timed: bool, now: i64) -> Result<bool> {
        let value = match self.convert {
            Some(convert) if timed != self.is_timed() => convert(bytes, now),
            _ => codec::decode::<V>(bytes),
        };
        let value = value.map_err(|error| error.with("state", &self.name))?;
        Ok(self.cell(slot).replace(value).is_none())
    }

    fn restore_changes(&mut self, slot: u32, bytes: &[u8], now: i64) -> Result<bool> {
        let Some(Changing { apply, .. }) = self.changing else {
            return Err(codec::other_type::<V>().with("state", &self.name));
        };
        let cell = self.cell(slot);
        let was_empty = cell.is_none();
        apply(cell, bytes, now).map_err(|error| error.with("state", &self.name))?;
        Ok(was_empty)
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

struct Frozen<V>(Vec<FrozenCell<V>>);

enum FrozenCell<V> {
    Nothing,
    Whole(V),
    Changes(Changes),
}

impl<V: State> FrozenColumn for Frozen<V> {
    fn has(&self, index: usize) -> bool {
        !matches!(self.0[index], FrozenCell::Nothing)
    }

    fn is_changes(&self, index: usize) -> bool {
        matches!(self.0[index], FrozenCell::Changes(_))
    }

    fn encode(&self, index: usize, bytes: &mut Vec<u8>) -> Result<()> {
        match &self.0[index] {
            FrozenCell::Nothing => Ok(()),
            FrozenCell::Whole(value) => codec::encode(value, bytes),
            FrozenCell::Changes(changes) => changes(bytes),
        }
    }
}
