//! State into which values are put together.

use riverrun_base::{Error, Result};

use super::{KeyedState, StateAccess, StateTtlConfig, ValueState, ValueStateDescriptor};
use crate::State;
use crate::functions::AggregateFunction;

/// Declares a [`ReducingState`].
#[derive(Clone, Debug)]
pub struct ReducingStateDescriptor<V> {
    value: ValueStateDescriptor<V>,
    reduce: fn(V, V) -> V,
}

impl<V: State> ReducingStateDescriptor<V> {
    /// A state of this name, unique in its function, in which two values become one by `reduce`.
    pub fn new(name: impl Into<String>, reduce: fn(V, V) -> V) -> Self {
        Self { value: ValueStateDescriptor::new(name), reduce }
    }

    /// Lets the value expire.
    #[must_use]
    pub fn enable_time_to_live(mut self, ttl: StateTtlConfig) -> Self {
        self.value = self.value.enable_time_to_live(ttl);
        self
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<ReducingState<V>> {
        Ok(ReducingState { value: self.value.register(state)?, reduce: Some(self.reduce) })
    }
}

/// One value for each key, into which others are reduced. The default is a handle that is not declared yet.
#[derive(Debug)]
pub struct ReducingState<V> {
    value: ValueState<V>,
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
        Self { value: ValueState::default(), reduce: None }
    }
}

impl<V: State> ReducingState<V> {
    /// The key's value, if values were added.
    ///
    /// # Errors
    /// The state was not declared.
    pub fn get<'a>(&self, context: &'a impl StateAccess) -> Result<Option<&'a V>> {
        self.value.value(context)
    }

    /// Reduces a value into the key's.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add(&self, context: &mut impl StateAccess, value: V) -> Result<()> {
        let reduce = self.reduce.ok_or_else(|| Error::user("a reducing state is used that was not declared"))?;
        let value = match self.value.take(context)? {
            Some(before) => reduce(before, value),
            None => value,
        };
        self.value.update(context, value)
    }

    /// Removes the key's value.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        self.value.clear(context)
    }
}

/// Declares an [`AggregatingState`].
#[derive(Clone, Debug)]
pub struct AggregatingStateDescriptor<A: AggregateFunction> {
    accumulator: ValueStateDescriptor<A::Accumulator>,
    function: A,
}

impl<A: AggregateFunction> AggregatingStateDescriptor<A> {
    /// A state of this name, unique in its function.
    pub fn new(name: impl Into<String>, function: A) -> Self {
        Self { accumulator: ValueStateDescriptor::new(name), function }
    }

    /// Lets the accumulator expire.
    #[must_use]
    pub fn enable_time_to_live(mut self, ttl: StateTtlConfig) -> Self {
        self.accumulator = self.accumulator.enable_time_to_live(ttl);
        self
    }

    pub(crate) fn register(self, state: &mut KeyedState) -> Result<AggregatingState<A>> {
        Ok(AggregatingState { accumulator: self.accumulator.register(state)?, function: Some(self.function) })
    }
}

/// An accumulator for each key. The default is a handle that is not declared yet.
#[derive(Clone, Debug)]
pub struct AggregatingState<A: AggregateFunction> {
    accumulator: ValueState<A::Accumulator>,
    function: Option<A>,
}

impl<A: AggregateFunction> Default for AggregatingState<A> {
    fn default() -> Self {
        Self { accumulator: ValueState::default(), function: None }
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
        Ok(self.accumulator.value(context)?.map(|accumulator| function.get_result(accumulator)))
    }

    /// Adds a value to the key's accumulator.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn add(&self, context: &mut impl StateAccess, value: &A::In) -> Result<()> {
        let function = self.function()?;
        function.add(value, self.accumulator.value_or_insert_with(context, || function.create_accumulator())?);
        Ok(())
    }

    /// Removes the key's accumulator.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn clear(&self, context: &mut impl StateAccess) -> Result<()> {
        self.accumulator.clear(context)
    }
}
