//! Harnesses of single process functions.

use super::{OneInputStreamOperatorTestHarness, TwoInputStreamOperatorTestHarness};
use crate::functions::{CoProcessFunction, KeyedCoProcessFunction, KeyedProcessFunction, ProcessFunction};
use crate::{Key, Record};

/// Makes harnesses of process functions, which are still to be opened.
///
/// ```
/// use riverrun::prelude::*;
/// use riverrun::test_harness::ProcessFunctionTestHarnesses;
///
/// /// Says when a key was seen last, a second of event time later.
/// #[derive(Clone, Default)]
/// struct LastSeen;
///
/// impl KeyedProcessFunction<u8, u8, String> for LastSeen {
///     fn process_element(&mut self, _: u8, context: &mut KeyedContext<'_, u8>, _: &mut Collector<'_, String>) -> FnResult {
///         let time = context.timestamp().unwrap_or_default() + 1_000;
///         context.timer_service().register_event_time_timer(time)
///     }
///
///     fn on_timer(&mut self, time: i64, context: &mut KeyedContext<'_, u8>, out: &mut Collector<'_, String>) -> FnResult {
///         out.collect(format!("{} at {}", context.current_key(), time - 1_000));
///         Ok(())
///     }
/// }
///
/// let mut harness = ProcessFunctionTestHarnesses::for_keyed_process_function(LastSeen, |n: &u8| *n);
/// harness.open()?;
/// harness.process_element(7, 100)?;
/// assert_eq!(harness.num_event_time_timers()?, 1);
/// harness.process_watermark(1_099)?;
/// assert!(harness.extract_output_values().is_empty());
/// harness.process_watermark(1_100)?;
/// assert_eq!(harness.extract_output_values(), ["7 at 100"]);
/// assert_eq!(harness.num_event_time_timers()?, 0);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ProcessFunctionTestHarnesses;

impl ProcessFunctionTestHarnesses {
    /// For a function on a stream without keys.
    pub fn for_process_function<T: Record, O: Record>(
        function: impl ProcessFunction<T, O>,
    ) -> OneInputStreamOperatorTestHarness<T, O> {
        OneInputStreamOperatorTestHarness::new(move |stream| stream.process(function.clone()))
    }

    /// For a function on a keyed stream.
    pub fn for_keyed_process_function<K: Key, T: Record, O: Record>(
        function: impl KeyedProcessFunction<K, T, O>,
        selector: impl Fn(&T) -> K + Clone + Send + Sync + 'static,
    ) -> OneInputStreamOperatorTestHarness<T, O> {
        OneInputStreamOperatorTestHarness::keyed(selector, move |stream| stream.process(function.clone()))
    }

    /// For a function on two streams without keys.
    pub fn for_co_process_function<A: Record, B: Record, O: Record>(
        function: impl CoProcessFunction<A, B, O>,
    ) -> TwoInputStreamOperatorTestHarness<A, B, O> {
        TwoInputStreamOperatorTestHarness::new(move |first, second| first.connect(second).process(function.clone()))
    }

    /// For a function on two keyed streams.
    pub fn for_keyed_co_process_function<K: Key, A: Record, B: Record, O: Record>(
        function: impl KeyedCoProcessFunction<K, A, B, O>,
        first: impl Fn(&A) -> K + Clone + Send + Sync + 'static,
        second: impl Fn(&B) -> K + Clone + Send + Sync + 'static,
    ) -> TwoInputStreamOperatorTestHarness<A, B, O> {
        TwoInputStreamOperatorTestHarness::new(move |a, b| {
            a.key_by(first.clone()).connect(b.key_by(second.clone())).process(function.clone())
        })
    }
}
