//! One value for each key.

use std::marker::PhantomData;

use riverrun_base::Result;

use super::keyed::ColumnId;
use super::{KeyedState, StateAccess};
use crate::State;

/// Declares a [`ValueState`].
#[derive(Clone, Debug)]
pub struct ValueStateDescriptor<V> {
    name: String,
    value: PhantomData<fn() -> V>,
}

impl<V: State> ValueStateDescriptor<V> {
    /// A state of this name, unique in its function: it finds its values by it in a savepoint.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: PhantomData }
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ValueState<V>> {
        Ok(ValueState { column: state.declare::<V>(self.name)?, value: PhantomData })
    }
}

/// One value for each key. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ValueState<V> {
    column: ColumnId,
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
        Self { column: ColumnId::default(), value: PhantomData }
    }
}

impl<V: State> ValueState<V> {
    /// The key's value, if it has one.
    ///
    /// # Errors
    /// The state was not declared.
    #[inline]
    pub fn value<'a>(&self, context: &'a impl StateAccess) -> Result<Option<&'a V>> {
        context.keyed_state().get(self.column)
    }

    /// The key's value to change in place; made by `default` if it has none.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn value_or_insert_with<'a>(
        &self,
        context: &'a mut impl StateAccess,
        default: impl FnOnce() -> V,
    ) -> Result<&'a mut V> {
        context.keyed_state_mut().entry(self.column, default)
    }

    /// Gives the key a value.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn update(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        context.keyed_state_mut().set(self.column, value)
    }

    /// Takes the key's value out.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn take(&self, context: &mut impl StateAccess) -> Result<Option<V>> {
        context.keyed_state_mut().take(self.column)
    }

    /// Removes the key's value.
    ///
    /// # Errors
    /// As [`Self::value`].
    #[inline]
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        context.keyed_state_mut().take::<V>(self.column).map(drop)
    }
}
