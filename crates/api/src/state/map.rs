//! A map for each key.

use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;

use riverrun_base::Result;

use super::keyed::ColumnId;
use super::{KeyedState, StateAccess};
use crate::State;

/// What can be a key of a [`MapState`].
pub trait MapStateKey: State + Hash + Eq {}

impl<K: State + Hash + Eq> MapStateKey for K {}

/// Declares a [`MapState`].
#[derive(Clone, Debug)]
pub struct MapStateDescriptor<K, V> {
    name: String,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K: MapStateKey, V: State> MapStateDescriptor<K, V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), entry: PhantomData }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<MapState<K, V>> {
        Ok(MapState { column: state.declare::<HashMap<K, V>>(self.name)?, entry: PhantomData })
    }
}

/// A map for each key; one that is empty is no state. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct MapState<K, V> {
    column: ColumnId,
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
        Self { column: ColumnId::default(), entry: PhantomData }
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
        Ok(self.map(context)?.and_then(|map| map.get(key)))
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
        context.keyed_state_mut().entry::<HashMap<K, V>>(self.column, HashMap::new)?.insert(key, value);
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
        let state = context.keyed_state_mut();
        if state.get::<HashMap<K, V>>(self.column)?.is_none_or(|map| !map.contains_key(key)) {
            return Ok(None);
        }
        let Some(map) = state.get_mut::<HashMap<K, V>>(self.column)? else { return Ok(None) };
        let removed = map.remove(key);
        if map.is_empty() {
            state.take::<HashMap<K, V>>(self.column)?;
        }
        Ok(removed)
    }

    /// The entries, in no order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn entries<'a>(&self, context: &'a impl StateAccess) -> Result<impl Iterator<Item = (&'a K, &'a V)>> {
        Ok(self.map(context)?.into_iter().flatten())
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
        Ok(self.map(context)?.is_none())
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        context.keyed_state_mut().take::<HashMap<K, V>>(self.column).map(drop)
    }
}
