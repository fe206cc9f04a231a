//! The column of one state: a cell for each slot.

use std::any::Any;

use riverrun_base::Result;

use super::codec;
use crate::State;

/// A column, whatever its cells are.
pub(super) trait Column: Any + Send {
    fn name(&self) -> &str;

    /// Copies the cells of these slots, to be encoded in another thread.
    fn freeze(&self, slots: &[u32]) -> Box<dyn FrozenColumn>;

    /// Puts a stored value into a slot's cell; answers whether the cell was empty.
    fn restore(&mut self, slot: u32, bytes: &[u8]) -> Result<bool>;

    /// Empties a slot's cell; answers whether something was in it.
    fn clear(&mut self, slot: u32) -> bool;

    fn as_any(&self) -> &dyn Any;

    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// Cells as they were at a barrier.
pub(super) trait FrozenColumn: Send {
    /// Appends the encoded cell at an index of the slots that were asked for; answers whether there is one.
    fn encode(&self, index: usize, bytes: &mut Vec<u8>) -> Result<bool>;
}

/// The cells of a state whose value for a key is a `V`.
pub(super) struct Cells<V> {
    name: String,
    cells: Vec<Option<V>>,
}

impl<V: State> Cells<V> {
    pub(super) fn new(name: String) -> Self {
        Self { name, cells: Vec::new() }
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

    fn freeze(&self, slots: &[u32]) -> Box<dyn FrozenColumn> {
        Box::new(Frozen(slots.iter().map(|slot| self.get(*slot).cloned()).collect()))
    }

    fn restore(&mut self, slot: u32, bytes: &[u8]) -> Result<bool> {
        let value = codec::decode::<V>(bytes).map_err(|error| error.with("state", &self.name))?;
        Ok(self.cell(slot).replace(value).is_none())
    }

    fn clear(&mut self, slot: u32) -> bool {
        self.cells.get_mut(slot as usize).and_then(Option::take).is_some()
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
