//! A stream that is dealt out by keys.

use std::marker::PhantomData;

use super::data_stream::SidedFactory;
use super::{DataStream, Settings};
use crate::functions::{KeySelector, KeyedProcessFunction, ReduceFunction};
use crate::operators::{KeyedProcessOperator, ReduceOperator};
use crate::{Key, Record, State};

/// A stream whose records of equal keys come to the same subtask, in order, which keeps state for each key.
#[derive(Clone)]
pub struct KeyedStream<T: Record, K, S> {
    pub(super) stream: DataStream<T>,
    pub(super) selector: S,
    key: PhantomData<fn() -> K>,
}

impl<T, K, S> KeyedStream<T, K, S>
where
    T: Record,
    K: Key,
    S: KeySelector<T, K>,
{
    pub(super) fn new(stream: DataStream<T>, selector: S) -> Self {
        Self { stream, selector, key: PhantomData }
    }

    /// Results by a function that keeps state for each key, and sets timers.
    pub fn process<O: Record>(self, function: impl KeyedProcessFunction<K, T, O>) -> DataStream<O> {
        let selector = self.selector;
        let factory: SidedFactory<_, O> = Box::new(move |context, read| {
            Ok(Box::new(KeyedProcessOperator::<K, _, _>::open(selector.clone(), function.clone(), context, read)?))
        });
        let settings = Settings::named("KeyedProcess");
        DataStream::<T>::sided_operator_behind(&self.stream.env, self.stream.origins, settings, factory)
    }

    /// For each record, all records of its key so far, put together by a function.
    pub fn reduce(self, function: impl ReduceFunction<T>) -> DataStream<T>
    where
        T: State,
    {
        let selector = self.selector;
        self.stream.operator("Keyed Reduce", move |context| {
            Ok(Box::new(ReduceOperator::<K, T, _, _>::open(selector.clone(), function.clone(), context)?))
        })
    }
}
