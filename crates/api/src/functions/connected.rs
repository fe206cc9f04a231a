//! Functions of the records of two streams.

use super::{CheckpointedFunction, Collector, FnResult, KeyedContext, ProcessContext, RuntimeContext};
use crate::{Key, Record};

/// One result for each record of two streams, with something to set up or tear down; without, give
/// [`map`](crate::ConnectedStreams::map) two closures.
pub trait CoMapFunction<A, B, O>: Clone + Send + Sync + 'static {
    /// Called once, before any record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// The result for a record of the first stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn map1(&mut self, value: A) -> FnResult<O>;

    /// The result for a record of the second stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn map2(&mut self, value: B) -> FnResult<O>;

    /// Called once, after the last record; not after a failure, where the function is dropped.
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

/// Any number of results for each record of two streams.
pub trait CoFlatMapFunction<A, B, O: Record>: Clone + Send + Sync + 'static {
    /// As [`CoMapFunction::open`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Collects the results for a record of the first stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn flat_map1(&mut self, value: A, out: &mut Collector<'_, O>) -> FnResult;

    /// Collects the results for a record of the second stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn flat_map2(&mut self, value: B, out: &mut Collector<'_, O>) -> FnResult;

    /// As [`CoMapFunction::close`].
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

/// Sees each record of two streams with its event time, and may write to side outputs.
pub trait CoProcessFunction<A, B, O: Record>: Clone + Send + Sync + 'static {
    /// As [`CoMapFunction::open`].
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record of the first stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element1(&mut self, value: A, context: &mut ProcessContext<'_>, out: &mut Collector<'_, O>) -> FnResult;

    /// Takes a record of the second stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element2(&mut self, value: B, context: &mut ProcessContext<'_>, out: &mut Collector<'_, O>) -> FnResult;

    /// As [`CoMapFunction::close`].
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

/// Sees each record of two streams that are keyed alike, keeps state for its key, and sets timers. State and timers of a key are the same
/// whichever stream the record came from.
///
/// ```
/// use riverrun::prelude::*;
///
/// /// The fare of each ride, whichever comes first.
/// #[derive(Clone, Default)]
/// struct RidesAndFares {
///     ride: ValueState<String>,
///     fare: ValueState<u32>,
/// }
///
/// impl KeyedCoProcessFunction<u64, (u64, String), (u64, u32), String> for RidesAndFares {
///     fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
///         self.ride = context.value_state(ValueStateDescriptor::new("ride"))?;
///         self.fare = context.value_state(ValueStateDescriptor::new("fare"))?;
///         Ok(())
///     }
///
///     fn process_element1(
///         &mut self,
///         (_, ride): (u64, String),
///         context: &mut KeyedContext<'_, u64>,
///         out: &mut Collector<'_, String>,
///     ) -> FnResult {
///         match self.fare.take(context)? {
///             Some(fare) => out.collect(format!("{ride}: {fare}")),
///             None => self.ride.update(context, ride)?,
///         }
///         Ok(())
///     }
///
///     fn process_element2(
///         &mut self,
///         (_, fare): (u64, u32),
///         context: &mut KeyedContext<'_, u64>,
///         out: &mut Collector<'_, String>,
///     ) -> FnResult {
///         match self.ride.take(context)? {
///             Some(ride) => out.collect(format!("{ride}: {fare}")),
///             None => self.fare.update(context, fare)?,
///         }
///         Ok(())
///     }
/// }
///
/// let env = StreamExecutionEnvironment::new();
/// let rides = env.from_collection([(1, "Bronx".to_owned()), (2, "Queens".to_owned())]);
/// let fares = env.from_collection([(2, 20), (1, 10)]);
/// let both = rides.key_by(|(id, _)| *id).connect(fares.key_by(|(id, _)| *id)).process(RidesAndFares::default());
/// let mut both = both.execute_and_collect("rides and fares")?;
/// both.sort();
/// assert_eq!(both, ["Bronx: 10", "Queens: 20"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub trait KeyedCoProcessFunction<K: Key, A, B, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record: the place to declare state.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record of the first stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element1(&mut self, value: A, context: &mut KeyedContext<'_, K>, out: &mut Collector<'_, O>)
    -> FnResult;

    /// Takes a record of the second stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element2(&mut self, value: B, context: &mut KeyedContext<'_, K>, out: &mut Collector<'_, O>)
    -> FnResult;

    /// As [`KeyedProcessFunction::on_timer`](super::KeyedProcessFunction::on_timer).
    ///
    /// # Errors
    /// The job fails with this error.
    fn on_timer(&mut self, timestamp: i64, context: &mut KeyedContext<'_, K>, out: &mut Collector<'_, O>) -> FnResult {
        let (_, _, _) = (timestamp, context, out);
        Ok(())
    }

    /// Called once, after the last record and timer; not after a failure.
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
