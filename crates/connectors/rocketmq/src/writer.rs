//! Writes batches: what comes becomes messages, which are sent and answered.

use std::time::Instant;

use riverrun_base::Result;
use riverrun_connect::{Flush, SinkWriter};
use riverrun_rocketmq_client::Message;

use crate::output::Output;

/// Makes messages of batches. One writer owns it.
pub(crate) trait Encode: Send {
    /// What comes.
    type Batch;

    /// The messages of a batch, in its order.
    ///
    /// # Errors
    /// One cannot be made.
    fn encode(&mut self, batch: Self::Batch) -> Result<Vec<Message>>;
}

/// The writer of a RocketMQ sink.
pub(crate) struct RocketMqWriter<E> {
    pub(crate) encode: E,
    pub(crate) output: Output,
    /// Whether a checkpoint waits for answers.
    pub(crate) waits: bool,
}

impl<E: Encode> SinkWriter<E::Batch> for RocketMqWriter<E> {
    fn write(&mut self, batch: E::Batch) -> Result<()> {
        let messages = self.encode.encode(batch)?;
        self.output.send(messages)
    }

    fn deadline(&self) -> Option<Instant> {
        self.output.deadline()
    }

    fn tick(&mut self) -> Result<()> {
        self.output.report()
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        if self.waits || reason == Flush::End { self.output.complete() } else { self.output.report() }
    }
}
