//! A list for each key.

use std::marker::PhantomData;

use riverrun_base::Result;

use super::keyed::ColumnId;
use super::{KeyedState, StateAccess};
use crate::State;

/// Declares a [`ListState`].
#[derive(Clone, Debug)]
pub struct ListStateDescriptor<V> {
    name: String,
    value: PhantomData<fn() -> V>,
}

impl<V: State> ListStateDescriptor<V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: PhantomData }
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ListState<V>> {
        Ok(ListState { column: state.declare::<Vec<V>>(self.name)?, value: PhantomData })
    }
}

/// A list for each key; one that is empty is no state. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ListState<V> {
    column: ColumnId,
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
        Self { column: ColumnId::default(), value: PhantomData }
    }
}

impl<V: State> ListState<V> {
    /// The key's list.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn get<'a>(&self, context: &'a impl StateAccess) -> Result<&'a [V]> {
        Ok(context.keyed_state().get::<Vec<V>>(self.column)?.map_or(&[], Vec::as_slice))
    }

    /// Adds a value at the end.
    ///
    /// # Errors
    /// As [`Self::get`].
    #[inline]
    pub fn add(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        context.keyed_state_mut().entry::<Vec<V>>(self.column, Vec::new)?.push(value);
        Ok(())
    }

    /// Adds values at the end.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add_all(&self, context: &mut impl StateAccess, values: impl IntoIterator<Item = V>) -> Result<()> {
        let mut values = values.into_iter().peekable();
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
        if values.is_empty() { self.clear(context) } else { context.keyed_state_mut().set(self.column, values) }
    }

    /// Takes the key's list out.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn take(&self, context: &mut impl StateAccess) -> Result<Vec<V>> {
        Ok(context.keyed_state_mut().take::<Vec<V>>(self.column)?.unwrap_or_default())
    }

    /// Removes the key's list.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        self.take(context).map(drop)
    }
}
