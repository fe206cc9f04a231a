//! The state backend of a keyed operator: which keys there are, the slot of each, and what a snapshot holds.

use std::collections::BTreeSet;

use hashbrown::HashTable;
use riverrun_base::{Error, Result};
use riverrun_runtime::{Freeze, KeyGroupRange, OperatorContext, Restored, Snapshot, SnapshotRequest, key_group};
use riverrun_state::{Marks, Rebase, Slots};

use super::codec;
use super::column::Column;
use super::delta::{DeltaReader, Form, FrozenKeys, StoredColumn};
use super::key_hash::hash_key;
use super::keyed::KeyedState;
use super::timers::TimeDomain;
use crate::Key;
use crate::functions::{KeyRef, SelectedKey};

/// The keys of an operator's subtask, and their state.
pub(crate) struct Backend<K> {
    table: HashTable<u32>,
    /// Of each slot: its key and the key's hash; nothing where it is free.
    keys: Vec<Option<(K, u64)>>,
    slots: Slots,
    pub(crate) state: KeyedState,
    /// Whether `state.slot` is a key's.
    has_current: bool,
    /// How many keys were forgotten: as long as it is the same, keys are where they were found.
    forgotten: u64,
    pub(super) rebase: Rebase<u32>,
    stretches: Stretches,
    /// Keys that are gone and that a snapshot has.
    deleted: Vec<K>,
    /// Whether there is state in chains that this instance did not write, and that count until it has written all of its own.
    is_restored: bool,
    max_parallelism: usize,
}

/// How far stretches of state that has not changed come, where keys are of very different sizes: those with large maps.
#[derive(Default)]
struct Stretches {
    /// How many parts all keys have, when the present circle began.
    parts: usize,
    /// How many parts may be stored that the stretches up to now have left over: a key that is larger waits for those of several deltas.
    left: usize,
}

/// Where a key was when it was looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    hash: u64,
    slot: Option<u32>,
    forgotten: u64,
}

impl Found {
    /// The key's slot, if it had one, and the backend has [forgotten](Backend::forgotten) no key since.
    #[inline]
    pub(crate) fn slot(self, forgotten: u64) -> Option<u32> {
        self.slot.filter(|_| self.forgotten == forgotten)
    }
}

/// How many keys that are gone are remembered where no snapshot asks for them, before the next one is of everything.
const MOST_DELETED: usize = 1 << 20;

impl<K: Key> Backend<K> {
    pub(crate) fn new(context: &OperatorContext) -> Self {
        Self {
            table: HashTable::new(),
            keys: Vec::new(),
            slots: Slots::default(),
            state: KeyedState::new(context.clock.clone()),
            has_current: false,
            forgotten: 0,
            rebase: Rebase::default(),
            stretches: Stretches::default(),
            deleted: Vec::new(),
            is_restored: false,
            max_parallelism: context.max_parallelism,
        }
    }

    /// From now on records come, and no state can be declared.
    pub(crate) fn close_declarations(&mut self) {
        self.state.is_open = true;
    }

    /// Makes a key the present one.
    #[inline]
    pub(crate) fn set_key(&mut self, key: &K) -> Result<()> {
        self.select(KeyRef(key))
    }

    /// Makes a record's key the present one. It is taken over only if it is new.
    #[inline]
    pub(crate) fn select(&mut self, key: impl SelectedKey<K>) -> Result<()> {
        if self.has_current {
            if self.keys[self.state.slot as usize].as_ref().is_some_and(|(current, _)| key.is_key(current)) {
                if self.state.touched.get() != 0 {
                    self.settle();
                }
                return Ok(());
            }
            self.release();
        }
        let hash = key.key_hash();
        self.enter_or_insert(key, hash)
    }

    fn enter_or_insert(&mut self, key: impl SelectedKey<K>, hash: u64) -> Result<()> {
        self.state.slot = match self.slot_of(&key, hash) {
            Some(slot) => slot,
            None => self.insert(key.into_key(), hash)?,
        };
        self.has_current = true;
        Ok(())
    }

    /// Looks a key up, for [`Self::set_found`]. Where a batch of keys is looked up before the first is set, memory is waited for once, not
    /// for each.
    #[inline]
    pub(crate) fn find(&self, key: &impl SelectedKey<K>) -> Found {
        let hash = key.key_hash();
        Found { hash, slot: self.slot_of(key, hash), forgotten: self.forgotten }
    }

    #[inline]
    fn slot_of(&self, key: &impl SelectedKey<K>, hash: u64) -> Option<u32> {
        let is_it = |slot: &u32| self.keys[*slot as usize].as_ref().is_some_and(|(other, _)| key.is_key(other));
        self.table.find(hash, is_it).copied()
    }

    /// How many keys were forgotten.
    #[inline]
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// As [`Self::select`], for a key that was looked up. What has become of it since is seen.
    pub(crate) fn select_found<S: SelectedKey<K>>(&mut self, found: Found, key: impl FnOnce() -> S) -> Result<()> {
        if self.has_current && found.slot(self.forgotten) == Some(self.state.slot) {
            if self.state.touched.get() != 0 {
                self.settle();
            }
            return Ok(());
        }
        self.release();
        let Some(slot) = found.slot(self.forgotten) else { return self.enter_or_insert(key(), found.hash) };
        self.state.slot = slot;
        self.has_current = true;
        Ok(())
    }

    fn insert(&mut self, key: K, hash: u64) -> Result<u32> {
        let slot = self.slots.take()?;
        let end = self.slots.end();
        if self.keys.len() < end {
            self.keys.resize_with(end, || None);
            self.state.occupied.resize(end, 0);
            if let Some(marks) = &mut self.state.marks {
                marks.resize(end);
            }
        }
        self.keys[slot as usize] = Some((key, hash));
        let keys = &self.keys;
        self.table.insert_unique(hash, slot, |slot| keys[*slot as usize].as_ref().map_or(0, |(_, hash)| *hash));
        Ok(slot)
    }

    /// Leaves the present key, which is forgotten if it has no state.
    pub(crate) fn release(&mut self) {
        if !self.has_current {
            return;
        }
        if self.state.touched.get() != 0 {
            self.settle();
        }
        self.has_current = false;
        if self.state.occupied[self.state.slot as usize] == 0 {
            self.remove(self.state.slot);
        }
    }

    /// Does what the use of state with a time to live has left to do.
    fn settle(&mut self) {
        self.state.settle();
        self.remove_emptied();
    }

    /// Forgets the keys, other than the present one, that have lost all their state.
    fn remove_emptied(&mut self) {
        for slot in std::mem::take(&mut self.state.emptied) {
            let is_current = self.has_current && slot == self.state.slot;
            if !is_current && self.state.occupied[slot as usize] == 0 {
                self.remove(slot);
            }
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some((key, hash)) = self.keys[slot as usize].take() else { return };
        self.forgotten += 1;
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        self.slots.give_back(slot);
        if self.state.marks.as_mut().is_some_and(|marks| marks.forget(slot)) {
            self.deleted.push(key);
            if self.deleted.len() > self.slots.end().max(MOST_DELETED) {
                self.forget_changes();
            }
        }
    }

    /// The next snapshot is of everything.
    pub(super) fn forget_changes(&mut self) {
        self.state.marks = None;
        self.deleted = Vec::new();
    }

    /// The present key.
    pub(crate) fn current(&mut self) -> Result<(&K, &mut KeyedState)> {
        let key = self.keys.get(self.state.slot as usize).and_then(Option::as_ref).filter(|_| self.has_current);
        let (key, _) = key.ok_or_else(|| Error::internal("state is used without a key"))?;
        Ok((key, &mut self.state))
    }

    /// The slot of the present key.
    #[inline]
    pub(crate) fn slot(&self) -> u32 {
        self.state.slot
    }

    /// The slots of all keys.
    pub(crate) fn used_slots(&self) -> Vec<u32> {
        self.slots.used()
    }

    /// How many keys have state.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.in_use()
    }

    /// The earliest processing time at which there may be a timer.
    pub(crate) fn next_processing_timer(&self) -> Option<i64> {
        self.state.timers.of(TimeDomain::Processing).first()
    }

    /// Takes the timers of event time up to `watermark`, one time after another, and calls `fire` with each key's, as the present key.
    pub(crate) fn fire_event_timers(
        &mut self,
        watermark: i64,
        mut fire: impl FnMut(i64, &K, &mut KeyedState) -> Result<()>,
    ) -> Result<()> {
        while let Some((time, slots)) = self.state.timers.of_mut(TimeDomain::Event).take_until(watermark) {
            for slot in slots {
                if self.enter(slot) && self.state.remove_timer(TimeDomain::Event, time)? {
                    let (key, state) = self.current()?;
                    fire(time, key, state)?;
                }
            }
        }
        self.release();
        Ok(())
    }

    /// As [`Self::fire_event_timers`], of processing time up to `now`.
    pub(crate) fn fire_processing_timers(
        &mut self,
        now: i64,
        mut fire: impl FnMut(i64, &K, &mut KeyedState) -> Result<()>,
    ) -> Result<()> {
        while let Some((time, slots)) = self.state.timers.of_mut(TimeDomain::Processing).take_until(now) {
            for slot in slots {
                if self.enter(slot) && self.state.remove_timer(TimeDomain::Processing, time)? {
                    let (key, state) = self.current()?;
                    fire(time, key, state)?;
                }
            }
        }
        self.release();
        Ok(())
    }

    /// Calls a function for each key that has state, as the present key.
    pub(crate) fn for_each_key<E>(
        &mut self,
        mut function: impl FnMut(&K, &mut KeyedState) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: From<Error>,
    {
        for slot in 0..u32::try_from(self.slots.end()).unwrap_or(u32::MAX) {
            if self.enter(slot) {
                let (key, state) = self.current()?;
                function(key, state)?;
            }
        }
        self.release();
        Ok(())
    }

    /// Makes the key of a slot the present one, if the slot has a key.
    pub(crate) fn enter(&mut self, slot: u32) -> bool {
        if self.has_current && self.state.slot == slot {
            return true;
        }
        self.release();
        self.has_current = self.keys.get(slot as usize).is_some_and(Option::is_some);
        if self.has_current {
            self.state.slot = slot;
        }
        self.has_current
    }

    /// Freezes what has changed since the last snapshot, or everything.
    pub(crate) fn snapshot(&mut self, request: SnapshotRequest) -> Snapshot {
        self.release();
        let end = self.slots.end();
        let (slots, whole) = match self.state.marks.as_mut().filter(|_| !request.full) {
            None if !request.full && self.slots.in_use() == 0 && !self.rebase.has_deltas() && !self.is_restored => {
                return Snapshot::default();
            }
            None => {
                self.deleted = Vec::new();
                self.state.marks = None;
                self.state.expire_for_full_snapshot(&self.slots.used());
                self.remove_emptied();
                let used = self.slots.used();
                let mut marks = Marks::of_stored(&used);
                marks.resize(end);
                self.state.marks = Some(marks);
                self.rebase.all();
                (used, 0..end)
            }
            Some(marks) => {
                let dirty = marks.dirty();
                if dirty == 0 && self.deleted.is_empty() {
                    return Snapshot { suffices: self.rebase.suffices(), ..Snapshot::default() };
                }
                let start = self.rebase.start().map_or(0, |start| *start as usize);
                let stop = self.stretches.stop(&self.rebase, &self.state.columns, start, dirty, end);
                let whole = start..stop.min(end);
                let slots = marks.take(&whole);
                self.rebase.reach(u32::try_from(stop).ok().filter(|_| stop < end));
                (slots, whole)
            }
        };
        let columns = self.state.columns.iter_mut().map(|column| {
            let form = if column.is_timed() { Form::Timed } else { Form::Plain };
            (StoredColumn { name: column.name().to_owned(), form }, column.freeze(&slots, &whole))
        });
        let frozen = FrozenKeys {
            keys: slots.iter().filter_map(|slot| Some(self.keys[*slot as usize].as_ref()?.0.clone())).collect(),
            columns: columns.collect(),
            deleted: std::mem::take(&mut self.deleted),
        };
        let delta: Freeze = Box::new(move || frozen.encode());
        Snapshot { delta: Some(delta), suffices: self.rebase.suffices(), ..Snapshot::default() }
    }

    /// Takes state on, in place of none.
    pub(crate) fn restore(&mut self, restored: &Restored) -> Result<()> {
        let mut undeclared = BTreeSet::new();
        for chain in &restored.chains {
            for delta in &chain.deltas {
                self.restore_delta(delta, chain.key_groups, &mut undeclared)?;
            }
        }
        self.release();
        let used = self.slots.used();
        for slot in &used {
            self.state.restore_timers(*slot)?;
        }
        self.is_restored = !restored.chains.is_empty();
        if !undeclared.is_empty() {
            tracing::warn!(states = ?undeclared, "a checkpoint holds states that the function does not declare; they are left out");
            // The next snapshot is of everything, so that what is left out is so as a whole.
            return Ok(());
        }
        // What was restored belongs to chains that this instance did not write: its first snapshot refers to them, and adds to them.
        let mut marks = Marks::of_stored(&used);
        marks.resize(self.slots.end());
        self.state.marks = Some(marks);
        Ok(())
    }

    fn restore_delta(
        &mut self,
        delta: &[u8],
        key_groups: KeyGroupRange,
        undeclared: &mut BTreeSet<String>,
    ) -> Result<()> {
        let now = self.state.clock.now();
        let mut reader = DeltaReader::new(delta)?;
        // Of each stored column: the place of the one that is declared under its name, and its form.
        let columns: Vec<(Option<usize>, Form)> = (reader.columns.iter())
            .map(|stored| (self.state.columns.iter().position(|column| column.name() == stored.name), stored.form))
            .collect();
        let mut cells = Vec::new();
        for (stored, _) in reader.columns.iter().zip(&columns).filter(|(_, (place, _))| place.is_none()) {
            undeclared.insert(stored.name.clone());
        }
        while let Some(mut row) = reader.next()? {
            let key: K = codec::decode(row.key).map_err(|error| error.with("state", "the key"))?;
            let is_here = key_groups.contains(key_group(hash_key(&key), self.max_parallelism));
            cells.clear();
            while let Some((column, bytes)) = reader.cell(&mut row)? {
                let (place, form) = columns[column];
                cells.extend(place.map(|place| (place, form, bytes)));
            }
            if !is_here {
                continue;
            }
            self.set_key(&key)?;
            self.clear_current(|place| cells.iter().any(|(of, form, _)| *of == place && *form == Form::Changes));
            for (place, form, bytes) in &cells {
                let (slot, column) = (self.state.slot, &mut self.state.columns[*place]);
                let was_empty = match form {
                    Form::Changes => column.restore_changes(slot, bytes, now)?,
                    Form::Plain | Form::Timed => column.restore(slot, bytes, *form == Form::Timed, now)?,
                };
                self.state.occupied[slot as usize] += u32::from(was_empty);
            }
        }
        Ok(())
    }

    /// Empties the cells of the present key, but for those of the columns that are to stay.
    fn clear_current(&mut self, stays: impl Fn(usize) -> bool) {
        let slot = self.state.slot;
        for (place, column) in self.state.columns.iter_mut().enumerate() {
            if !stays(place) && column.clear(slot) {
                self.state.occupied[slot as usize] -= 1;
            }
        }
    }
}

impl Stretches {
    /// Where the stretch ends that begins at `start`, of `end` slots of which so many are dirty.
    fn stop(
        &mut self,
        rebase: &Rebase<u32>,
        columns: &[Box<dyn Column>],
        start: usize,
        dirty: usize,
        end: usize,
    ) -> usize {
        let large = || columns.iter().filter(|column| column.has_parts());
        if large().next().is_none() {
            return start + rebase.stretch(dirty, end);
        }
        let parts = |slot: usize| {
            u32::try_from(slot).map_or(1, |slot| 1 + large().map(|column| column.parts(slot)).sum::<usize>())
        };
        if start == 0 {
            self.parts = (0..end).map(parts).sum();
        }
        self.left = self.left.saturating_add(rebase.stretch(dirty, self.parts));
        for slot in start..end {
            let Some(left) = self.left.checked_sub(parts(slot)) else { return slot };
            self.left = left;
        }
        self.left = 0;
        end
    }
}
