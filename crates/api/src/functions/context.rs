//! What a function knows of its place, and where it gets its state.

use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, Gauge, Histogram, Meter};
use riverrun_runtime::OperatorContext;

use super::AggregateFunction;
use crate::State;
use crate::accumulators::Accumulator;
use crate::state::{
    AggregatingState, AggregatingStateDescriptor, BroadcastState, BroadcastStates, KeyedState, ListState,
    ListStateDescriptor, MapState, MapStateDescriptor, MapStateKey, ReducingState, ReducingStateDescriptor, ValueState,
    ValueStateDescriptor,
};

/// Given to a function when it is opened.
pub struct RuntimeContext<'a> {
    operator: &'a OperatorContext,
    state: Option<&'a mut KeyedState>,
    broadcast: Option<&'a BroadcastStates>,
}

impl<'a> RuntimeContext<'a> {
    pub(crate) fn new(operator: &'a OperatorContext, state: Option<&'a mut KeyedState>) -> Self {
        Self { operator, state, broadcast: None }
    }

    /// The same, of an operator with broadcast state.
    pub(crate) fn with_broadcast(self, states: &'a BroadcastStates) -> Self {
        Self { broadcast: Some(states), ..self }
    }

    /// The operator's name.
    pub fn task_name(&self) -> &str {
        &self.operator.name
    }

    /// The index of this subtask, from 0.
    pub fn index_of_this_subtask(&self) -> usize {
        self.operator.subtask
    }

    /// How many subtasks there are.
    pub fn number_of_parallel_subtasks(&self) -> usize {
        self.operator.parallelism
    }

    /// How many subtasks there can be at most: the number of key groups.
    pub fn max_number_of_parallel_subtasks(&self) -> usize {
        self.operator.max_parallelism
    }

    /// The number of the attempt, which rises with each restart.
    pub fn attempt_number(&self) -> u64 {
        self.operator.job.attempt
    }

    /// The job's id, 32 hexadecimal digits.
    pub fn job_id(&self) -> &str {
        &self.operator.job.id
    }

    /// A counter among the operator's metrics, made at the first call.
    pub fn counter(&self, name: &'static str) -> Counter {
        self.operator.counters.counter(name)
    }

    /// A value that goes up and down among the operator's metrics, made at the first call.
    ///
    /// # Errors
    /// Another metric or accumulator has this name.
    pub fn gauge(&self, name: &'static str) -> Result<Gauge> {
        self.operator.counters.measures().gauge(name)
    }

    /// How many events there are a second, among the operator's metrics, made at the first call.
    ///
    /// # Errors
    /// As [`Self::gauge`].
    pub fn meter(&self, name: &'static str) -> Result<Meter> {
        self.operator.counters.measures().meter(name)
    }

    /// How values are spread, among the operator's metrics, made at the first call.
    ///
    /// # Errors
    /// As [`Self::gauge`].
    pub fn histogram(&self, name: &'static str) -> Result<Histogram> {
        self.operator.counters.measures().histogram(name)
    }

    /// What is added up for the [result of the job](crate::JobExecutionResult::accumulator_result), made at the first call.
    ///
    /// # Errors
    /// As [`Self::gauge`], or it is of another type.
    pub fn accumulator<A: Accumulator>(&self, name: &'static str) -> Result<A> {
        self.operator.counters.measures().accumulator::<A>(name).map(|accumulator| (*accumulator).clone())
    }

    /// One value for each key.
    ///
    /// # Errors
    /// The stream is not keyed, or there is a state of this name already.
    pub fn value_state<V: State>(&mut self, descriptor: ValueStateDescriptor<V>) -> Result<ValueState<V>> {
        descriptor.register(self.keyed()?)
    }

    /// A list for each key.
    ///
    /// # Errors
    /// As [`Self::value_state`].
    pub fn list_state<V: State>(&mut self, descriptor: ListStateDescriptor<V>) -> Result<ListState<V>> {
        descriptor.register(self.keyed()?)
    }

    /// A map for each key.
    ///
    /// # Errors
    /// As [`Self::value_state`].
    pub fn map_state<K: MapStateKey, V: State>(
        &mut self,
        descriptor: MapStateDescriptor<K, V>,
    ) -> Result<MapState<K, V>> {
        descriptor.register(self.keyed()?)
    }

    /// One value for each key, into which others are reduced.
    ///
    /// # Errors
    /// As [`Self::value_state`].
    pub fn reducing_state<V: State>(&mut self, descriptor: ReducingStateDescriptor<V>) -> Result<ReducingState<V>> {
        descriptor.register(self.keyed()?)
    }

    /// An accumulator for each key.
    ///
    /// # Errors
    /// As [`Self::value_state`].
    pub fn aggregating_state<A: AggregateFunction>(
        &mut self,
        descriptor: AggregatingStateDescriptor<A>,
    ) -> Result<AggregatingState<A>> {
        descriptor.register(self.keyed()?)
    }

    /// A state that the stream, with which this one is connected, is broadcast with.
    ///
    /// # Errors
    /// It is not, or with entries of another type.
    pub fn broadcast_state<K, V>(&self, descriptor: &MapStateDescriptor<K, V>) -> Result<BroadcastState<K, V>>
    where
        K: MapStateKey + Sync,
        V: State + Sync,
    {
        let states = self.broadcast.ok_or_else(|| {
            Error::user("broadcast state is asked for by a function that is connected with no broadcast stream")
                .hint("connect its stream with what broadcast_state() answers")
        })?;
        descriptor.broadcast_state(states)
    }

    fn keyed(&mut self) -> Result<&mut KeyedState> {
        self.state.as_deref_mut().ok_or_else(|| {
            Error::user("keyed state is asked for by a function on a stream that is not keyed")
                .hint("call key_by() before it")
        })
    }
}
