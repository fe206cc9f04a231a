//! Functions of a stream and of one that is broadcast to all its subtasks.

use super::{CheckpointedFunction, Collector, FnResult, KeyedContext, ProcessContext, RuntimeContext, TimerService};
use crate::state::{Backend, BroadcastAccess, BroadcastAccessMut, BroadcastStates, KeyedState, StateAccess};
use crate::stream::OutputTag;
use crate::{Key, Record};

/// Sees the records of a stream, and in every subtask those of a broadcast stream, which alone change the broadcast state.
///
/// ```
/// use riverrun::functions::{BroadcastContext, BroadcastProcessFunction, ReadOnlyBroadcastContext};
/// use riverrun::prelude::*;
/// use riverrun::state::BroadcastState;
///
/// fn names() -> MapStateDescriptor<u32, String> {
///     MapStateDescriptor::new("names")
/// }
///
/// /// The name of each number, if one has been told.
/// #[derive(Clone, Default)]
/// struct Named {
///     names: BroadcastState<u32, String>,
/// }
///
/// impl BroadcastProcessFunction<u32, (u32, String), String> for Named {
///     fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
///         self.names = context.broadcast_state(&names())?;
///         Ok(())
///     }
///
///     fn process_element(
///         &mut self,
///         number: u32,
///         context: &mut ReadOnlyBroadcastContext<'_>,
///         out: &mut Collector<'_, String>,
///     ) -> FnResult {
///         out.collect(self.names.get(context, &number)?.cloned().unwrap_or_else(|| number.to_string()));
///         Ok(())
///     }
///
///     fn process_broadcast_element(
///         &mut self,
///         (number, name): (u32, String),
///         context: &mut BroadcastContext<'_>,
///         _out: &mut Collector<'_, String>,
///     ) -> FnResult {
///         self.names.put(context, number, name)?;
///         Ok(())
///     }
/// }
///
/// let env = StreamExecutionEnvironment::new();
/// let told = env.from_collection([(1, "one".to_owned())]).broadcast_state(&names());
/// let named = env.from_collection([2]).connect(told).process(Named::default());
/// assert_eq!(named.execute_and_collect("names")?, ["2"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub trait BroadcastProcessFunction<T, B, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record: the place to get broadcast state.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record of the stream that is not broadcast.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element(
        &mut self,
        value: T,
        context: &mut ReadOnlyBroadcastContext<'_>,
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// Takes a record of the broadcast stream. Every subtask is called with every such record, though in no order among those of different
    /// producers; what it does to the broadcast state must follow from the record and the state alone, and not depend on such an order.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_broadcast_element(
        &mut self,
        value: B,
        context: &mut BroadcastContext<'_>,
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// Called once, after the last record; not after a failure.
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

/// As [`BroadcastProcessFunction`], on a keyed stream: with state and timers of the keys of its records.
pub trait KeyedBroadcastProcessFunction<K: Key, T, B, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record: the place to declare keyed state, and to get broadcast state.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record of the keyed stream.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element(
        &mut self,
        value: T,
        context: &mut KeyedReadOnlyBroadcastContext<'_, K>,
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// As [`BroadcastProcessFunction::process_broadcast_element`]. There is no present key;
    /// [`apply_to_keyed_state`](KeyedBroadcastContext::apply_to_keyed_state) goes through all.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_broadcast_element(
        &mut self,
        value: B,
        context: &mut KeyedBroadcastContext<'_, K>,
        out: &mut Collector<'_, O>,
    ) -> FnResult;

    /// As [`KeyedProcessFunction::on_timer`](super::KeyedProcessFunction::on_timer).
    ///
    /// # Errors
    /// The job fails with this error.
    fn on_timer(
        &mut self,
        timestamp: i64,
        context: &mut KeyedReadOnlyBroadcastContext<'_, K>,
        out: &mut Collector<'_, O>,
    ) -> FnResult {
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

/// What a [`BroadcastProcessFunction`] is told about a record that is not broadcast; broadcast state can be read.
pub struct ReadOnlyBroadcastContext<'a> {
    pub(crate) record: ProcessContext<'a>,
    pub(crate) states: &'a BroadcastStates,
}

/// What a [`BroadcastProcessFunction`] is told about a broadcast record; broadcast state can be changed.
pub struct BroadcastContext<'a> {
    pub(crate) record: ProcessContext<'a>,
    pub(crate) states: &'a mut BroadcastStates,
}

/// What a [`KeyedBroadcastProcessFunction`] is told about a record that is not broadcast, or a timer; broadcast state can be read.
pub struct KeyedReadOnlyBroadcastContext<'a, K> {
    pub(crate) record: KeyedContext<'a, K>,
    pub(crate) states: &'a BroadcastStates,
}

/// What a [`KeyedBroadcastProcessFunction`] is told about a broadcast record; broadcast state can be changed.
pub struct KeyedBroadcastContext<'a, K> {
    pub(crate) record: ProcessContext<'a>,
    pub(crate) states: &'a mut BroadcastStates,
    pub(crate) backend: &'a mut Backend<K>,
}

/// The methods that every context has which wraps a [`ProcessContext`].
macro_rules! record_methods {
    () => {
        /// The record's event time in epoch milliseconds, if it has one.
        pub fn timestamp(&self) -> Option<i64> {
            self.record.timestamp()
        }

        /// The event time to which both streams have come; `i64::MIN` before the first watermark.
        pub fn current_watermark(&self) -> i64 {
            self.record.current_watermark()
        }

        /// The time of day in epoch milliseconds: of the batch in which the record came.
        pub fn current_processing_time(&self) -> i64 {
            self.record.current_processing_time()
        }

        /// Writes to a side output, with the record's event time.
        pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
            self.record.output(tag, value);
        }
    };
}

impl ReadOnlyBroadcastContext<'_> {
    record_methods!();
}

impl BroadcastContext<'_> {
    record_methods!();
}

impl<K: Key> KeyedBroadcastContext<'_, K> {
    record_methods!();

    /// Calls a function for every key of this subtask that has state (timers are state too), in no order, as if the key were the present one:
    /// the handles of keyed state work on what it is given. Other than in Flink, it is not of one state, and sees also keys that have only others.
    ///
    /// # Errors
    /// What the function fails with, at once.
    pub fn apply_to_keyed_state(&mut self, function: impl FnMut(&K, &mut KeyedState) -> FnResult) -> FnResult {
        self.backend.for_each_key(function)
    }
}

impl<K> KeyedReadOnlyBroadcastContext<'_, K> {
    /// The key.
    pub fn current_key(&self) -> &K {
        self.record.current_key()
    }

    /// The event time of the record, or that for which the timer was set; nothing for a record without, and a timer of processing time.
    pub fn timestamp(&self) -> Option<i64> {
        self.record.timestamp()
    }

    /// The clocks, and the timers of this key.
    pub fn timer_service(&mut self) -> TimerService<'_> {
        self.record.timer_service()
    }

    /// Writes to a side output, with the event time of [`Self::timestamp`].
    pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
        self.record.output(tag, value);
    }
}

impl<K> StateAccess for KeyedReadOnlyBroadcastContext<'_, K> {
    fn keyed_state(&self) -> &KeyedState {
        self.record.keyed_state()
    }

    fn keyed_state_mut(&mut self) -> &mut KeyedState {
        self.record.keyed_state_mut()
    }
}

impl BroadcastAccess for ReadOnlyBroadcastContext<'_> {
    fn broadcast_states(&self) -> &BroadcastStates {
        self.states
    }
}

impl BroadcastAccess for BroadcastContext<'_> {
    fn broadcast_states(&self) -> &BroadcastStates {
        self.states
    }
}

impl BroadcastAccessMut for BroadcastContext<'_> {
    fn broadcast_states_mut(&mut self) -> &mut BroadcastStates {
        self.states
    }
}

impl<K> BroadcastAccess for KeyedReadOnlyBroadcastContext<'_, K> {
    fn broadcast_states(&self) -> &BroadcastStates {
        self.states
    }
}

impl<K> BroadcastAccess for KeyedBroadcastContext<'_, K> {
    fn broadcast_states(&self) -> &BroadcastStates {
        self.states
    }
}

impl<K> BroadcastAccessMut for KeyedBroadcastContext<'_, K> {
    fn broadcast_states_mut(&mut self) -> &mut BroadcastStates {
        self.states
    }
}
