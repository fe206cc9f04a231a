//! A keyed stream that is cut into windows.

use std::any::type_name;
use std::time::Duration;

use riverrun_base::Error;

use super::data_stream::SidedFactory;
use super::{DataStream, KeyedStream, OutputTag, Settings};
use crate::functions::{AggregateFunction, Collector, KeySelector, ReduceFunction};
use crate::window::{
    Aggregating, Contents, CountEvictor, CountTrigger, Evictor, Evicts, GlobalWindows, Listing, NoEvictor, Plain,
    ProcessWindowFunction, Processed, PurgingTrigger, Reducing, Trigger, WindowAssigner, WindowClosure, WindowOperator,
    Windowing, With,
};
use crate::{Key, Record, State};

/// A keyed stream whose records are in windows. Results have as event time the last time of their window.
#[derive(Clone)]
pub struct WindowedStream<T: Record, K, S, A, Tr, E = NoEvictor> {
    keyed: KeyedStream<T, K, S>,
    windowing: Windowing<T, A, Tr>,
    evictor: E,
    /// Without keys there is one subtask.
    parallelism: Option<usize>,
}

/// A stream whose records are in windows together, whatever they are: by one subtask.
pub type AllWindowedStream<T, A, Tr, E = NoEvictor> = WindowedStream<T, (), fn(&T), A, Tr, E>;

impl<T, K, S> KeyedStream<T, K, S>
where
    T: Record,
    K: Key,
    S: KeySelector<T, K>,
{
    /// Cuts the records of each key into windows.
    pub fn window<A: WindowAssigner<T>>(self, assigner: A) -> WindowedStream<T, K, S, A, A::DefaultTrigger> {
        WindowedStream::new(self, assigner, None)
    }

    /// Puts each `size` records of a key together, which come one after another.
    pub fn count_window(self, size: u64) -> WindowedStream<T, K, S, GlobalWindows, PurgingTrigger<CountTrigger>> {
        self.window(GlobalWindows::create()).trigger(PurgingTrigger::of(CountTrigger::of(size)))
    }

    /// Puts the last `size` records of a key together, each time that `slide` more have come.
    pub fn count_window_slide(
        self,
        size: usize,
        slide: u64,
    ) -> WindowedStream<T, K, S, GlobalWindows, CountTrigger, With<CountEvictor>>
    where
        T: State,
    {
        self.window(GlobalWindows::create()).trigger(CountTrigger::of(slide)).evictor(CountEvictor::of(size))
    }
}

impl<T: Record> DataStream<T> {
    /// Cuts all records into windows together. One subtask does it: where there is a key, [`key_by`](Self::key_by) and
    /// [`window`](KeyedStream::window) are better.
    pub fn window_all<A: WindowAssigner<T>>(self, assigner: A) -> AllWindowedStream<T, A, A::DefaultTrigger> {
        let all: fn(&T) = |_| ();
        WindowedStream::new(KeyedStream::new(self.global(), all), assigner, Some(1))
    }

    /// Puts each `size` records together, which come one after another.
    pub fn count_window_all(self, size: u64) -> AllWindowedStream<T, GlobalWindows, PurgingTrigger<CountTrigger>> {
        self.window_all(GlobalWindows::create()).trigger(PurgingTrigger::of(CountTrigger::of(size)))
    }

    /// Puts the last `size` records together, each time that `slide` more have come.
    pub fn count_window_all_slide(
        self,
        size: usize,
        slide: u64,
    ) -> AllWindowedStream<T, GlobalWindows, CountTrigger, With<CountEvictor>>
    where
        T: State,
    {
        self.window_all(GlobalWindows::create()).trigger(CountTrigger::of(slide)).evictor(CountEvictor::of(size))
    }
}

impl<T, K, S, A> WindowedStream<T, K, S, A, A::DefaultTrigger>
where
    T: Record,
    A: WindowAssigner<T>,
{
    fn new(keyed: KeyedStream<T, K, S>, assigner: A, parallelism: Option<usize>) -> Self {
        check_assigner(&keyed.stream, &assigner);
        let trigger = assigner.default_trigger();
        let windowing = Windowing { assigner, trigger, allowed_lateness: 0, late: None };
        Self { keyed, windowing, evictor: NoEvictor, parallelism }
    }
}

impl<T, K, S, A, Tr, E> WindowedStream<T, K, S, A, Tr, E>
where
    T: Record,
    A: WindowAssigner<T>,
{
    /// Says when results come, in place of the assigner's own trigger.
    pub fn trigger<Tr2: Trigger<T, A::Window>>(self, trigger: Tr2) -> WindowedStream<T, K, S, A, Tr2, E> {
        let Self { keyed, windowing: Windowing { assigner, allowed_lateness, late, .. }, evictor, parallelism } = self;
        check_trigger::<_, T, A, Tr2>(&keyed.stream);
        WindowedStream {
            keyed,
            windowing: Windowing { assigner, trigger, allowed_lateness, late },
            evictor,
            parallelism,
        }
    }

    /// Takes records out of the windows. Then all records of a window are kept, whatever its function is.
    pub fn evictor<E2: Evictor<T, A::Window>>(self, evictor: E2) -> WindowedStream<T, K, S, A, Tr, With<E2>>
    where
        T: State,
    {
        let Self { keyed, windowing, parallelism, .. } = self;
        WindowedStream { keyed, windowing, evictor: With(evictor), parallelism }
    }

    /// Keeps windows of event time for so long after their end, in whole milliseconds: a record that comes until then belongs to them yet,
    /// and lets them fire again.
    #[must_use]
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.windowing.allowed_lateness = i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX);
        self
    }

    /// Writes late records to a side output, in place of dropping them and counting them as `numLateRecordsDropped`.
    #[must_use]
    pub fn side_output_late_data(mut self, tag: &OutputTag<T>) -> Self {
        self.windowing.late = Some(tag.clone());
        self
    }
}

impl<T, K, S, A, Tr, E> WindowedStream<T, K, S, A, Tr, E>
where
    T: Record,
    K: Key,
    S: KeySelector<T, K>,
    A: WindowAssigner<T>,
    Tr: Trigger<T, A::Window>,
    E: Evicts<K, T, A::Window>,
{
    fn contents<C: Contents<K, T, A::Window>>(self, contents: C) -> DataStream<C::Out> {
        let Self { keyed, windowing, evictor, parallelism } = self;
        let contents = evictor.around(contents);
        let selector = keyed.selector;
        let factory: SidedFactory<_, C::Out> = Box::new(move |context, read| {
            let (selector, windowing, contents) = (selector.clone(), windowing.clone(), contents.clone());
            Ok(Box::new(WindowOperator::open(selector, windowing, contents, context, read)?))
        });
        let settings = Settings { parallelism, ..Settings::named(short_name::<A>()) };
        DataStream::<T>::sided_operator_behind(&keyed.stream.env, keyed.stream.origins, settings, factory)
    }

    /// The records of each window put together by a function.
    pub fn reduce(self, function: impl ReduceFunction<T>) -> DataStream<T>
    where
        T: State,
    {
        self.contents(Reducing(function, Plain))
    }

    /// As [`Self::reduce`], and then a function that knows the window.
    pub fn reduce_with<O: Record>(
        self,
        function: impl ReduceFunction<T>,
        process: impl ProcessWindowFunction<T, O, K, A::Window>,
    ) -> DataStream<O>
    where
        T: State,
    {
        self.contents(Reducing(function, Processed::by(process)))
    }

    /// As [`Self::reduce`], and then a closure that is given the key, the window, and what the records were put together to.
    pub fn reduce_apply<O: Record>(
        self,
        function: impl ReduceFunction<T>,
        apply: impl FnMut(&K, &A::Window, &T, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O>
    where
        T: State,
    {
        self.contents(Reducing(function, Processed::by(WindowClosure(of_one(apply)))))
    }

    /// The records of each window put into an accumulator, of which a result is made. Only the accumulator is kept.
    pub fn aggregate<F: AggregateFunction<In = T>>(self, function: F) -> DataStream<F::Out> {
        self.contents(Aggregating(function, Plain))
    }

    /// As [`Self::aggregate`], and then a function that knows the window.
    pub fn aggregate_with<F: AggregateFunction<In = T>, O: Record>(
        self,
        function: F,
        process: impl ProcessWindowFunction<F::Out, O, K, A::Window>,
    ) -> DataStream<O> {
        self.contents(Aggregating(function, Processed::by(process)))
    }

    /// As [`Self::aggregate`], and then a closure that is given the key, the window and the result.
    pub fn aggregate_apply<F: AggregateFunction<In = T>, O: Record>(
        self,
        function: F,
        apply: impl FnMut(&K, &A::Window, &F::Out, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O> {
        self.contents(Aggregating(function, Processed::by(WindowClosure(of_one(apply)))))
    }

    /// Results by a function that sees all records of a window, which are kept until then. Where they can be put together one by one,
    /// [`Self::aggregate_with`] keeps much less.
    pub fn process<O: Record>(self, function: impl ProcessWindowFunction<T, O, K, A::Window>) -> DataStream<O>
    where
        T: State,
    {
        self.contents(Listing::of(function))
    }

    /// As [`Self::process`], by a closure that is given the key, the window and its records in the order in which they came.
    pub fn apply<O: Record>(
        self,
        function: impl FnMut(&K, &A::Window, &[T], &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
    ) -> DataStream<O>
    where
        T: State,
    {
        self.contents(Listing::of(WindowClosure(function)))
    }

    /// The first record of each window, with the sum of all in the field that the closure names: `.sum(|order| &mut order.amount)`.
    pub fn sum<V: Clone + std::ops::AddAssign>(
        self,
        field: impl Fn(&mut T) -> &mut V + Clone + Send + Sync + 'static,
    ) -> DataStream<T>
    where
        T: State,
    {
        self.reduce(move |mut first: T, mut second: T| {
            let value = field(&mut second).clone();
            *field(&mut first) += value;
            first
        })
    }

    /// The first record of each window, with the least value of all in the field that the closure names.
    pub fn min<V: Clone + PartialOrd>(
        self,
        field: impl Fn(&mut T) -> &mut V + Clone + Send + Sync + 'static,
    ) -> DataStream<T>
    where
        T: State,
    {
        self.reduce(move |mut first: T, mut second: T| {
            let value = field(&mut second);
            if *value < *field(&mut first) {
                *field(&mut first) = value.clone();
            }
            first
        })
    }

    /// The first record of each window, with the largest value of all in the field that the closure names.
    pub fn max<V: Clone + PartialOrd>(
        self,
        field: impl Fn(&mut T) -> &mut V + Clone + Send + Sync + 'static,
    ) -> DataStream<T>
    where
        T: State,
    {
        self.reduce(move |mut first: T, mut second: T| {
            let value = field(&mut second);
            if *value > *field(&mut first) {
                *field(&mut first) = value.clone();
            }
            first
        })
    }

    /// The record of each window of which the closure answers the least; the first of several.
    pub fn min_by<V: PartialOrd>(self, by: impl Fn(&T) -> V + Clone + Send + Sync + 'static) -> DataStream<T>
    where
        T: State,
    {
        self.reduce(move |first: T, second: T| if by(&second) < by(&first) { second } else { first })
    }

    /// The record of each window of which the closure answers the largest; the first of several.
    pub fn max_by<V: PartialOrd>(self, by: impl Fn(&T) -> V + Clone + Send + Sync + 'static) -> DataStream<T>
    where
        T: State,
    {
        self.reduce(move |first: T, second: T| if by(&second) > by(&first) { second } else { first })
    }
}

/// A closure of one value, for a function that is given one.
fn of_one<K, W, I, O: Record>(
    mut apply: impl FnMut(&K, &W, &I, &mut Collector<'_, O>) + Clone + Send + Sync + 'static,
) -> impl FnMut(&K, &W, &[I], &mut Collector<'_, O>) + Clone + Send + Sync + 'static {
    move |key: &K, window: &W, values: &[I], out: &mut Collector<'_, O>| {
        values.iter().for_each(|value| apply(key, window, value, out));
    }
}

/// Refuses the job if the assigner cannot work.
pub(super) fn check_assigner<S: Record, T, A: WindowAssigner<T>>(stream: &DataStream<S>, assigner: &A) {
    if let Err(error) = assigner.check() {
        stream.mistake(error.with("windows", short_name::<A>()));
    }
}

/// Refuses the job if windows merge and the trigger cannot.
pub(super) fn check_trigger<S: Record, T, A: WindowAssigner<T>, Tr: Trigger<T, A::Window>>(stream: &DataStream<S>) {
    if A::MERGES && !Tr::CAN_MERGE {
        let (trigger, windows) = (short_name::<Tr>(), short_name::<A>());
        let error = Error::user(format!("{windows} merge, and the trigger {trigger} does not work on such windows"));
        stream.mistake(error.hint("let it say CAN_MERGE, and merge its state"));
    }
}

/// The name of a type without its modules and parameters.
fn short_name<A>() -> &'static str {
    let name = type_name::<A>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}
