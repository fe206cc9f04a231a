//! Where a function puts its results.

use riverrun_base::{Error, Result};
use riverrun_data::Records;
use riverrun_runtime::Output;

use crate::Record;

/// So many results are passed on in one batch.
const BATCH: usize = 4096;

/// Takes the results of a function. They have the event time of what the function was called for, unless it says another.
pub struct Collector<'a, O: Record> {
    buffer: Records<O>,
    timestamp: Option<i64>,
    sink: &'a mut dyn Sink<O>,
    failed: Option<Error>,
}

/// What takes batches of results.
pub(crate) trait Sink<O: Record> {
    fn take(&mut self, batch: Records<O>) -> Result<()>;
}

impl<O: Record> Sink<O> for &mut dyn Output<Records<O>> {
    fn take(&mut self, batch: Records<O>) -> Result<()> {
        self.emit(batch)
    }
}

impl<O: Record> Sink<O> for Records<O> {
    fn take(&mut self, batch: Records<O>) -> Result<()> {
        for (value, timestamp) in batch {
            self.push(value, timestamp);
        }
        Ok(())
    }
}

impl<'a, O: Record> Collector<'a, O> {
    pub(crate) fn new(sink: &'a mut dyn Sink<O>, capacity: usize) -> Self {
        Self { buffer: Records::with_capacity(capacity.min(BATCH)), timestamp: None, sink, failed: None }
    }

    /// Adds a result.
    #[inline]
    pub fn collect(&mut self, value: O) {
        self.push(value, self.timestamp);
    }

    /// Adds a result with an event time of its own, in epoch milliseconds.
    #[inline]
    pub fn collect_with_timestamp(&mut self, value: O, timestamp: i64) {
        self.push(value, Some(timestamp));
    }

    /// The event time of the results that follow.
    #[inline]
    pub(crate) fn set_timestamp(&mut self, timestamp: Option<i64>) {
        self.timestamp = timestamp;
    }

    #[inline]
    fn push(&mut self, value: O, timestamp: Option<i64>) {
        self.buffer.push(value, timestamp);
        if self.buffer.len() >= BATCH {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        let batch = self.buffer.take();
        // After a failure the job ends, and what is collected until the function returns goes nowhere.
        if self.failed.is_none() && !batch.is_empty() {
            self.failed = self.sink.take(batch).err();
        }
    }

    /// Passes on what is left.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.pass_on();
        self.failed.map_or(Ok(()), Err)
    }
}
