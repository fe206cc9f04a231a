//! The state of an operator's keys, seen from one key.

use riverrun_base::{Error, Result};
use riverrun_state::Marks;

use super::column::{Cells, Column};
use super::timers::{KeyTimers, Timers};
use crate::State;

/// The columns of an operator, and which slot of them is that of the present key.
pub struct KeyedState {
    pub(super) columns: Vec<Box<dyn Column>>,
    pub(super) timers: Timers,
    /// The slot of the key that the function is called for.
    pub(super) slot: u32,
    /// How many cells of each slot hold something.
    pub(super) occupied: Vec<u32>,
    /// Which slots have changed since the last snapshot; `None` while the next one is of everything.
    pub(super) marks: Option<Marks>,
    /// Once records come, no state can be declared any more.
    pub(super) is_open: bool,
}

/// What lets a state handle at the state of the present key: the contexts that functions are given.
pub trait StateAccess {
    /// The state, to read.
    fn keyed_state(&self) -> &KeyedState;

    /// The state, to change.
    fn keyed_state_mut(&mut self) -> &mut KeyedState;
}

impl StateAccess for KeyedState {
    fn keyed_state(&self) -> &KeyedState {
        self
    }

    fn keyed_state_mut(&mut self) -> &mut KeyedState {
        self
    }
}

/// Which column a handle stands for. The default stands for none, until the state is declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnId(u32);

impl Default for ColumnId {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// The column of the timers.
const TIMERS: ColumnId = ColumnId(0);

impl KeyedState {
    pub(super) fn new() -> Self {
        let timers: Box<dyn Column> = Box::new(Cells::<KeyTimers>::new("_timers".to_owned()));
        Self {
            columns: vec![timers],
            timers: Timers::default(),
            slot: 0,
            occupied: Vec::new(),
            marks: None,
            is_open: false,
        }
    }

    /// Declares a state.
    pub(super) fn declare<V: State>(&mut self, name: String) -> Result<ColumnId> {
        if self.is_open {
            return Err(Error::user(format!("the state '{name}' is declared after the function was opened"))
                .hint("declare every state in open()"));
        }
        if self.columns.iter().any(|column| column.name() == name) {
            return Err(Error::user(format!("two states of a function are called '{name}'")));
        }
        let id = u32::try_from(self.columns.len()).map_err(|error| Error::internal("columns").caused_by(error))?;
        self.columns.push(Box::new(Cells::<V>::new(name)));
        Ok(ColumnId(id))
    }

    #[inline]
    fn cells<V: State>(&self, column: ColumnId) -> Result<&Cells<V>> {
        let column = self.columns.get(column.0 as usize).and_then(|column| column.as_any().downcast_ref());
        column.ok_or_else(not_declared)
    }

    #[inline]
    fn cells_mut<V: State>(columns: &mut [Box<dyn Column>], column: ColumnId) -> Result<&mut Cells<V>> {
        let column = columns.get_mut(column.0 as usize).and_then(|column| column.as_any_mut().downcast_mut());
        column.ok_or_else(not_declared)
    }

    /// The present key's value.
    #[inline]
    pub(super) fn get<V: State>(&self, column: ColumnId) -> Result<Option<&V>> {
        Ok(self.cells::<V>(column)?.get(self.slot))
    }

    /// The present key's value, which is made if there is none; it counts as changed.
    #[inline]
    pub(super) fn entry<V: State>(&mut self, column: ColumnId, default: impl FnOnce() -> V) -> Result<&mut V> {
        let slot = self.slot;
        let cell = Self::cells_mut::<V>(&mut self.columns, column)?.cell(slot);
        if cell.is_none() {
            self.occupied[slot as usize] += 1;
        }
        if let Some(marks) = &mut self.marks {
            marks.mark(&[slot]);
        }
        Ok(cell.get_or_insert_with(default))
    }

    /// The present key's value, if there is one; it counts as changed.
    #[inline]
    pub(super) fn get_mut<V: State>(&mut self, column: ColumnId) -> Result<Option<&mut V>> {
        let slot = self.slot;
        if let Some(marks) = &mut self.marks {
            marks.mark(&[slot]);
        }
        Ok(Self::cells_mut::<V>(&mut self.columns, column)?.cell(slot).as_mut())
    }

    /// Gives the present key a value.
    #[inline]
    pub(super) fn set<V: State>(&mut self, column: ColumnId, value: V) -> Result<()> {
        let slot = self.slot;
        if Self::cells_mut::<V>(&mut self.columns, column)?.cell(slot).replace(value).is_none() {
            self.occupied[slot as usize] += 1;
        }
        if let Some(marks) = &mut self.marks {
            marks.mark(&[slot]);
        }
        Ok(())
    }

    /// Takes the present key's value away.
    #[inline]
    pub(super) fn take<V: State>(&mut self, column: ColumnId) -> Result<Option<V>> {
        let slot = self.slot;
        let value = Self::cells_mut::<V>(&mut self.columns, column)?.cell(slot).take();
        if value.is_some() {
            self.occupied[slot as usize] -= 1;
            if let Some(marks) = &mut self.marks {
                marks.mark(&[slot]);
            }
        }
        Ok(value)
    }

    pub(crate) fn set_event_timer(&mut self, time: i64) -> Result<()> {
        if self.entry(TIMERS, KeyTimers::default)?.add_event(time) {
            self.timers.event.add(time, self.slot);
        }
        Ok(())
    }

    pub(crate) fn set_processing_timer(&mut self, time: i64) -> Result<()> {
        if self.entry(TIMERS, KeyTimers::default)?.add_processing(time) {
            self.timers.processing.add(time, self.slot);
        }
        Ok(())
    }

    /// Forgets a timer of event time; answers whether there was one. The order of times keeps its place, which is found empty.
    pub(crate) fn delete_event_timer(&mut self, time: i64) -> Result<()> {
        self.remove_timer(|timers| timers.remove_event(time)).map(drop)
    }

    /// As [`Self::delete_event_timer`].
    pub(crate) fn delete_processing_timer(&mut self, time: i64) -> Result<()> {
        self.remove_timer(|timers| timers.remove_processing(time)).map(drop)
    }

    pub(super) fn remove_timer(&mut self, remove: impl FnOnce(&mut KeyTimers) -> bool) -> Result<bool> {
        if self.get::<KeyTimers>(TIMERS)?.is_none() {
            return Ok(false);
        }
        let Some(timers) = self.get_mut::<KeyTimers>(TIMERS)? else { return Ok(false) };
        let removed = remove(timers);
        if timers.is_empty() {
            self.take::<KeyTimers>(TIMERS)?;
        }
        Ok(removed)
    }

    /// Puts the restored timers of a slot in their order.
    pub(super) fn restore_timers(&mut self, slot: u32) -> Result<()> {
        let Some(restored) = self.cells::<KeyTimers>(TIMERS)?.get(slot).cloned() else { return Ok(()) };
        restored.event().iter().for_each(|time| self.timers.event.add(*time, slot));
        restored.processing().iter().for_each(|time| self.timers.processing.add(*time, slot));
        Ok(())
    }
}

fn not_declared() -> Error {
    Error::user("a state is used that was not declared").hint("get it in open(), from the runtime context")
}
