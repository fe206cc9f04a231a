//! A map for each key.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::marker::PhantomData;

use riverrun_base::Result;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec;
use super::column::Changes;
use super::keyed::ColumnId;
use super::timed::{Timed, TimedMap};
use super::ttl::Ttl;
use super::{KeyedState, StateAccess, StateTtlConfig};
use crate::State;

/// What can be a key of a [`MapState`].
pub trait MapStateKey: State + Hash + Eq {}

impl<K: State + Hash + Eq> MapStateKey for K {}

/// Declares a [`MapState`].
#[derive(Clone, Debug)]
pub struct MapStateDescriptor<K, V> {
    name: String,
    ttl: Option<StateTtlConfig>,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K: MapStateKey, V: State> MapStateDescriptor<K, V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ttl: None, entry: PhantomData }
    }

    /// Lets each entry expire.
    #[must_use]
    pub fn enable_time_to_live(mut self, ttl: StateTtlConfig) -> Self {
        self.ttl = Some(ttl);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<MapState<K, V>> {
        let (column, ttl) = state.declare_form::<TimedMap<K, V>>(self.name, self.ttl.as_ref())?;
        Ok(MapState { column, ttl, entry: PhantomData })
    }
}

/// A map for each key; one that is empty is no state. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct MapState<K, V> {
    column: ColumnId,
    ttl: Option<Ttl>,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for MapState<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for MapState<K, V> {}

impl<K, V> Default for MapState<K, V> {
    fn default() -> Self {
        Self { column: ColumnId::default(), ttl: None, entry: PhantomData }
    }
}

impl<K: MapStateKey, V: State> MapState<K, V> {
    fn map<'a>(&self, context: &'a impl StateAccess) -> Result<Option<&'a HashMap<K, V>>> {
        Ok(context.keyed_state().get::<Entries<K, V>>(self.column)?.map(|entries| &entries.map))
    }

    /// The value of an entry, if there is one.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn get<'a>(&self, context: &'a impl StateAccess, key: &K) -> Result<Option<&'a V>> {
        match self.ttl {
            None => Ok(self.map(context)?.and_then(|map| map.get(key))),
            Some(ttl) => context.keyed_state().timed_map_value(self.column, ttl, key),
        }
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn contains(&self, context: &impl StateAccess, key: &K) -> Result<bool> {
        Ok(self.get(context, key)?.is_some())
    }

    /// Sets an entry.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn put(&self, context: &mut impl StateAccess, key: K, value: V) -> Result<()> {
        let state = context.keyed_state_mut();
        if self.ttl.is_some() {
            return state.put_into_timed_map(self.column, key, value);
        }
        state.entry::<Entries<K, V>>(self.column, || HashMap::new().into())?.insert(key, value);
        Ok(())
    }

    /// Sets entries.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn put_all(&self, context: &mut impl StateAccess, entries: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        entries.into_iter().try_for_each(|(key, value)| self.put(context, key, value))
    }

    /// Removes an entry; answers its value, if there was one.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn remove(&self, context: &mut impl StateAccess, key: &K) -> Result<Option<V>> {
        match self.ttl {
            None => context.keyed_state_mut().remove_entry::<Entries<K, V>>(self.column, key),
            Some(ttl) => context.keyed_state_mut().remove_from_timed_map(self.column, ttl, key),
        }
    }

    /// The entries, in no order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn entries<'a>(&self, context: &'a impl StateAccess) -> Result<impl Iterator<Item = (&'a K, &'a V)>> {
        // One of the two is empty.
        let plain = if self.ttl.is_none() { self.map(context)? } else { None };
        let timed = self.ttl.map(|ttl| context.keyed_state().timed_map_entries(self.column, ttl)).transpose()?;
        Ok(plain.into_iter().flatten().chain(timed.into_iter().flatten()))
    }

    /// The keys of the entries, in no order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn keys<'a>(&self, context: &'a impl StateAccess) -> Result<impl Iterator<Item = &'a K>> {
        Ok(self.entries(context)?.map(|(key, _)| key))
    }

    /// The values of the entries, in no order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn values<'a>(&self, context: &'a impl StateAccess) -> Result<impl Iterator<Item = &'a V>> {
        Ok(self.entries(context)?.map(|(_, value)| value))
    }

    /// Whether there is no entry.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn is_empty(&self, context: &impl StateAccess) -> Result<bool> {
        Ok(self.entries(context)?.next().is_none())
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        let state = context.keyed_state_mut();
        match self.ttl {
            None => state.take::<Entries<K, V>>(self.column).map(drop),
            Some(_) => state.take::<TimedMap<K, V>>(self.column).map(drop),
        }
    }
}

/// The entries of a key's map, which know what has changed in them: of a large map a checkpoint holds only that.
#[derive(Clone, Debug)]
pub(super) struct Entries<K, V> {
    map: HashMap<K, V>,
    /// The keys of entries that were set or removed since the map was stored; nothing, if it is to be stored as a whole.
    changed: Option<HashSet<K>>,
}

/// Entries that were set, and the keys of those that were removed.
pub(super) type ChangedEntries<K, V> = (Vec<(K, V)>, Vec<K>);

/// Maps with fewer entries are stored as a whole.
const LARGE: usize = if cfg!(test) { 3 } else { 32 };

impl<K, V> From<HashMap<K, V>> for Entries<K, V> {
    fn from(map: HashMap<K, V>) -> Self {
        Self { map, changed: None }
    }
}

impl<K: MapStateKey, V: State> Entries<K, V> {
    pub(super) fn into_map(self) -> HashMap<K, V> {
        self.map
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    fn insert(&mut self, key: K, value: V) {
        self.note(&key);
        self.map.insert(key, value);
    }

    /// Notes that an entry changes. When most have, the map is stored as a whole.
    fn note(&mut self, key: &K) {
        let Some(changed) = &mut self.changed else { return };
        if changed.len() > self.map.len() / 2 {
            self.changed = None;
        } else if !changed.contains(key) {
            changed.insert(key.clone());
        }
    }

    /// What has changed since the last time; nothing, if the map is to be stored as a whole.
    pub(super) fn freeze(&mut self, whole: bool) -> Option<Changes> {
        let next = (self.map.len() >= LARGE).then(HashSet::new);
        let changed = std::mem::replace(&mut self.changed, next).filter(|_| !whole)?;
        let (mut set, mut removed) = ChangedEntries::<K, V>::default();
        for key in changed {
            match self.map.get(&key) {
                Some(value) => set.push((key, value.clone())),
                None => removed.push(key),
            }
        }
        let changes = (set, removed);
        Some(Box::new(move |bytes| codec::encode(&changes, bytes)))
    }

    /// Does what has changed to a map, which is then stored as a whole the next time.
    pub(super) fn apply(entries: &mut Option<Self>, changes: &[u8], _: i64) -> Result<()> {
        let (set, removed) = codec::decode::<ChangedEntries<K, V>>(changes)?;
        let entries = entries.get_or_insert_with(|| HashMap::new().into());
        entries.map.extend(set);
        removed.iter().for_each(|key| drop(entries.map.remove(key)));
        Ok(())
    }
}

impl<K: Serialize + Hash + Eq, V: Serialize> Serialize for Entries<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.map.serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de> + Hash + Eq, V: Deserialize<'de>> Deserialize<'de> for Entries<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashMap::deserialize(deserializer).map(Self::from)
    }
}

/// A key's map, whatever its form.
pub(super) trait EntryMap: State {
    type Key;
    type Value;

    fn contains(&self, key: &Self::Key) -> bool;

    fn remove_entry(&mut self, key: &Self::Key) -> Option<Self::Value>;

    /// Whether it has no entries.
    fn has_none(&self) -> bool;
}

impl<K: MapStateKey, V: State> EntryMap for Entries<K, V> {
    type Key = K;
    type Value = V;

    fn contains(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }

    fn remove_entry(&mut self, key: &K) -> Option<V> {
        self.note(key);
        self.map.remove(key)
    }

    fn has_none(&self) -> bool {
        self.map.is_empty()
    }
}

impl<K: MapStateKey, V: State> EntryMap for TimedMap<K, V> {
    type Key = K;
    type Value = Timed<V>;

    fn contains(&self, key: &K) -> bool {
        self.contains_key(key)
    }

    fn remove_entry(&mut self, key: &K) -> Option<Timed<V>> {
        self.remove(key)
    }

    fn has_none(&self) -> bool {
        self.is_empty()
    }
}
