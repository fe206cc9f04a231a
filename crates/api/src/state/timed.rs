//! State that knows when it was last used, and access to it.
//!
//! To read can change what is stored: when it was used, and that it is gone. Who reads has the state for reading only, so what is to be
//! done is noted ([`Touch`]), and done before the next key's turn.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hash;

use riverrun_base::Result;
use serde::{Deserialize, Serialize};

use super::KeyedState;
use super::codec;
use super::column::{Changing, Expiry};
use super::keyed::ColumnId;
use super::map::{ChangedEntries, Entries};
use super::ttl::{Expired, StateTtlConfig, Ttl};
use crate::State;

/// A value and when it was last used, in epoch milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "V: State")]
pub(super) struct Timed<V> {
    pub(super) value: V,
    used: Cell<i64>,
}

/// The elements of a list, and when each was last used. An element was never used after one behind it, so what has expired is at the
/// beginning.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "V: State")]
pub(super) struct TimedList<V> {
    values: Vec<V>,
    used: Vec<Cell<i64>>,
}

pub(super) type TimedMap<K, V> = HashMap<K, Timed<V>>;

/// A form of state that knows when it was used, and the form that does not.
pub(super) trait Expiring: State {
    type Plain: State;

    fn wrap(plain: Self::Plain, now: i64) -> Self;

    fn unwrap(self) -> Self::Plain;

    fn expire(&mut self, ttl: Ttl, now: i64) -> Expired;

    /// How a column of it is made.
    fn expiry(config: &StateTtlConfig) -> Result<Expiry<Self>> {
        Ok(Expiry { ttl: config.ttl()?, cleanup: config.cleanup(), expire: Self::expire })
    }

    /// How it is stored by what has changed in it, if that is possible.
    fn changing() -> Option<Changing<Self>> {
        None
    }

    /// The same of the form that does not know when it was used.
    fn plain_changing() -> Option<Changing<Self::Plain>> {
        None
    }

    /// Reads what a column without time to live has stored.
    fn read_plain(bytes: &[u8], now: i64) -> Result<Self> {
        codec::decode(bytes).map(|plain| Self::wrap(plain, now))
    }

    /// Reads what a column with time to live has stored, for one without.
    fn read_timed(bytes: &[u8], _: i64) -> Result<Self::Plain> {
        codec::decode::<Self>(bytes).map(Self::unwrap)
    }
}

impl<V: State> Expiring for Timed<V> {
    type Plain = V;

    fn wrap(value: V, now: i64) -> Self {
        Self { value, used: Cell::new(now) }
    }

    fn unwrap(self) -> V {
        self.value
    }

    fn expire(&mut self, ttl: Ttl, now: i64) -> Expired {
        if ttl.has_expired(self.used.get(), now) { Expired::All } else { Expired::Nothing }
    }
}

impl<V: State> Expiring for TimedList<V> {
    type Plain = Vec<V>;

    fn wrap(values: Vec<V>, now: i64) -> Self {
        let used = vec![Cell::new(now); values.len()];
        Self { values, used }
    }

    fn unwrap(self) -> Vec<V> {
        self.values
    }

    fn expire(&mut self, ttl: Ttl, now: i64) -> Expired {
        let expired = self.expired(ttl, now).min(self.values.len());
        self.values.drain(..expired);
        self.used.drain(..expired);
        match expired {
            _ if self.values.is_empty() => Expired::All,
            0 => Expired::Nothing,
            _ => Expired::Part,
        }
    }
}

impl<V> TimedList<V> {
    /// How many elements have expired.
    fn expired(&self, ttl: Ttl, now: i64) -> usize {
        self.used.partition_point(|used| ttl.has_expired(used.get(), now))
    }

    fn push(&mut self, value: V, now: i64) {
        let last = self.used.last().map_or(i64::MIN, Cell::get);
        self.values.push(value);
        self.used.push(Cell::new(now.max(last)));
    }
}

impl<K: State + Hash + Eq, V: State> Expiring for TimedMap<K, V> {
    type Plain = Entries<K, V>;

    fn wrap(plain: Entries<K, V>, now: i64) -> Self {
        plain.into_map().into_iter().map(|(key, value)| (key, Timed::wrap(value, now))).collect()
    }

    fn unwrap(self) -> Entries<K, V> {
        Entries::from(self.into_iter().map(|(key, timed)| (key, timed.value)).collect::<HashMap<_, _>>())
    }

    /// It is stored whole, but may have to read what was stored without time to live.
    fn changing() -> Option<Changing<Self>> {
        let apply = |map: &mut Option<Self>, bytes: &[u8], now: i64| {
            let (set, removed) = codec::decode::<ChangedEntries<K, V>>(bytes)?;
            let map = map.get_or_insert_default();
            map.extend(set.into_iter().map(|(key, value)| (key, Timed::wrap(value, now))));
            removed.iter().for_each(|key| drop(map.remove(key)));
            Ok(())
        };
        Some(Changing { freeze: |_, _| None, parts: HashMap::len, apply })
    }

    fn plain_changing() -> Option<Changing<Entries<K, V>>> {
        Some(Changing { freeze: Entries::freeze, parts: Entries::len, apply: Entries::apply })
    }

    fn expire(&mut self, ttl: Ttl, now: i64) -> Expired {
        let before = self.len();
        self.retain(|_, timed| !ttl.has_expired(timed.used.get(), now));
        match self.len() {
            0 => Expired::All,
            left if left == before => Expired::Nothing,
            _ => Expired::Part,
        }
    }
}

/// What is to be done before the next key's turn, as state with a time to live was used: bits.
pub(super) type Touch = u8;

/// Clean-up may take a step.
pub(super) const USED: Touch = 1;
/// What is stored has changed.
pub(super) const CHANGED: Touch = 2;
/// Something of the key has expired.
pub(super) const EXPIRED: Touch = 4;

impl KeyedState {
    fn touch(&self, touch: Touch) {
        self.touched.set(self.touched.get() | touch | USED);
    }

    /// Whether a value is seen that was last used then; it is used now.
    fn sees(&self, used: &Cell<i64>, ttl: Ttl, now: i64) -> bool {
        if ttl.has_expired(used.get(), now) {
            self.touch(EXPIRED);
            return ttl.shows_expired;
        }
        if ttl.reads_count && used.replace(now) != now {
            self.touch(CHANGED);
        } else {
            self.touch(USED);
        }
        true
    }

    /// The present key's value, if it is seen.
    pub(super) fn timed_value<V: State>(&self, column: ColumnId, ttl: Ttl) -> Result<Option<&V>> {
        let timed = self.get::<Timed<V>>(column)?;
        let now = self.clock.now();
        Ok(timed.filter(|timed| self.sees(&timed.used, ttl, now)).map(|timed| &timed.value))
    }

    /// Takes the present key's value, if it is seen.
    pub(super) fn take_timed_value<V: State>(&mut self, column: ColumnId, ttl: Ttl) -> Result<Option<V>> {
        self.touch(USED);
        let now = self.clock.now();
        let timed = self.take::<Timed<V>>(column)?;
        let seen = timed.filter(|timed| ttl.shows_expired || !ttl.has_expired(timed.used.get(), now));
        Ok(seen.map(|timed| timed.value))
    }

    pub(super) fn set_timed_value<V: State>(&mut self, column: ColumnId, value: V) -> Result<()> {
        self.touch(USED);
        let now = self.clock.now();
        self.set(column, Timed::wrap(value, now))
    }

    /// The present key's value to change, which counts as written; made if there is none that is seen.
    pub(super) fn timed_entry<V: State>(
        &mut self,
        column: ColumnId,
        ttl: Ttl,
        default: impl FnOnce() -> V,
    ) -> Result<&mut V> {
        if self.timed_value::<V>(column, ttl)?.is_none() {
            self.set_timed_value(column, default())?;
        }
        let now = self.clock.now();
        let timed = self.entry_of_some::<Timed<V>>(column)?;
        timed.used.set(now);
        Ok(&mut timed.value)
    }

    /// The elements of the present key's list that are seen; they are used now.
    pub(super) fn timed_list<V: State>(&self, column: ColumnId, ttl: Ttl) -> Result<&[V]> {
        let Some(list) = self.get::<TimedList<V>>(column)? else { return Ok(&[]) };
        let now = self.clock.now();
        let expired = list.expired(ttl, now);
        self.touch(if expired > 0 { EXPIRED } else { USED });
        if ttl.reads_count && list.used.last().is_some_and(|last| last.get() < now) {
            list.used[expired..].iter().for_each(|used| used.set(now));
            self.touch(CHANGED);
        }
        Ok(if ttl.shows_expired { &list.values } else { list.values.get(expired..).unwrap_or_default() })
    }

    pub(super) fn add_to_timed_list<V: State>(&mut self, column: ColumnId, value: V) -> Result<()> {
        self.touch(USED);
        let now = self.clock.now();
        self.entry(column, || TimedList::wrap(Vec::new(), now))?.push(value, now);
        Ok(())
    }

    pub(super) fn set_timed_list<V: State>(&mut self, column: ColumnId, values: Vec<V>) -> Result<()> {
        self.touch(USED);
        let now = self.clock.now();
        self.set(column, TimedList::wrap(values, now))
    }

    /// Takes the present key's list, of which those elements are left that are seen.
    pub(super) fn take_timed_list<V: State>(&mut self, column: ColumnId, ttl: Ttl) -> Result<Vec<V>> {
        self.touch(USED);
        let now = self.clock.now();
        let Some(mut list) = self.take::<TimedList<V>>(column)? else { return Ok(Vec::new()) };
        if !ttl.shows_expired {
            list.expire(ttl, now);
        }
        Ok(list.values)
    }

    /// The value of an entry of the present key's map, if it is seen.
    pub(super) fn timed_map_value<K: State + Hash + Eq, V: State>(
        &self,
        column: ColumnId,
        ttl: Ttl,
        key: &K,
    ) -> Result<Option<&V>> {
        let entry = self.get::<TimedMap<K, V>>(column)?.and_then(|map| map.get(key));
        let now = self.clock.now();
        Ok(entry.filter(|timed| self.sees(&timed.used, ttl, now)).map(|timed| &timed.value))
    }

    /// The entries of the present key's map that are seen.
    pub(super) fn timed_map_entries<K: State + Hash + Eq, V: State>(
        &self,
        column: ColumnId,
        ttl: Ttl,
    ) -> Result<impl Iterator<Item = (&K, &V)>> {
        let now = self.clock.now();
        let entries = self.get::<TimedMap<K, V>>(column)?.into_iter().flatten();
        let seen = entries.filter(move |(_, timed)| self.sees(&timed.used, ttl, now));
        Ok(seen.map(|(key, timed)| (key, &timed.value)))
    }

    pub(super) fn put_into_timed_map<K: State + Hash + Eq, V: State>(
        &mut self,
        column: ColumnId,
        key: K,
        value: V,
    ) -> Result<()> {
        self.touch(USED);
        let now = self.clock.now();
        self.entry::<TimedMap<K, V>>(column, HashMap::new)?.insert(key, Timed::wrap(value, now));
        Ok(())
    }

    /// Removes an entry of the present key's map; answers its value if it was seen.
    pub(super) fn remove_from_timed_map<K: State + Hash + Eq, V: State>(
        &mut self,
        column: ColumnId,
        ttl: Ttl,
        key: &K,
    ) -> Result<Option<V>> {
        self.touch(USED);
        let now = self.clock.now();
        let removed = self.remove_entry::<TimedMap<K, V>>(column, key)?;
        let seen = removed.filter(|timed| ttl.shows_expired || !ttl.has_expired(timed.used.get(), now));
        Ok(seen.map(|timed| timed.value))
    }
}
