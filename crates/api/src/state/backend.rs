//! The state backend of a keyed operator: which keys there are, the slot of each, and what a snapshot holds.

use hashbrown::HashTable;
use riverrun_base::{Error, Result};
use riverrun_runtime::{Delta, Freeze, KeyGroupRange, OperatorContext, Restored, Snapshot, SnapshotRequest, key_group};
use riverrun_state::{Marks, Rebase, Slots};

use super::codec;
use super::column::FrozenColumn;
use super::key_hash::{hash_key, probe};
use super::keyed::KeyedState;
use crate::Key;

/// The keys of an operator's subtask, and their state.
pub(crate) struct Backend<K> {
    table: HashTable<u32>,
    /// Of each slot: its key and the key's hash; nothing where it is free.
    keys: Vec<Option<(K, u64)>>,
    slots: Slots,
    pub(crate) state: KeyedState,
    /// Whether `state.slot` is a key's.
    has_current: bool,
    rebase: Rebase<u32>,
    /// Keys that are gone and that a snapshot has.
    deleted: Vec<K>,
    max_parallelism: usize,
}

/// How many keys that are gone are remembered where no snapshot asks for them, before the next one is of everything.
const MOST_DELETED: usize = 1 << 20;

impl<K: Key> Backend<K> {
    pub(crate) fn new(context: &OperatorContext) -> Self {
        Self {
            table: HashTable::new(),
            keys: Vec::new(),
            slots: Slots::default(),
            state: KeyedState::new(),
            has_current: false,
            rebase: Rebase::default(),
            deleted: Vec::new(),
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
        let hash = hash_key(key);
        if self.has_current {
            if self.keys[self.state.slot as usize].as_ref().is_some_and(|(current, _)| current == key) {
                return Ok(());
            }
            self.release();
        }
        let keys = &self.keys;
        let found = self.table.find(hash, |slot| keys[*slot as usize].as_ref().is_some_and(|(other, _)| other == key));
        self.state.slot = match found {
            Some(slot) => *slot,
            None => self.insert(key.clone(), hash)?,
        };
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
        if std::mem::take(&mut self.has_current) && self.state.occupied[self.state.slot as usize] == 0 {
            self.remove(self.state.slot);
        }
    }

    fn remove(&mut self, slot: u32) {
        let Some((key, hash)) = self.keys[slot as usize].take() else { return };
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
    fn forget_changes(&mut self) {
        self.state.marks = None;
        self.deleted = Vec::new();
    }

    /// The present key.
    pub(crate) fn current(&mut self) -> Result<(&K, &mut KeyedState)> {
        let key = self.keys.get(self.state.slot as usize).and_then(Option::as_ref).filter(|_| self.has_current);
        let (key, _) = key.ok_or_else(|| Error::internal("state is used without a key"))?;
        Ok((key, &mut self.state))
    }

    /// How many keys have state.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.in_use()
    }

    /// The earliest processing time at which there may be a timer.
    pub(crate) fn next_processing_timer(&self) -> Option<i64> {
        self.state.timers.processing.first()
    }

    /// Takes the timers of event time up to `watermark`, one time after another, and calls `fire` with each key's, as the present key.
    pub(crate) fn fire_event_timers(
        &mut self,
        watermark: i64,
        mut fire: impl FnMut(i64, &K, &mut KeyedState) -> Result<()>,
    ) -> Result<()> {
        while let Some((time, slots)) = self.state.timers.event.take_until(watermark) {
            for slot in slots {
                if self.enter(slot) && self.state.remove_timer(|timers| timers.remove_event(time))? {
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
        while let Some((time, slots)) = self.state.timers.processing.take_until(now) {
            for slot in slots {
                if self.enter(slot) && self.state.remove_timer(|timers| timers.remove_processing(time))? {
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
    fn enter(&mut self, slot: u32) -> bool {
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
        let slots = match self.state.marks.as_mut().filter(|_| !request.full) {
            None if !request.full && self.slots.in_use() == 0 && !self.rebase.has_deltas() => {
                return Snapshot::default();
            }
            None => {
                self.deleted = Vec::new();
                let used = self.slots.used();
                let mut marks = Marks::of_stored(&used);
                marks.resize(end);
                self.state.marks = Some(marks);
                self.rebase.all();
                used
            }
            Some(marks) => {
                let dirty = marks.dirty();
                if dirty == 0 && self.deleted.is_empty() {
                    return Snapshot { suffices: self.rebase.suffices(), ..Snapshot::default() };
                }
                let start = self.rebase.start().map_or(0, |start| *start as usize);
                let stop = start + self.rebase.stretch(dirty, end);
                let slots = marks.take(&(start..stop.min(end)));
                self.rebase.reach(u32::try_from(stop).ok().filter(|_| stop < end));
                slots
            }
        };
        let frozen = FrozenKeys {
            names: self.state.columns.iter().map(|column| column.name().to_owned()).collect(),
            keys: slots.iter().filter_map(|slot| Some(self.keys[*slot as usize].as_ref()?.0.clone())).collect(),
            columns: self.state.columns.iter().map(|column| column.freeze(&slots)).collect(),
            deleted: std::mem::take(&mut self.deleted),
        };
        let delta: Freeze = Box::new(move || frozen.encode());
        Snapshot { delta: Some(delta), suffices: self.rebase.suffices(), ..Snapshot::default() }
    }

    /// Takes state on, in place of none.
    pub(crate) fn restore(&mut self, restored: &Restored) -> Result<()> {
        for chain in &restored.chains {
            for delta in &chain.deltas {
                self.restore_delta(delta, chain.key_groups)?;
            }
        }
        self.release();
        self.state.timers.event.clear();
        self.state.timers.processing.clear();
        let used = self.slots.used();
        for slot in &used {
            self.state.restore_timers(*slot)?;
        }
        // What was restored belongs to chains that this instance did not write: its first snapshot refers to them, and adds to them.
        let mut marks = Marks::of_stored(&used);
        marks.resize(self.slots.end());
        self.state.marks = Some(marks);
        self.deleted = Vec::new();
        Ok(())
    }

    fn restore_delta(&mut self, delta: &[u8], key_groups: KeyGroupRange) -> Result<()> {
        let mut reader = DeltaReader::new(delta)?;
        let columns: Vec<Option<usize>> = (reader.names.iter())
            .map(|name| self.state.columns.iter().position(|column| column.name() == name))
            .collect();
        for (name, _) in reader.names.iter().zip(&columns).filter(|(_, column)| column.is_none()) {
            tracing::warn!(
                state = name,
                "a checkpoint holds a state that the function does not declare; it is left out"
            );
        }
        while let Some(row) = reader.next()? {
            let key: K = codec::decode(row.key)?;
            let hash = hash_key(&key);
            if !key_groups.contains(key_group(hash, self.max_parallelism)) {
                continue;
            }
            self.set_key(&key)?;
            let slot = self.state.slot;
            for column in &mut self.state.columns {
                if column.clear(slot) {
                    self.state.occupied[slot as usize] -= 1;
                }
            }
            for (column, bytes) in row.cells {
                let column = columns.get(column).ok_or_else(damaged)?;
                if let Some(column) = column.and_then(|column| self.state.columns.get_mut(column))
                    && column.restore(slot, bytes)?
                {
                    self.state.occupied[slot as usize] += 1;
                }
            }
        }
        Ok(())
    }
}

/// Keys and their cells, as they were at a barrier.
struct FrozenKeys<K> {
    names: Vec<String>,
    keys: Vec<K>,
    columns: Vec<Box<dyn FrozenColumn>>,
    deleted: Vec<K>,
}

/// The first byte of a delta.
const VERSION: u8 = 1;

impl<K: Key> FrozenKeys<K> {
    /// Version, the hash's probe, the names of the columns, then rows: a key, and how many cells follow, each with its column; those of
    /// keys that are gone, which have none, come first. Lengths are of four bytes, little endian.
    fn encode(&self) -> Result<Delta> {
        let mut bytes = vec![VERSION];
        bytes.extend(probe().to_le_bytes());
        put_number(&mut bytes, self.names.len())?;
        for name in &self.names {
            put(&mut bytes, |bytes| {
                bytes.extend(name.as_bytes());
                Ok(true)
            })?;
        }
        for key in &self.deleted {
            put(&mut bytes, |bytes| codec::encode(key, bytes).map(|()| true))?;
            put_number(&mut bytes, 0)?;
        }
        for (row, key) in self.keys.iter().enumerate() {
            put(&mut bytes, |bytes| codec::encode(key, bytes).map(|()| true))?;
            let place = bytes.len();
            put_number(&mut bytes, 0)?;
            let mut cells = 0u32;
            for (column, frozen) in self.columns.iter().enumerate() {
                let before = bytes.len();
                put_number(&mut bytes, column)?;
                if put(&mut bytes, |bytes| frozen.encode(row, bytes))? {
                    cells += 1;
                } else {
                    bytes.truncate(before);
                }
            }
            bytes[place..place + 4].copy_from_slice(&cells.to_le_bytes());
        }
        Ok(Delta { bytes, rows: (self.keys.len() + self.deleted.len()) as u64 })
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) -> Result<()> {
    let number =
        u32::try_from(number).map_err(|error| Error::user("a value in the state is over 4 GiB").caused_by(error))?;
    bytes.extend(number.to_le_bytes());
    Ok(())
}

/// Appends what `write` appends, behind its length.
fn put(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<bool>) -> Result<bool> {
    let place = bytes.len();
    put_number(bytes, 0)?;
    let written = write(bytes)?;
    let mut length = Vec::with_capacity(4);
    put_number(&mut length, bytes.len() - place - 4)?;
    bytes[place..place + 4].copy_from_slice(&length);
    Ok(written)
}

/// Reads what [`FrozenKeys::encode`] has written.
struct DeltaReader<'a> {
    names: Vec<String>,
    rest: &'a [u8],
}

struct Row<'a> {
    key: &'a [u8],
    /// Columns by their place among the delta's names.
    cells: Vec<(usize, &'a [u8])>,
}

impl<'a> DeltaReader<'a> {
    fn new(delta: &'a [u8]) -> Result<Self> {
        let (version, rest) = delta.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(Error::data(format!("keyed state in a checkpoint has the unknown version {version}"))
                .hint("restore it with the version of Riverrun that wrote it"));
        }
        let (stored, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        if u64::from_le_bytes(*stored) != probe() {
            return Err(Error::data("keyed state was stored by a program whose keys have other hashes")
                .hint("build the program with the compiler that it was built with then"));
        }
        let mut reader = Self { names: Vec::new(), rest };
        for _ in 0..reader.number()? {
            let name = std::str::from_utf8(reader.bytes()?).map_err(|error| damaged().caused_by(error))?;
            reader.names.push(name.to_owned());
        }
        Ok(reader)
    }

    fn next(&mut self) -> Result<Option<Row<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.bytes()?;
        let cells = self.number()?;
        let cells = (0..cells).map(|_| Ok((self.number()?, self.bytes()?))).collect::<Result<_>>()?;
        Ok(Some(Row { key, cells }))
    }

    fn number(&mut self) -> Result<usize> {
        let (number, rest) = self.rest.split_first_chunk().ok_or_else(damaged)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*number) as usize)
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(bytes)
    }
}

fn damaged() -> Error {
    Error::data("keyed state in a checkpoint cannot be read")
}
