//! Functions that see time, side outputs, state and timers.

use super::{CheckpointedFunction, Collector, FnResult, RuntimeContext};
use crate::state::{KeyedState, StateAccess};
use crate::stream::{OutputTag, SideOutputs};
use crate::{Key, Record};

/// Sees each record with its event time, and may write to side outputs.
pub trait ProcessFunction<T, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element(&mut self, value: T, context: &mut ProcessContext<'_>, out: &mut Collector<'_, O>) -> FnResult;

    /// Called once, after the last record; not after a failure.
    ///
    /// # Errors
    /// The job fails with this error.
    fn close(&mut self) -> FnResult {
        Ok(())
    }

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`](super::CheckpointedFunction).
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// What a [`ProcessFunction`] is told about a record.
pub struct ProcessContext<'a> {
    pub(crate) timestamp: Option<i64>,
    pub(crate) watermark: i64,
    pub(crate) now: i64,
    pub(crate) sides: &'a mut SideOutputs,
}

impl ProcessContext<'_> {
    /// The record's event time in epoch milliseconds, if it has one.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The event time to which the stream has come; `i64::MIN` before the first watermark.
    pub fn current_watermark(&self) -> i64 {
        self.watermark
    }

    /// The time of day in epoch milliseconds: of the batch in which the record came.
    pub fn current_processing_time(&self) -> i64 {
        self.now
    }

    /// Writes to a side output, with the record's event time.
    pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
        self.sides.push(tag, value, self.timestamp);
    }
}

/// Sees each record of a keyed stream, keeps state for its key, and sets timers.
///
/// State is declared when the function is opened, and is that of the key of the record or timer it is called for.
///
/// ```
/// use riverrun::functions::{Collector, FnResult, KeyedContext, KeyedProcessFunction, RuntimeContext};
/// use riverrun::state::{ValueState, ValueStateDescriptor};
///
/// /// The first number of each key that is above 100, once a minute of event time.
/// #[derive(Clone, Default)]
/// struct Alert {
///     silent: ValueState<bool>,
/// }
///
/// impl KeyedProcessFunction<String, (String, i64), String> for Alert {
///     fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
///         self.silent = context.value_state(ValueStateDescriptor::new("silent"))?;
///         Ok(())
///     }
///
///     fn process_element(
///         &mut self,
///         (name, value): (String, i64),
///         context: &mut KeyedContext<'_, String>,
///         out: &mut Collector<'_, String>,
///     ) -> FnResult {
///         if value > 100 && self.silent.value(context)?.is_none() {
///             out.collect(format!("{name} is at {value}"));
///             self.silent.update(context, true)?;
///             let until = context.timestamp().unwrap_or_default() + 60_000;
///             context.timer_service().register_event_time_timer(until)?;
///         }
///         Ok(())
///     }
///
///     fn on_timer(&mut self, _time: i64, context: &mut KeyedContext<'_, String>, _out: &mut Collector<'_, String>) -> FnResult {
///         self.silent.clear(context)?;
///         Ok(())
///     }
/// }
/// ```
pub trait KeyedProcessFunction<K: Key, T, O: Record>: Clone + Send + Sync + 'static {
    /// Called once, before any record: the place to declare state.
    ///
    /// # Errors
    /// The job fails with this error.
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        let _ = context;
        Ok(())
    }

    /// Takes a record.
    ///
    /// # Errors
    /// The job fails with this error.
    fn process_element(&mut self, value: T, context: &mut KeyedContext<'_, K>, out: &mut Collector<'_, O>) -> FnResult;

    /// A timer of the key has come, set for `timestamp`. Results have that as their event time, if it is an event time.
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

    /// The function's operator state, if it has any: `Some(self)` for one that is a [`CheckpointedFunction`](super::CheckpointedFunction).
    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        None
    }
}

/// What a [`KeyedProcessFunction`] is told about a record or timer, and where its state is.
pub struct KeyedContext<'a, K> {
    pub(crate) key: &'a K,
    pub(crate) timestamp: Option<i64>,
    pub(crate) watermark: i64,
    pub(crate) now: i64,
    pub(crate) state: &'a mut KeyedState,
    pub(crate) sides: &'a mut SideOutputs,
}

impl<K> KeyedContext<'_, K> {
    /// The key.
    pub fn current_key(&self) -> &K {
        self.key
    }

    /// The event time of the record, or that for which the timer was set; nothing for a record without, and a timer of processing time.
    pub fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    /// The clocks, and the timers of this key.
    pub fn timer_service(&mut self) -> TimerService<'_> {
        TimerService { watermark: self.watermark, now: self.now, state: self.state }
    }

    /// Writes to a side output, with the event time of [`Self::timestamp`].
    pub fn output<X: Record>(&mut self, tag: &OutputTag<X>, value: X) {
        self.sides.push(tag, value, self.timestamp);
    }
}

impl<K> StateAccess for KeyedContext<'_, K> {
    fn keyed_state(&self) -> &KeyedState {
        self.state
    }

    fn keyed_state_mut(&mut self) -> &mut KeyedState {
        self.state
    }
}

/// The clocks, and the timers of one key. A timer for a time is kept once, however often it is set; it is part of the state.
pub struct TimerService<'a> {
    pub(crate) watermark: i64,
    pub(crate) now: i64,
    pub(crate) state: &'a mut KeyedState,
}

impl TimerService<'_> {
    /// The time of day, in epoch milliseconds.
    pub fn current_processing_time(&self) -> i64 {
        self.now
    }

    /// The event time to which the stream has come; `i64::MIN` before the first watermark.
    pub fn current_watermark(&self) -> i64 {
        self.watermark
    }

    /// Calls [`KeyedProcessFunction::on_timer`] when event time has come to `time` (epoch milliseconds); with the next watermark, if it has
    /// already.
    ///
    /// # Errors
    /// The operator has no timers.
    pub fn register_event_time_timer(&mut self, time: i64) -> FnResult {
        Ok(self.state.set_event_timer(time)?)
    }

    /// Calls [`KeyedProcessFunction::on_timer`] when the time of day is `time` (epoch milliseconds).
    ///
    /// # Errors
    /// The operator has no timers.
    pub fn register_processing_time_timer(&mut self, time: i64) -> FnResult {
        Ok(self.state.set_processing_timer(time)?)
    }

    /// Forgets the timer for this event time, if there is one.
    ///
    /// # Errors
    /// The operator has no timers.
    pub fn delete_event_time_timer(&mut self, time: i64) -> FnResult {
        Ok(self.state.delete_event_timer(time)?)
    }

    /// Forgets the timer for this time of day, if there is one.
    ///
    /// # Errors
    /// The operator has no timers.
    pub fn delete_processing_time_timer(&mut self, time: i64) -> FnResult {
        Ok(self.state.delete_processing_timer(time)?)
    }
}
