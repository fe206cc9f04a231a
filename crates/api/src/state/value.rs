//! One value for each key.

use std::marker::PhantomData;

use riverrun_base::Result;

use super::keyed::{ColumnId, Values};
use super::timed::Timed;
use super::ttl::Ttl;
use super::{KeyedState, StateAccess, StateTtlConfig};
use crate::State;

/// Declares a [`ValueState`].
#[derive(Clone, Debug)]
pub struct ValueStateDescriptor<V> {
    name: String,
    ttl: Option<StateTtlConfig>,
    value: PhantomData<fn() -> V>,
}

impl<V: State> ValueStateDescriptor<V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ttl: None, value: PhantomData }
    }

    /// Lets a value expire.
    #[must_use]
    pub fn enable_time_to_live(mut self, ttl: StateTtlConfig) -> Self {
        self.ttl = Some(ttl);
        self
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ValueState<V>> {
        let (column, ttl) = state.declare_form::<Timed<V>>(self.name, self.ttl.as_ref())?;
        Ok(ValueState { column, ttl, value: PhantomData })
    }
}

/// One value for each key. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ValueState<V> {
    column: ColumnId,
    ttl: Option<Ttl>,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for ValueState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ValueState<V> {}

impl<V> Default for ValueState<V> {
    fn default() -> Self {
        Self { column: ColumnId::default(), ttl: None, value: PhantomData }
    }
}

impl<V: State> ValueState<V> {
    /// The key's value, if it has one.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn value<'a>(&self, context: &'a impl StateAccess) -> Result<Option<&'a V>> {
        match self.ttl {
            None => context.keyed_state().get(self.column),
            Some(ttl) => context.keyed_state().timed_value(self.column, ttl),
        }
    }

    /// In how many of these slots there is a value; of a state whose values do not expire.
    pub(crate) fn count_set(&self, state: &KeyedState, slots: impl Iterator<Item = u32>) -> Result<usize> {
        state.count_set::<V>(self.column, slots)
    }

    /// The values of all keys; nothing, where using one leaves something to do.
    pub(crate) fn values<'a>(&self, state: &'a mut KeyedState) -> Result<Option<Values<'a, V>>> {
        if self.ttl.is_some() { Ok(None) } else { state.values(self.column) }
    }

    /// The key's value to change in place, which counts as written; made by `default` if it has none.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn value_or_insert_with<'a>(
        &self,
        context: &'a mut impl StateAccess,
        default: impl FnOnce() -> V,
    ) -> Result<&'a mut V> {
        match self.ttl {
            None => context.keyed_state_mut().entry(self.column, default),
            Some(ttl) => context.keyed_state_mut().timed_entry(self.column, ttl, default),
        }
    }

    /// Gives the key a value.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn update(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        match self.ttl {
            None => context.keyed_state_mut().set(self.column, value),
            Some(_) => context.keyed_state_mut().set_timed_value(self.column, value),
        }
    }

    /// Takes the key's value out.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn take(&self, context: &mut impl StateAccess) -> Result<Option<V>> {
        match self.ttl {
            None => context.keyed_state_mut().take(self.column),
            Some(ttl) => context.keyed_state_mut().take_timed_value(self.column, ttl),
        }
    }

    /// Removes the key's value.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        self.take(context).map(drop)
    }
}
