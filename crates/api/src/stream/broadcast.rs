//! The broadcast state pattern: a stream whose records every subtask of an operator sees, and keeps in broadcast state.

use super::both::both;
use super::connected::ConnectWith;
use super::data_stream::SidedFactory;
use super::{DataStream, KeyedStream, Settings};
use crate::functions::{BroadcastProcessFunction, KeySelector, KeyedBroadcastProcessFunction};
use crate::operators::{BroadcastProcessOperator, KeyedBroadcastProcessOperator};
use crate::state::{MakeMap, MapStateDescriptor, MapStateKey};
use crate::{Key, Record, State};

/// A stream that is broadcast into broadcast state: connect another stream with it.
#[derive(Clone)]
pub struct BroadcastStream<B: Record> {
    stream: DataStream<B>,
    maps: Vec<MakeMap>,
}

impl<T: Record> DataStream<T> {
    /// Every record to every subtask, where the function of a stream that is [connected](Self::connect) with this one keeps what it needs of
    /// them in a state that this declares. It is Flink's `broadcast(descriptor)`.
    ///
    /// The state is a map that every subtask has whole, in memory and in checkpoints: it is for rules, not for facts. At another parallelism
    /// each subtask is restored with a copy.
    pub fn broadcast_state<K, V>(self, descriptor: &MapStateDescriptor<K, V>) -> BroadcastStream<T>
    where
        K: MapStateKey + Sync,
        V: State + Sync,
    {
        BroadcastStream { stream: self.broadcast(), maps: Vec::new() }.and_state(descriptor)
    }
}

impl<B: Record> BroadcastStream<B> {
    /// Declares a further state.
    #[must_use]
    pub fn and_state<K, V>(mut self, descriptor: &MapStateDescriptor<K, V>) -> Self
    where
        K: MapStateKey + Sync,
        V: State + Sync,
    {
        self.maps.push(descriptor.broadcast_map());
        self
    }
}

impl<T: Record, B: Record> ConnectWith<DataStream<T>> for BroadcastStream<B> {
    type Connected = BroadcastConnectedStream<T, B>;

    fn connect_with(self, first: DataStream<T>) -> BroadcastConnectedStream<T, B> {
        BroadcastConnectedStream { first, broadcast: self }
    }
}

impl<T, K, S, B> ConnectWith<KeyedStream<T, K, S>> for BroadcastStream<B>
where
    T: Record,
    B: Record,
{
    type Connected = KeyedBroadcastConnectedStream<T, B, K, S>;

    fn connect_with(self, first: KeyedStream<T, K, S>) -> KeyedBroadcastConnectedStream<T, B, K, S> {
        KeyedBroadcastConnectedStream { first, broadcast: self }
    }
}

/// A stream, connected with one that is broadcast.
#[derive(Clone)]
pub struct BroadcastConnectedStream<T: Record, B: Record> {
    first: DataStream<T>,
    broadcast: BroadcastStream<B>,
}

impl<T: Record, B: Record> BroadcastConnectedStream<T, B> {
    /// Results by a function that sees the records of both, and keeps broadcast state.
    pub fn process<O: Record>(self, function: impl BroadcastProcessFunction<T, B, O>) -> DataStream<O> {
        let maps = self.broadcast.maps;
        let factory: SidedFactory<_, O> = Box::new(move |context, read| {
            Ok(Box::new(BroadcastProcessOperator::open(function.clone(), &maps, context, read)?))
        });
        let env = self.first.env.clone();
        let origins = both(self.first, self.broadcast.stream);
        DataStream::<T>::sided_operator_behind(&env, origins, Settings::named("Co-Process-Broadcast"), factory)
    }
}

/// A keyed stream, connected with one that is broadcast.
#[derive(Clone)]
pub struct KeyedBroadcastConnectedStream<T: Record, B: Record, K, S> {
    first: KeyedStream<T, K, S>,
    broadcast: BroadcastStream<B>,
}

impl<T, B, K, S> KeyedBroadcastConnectedStream<T, B, K, S>
where
    T: Record,
    B: Record,
    K: Key,
    S: KeySelector<T, K>,
{
    /// Results by a function that sees the records of both, keeps broadcast state, keeps state for each key, and sets timers.
    pub fn process<O: Record>(self, function: impl KeyedBroadcastProcessFunction<K, T, B, O>) -> DataStream<O> {
        let (selector, maps) = (self.first.selector, self.broadcast.maps);
        let factory: SidedFactory<_, O> = Box::new(move |context, read| {
            let (selector, function) = (selector.clone(), function.clone());
            Ok(Box::new(KeyedBroadcastProcessOperator::<K, _, _>::open(selector, function, &maps, context, read)?))
        });
        let env = self.first.stream.env.clone();
        let origins = both(self.first.stream, self.broadcast.stream);
        DataStream::<T>::sided_operator_behind(&env, origins, Settings::named("Co-Process-Broadcast-Keyed"), factory)
    }
}
