//! Two streams that one operator reads.

use super::both::both;
use super::data_stream::SidedFactory;
use super::{Both, DataStream, KeyedStream, Origin, Settings};
use crate::functions::{
    CoFlatMapFunction, CoMapFunction, CoProcessFunction, Collector, KeySelector, KeyedCoProcessFunction,
};
use crate::operators::{
    CoFlatMapClosures, CoFlatMapOperator, CoMapClosures, CoMapOperator, CoProcessOperator, KeyedCoProcessOperator,
};
use crate::{Key, Record, StreamExecutionEnvironment};

impl<T: Record> DataStream<T> {
    /// Both streams into one operator, each with its own type. There is no order between them.
    ///
    /// ```
    /// use riverrun::prelude::*;
    ///
    /// let env = StreamExecutionEnvironment::new();
    /// let numbers = env.from_collection([1, 2]);
    /// let words = env.from_collection(["a", "b"]);
    /// let mut lines = numbers.connect(words).map(|n| format!("number {n}"), |word| format!("word {word}"));
    /// let mut lines = lines.execute_and_collect("both")?;
    /// lines.sort();
    /// assert_eq!(lines, ["number 1", "number 2", "word a", "word b"]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    ///
    /// With a [`BroadcastStream`](crate::BroadcastStream) it is the broadcast state pattern.
    pub fn connect<C: ConnectWith<Self>>(self, other: C) -> C::Connected {
        other.connect_with(self)
    }
}

/// What a stream can be connected with: another stream, or one that is broadcast; for a keyed stream, one that is keyed alike.
pub trait ConnectWith<First> {
    /// Both together.
    type Connected;

    /// Both together; [`DataStream::connect`] calls it.
    fn connect_with(self, first: First) -> Self::Connected;
}

impl<A: Record, B: Record> ConnectWith<DataStream<A>> for DataStream<B> {
    type Connected = ConnectedStreams<A, B>;

    fn connect_with(self, first: DataStream<A>) -> ConnectedStreams<A, B> {
        ConnectedStreams { first, second: self }
    }
}

impl<A: Record, B: Record, K, S, R> ConnectWith<KeyedStream<A, K, S>> for KeyedStream<B, K, R> {
    type Connected = KeyedConnectedStreams<A, B, K, S, R>;

    fn connect_with(self, first: KeyedStream<A, K, S>) -> KeyedConnectedStreams<A, B, K, S, R> {
        KeyedConnectedStreams { first, second: self }
    }
}

impl<T, K, S> KeyedStream<T, K, S>
where
    T: Record,
    K: Key,
    S: KeySelector<T, K>,
{
    /// Both streams into one operator that keeps state for each key: records of equal keys of either come to the same subtask.
    /// With a [`BroadcastStream`](crate::BroadcastStream) it is the broadcast state pattern.
    pub fn connect<C: ConnectWith<Self>>(self, other: C) -> C::Connected {
        other.connect_with(self)
    }
}

/// Two streams that one operator is to read, made by [`DataStream::connect`].
///
/// The operator has the smaller watermark of both, and is idle when both are. With no parallelism of its own
/// ([`DataStream::set_parallelism`] of what it answers) it has that of both streams if they agree and have no exchange, the environment's
/// otherwise.
#[derive(Clone)]
pub struct ConnectedStreams<A: Record, B: Record> {
    first: DataStream<A>,
    second: DataStream<B>,
}

impl<A: Record, B: Record> ConnectedStreams<A, B> {
    /// One result for each record: by `first` for those of the first stream, by `second` for those of the second.
    pub fn map<O: Record>(
        self,
        first: impl FnMut(A) -> O + Clone + Send + Sync + 'static,
        second: impl FnMut(B) -> O + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.map_with(CoMapClosures(first, second))
    }

    /// One result for each record, by a rich function.
    pub fn map_with<O: Record>(self, function: impl CoMapFunction<A, B, O>) -> DataStream<O> {
        let (env, origins) = self.parts();
        let settings = Settings::named("Co-Map");
        DataStream::<A>::operator_behind(&env, origins, settings, move |context| {
            Ok(Box::new(CoMapOperator::open(function.clone(), context)?))
        })
    }

    /// Any number of results for each record: by `first` for those of the first stream, by `second` for those of the second.
    pub fn flat_map<O: Record>(
        self,
        first: impl FnMut(A, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
        second: impl FnMut(B, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.flat_map_with(CoFlatMapClosures(first, second))
    }

    /// Any number of results for each record, by a rich function.
    pub fn flat_map_with<O: Record>(self, function: impl CoFlatMapFunction<A, B, O>) -> DataStream<O> {
        let (env, origins) = self.parts();
        let settings = Settings::named("Co-Flat Map");
        DataStream::<A>::operator_behind(&env, origins, settings, move |context| {
            Ok(Box::new(CoFlatMapOperator::open(function.clone(), context)?))
        })
    }

    /// Results by a function that sees event time and can write to side outputs.
    pub fn process<O: Record>(self, function: impl CoProcessFunction<A, B, O>) -> DataStream<O> {
        let factory: SidedFactory<_, O> =
            Box::new(move |context, read| Ok(Box::new(CoProcessOperator::open(function.clone(), context, read)?)));
        let (env, origins) = self.parts();
        DataStream::<A>::sided_operator_behind(&env, origins, Settings::named("Co-Process"), factory)
    }

    /// Deals the records of both streams out by a key, in place of the exchanges they had.
    pub fn key_by<K: Key, S, R>(self, first: S, second: R) -> KeyedConnectedStreams<A, B, K, S, R>
    where
        S: Fn(&A) -> K + Clone + Send + Sync + 'static,
        R: Fn(&B) -> K + Clone + Send + Sync + 'static,
    {
        self.first.key_by(first).connect(self.second.key_by(second))
    }

    /// The first stream.
    pub fn first_input(&self) -> &DataStream<A> {
        &self.first
    }

    /// The second stream.
    pub fn second_input(&self) -> &DataStream<B> {
        &self.second
    }

    fn parts(self) -> (StreamExecutionEnvironment, Vec<Origin<Both<A, B>>>) {
        (self.first.env.clone(), both(self.first, self.second))
    }
}

/// Two streams keyed alike that one operator is to read: [`KeyedStream::connect`], [`ConnectedStreams::key_by`].
#[derive(Clone)]
pub struct KeyedConnectedStreams<A: Record, B: Record, K, S, R> {
    pub(super) first: KeyedStream<A, K, S>,
    pub(super) second: KeyedStream<B, K, R>,
}

impl<A, B, K, S, R> KeyedConnectedStreams<A, B, K, S, R>
where
    A: Record,
    B: Record,
    K: Key,
    S: KeySelector<A, K>,
    R: KeySelector<B, K>,
{
    /// As [`ConnectedStreams::map`]; records of equal keys are seen by the same subtask.
    pub fn map<O: Record>(
        self,
        first: impl FnMut(A) -> O + Clone + Send + Sync + 'static,
        second: impl FnMut(B) -> O + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.without_state().map(first, second)
    }

    /// As [`ConnectedStreams::flat_map`]; records of equal keys are seen by the same subtask.
    pub fn flat_map<O: Record>(
        self,
        first: impl FnMut(A, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
        second: impl FnMut(B, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.without_state().flat_map(first, second)
    }

    /// Results by a function that keeps state for each key, the same for the records of either stream, and sets timers.
    pub fn process<O: Record>(self, function: impl KeyedCoProcessFunction<K, A, B, O>) -> DataStream<O> {
        let selectors = (self.first.selector, self.second.selector);
        let factory: SidedFactory<_, O> = Box::new(move |context, read| {
            let (selectors, function) = (selectors.clone(), function.clone());
            Ok(Box::new(KeyedCoProcessOperator::<K, _, _, _>::open(selectors, function, context, read)?))
        });
        let env = self.first.stream.env.clone();
        let origins = both(self.first.stream, self.second.stream);
        DataStream::<A>::sided_operator_behind(&env, origins, Settings::named("Co-Keyed-Process"), factory)
    }

    fn without_state(self) -> ConnectedStreams<A, B> {
        ConnectedStreams { first: self.first.stream, second: self.second.stream }
    }
}
