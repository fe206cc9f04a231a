//! Two streams whose records of equal keys meet in windows.

use std::marker::PhantomData;
use std::time::Duration;

use riverrun_base::Error;

use super::both::both;
use super::data_stream::SidedFactory;
use super::windowed_stream::{check_assigner, check_trigger};
use super::{DataStream, OutputTag, Settings};
use crate::functions::{Collector, FnResult};
use crate::window::{
    Evictor, Evicts, Listing, NoEvictor, ProcessWindowFunction, TaggedInput, TaggedUnion, Trigger, Window,
    WindowAssigner, WindowContext, WindowOperator, Windowing, With,
};
use crate::{Key, Record, State};

impl<A: Record> DataStream<A> {
    /// Pairs of records of both streams that have equal keys and are in a window together.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use riverrun::prelude::*;
    /// use riverrun::window::TumblingEventTimeWindows;
    ///
    /// let env = StreamExecutionEnvironment::new();
    /// let timed = |stream: DataStream<(u32, i64)>| {
    ///     let strategy = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|row: &(u32, i64), _| row.1);
    ///     stream.assign_timestamps_and_watermarks(strategy)
    /// };
    /// let orders = timed(env.from_collection(vec![(1, 1_000), (2, 2_000)]));
    /// let payments = timed(env.from_collection(vec![(1, 5_000), (2, 11_000)]));
    /// let paid = orders
    ///     .join(payments)
    ///     .where_(|order| order.0)
    ///     .equal_to(|payment| payment.0)
    ///     .window(TumblingEventTimeWindows::of(Duration::from_secs(10)))
    ///     .apply(|order, payment| (order.0, payment.1 - order.1));
    /// assert_eq!(paid.execute_and_collect("paid in time")?, [(1, 4_000)]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    pub fn join<B: Record>(self, other: DataStream<B>) -> JoinedStreams<A, B> {
        Pair { first: self, second: other, how: PhantomData }
    }

    /// The records of both streams that have equal keys and are in a window together, all at once; also where one stream has none.
    pub fn co_group<B: Record>(self, other: DataStream<B>) -> CoGroupedStreams<A, B> {
        Pair { first: self, second: other, how: PhantomData }
    }
}

/// Each pair of records.
#[derive(Clone, Copy, Debug)]
pub struct Join;

/// All records at once.
#[derive(Clone, Copy, Debug)]
pub struct CoGroup;

/// Two streams to be joined, made by [`DataStream::join`].
pub type JoinedStreams<A, B> = Pair<A, B, Join>;

/// Two streams to be grouped together, made by [`DataStream::co_group`].
pub type CoGroupedStreams<A, B> = Pair<A, B, CoGroup>;

/// Two streams that are to meet.
#[derive(Clone)]
pub struct Pair<A: Record, B: Record, How> {
    first: DataStream<A>,
    second: DataStream<B>,
    how: PhantomData<fn() -> How>,
}

impl<A: Record, B: Record, How> Pair<A, B, How> {
    /// The key of the first stream.
    pub fn where_<K: Key, S>(self, first: S) -> PairWhere<A, B, How, K, S>
    where
        S: Fn(&A) -> K + Clone + Send + Sync + 'static,
    {
        PairWhere { pair: self, first, key: PhantomData }
    }
}

/// Two streams that are to meet, and the key of the first.
#[derive(Clone)]
pub struct PairWhere<A: Record, B: Record, How, K, S> {
    pair: Pair<A, B, How>,
    first: S,
    key: PhantomData<fn() -> K>,
}

impl<A: Record, B: Record, How, K: Key, S> PairWhere<A, B, How, K, S> {
    /// The key of the second stream.
    pub fn equal_to<R>(self, second: R) -> PairByKey<A, B, How, K, S, R>
    where
        R: Fn(&B) -> K + Clone + Send + Sync + 'static,
    {
        PairByKey { by: self, second }
    }
}

/// Two streams that are to meet by their keys.
#[derive(Clone)]
pub struct PairByKey<A: Record, B: Record, How, K, S, R> {
    by: PairWhere<A, B, How, K, S>,
    second: R,
}

impl<A: Record, B: Record, How, K: Key, S, R> PairByKey<A, B, How, K, S, R> {
    /// The windows in which they are to meet.
    pub fn window<W>(self, assigner: W) -> WindowedPair<A, B, How, K, S, R, W, W::DefaultTrigger>
    where
        W: WindowAssigner<TaggedUnion<A, B>>,
    {
        check_assigner(&self.by.pair.first, &assigner);
        let trigger = assigner.default_trigger();
        let windowing = Windowing { assigner, trigger, allowed_lateness: 0, late: None };
        WindowedPair { keyed: self, windowing, evictor: NoEvictor }
    }
}

/// Two streams whose records of equal keys meet in windows. All records of a window are kept until it ends. Results have as event time the
/// last time of their window.
#[derive(Clone)]
pub struct WindowedPair<A: Record, B: Record, How, K, S, R, W, Tr, E = NoEvictor> {
    keyed: PairByKey<A, B, How, K, S, R>,
    windowing: Windowing<TaggedUnion<A, B>, W, Tr>,
    evictor: E,
}

impl<A, B, How, K, S, R, W, Tr, E> WindowedPair<A, B, How, K, S, R, W, Tr, E>
where
    A: Record,
    B: Record,
    W: WindowAssigner<TaggedUnion<A, B>>,
{
    /// Says when results come, in place of the assigner's own trigger.
    pub fn trigger<Tr2>(self, trigger: Tr2) -> WindowedPair<A, B, How, K, S, R, W, Tr2, E>
    where
        Tr2: Trigger<TaggedUnion<A, B>, W::Window>,
    {
        let Self { keyed, windowing: Windowing { assigner, allowed_lateness, late, .. }, evictor } = self;
        check_trigger::<_, TaggedUnion<A, B>, W, Tr2>(&keyed.by.pair.first);
        WindowedPair { keyed, windowing: Windowing { assigner, trigger, allowed_lateness, late }, evictor }
    }

    /// Takes records out of the windows.
    pub fn evictor<E2>(self, evictor: E2) -> WindowedPair<A, B, How, K, S, R, W, Tr, With<E2>>
    where
        E2: Evictor<TaggedUnion<A, B>, W::Window>,
    {
        WindowedPair { keyed: self.keyed, windowing: self.windowing, evictor: With(evictor) }
    }

    /// As [`WindowedStream::allowed_lateness`](crate::WindowedStream::allowed_lateness). A window that fires again gives all its results
    /// again.
    #[must_use]
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.windowing.allowed_lateness = i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX);
        self
    }

    /// As [`WindowedStream::side_output_late_data`](crate::WindowedStream::side_output_late_data), of both streams.
    #[must_use]
    pub fn side_output_late_data(mut self, tag: &OutputTag<TaggedUnion<A, B>>) -> Self {
        self.windowing.late = Some(tag.clone());
        self
    }
}

impl<A, B, How, K, S, R, W, Tr, E> WindowedPair<A, B, How, K, S, R, W, Tr, E>
where
    A: State,
    B: State,
    K: Key,
    S: Fn(&A) -> K + Clone + Send + Sync + 'static,
    R: Fn(&B) -> K + Clone + Send + Sync + 'static,
    W: WindowAssigner<TaggedUnion<A, B>>,
    Tr: Trigger<TaggedUnion<A, B>, W::Window>,
    E: Evicts<K, TaggedUnion<A, B>, W::Window>,
{
    fn by<O: Record>(
        self,
        name: &str,
        function: impl ProcessWindowFunction<TaggedUnion<A, B>, O, K, W::Window>,
    ) -> DataStream<O> {
        let PairByKey { by: PairWhere { pair, first, .. }, second } = self.keyed;
        let (windowing, contents) = (self.windowing, self.evictor.around(Listing::of(function)));
        let selectors = (first.clone(), second.clone());
        let factory: SidedFactory<_, O> = Box::new(move |context, read| {
            let (first, second) = selectors.clone();
            let selector = move |record: &TaggedUnion<A, B>| match record {
                TaggedUnion::One(record) => first(record),
                TaggedUnion::Two(record) => second(record),
            };
            let operator = WindowOperator::open(selector, windowing.clone(), contents.clone(), context, read)?;
            Ok(Box::new(TaggedInput(operator)))
        });
        if !pair.first.env.blueprint.is_same(&pair.second.env.blueprint) {
            pair.first.mistake(Error::user("streams of two environments are to meet"));
        }
        let env = pair.first.env.clone();
        let origins = both(pair.first.key_by(first).stream, pair.second.key_by(second).stream);
        DataStream::<A>::sided_operator_behind(&env, origins, Settings::named(name), factory)
    }
}

impl<A, B, K, S, R, W, Tr, E> WindowedPair<A, B, Join, K, S, R, W, Tr, E>
where
    A: State,
    B: State,
    K: Key,
    S: Fn(&A) -> K + Clone + Send + Sync + 'static,
    R: Fn(&B) -> K + Clone + Send + Sync + 'static,
    W: WindowAssigner<TaggedUnion<A, B>>,
    Tr: Trigger<TaggedUnion<A, B>, W::Window>,
    E: Evicts<K, TaggedUnion<A, B>, W::Window>,
{
    /// One result for each pair.
    pub fn apply<O: Record>(self, function: impl FnMut(&A, &B) -> O + Clone + Send + Sync + 'static) -> DataStream<O> {
        let mut function = function;
        self.apply_flat(move |first: &A, second: &B, out: &mut Collector<'_, O>| out.collect(function(first, second)))
    }

    /// Any number of results for each pair.
    pub fn apply_flat<O: Record>(
        self,
        function: impl FnMut(&A, &B, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        let mut function = function;
        self.by(
            "Window Join",
            GroupFunction(move |first: &[&A], second: &[&B], out: &mut Collector<'_, O>| {
                for one in first {
                    second.iter().for_each(|two| function(one, two, out));
                }
            }),
        )
    }
}

impl<A, B, K, S, R, W, Tr, E> WindowedPair<A, B, CoGroup, K, S, R, W, Tr, E>
where
    A: State,
    B: State,
    K: Key,
    S: Fn(&A) -> K + Clone + Send + Sync + 'static,
    R: Fn(&B) -> K + Clone + Send + Sync + 'static,
    W: WindowAssigner<TaggedUnion<A, B>>,
    Tr: Trigger<TaggedUnion<A, B>, W::Window>,
    E: Evicts<K, TaggedUnion<A, B>, W::Window>,
{
    /// Any number of results for the records of both streams of a key and window, each in the order in which they came.
    pub fn apply<O: Record>(
        self,
        function: impl FnMut(&[&A], &[&B], &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.by("Window Co-Group", GroupFunction(function))
    }
}

/// Tells the records of a window apart.
#[derive(Clone)]
struct GroupFunction<F>(F);

impl<A, B, O, K, W, F> ProcessWindowFunction<TaggedUnion<A, B>, O, K, W> for GroupFunction<F>
where
    O: Record,
    K: Key,
    W: Window,
    F: FnMut(&[&A], &[&B], &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
{
    fn process(
        &mut self,
        _: &K,
        _: &mut WindowContext<'_, W>,
        elements: &[TaggedUnion<A, B>],
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for element in elements {
            match element {
                TaggedUnion::One(record) => first.push(record),
                TaggedUnion::Two(record) => second.push(record),
            }
        }
        (self.0)(&first, &second, out);
        Ok(())
    }
}
