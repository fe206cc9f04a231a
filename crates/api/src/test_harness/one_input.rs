//! A harness for what has one input.

use riverrun_base::Result;
use riverrun_data::Records;
use riverrun_runtime::MAX_WATERMARK;

use super::core::{Core, common_methods};
use super::{StreamElement, StreamRecord};
use crate::{DataStream, Key, KeyedStream, OutputTag, Record};

/// Drives a pipeline from `T` to `O`; see the [module](super).
pub struct OneInputStreamOperatorTestHarness<T: Record, O: Record> {
    core: Core<O>,
    input: std::marker::PhantomData<fn(T)>,
}

/// A harness for a keyed stream: made with [`OneInputStreamOperatorTestHarness::keyed`].
pub type KeyedOneInputStreamOperatorTestHarness<T, O> = OneInputStreamOperatorTestHarness<T, O>;

impl<T: Record, O: Record> OneInputStreamOperatorTestHarness<T, O> {
    /// For a pipeline, which is built anew each time the harness is opened.
    pub fn new(pipeline: impl Fn(DataStream<T>) -> DataStream<O> + 'static) -> Self {
        let pipeline = move |env: &crate::StreamExecutionEnvironment, parallelism| {
            pipeline(env.harness_input("Input", parallelism))
        };
        Self { core: Core::new(Box::new(pipeline)), input: std::marker::PhantomData }
    }

    /// For what stands behind a `key_by`.
    ///
    /// ```
    /// use riverrun::test_harness::OneInputStreamOperatorTestHarness;
    ///
    /// let mut harness = OneInputStreamOperatorTestHarness::keyed(|n: &u64| n % 2, |keyed| keyed.reduce(|a, b| a + b));
    /// harness.open()?;
    /// harness.process_values([1, 2, 3])?;
    /// assert_eq!(harness.extract_output_values(), [1, 2, 4]);
    /// # Ok::<(), riverrun::Error>(())
    /// ```
    pub fn keyed<K: Key, S>(selector: S, pipeline: impl Fn(KeyedStream<T, K, S>) -> DataStream<O> + 'static) -> Self
    where
        S: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        Self::new(move |stream| pipeline(stream.key_by(selector.clone())))
    }

    /// A record comes, with its event time in epoch milliseconds.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_element(&mut self, value: T, timestamp: i64) -> Result<()> {
        self.process_elements([(value, timestamp)])
    }

    /// Records come in one batch, each with its event time in epoch milliseconds.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_elements(&mut self, elements: impl IntoIterator<Item = (T, i64)>) -> Result<()> {
        let (values, timestamps) = elements.into_iter().unzip();
        self.core.emit(0, Records::with_timestamps(values, timestamps))
    }

    /// Records come in one batch, without event time.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_values(&mut self, values: impl IntoIterator<Item = T>) -> Result<()> {
        self.core.emit(0, Records::from(values.into_iter().collect::<Vec<T>>()))
    }

    /// Event time has come to `watermark`, in epoch milliseconds.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark(&mut self, watermark: i64) -> Result<()> {
        self.core.watermark::<T>(0, watermark)
    }

    /// The input is idle, or goes on.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn process_watermark_status(&mut self, idle: bool) -> Result<()> {
        self.core.status::<T>(0, idle)
    }

    /// Event time comes to its end, and the input ends: what windows and timers of event time hold back comes out.
    ///
    /// # Errors
    /// A function fails: the error names it.
    pub fn end_input(&mut self) -> Result<()> {
        self.process_watermark(MAX_WATERMARK)?;
        self.close()
    }

    common_methods!();
}
