//! A harness for what has two inputs.

use std::marker::PhantomData;

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::MAX_WATERMARK;

use super::core::{Core, common_methods};
use super::{StreamElement, StreamRecord};
use crate::{DataStream, OutputTag, Record, StreamExecutionEnvironment};

/// Drives a pipeline from `A` and `B` to `O`; see the [module](super).
///
/// ```
/// use riverrun::prelude::*;
/// use riverrun::test_harness::TwoInputStreamOperatorTestHarness;
///
/// let mut harness = TwoInputStreamOperatorTestHarness::new(|numbers: DataStream<i64>, texts: DataStream<String>| {
///     numbers.map(|n| n.to_string()).union([texts])
/// });
/// harness.open()?;
/// harness.process_element1(1, 10)?;
/// harness.process_element2("one".to_owned(), 20)?;
/// assert_eq!(harness.extract_output_values(), ["1", "one"]);
/// # Ok::<(), riverrun::Error>(())
/// ```
pub struct TwoInputStreamOperatorTestHarness<A: Record, B: Record, O: Record> {
    core: Core<O>,
    inputs: PhantomData<fn(A, B)>,
}

/// A harness for two streams, one of them keyed or both: the pipeline calls `key_by` itself.
pub type KeyedTwoInputStreamOperatorTestHarness<A, B, O> = TwoInputStreamOperatorTestHarness<A, B, O>;

impl<A: Record, B: Record, O: Record> TwoInputStreamOperatorTestHarness<A, B, O> {
    /// For a pipeline, which is built anew each time the harness is opened.
    pub fn new(pipeline: impl Fn(DataStream<A>, DataStream<B>) -> DataStream<O> + 'static) -> Self {
        let pipeline = move |env: &StreamExecutionEnvironment, parallelism| {
            pipeline(env.harness_input("Input 1", parallelism), env.harness_input("Input 2", parallelism))
        };
        Self { core: Core::new(Box::new(pipeline)), inputs: PhantomData }
    }

    /// A record comes on the first input, with its event time in epoch milliseconds.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_element1(&mut self, value: A, timestamp: i64) -> Result<()> {
        self.core.emit(0, Records::with_timestamps(vec![value], vec![timestamp]))
    }

    /// A record comes on the second input, with its event time in epoch milliseconds.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_element2(&mut self, value: B, timestamp: i64) -> Result<()> {
        self.core.emit(1, Records::with_timestamps(vec![value], vec![timestamp]))
    }

    /// Event time has come to `watermark` on the first input, in epoch milliseconds; operators go by the smaller of both.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark1(&mut self, watermark: i64) -> Result<()> {
        self.core.watermark::<A>(0, watermark)
    }

    /// As [`Self::process_watermark1`], on the second input.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark2(&mut self, watermark: i64) -> Result<()> {
        self.core.watermark::<B>(1, watermark)
    }

    /// Event time has come to `watermark` on both inputs.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_both_watermarks(&mut self, watermark: i64) -> Result<()> {
        self.process_watermark1(watermark)?;
        self.process_watermark2(watermark)
    }

    /// The first input is idle, or goes on.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark_status1(&mut self, idle: bool) -> Result<()> {
        self.core.status::<A>(0, idle)
    }

    /// The second input is idle, or goes on.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark_status2(&mut self, idle: bool) -> Result<()> {
        self.core.status::<B>(1, idle)
    }

    /// Event time comes to its end, and both inputs end: what windows and timers of event time hold back comes out.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn end_input(&mut self) -> Result<()> {
        self.process_both_watermarks(MAX_WATERMARK)?;
        self.close()
    }

    common_methods!();
}
