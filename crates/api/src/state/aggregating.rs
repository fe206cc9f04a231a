//! State into which values are put together.

use std::marker::PhantomData;

use riverrun_base::{Error, Result};

use super::keyed::ColumnId;
use super::{KeyedState, StateAccess};
use crate::State;
use crate::functions::AggregateFunction;

/// Declares a [`ReducingState`].
#[derive(Clone, Debug)]
pub struct ReducingStateDescriptor<V> {
    name: String,
    reduce: fn(V, V) -> V,
}

impl<V: State> ReducingStateDescriptor<V> {
    /// A state of this name, unique in its function, in which two values become one by `reduce`.
    pub fn new(name: impl Into<String>, reduce: fn(V, V) -> V) -> Self {
        Self { name: name.into(), reduce }
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ReducingState<V>> {
        Ok(ReducingState { column: state.declare::<V>(self.name)?, reduce: Some(self.reduce) })
    }
}

/// One value for each key, into which others are reduced. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ReducingState<V> {
    column: ColumnId,
    reduce: Option<fn(V, V) -> V>,
}

impl<V> Clone for ReducingState<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for ReducingState<V> {}

impl<V> Default for ReducingState<V> {
    fn default() -> Self {
        Self { column: ColumnId::default(), reduce: None }
    }
}

impl<V: State> ReducingState<V> {
    /// The key's value, if values were added.
    ///
    /// # Errors
    /// The state was not declared.
    pub fn get<'a>(&self, context: &'a impl StateAccess) -> Result<Option<&'a V>> {
        context.keyed_state().get(self.column)
    }

    /// Reduces a value into the key's.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        let reduce = self.reduce.ok_or_else(|| Error::user("a reducing state is used that was not declared"))?;
        let state = context.keyed_state_mut();
        let value = match state.take::<V>(self.column)? {
            Some(before) => reduce(before, value),
            None => value,
        };
        state.set(self.column, value)
    }

    /// Removes the key's value.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        context.keyed_state_mut().take::<V>(self.column).map(drop)
    }
}

/// Declares an [`AggregatingState`].
#[derive(Clone, Debug)]
pub struct AggregatingStateDescriptor<A> {
    name: String,
    function: A,
}

impl<A: AggregateFunction> AggregatingStateDescriptor<A> {
    /// A state of this name, unique in its function.
    pub fn new(name: impl Into<String>, function: A) -> Self {
        Self { name: name.into(), function }
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<AggregatingState<A>> {
        let column = state.declare::<A::Accumulator>(self.name)?;
        Ok(AggregatingState { column, function: Some(self.function), accumulator: PhantomData })
    }
}

/// An accumulator for each key. The default is a handle that is not declared yet.
#[derive(Clone, Debug)]
pub struct AggregatingState<A: AggregateFunction> {
    column: ColumnId,
    function: Option<A>,
    accumulator: PhantomData<fn() -> A::Accumulator>,
}

impl<A: AggregateFunction> Default for AggregatingState<A> {
    fn default() -> Self {
        Self { column: ColumnId::default(), function: None, accumulator: PhantomData }
    }
}

impl<A: AggregateFunction> AggregatingState<A> {
    fn function(&self) -> Result<&A> {
        self.function.as_ref().ok_or_else(|| Error::user("an aggregating state is used that was not declared"))
    }

    /// The result of the key's values, if there were any.
    ///
    /// # Errors
    /// The state was not declared.
    pub fn get(&self, context: &impl StateAccess) -> Result<Option<A::Out>> {
        let function = self.function()?;
        let accumulator = context.keyed_state().get::<A::Accumulator>(self.column)?;
        Ok(accumulator.map(|accumulator| function.get_result(accumulator)))
    }

    /// Adds a value to the key's accumulator.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add(&self, context: &mut impl StateAccess, value: &A::In) -> Result<()> {
        let function = self.function()?;
        let accumulator = context.keyed_state_mut().entry(self.column, || function.create_accumulator())?;
        function.add(value, accumulator);
        Ok(())
    }

    /// Removes the key's accumulator.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        context.keyed_state_mut().take::<A::Accumulator>(self.column).map(drop)
    }
}
