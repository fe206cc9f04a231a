//! A map for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;

use riverrun_base::Result;

use super::keyed::ColumnId;
use super::timed::TimedMap;
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
        context.keyed_state().get(self.column)
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
        state.entry::<HashMap<K, V>>(self.column, HashMap::new)?.insert(key, value);
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
            None => context.keyed_state_mut().remove_entry(self.column, key),
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
            None => state.take::<HashMap<K, V>>(self.column).map(drop),
            Some(_) => state.take::<TimedMap<K, V>>(self.column).map(drop),
        }
    }
}
