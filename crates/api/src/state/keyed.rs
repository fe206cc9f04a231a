//! The state of an operator's keys, seen from one key.

use std::cell::Cell;

use riverrun_base::{Error, Result};
use riverrun_runtime::Clock;
use riverrun_state::Marks;

use super::StateTtlConfig;
use super::column::{Cells, Column, Expiry};
use super::map::EntryMap;
use super::timed::{CHANGED, EXPIRED, Expiring, Touch, USED};
use super::timers::{KeyTimers, TimeDomain, Timers};
use super::ttl::{Expired, Ttl};
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
    /// The time of day, by which state expires.
    pub(super) clock: Clock,
    /// What the use of state with a time to live has left to do.
    pub(super) touched: Cell<Touch>,
    /// What is to be done after every record.
    pub(super) always: Touch,
    /// The columns with a time to live.
    timed: Vec<usize>,
    /// Slots, other than the present one, that have lost all they held.
    pub(super) emptied: Vec<u32>,
}

/// The values of a state by the slots of their keys, for the time of a batch.
pub(crate) struct Values<'a, V> {
    cells: &'a mut Cells<V>,
    marks: Option<&'a mut Marks>,
}

impl<V: State> Values<'_, V> {
    /// A slot's value, if there is one; it counts as changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        let value = self.cells.get_mut(slot)?;
        if let Some(marks) = &mut self.marks {
            marks.mark(&[slot]);
        }
        Some(value)
    }
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

/// Its name.
pub(crate) const TIMERS_NAME: &str = "_timers";

impl KeyedState {
    pub(super) fn new(clock: Clock) -> Self {
        let timers: Box<dyn Column> = Box::new(Cells::<KeyTimers>::new(TIMERS_NAME.to_owned(), None, None, None));
        Self {
            columns: vec![timers],
            timers: Timers::default(),
            slot: 0,
            occupied: Vec::new(),
            marks: None,
            is_open: false,
            clock,
            touched: Cell::new(0),
            always: 0,
            timed: Vec::new(),
            emptied: Vec::new(),
        }
    }

    /// Declares a state whose values can have a time to live.
    pub(super) fn declare_form<W: Expiring>(
        &mut self,
        name: String,
        ttl: Option<&StateTtlConfig>,
    ) -> Result<(ColumnId, Option<Ttl>)> {
        let Some(config) = ttl else {
            let id = self
                .add_column(name, |name| Box::new(Cells::new(name, Some(W::read_timed), None, W::plain_changing())))?;
            return Ok((id, None));
        };
        let expiry: Expiry<W> = W::expiry(config).map_err(|error| error.with("state", &name))?;
        let ttl = expiry.ttl;
        if expiry.cleanup.steps.is_some_and(|steps| steps.every_record) {
            self.always |= USED;
        }
        let id =
            self.add_column(name, |name| Box::new(Cells::new(name, Some(W::read_plain), Some(expiry), W::changing())))?;
        self.timed.push(id.0 as usize);
        self.touched.set(self.always);
        Ok((id, Some(ttl)))
    }

    fn add_column(&mut self, name: String, column: impl FnOnce(String) -> Box<dyn Column>) -> Result<ColumnId> {
        if self.is_open {
            return Err(Error::user(format!("the state '{name}' is declared after the function was opened"))
                .hint("declare every state in open()"));
        }
        if self.columns.iter().any(|column| column.name() == name) {
            return Err(Error::user(format!("two states of a function are called '{name}'")));
        }
        let id = u32::try_from(self.columns.len()).map_err(|error| Error::internal("columns").caused_by(error))?;
        self.columns.push(column(name));
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

    /// The values of all keys, where nothing else is to be done when one is used: no value expires.
    pub(super) fn values<V: State>(&mut self, column: ColumnId) -> Result<Option<Values<'_, V>>> {
        if self.always != 0 || self.touched.get() != 0 {
            return Ok(None);
        }
        let cells = Self::cells_mut::<V>(&mut self.columns, column)?;
        Ok(Some(Values { cells, marks: self.marks.as_mut() }))
    }

    /// In how many of these slots there is a value. That brings them near, where they are looked at next.
    pub(super) fn count_set<V: State>(&self, column: ColumnId, slots: impl Iterator<Item = u32>) -> Result<usize> {
        let cells = self.cells::<V>(column)?;
        Ok(slots.filter(|slot| cells.get(*slot).is_some()).count())
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

    /// The present key's value, which there is; it counts as changed.
    pub(super) fn entry_of_some<V: State>(&mut self, column: ColumnId) -> Result<&mut V> {
        self.get_mut(column)?.ok_or_else(|| Error::internal("a value that was just there is not"))
    }

    /// Removes an entry of the present key's map, and with the last one the map.
    pub(super) fn remove_entry<M: EntryMap>(&mut self, column: ColumnId, key: &M::Key) -> Result<Option<M::Value>> {
        if self.get::<M>(column)?.is_none_or(|map| !map.contains(key)) {
            return Ok(None);
        }
        let map = self.entry_of_some::<M>(column)?;
        let removed = map.remove_entry(key);
        if map.has_none() {
            self.take::<M>(column)?;
        }
        Ok(removed)
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
        self.set_timer(TimeDomain::Event, time)
    }

    pub(crate) fn set_processing_timer(&mut self, time: i64) -> Result<()> {
        self.set_timer(TimeDomain::Processing, time)
    }

    pub(crate) fn delete_event_timer(&mut self, time: i64) -> Result<()> {
        self.delete_timer(TimeDomain::Event, time)
    }

    pub(crate) fn delete_processing_timer(&mut self, time: i64) -> Result<()> {
        self.delete_timer(TimeDomain::Processing, time)
    }

    /// Sets a timer, unless there is one for that time.
    fn set_timer(&mut self, domain: TimeDomain, time: i64) -> Result<()> {
        if self.entry(TIMERS, KeyTimers::default)?.add(domain, time) {
            self.timers.of_mut(domain).add(time, self.slot);
        }
        Ok(())
    }

    /// Forgets a timer, if there is one. The order of times keeps its place for a while.
    fn delete_timer(&mut self, domain: TimeDomain, time: i64) -> Result<()> {
        if self.remove_timer(domain, time)? && self.timers.of(domain).is_littered() {
            let keys = Self::cells_mut::<KeyTimers>(&mut self.columns, TIMERS)?;
            let is_timer = |time: i64, slot| {
                keys.get(slot).is_some_and(|timers| timers.times(domain).binary_search(&time).is_ok())
            };
            self.timers.of_mut(domain).sweep(is_timer);
        }
        Ok(())
    }

    /// Takes a timer away from the present key; answers whether there was one.
    pub(super) fn remove_timer(&mut self, domain: TimeDomain, time: i64) -> Result<bool> {
        let has = |timers: &KeyTimers| timers.times(domain).binary_search(&time).is_ok();
        if !self.get::<KeyTimers>(TIMERS)?.is_some_and(has) {
            return Ok(false);
        }
        let timers = self.entry_of_some::<KeyTimers>(TIMERS)?;
        timers.remove(domain, time);
        if timers.is_empty() {
            self.take::<KeyTimers>(TIMERS)?;
        }
        self.timers.of_mut(domain).removed();
        Ok(true)
    }

    /// Puts the restored timers of a slot in their order.
    pub(super) fn restore_timers(&mut self, slot: u32) -> Result<()> {
        let Some(restored) = self.cells::<KeyTimers>(TIMERS)?.get(slot).cloned() else { return Ok(()) };
        for domain in [TimeDomain::Event, TimeDomain::Processing] {
            restored.times(domain).iter().for_each(|time| self.timers.of_mut(domain).add(*time, slot));
        }
        Ok(())
    }

    /// Does what the use of state with a time to live has left to do. Slots can be [emptied](Self::emptied) by it.
    #[cold]
    pub(super) fn settle(&mut self) {
        let touched = self.touched.replace(self.always);
        let now = self.clock.now();
        if touched & CHANGED != 0
            && let Some(marks) = &mut self.marks
        {
            marks.mark(&[self.slot]);
        }
        if touched & EXPIRED != 0 {
            (0..self.timed.len()).for_each(|timed| self.expire(self.timed[timed], self.slot, now));
        }
        for timed in 0..self.timed.len() {
            let column = self.timed[timed];
            let Some(cleanup) = self.columns[column].cleanup() else { continue };
            let Some(steps) = cleanup.steps else { continue };
            let (mut next, end) = (cleanup.next, u32::try_from(self.occupied.len()).unwrap_or(u32::MAX));
            for _ in 0..steps.keys.min(end as usize) {
                next = if next < end { next } else { 0 };
                self.expire(column, next, now);
                next += 1;
            }
            self.columns[column].set_next_cleanup(next);
        }
    }

    /// Drops what has expired and is not to be in a full snapshot.
    pub(super) fn expire_for_full_snapshot(&mut self, slots: &[u32]) {
        let now = self.clock.now();
        for timed in 0..self.timed.len() {
            let column = self.timed[timed];
            if self.columns[column].cleanup().is_some_and(|cleanup| cleanup.full_snapshot) {
                slots.iter().for_each(|slot| self.expire(column, *slot, now));
            }
        }
    }

    fn expire(&mut self, column: usize, slot: u32, now: i64) {
        let expired = self.columns[column].expire(slot, now);
        if expired == Expired::Nothing {
            return;
        }
        if let Some(marks) = &mut self.marks {
            marks.mark(&[slot]);
        }
        if expired == Expired::All {
            let occupied = &mut self.occupied[slot as usize];
            *occupied -= 1;
            if *occupied == 0 {
                self.emptied.push(slot);
            }
        }
    }
}

fn not_declared() -> Error {
    Error::user("a state is used that was not declared").hint("get it in open(), from the runtime context")
}
