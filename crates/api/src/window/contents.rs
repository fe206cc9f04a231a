//! What is kept of a window's records, and what becomes of it when the window fires.

use crate::functions::{AggregateFunction, CheckpointedFunction, Collector, FnResult, ReduceFunction, RuntimeContext};
use crate::{Key, Record, State};

use super::{Evictor, ProcessWindowFunction, TimestampedValue, Window, WindowContext};

/// Keeps a window's records, or what they are put together to, and makes the window's results of it. Windowed streams choose one; it is no
/// trait to implement.
pub trait Contents<K, T, W>: Clone + Send + Sync + 'static {
    /// What is kept.
    type Kept: State;
    /// The results.
    type Out: Record;

    /// Called once, before anything else.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult;

    /// Adds a record, which the last window that it is added to may take.
    fn add(&mut self, value: &mut Option<T>, is_last: bool, timestamp: Option<i64>, kept: &mut Option<Self::Kept>);

    /// Both in one.
    fn merge(&mut self, first: Self::Kept, second: Self::Kept) -> Self::Kept;

    /// What is kept of no records, if there are results of none.
    fn empty(&self) -> Option<Self::Kept>;

    /// The window fires.
    ///
    /// # Errors
    /// The job fails with this error.
    fn fire(
        &mut self,
        key: &K,
        kept: &mut Self::Kept,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, Self::Out>,
    ) -> FnResult;

    /// The window has ended.
    ///
    /// # Errors
    /// The job fails with this error.
    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult;

    /// Called once, after everything else.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult;

    /// The operator state of the function that makes the results, if it has any.
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction>;
}

/// What makes results of a window's values.
pub(crate) trait Results<I, K, W>: Clone + Send + Sync + 'static {
    type Out: Record;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult;

    fn of_one(
        &mut self,
        key: &K,
        value: I,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, Self::Out>,
    ) -> FnResult;

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult;

    fn close(&mut self) -> FnResult;

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction>;
}

/// The value is the result.
#[derive(Clone)]
pub(crate) struct Plain;

impl<I: Record, K, W> Results<I, K, W> for Plain {
    type Out = I;

    fn open(&mut self, _: &mut RuntimeContext<'_>) -> FnResult {
        Ok(())
    }

    #[inline]
    fn of_one(&mut self, _: &K, value: I, _: &mut WindowContext<'_, W>, out: &mut Collector<'_, I>) -> FnResult {
        out.collect(value);
        Ok(())
    }

    fn clear(&mut self, _: &mut WindowContext<'_, W>) -> FnResult {
        Ok(())
    }

    fn close(&mut self) -> FnResult {
        Ok(())
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// A function makes the results.
pub(crate) struct Processed<P, O> {
    function: P,
    out: std::marker::PhantomData<fn() -> O>,
}

impl<P, O> Processed<P, O> {
    pub(crate) fn by(function: P) -> Self {
        Self { function, out: std::marker::PhantomData }
    }
}

impl<P: Clone, O> Clone for Processed<P, O> {
    fn clone(&self) -> Self {
        Self::by(self.function.clone())
    }
}

impl<I, O, K, W, P> Results<I, K, W> for Processed<P, O>
where
    O: Record,
    K: Key,
    W: Window,
    P: ProcessWindowFunction<I, O, K, W>,
{
    type Out = O;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.function.open(context)
    }

    fn of_one(
        &mut self,
        key: &K,
        value: I,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        self.function.process(key, context, std::slice::from_ref(&value), out)
    }

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        self.function.clear(context)
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }
}

/// Records are reduced to one.
#[derive(Clone)]
pub(crate) struct Reducing<F, R>(pub(crate) F, pub(crate) R);

impl<K, T, W, F, R> Contents<K, T, W> for Reducing<F, R>
where
    T: State,
    F: ReduceFunction<T>,
    R: Results<T, K, W>,
{
    type Kept = T;
    type Out = R::Out;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.1.open(context)
    }

    #[inline]
    fn add(&mut self, value: &mut Option<T>, is_last: bool, _: Option<i64>, kept: &mut Option<T>) {
        let value = if is_last { value.take() } else { value.clone() };
        *kept = match (kept.take(), value) {
            (Some(before), Some(value)) => Some(self.0.reduce(before, value)),
            (before, value) => before.or(value),
        };
    }

    fn merge(&mut self, first: T, second: T) -> T {
        self.0.reduce(first, second)
    }

    fn empty(&self) -> Option<T> {
        None
    }

    fn fire(
        &mut self,
        key: &K,
        kept: &mut T,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, R::Out>,
    ) -> FnResult {
        self.1.of_one(key, kept.clone(), context, out)
    }

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        self.1.clear(context)
    }

    fn close(&mut self) -> FnResult {
        self.1.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.1.checkpointed()
    }
}

/// Records are put into an accumulator.
#[derive(Clone)]
pub(crate) struct Aggregating<A, R>(pub(crate) A, pub(crate) R);

impl<K, T, W, A, R> Contents<K, T, W> for Aggregating<A, R>
where
    A: AggregateFunction<In = T>,
    R: Results<A::Out, K, W>,
{
    type Kept = A::Accumulator;
    type Out = R::Out;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.1.open(context)
    }

    #[inline]
    fn add(&mut self, value: &mut Option<T>, _: bool, _: Option<i64>, kept: &mut Option<A::Accumulator>) {
        if let Some(value) = value {
            self.0.add(value, kept.get_or_insert_with(|| self.0.create_accumulator()));
        }
    }

    fn merge(&mut self, first: A::Accumulator, second: A::Accumulator) -> A::Accumulator {
        self.0.merge(first, second)
    }

    fn empty(&self) -> Option<A::Accumulator> {
        Some(self.0.create_accumulator())
    }

    fn fire(
        &mut self,
        key: &K,
        kept: &mut A::Accumulator,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, R::Out>,
    ) -> FnResult {
        self.1.of_one(key, self.0.get_result(kept), context, out)
    }

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        self.1.clear(context)
    }

    fn close(&mut self) -> FnResult {
        self.1.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.1.checkpointed()
    }
}

/// All records are kept.
pub(crate) struct Listing<P, O> {
    function: P,
    out: std::marker::PhantomData<fn() -> O>,
}

impl<P, O> Listing<P, O> {
    pub(crate) fn of(function: P) -> Self {
        Self { function, out: std::marker::PhantomData }
    }
}

impl<P: Clone, O> Clone for Listing<P, O> {
    fn clone(&self) -> Self {
        Self::of(self.function.clone())
    }
}

impl<K, T, W, P, O> Contents<K, T, W> for Listing<P, O>
where
    K: Key,
    T: State,
    W: Window,
    O: Record,
    P: ProcessWindowFunction<T, O, K, W>,
{
    type Kept = Vec<T>;
    type Out = O;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.function.open(context)
    }

    #[inline]
    fn add(&mut self, value: &mut Option<T>, is_last: bool, _: Option<i64>, kept: &mut Option<Vec<T>>) {
        let value = if is_last { value.take() } else { value.clone() };
        kept.get_or_insert_default().extend(value);
    }

    fn merge(&mut self, mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
        first.extend(second);
        first
    }

    fn empty(&self) -> Option<Vec<T>> {
        Some(Vec::new())
    }

    fn fire(
        &mut self,
        key: &K,
        kept: &mut Vec<T>,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        self.function.process(key, context, kept, out)
    }

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        self.function.clear(context)
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }
}

/// All records are kept, and an evictor sees them before and after the function does.
#[derive(Clone)]
pub struct Evicting<E, C> {
    evictor: E,
    contents: C,
}

impl<K, T, W, E, C> Contents<K, T, W> for Evicting<E, C>
where
    T: State,
    W: Window,
    E: Evictor<T, W>,
    C: Contents<K, T, W>,
{
    type Kept = Vec<TimestampedValue<T>>;
    type Out = C::Out;

    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.contents.open(context)
    }

    fn add(
        &mut self,
        value: &mut Option<T>,
        is_last: bool,
        timestamp: Option<i64>,
        kept: &mut Option<Vec<TimestampedValue<T>>>,
    ) {
        let value = if is_last { value.take() } else { value.clone() };
        kept.get_or_insert_default().extend(value.map(|value| TimestampedValue { value, timestamp }));
    }

    fn merge(
        &mut self,
        mut first: Vec<TimestampedValue<T>>,
        second: Vec<TimestampedValue<T>>,
    ) -> Vec<TimestampedValue<T>> {
        first.extend(second);
        first
    }

    fn empty(&self) -> Option<Vec<TimestampedValue<T>>> {
        Some(Vec::new())
    }

    fn fire(
        &mut self,
        key: &K,
        kept: &mut Vec<TimestampedValue<T>>,
        context: &mut WindowContext<'_, W>,
        out: &mut Collector<'_, C::Out>,
    ) -> FnResult {
        self.evictor.evict_before(kept, context.window);
        let mut contents = None;
        for element in kept.iter() {
            self.contents.add(&mut Some(element.value.clone()), true, element.timestamp, &mut contents);
        }
        if let Some(mut contents) = contents.or_else(|| self.contents.empty()) {
            self.contents.fire(key, &mut contents, context, out)?;
        }
        self.evictor.evict_after(kept, context.window);
        Ok(())
    }

    fn clear(&mut self, context: &mut WindowContext<'_, W>) -> FnResult {
        self.contents.clear(context)
    }

    fn close(&mut self) -> FnResult {
        self.contents.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.contents.checkpointed()
    }
}

/// Whether a windowed stream has an evictor. It is no trait to implement.
pub trait Evicts<K, T, W>: Clone + Send + Sync + 'static {
    /// What is kept, with it.
    type Around<C: Contents<K, T, W>>: Contents<K, T, W, Out = C::Out>;

    /// What is kept, with it.
    fn around<C: Contents<K, T, W>>(self, contents: C) -> Self::Around<C>;
}

/// No evictor.
#[derive(Clone, Copy, Debug)]
pub struct NoEvictor;

impl<K, T, W> Evicts<K, T, W> for NoEvictor {
    type Around<C: Contents<K, T, W>> = C;

    fn around<C: Contents<K, T, W>>(self, contents: C) -> C {
        contents
    }
}

/// An evictor.
#[derive(Clone, Copy, Debug)]
pub struct With<E>(pub(crate) E);

impl<K, T, W, E> Evicts<K, T, W> for With<E>
where
    T: State,
    W: Window,
    E: Evictor<T, W>,
{
    type Around<C: Contents<K, T, W>> = Evicting<E, C>;

    fn around<C: Contents<K, T, W>>(self, contents: C) -> Evicting<E, C> {
        Evicting { evictor: self.0, contents }
    }
}
