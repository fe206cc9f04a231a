//! A list for each key.

use std::marker::PhantomData;

use riverrun_base::{Error, Result};

use super::keyed::ColumnId;
use super::timed::TimedList;
use super::ttl::Ttl;
use super::{KeyedState, StateAccess, StateTtlConfig};
use crate::State;

/// Declares a [`ListState`].
#[derive(Clone, Debug)]
pub struct ListStateDescriptor<V> {
    name: String,
    ttl: Option<StateTtlConfig>,
    value: PhantomData<fn() -> V>,
}

impl<V: State> ListStateDescriptor<V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ttl: None, value: PhantomData }
    }

    /// Lets each element expire.
    #[must_use]
    pub fn enable_time_to_live(mut self, ttl: StateTtlConfig) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The name, of a state that has no time to live.
    pub(super) fn without_ttl(&self) -> Result<&str> {
        match self.ttl {
            None => Ok(&self.name),
            Some(_) => Err(Error::user("operator state has no time to live").with("state", &self.name)),
        }
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ListState<V>> {
        let (column, ttl) = state.declare_form::<TimedList<V>>(self.name, self.ttl.as_ref())?;
        Ok(ListState { column, ttl, value: PhantomData })
    }
}

/// A list for each key; one that is empty is no state. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ListState<V> {
    column: ColumnId,
    ttl: Option<Ttl>,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for ListState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ListState<V> {}

impl<V> Default for ListState<V> {
    fn default() -> Self {
        Self { column: ColumnId::default(), ttl: None, value: PhantomData }
    }
}

impl<V: State> ListState<V> {
    /// The key's list.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn get<'a>(&self, context: &'a impl StateAccess) -> Result<&'a [V]> {
        let state = context.keyed_state();
        match self.ttl {
            None => Ok(state.get::<Vec<V>>(self.column)?.map_or(&[], Vec::as_slice)),
            Some(ttl) => state.timed_list(self.column, ttl),
        }
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn add(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        let state = context.keyed_state_mut();
        if self.ttl.is_some() {
            return state.add_to_timed_list(self.column, value);
        }
        state.entry::<Vec<V>>(self.column, Vec::new)?.push(value);
        Ok(())
    }

    /// Adds values at the end.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add_all(&self, context: &mut impl StateAccess, values: impl IntoIterator<Item = V>) -> Result<()> {
        let mut values = values.into_iter().peekable();
        if self.ttl.is_some() {
            return values.try_for_each(|value| self.add(context, value));
        }
        if values.peek().is_some() {
            context.keyed_state_mut().entry::<Vec<V>>(self.column, Vec::new)?.extend(values);
        }
        Ok(())
    }

    /// Gives the key another list.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn update(&self, context: &mut impl StateAccess, values: Vec<V>) -> Result<()> {
        if values.is_empty() {
            return self.clear(context);
        }
        match self.ttl {
            None => context.keyed_state_mut().set(self.column, values),
            Some(_) => context.keyed_state_mut().set_timed_list(self.column, values),
        }
    }

    /// Takes the key's list out.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn take(&self, context: &mut impl StateAccess) -> Result<Vec<V>> {
        match self.ttl {
            None => Ok(context.keyed_state_mut().take::<Vec<V>>(self.column)?.unwrap_or_default()),
            Some(ttl) => context.keyed_state_mut().take_timed_list(self.column, ttl),
        }
    }

    /// Removes the key's list.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        self.take(context).map(drop)
    }
}
