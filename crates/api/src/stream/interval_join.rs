//! Two keyed streams whose records meet if their times are near each other.

use riverrun_base::Error;
use riverrun_connect::Counter;
use serde::{Deserialize, Serialize};

use super::{DataStream, KeyedStream, OutputTag, SideOutputs};
use crate::functions::{
    CheckpointedFunction, Collector, FnResult, KeySelector, KeyedCoProcessFunction, KeyedContext, RuntimeContext,
};
use crate::state::{KeyedState, ValueState, ValueStateDescriptor};
use crate::{Key, Record, State};

impl<A, K, S> KeyedStream<A, K, S>
where
    A: Record,
    K: Key,
    S: KeySelector<A, K>,
{
    /// Pairs of records of equal keys where the event time of the other stream's is within bounds around this one's.
    ///
    /// ```
    /// use riverrun::prelude::*;
    ///
    /// let env = StreamExecutionEnvironment::new();
    /// let timed = |rows: Vec<(u32, i64)>| {
    ///     let strategy = WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|row: &(u32, i64), _| row.1);
    ///     env.from_collection(rows).assign_timestamps_and_watermarks(strategy).key_by(|row| row.0)
    /// };
    /// let (views, clicks) = (timed(vec![(1, 1_000), (1, 9_000)]), timed(vec![(1, 500), (1, 4_000)]));
    /// let pairs = views.interval_join(clicks).between(0, 5_000).apply(|view, click| (view.1, click.1));
    /// assert_eq!(pairs.execute_and_collect("clicks within five seconds")?, [(1_000, 4_000)]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    pub fn interval_join<B: Record, R>(self, other: KeyedStream<B, K, R>) -> IntervalJoin<A, B, K, S, R>
    where
        R: KeySelector<B, K>,
    {
        IntervalJoin { left: self, right: other }
    }
}

/// Two keyed streams to be joined, made by [`KeyedStream::interval_join`].
#[derive(Clone)]
pub struct IntervalJoin<A: Record, B: Record, K, S, R> {
    left: KeyedStream<A, K, S>,
    right: KeyedStream<B, K, R>,
}

impl<A: Record, B: Record, K, S, R> IntervalJoin<A, B, K, S, R> {
    /// The bounds, in milliseconds: a record of the left stream meets those of the right from its own time plus `lower` to its own time plus
    /// `upper`. Both are part of it, and may be negative.
    pub fn between(self, lower: i64, upper: i64) -> IntervalJoined<A, B, K, S, R> {
        IntervalJoined { join: self, bounds: Bounds { lower, upper }, left_late: None, right_late: None }
    }
}

/// Bounds of the right time less the left, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    lower: i64,
    upper: i64,
}

/// Two keyed streams to be joined within bounds.
#[derive(Clone)]
pub struct IntervalJoined<A: Record, B: Record, K, S, R> {
    join: IntervalJoin<A, B, K, S, R>,
    bounds: Bounds,
    left_late: Option<OutputTag<A>>,
    right_late: Option<OutputTag<B>>,
}

impl<A, B, K, S, R> IntervalJoined<A, B, K, S, R>
where
    A: State,
    B: State,
    K: Key,
    S: KeySelector<A, K>,
    R: KeySelector<B, K>,
{
    /// A right record at the lower bound does not meet the left one.
    #[must_use]
    pub fn lower_bound_exclusive(mut self) -> Self {
        self.bounds.lower = self.bounds.lower.saturating_add(1);
        self
    }

    /// A right record at the upper bound does not meet the left one.
    #[must_use]
    pub fn upper_bound_exclusive(mut self) -> Self {
        self.bounds.upper = self.bounds.upper.saturating_sub(1);
        self
    }

    /// Writes late records of the left stream to a side output. A record is late if its time is before the watermark; late ones are counted
    /// as `numLateRecordsDropped` otherwise.
    #[must_use]
    pub fn side_output_left_late_data(mut self, tag: &OutputTag<A>) -> Self {
        self.left_late = Some(tag.clone());
        self
    }

    /// As [`Self::side_output_left_late_data`], of the right stream.
    #[must_use]
    pub fn side_output_right_late_data(mut self, tag: &OutputTag<B>) -> Self {
        self.right_late = Some(tag.clone());
        self
    }

    /// One result for each pair. It has the later of both event times.
    pub fn apply<O: Record>(self, function: impl FnMut(&A, &B) -> O + Clone + Send + Sync + 'static) -> DataStream<O> {
        self.process(JoinClosure(function))
    }

    /// Any number of results for each pair. They have the later of both event times.
    pub fn process<O: Record>(self, function: impl ProcessJoinFunction<A, B, O>) -> DataStream<O> {
        let Self { join: IntervalJoin { left, right }, bounds, left_late, right_late } = self;
        if bounds.lower > bounds.upper {
            let error =
                Error::user(format!("an interval join has no times between {} and {} ms", bounds.lower, bounds.upper));
            left.stream.mistake(error.hint("the lower bound is not above the upper"));
        }
        let joined = JoinFunction {
            function,
            bounds,
            left_late,
            right_late,
            buffers: ValueState::default(),
            dropped: Counter::default(),
        };
        left.connect(right).process(joined).name("Interval Join")
    }
}

/// Makes results of pairs of records.
pub trait ProcessJoinFunction<A, B, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any pair.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a pair.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element(
        &mut self,
        left: &A,
        right: &B,
        context: &mut JoinContext<'_>,
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// Called once, after the last pair; not after a failure.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`].
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// What a [`ProcessJoinFunction`] is told about a pair.
pub struct JoinContext<'a> {
    left: i64,
    right: i64,
    sides: &'a mut SideOutputs,
}

impl JoinContext<'_> {
    /// The event time of the left record, in epoch milliseconds.
    pub fn left_timestamp(&self) -> i64 {
        self.left
    }

    /// The event time of the right record, in epoch milliseconds.
    pub fn right_timestamp(&self) -> i64 {
        self.right
    }

    /// The event time of the pair: the later of both.
    pub fn timestamp(&self) -> i64 {
        self.left.max(self.right)
    }

    /// Writes to a side output, with the event time of the pair.
    pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
        let timestamp = self.timestamp();
        self.sides.push(tag, value, Some(timestamp));
    }
}

/// A closure as a [`ProcessJoinFunction`].
#[derive(Clone)]
struct JoinClosure<F>(F);

impl<A, B, O, F> ProcessJoinFunction<A, B, O> for JoinClosure<F>
where
    O: Record,
    F: FnMut(&A, &B) -> O + Clone + Send + Sync + 'static,
{
    fn process_element(
        &mut self,
        left: &A,
        right: &B,
        _: &mut JoinContext<'_>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        out.collect((self.0)(left, right));
        Ok(())
    }
}

/// Joins: keeps the records of each key for as long as others can meet them. As Flink's `IntervalJoinOperator`, but with one timer for a key,
/// not one for each record.
#[derive(Clone)]
struct JoinFunction<A, B, F> {
    function: F,
    bounds: Bounds,
    left_late: Option<OutputTag<A>>,
    right_late: Option<OutputTag<B>>,
    buffers: ValueState<Buffers<A, B>>,
    dropped: Counter,
}

/// The records of a key, by event time, those of the same time as they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Buffers<A, B> {
    left: Vec<(i64, A)>,
    right: Vec<(i64, B)>,
    /// When the timer is set that removes what nothing can meet any more.
    cleaned: Option<i64>,
}

fn insert<T>(buffer: &mut Vec<(i64, T)>, time: i64, value: T) {
    let place = buffer.partition_point(|(other, _)| *other <= time);
    buffer.insert(place, (time, value));
}

/// Those from one time to another, both included.
fn between<T>(buffer: &[(i64, T)], first: i64, last: i64) -> &[(i64, T)] {
    let start = buffer.partition_point(|(time, _)| *time < first);
    let end = buffer.partition_point(|(time, _)| *time <= last);
    buffer.get(start..end).unwrap_or_default()
}

impl Bounds {
    /// Until when a left record can be met.
    fn end_of_left(self, time: i64) -> i64 {
        time.saturating_add(self.upper.max(0))
    }

    /// Until when a right record can be met.
    fn end_of_right(self, time: i64) -> i64 {
        time.saturating_sub(self.lower.min(0))
    }
}

fn time_of(timestamp: Option<i64>) -> FnResult<i64> {
    timestamp.filter(|time| *time != i64::MIN).ok_or_else(|| {
        Error::user("a record without event time comes to an interval join")
            .hint("give the source a WatermarkStrategy, or call assign_timestamps_and_watermarks()")
            .into()
    })
}

impl<A: State, B: State, F> JoinFunction<A, B, F> {
    fn buffers<'a>(&self, state: &'a mut KeyedState) -> FnResult<&'a mut Buffers<A, B>> {
        let empty = || Buffers { left: Vec::new(), right: Vec::new(), cleaned: None };
        Ok(self.buffers.value_or_insert_with(state, empty)?)
    }

    /// Sees to it that the key is looked at at this time, or before.
    fn clean_at(&self, time: i64, state: &mut KeyedState) -> FnResult {
        let buffers = self.buffers(state)?;
        let before = buffers.cleaned;
        if before.is_some_and(|cleaned| cleaned <= time) {
            return Ok(());
        }
        buffers.cleaned = Some(time);
        if let Some(before) = before {
            state.delete_event_timer(before)?;
        }
        Ok(state.set_event_timer(time)?)
    }
}

/// Whether a record comes after the watermark.
fn is_late<K>(time: i64, context: &KeyedContext<'_, K>) -> bool {
    context.watermark != i64::MIN && time < context.watermark
}

impl<K, A, B, O, F> KeyedCoProcessFunction<K, A, B, O> for JoinFunction<A, B, F>
where
    K: Key,
    A: State,
    B: State,
    O: Record,
    F: ProcessJoinFunction<A, B, O>,
{
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.buffers = context.value_state(ValueStateDescriptor::new("_buffers"))?;
        self.dropped = context.counter("numLateRecordsDropped");
        self.function.open(context)
    }

    fn process_element1(
        &mut self,
        value: A,
        context: &mut KeyedContext<'_, K>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        let left = time_of(context.timestamp)?;
        if is_late(left, context) {
            match &self.left_late {
                Some(tag) => context.output(tag, value),
                None => self.dropped.add(1),
            }
            return Ok(());
        }
        let buffers = self.buffers(context.state)?;
        let (first, last) = (left.saturating_add(self.bounds.lower), left.saturating_add(self.bounds.upper));
        for (right, other) in between(&buffers.right, first, last) {
            out.set_timestamp(Some(left.max(*right)));
            let mut pair = JoinContext { left, right: *right, sides: &mut *context.sides };
            self.function.process_element(&value, other, &mut pair, out)?;
        }
        insert(&mut self.buffers(context.state)?.left, left, value);
        self.clean_at(self.bounds.end_of_left(left), context.state)
    }

    fn process_element2(
        &mut self,
        value: B,
        context: &mut KeyedContext<'_, K>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
        let right = time_of(context.timestamp)?;
        if is_late(right, context) {
            match &self.right_late {
                Some(tag) => context.output(tag, value),
                None => self.dropped.add(1),
            }
            return Ok(());
        }
        let buffers = self.buffers(context.state)?;
        let (first, last) = (right.saturating_sub(self.bounds.upper), right.saturating_sub(self.bounds.lower));
        for (left, other) in between(&buffers.left, first, last) {
            out.set_timestamp(Some(right.max(*left)));
            let mut pair = JoinContext { left: *left, right, sides: &mut *context.sides };
            self.function.process_element(other, &value, &mut pair, out)?;
        }
        insert(&mut self.buffers(context.state)?.right, right, value);
        self.clean_at(self.bounds.end_of_right(right), context.state)
    }

    fn on_timer(&mut self, time: i64, context: &mut KeyedContext<'_, K>, _: &mut Collector<'_, O>) -> FnResult {
        let bounds = self.bounds;
        let buffers = self.buffers(context.state)?;
        buffers.left.retain(|(left, _)| bounds.end_of_left(*left) > time);
        buffers.right.retain(|(right, _)| bounds.end_of_right(*right) > time);
        buffers.cleaned = None;
        let left = buffers.left.first().map(|(left, _)| bounds.end_of_left(*left));
        let right = buffers.right.first().map(|(right, _)| bounds.end_of_right(*right));
        match left.into_iter().chain(right).min() {
            Some(next) => self.clean_at(next, context.state),
            None => Ok(self.buffers.clear(context.state)?),
        }
    }

    fn close(&mut self) -> FnResult {
        self.function.close()
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        self.function.checkpointed()
    }
}
