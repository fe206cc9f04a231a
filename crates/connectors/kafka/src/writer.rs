//! Writes batches: what comes becomes records, which are sent and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_base::Result;
use riverrun_connect::{Flush, SinkWriter, TaskContext};

use crate::output::{Output, Producer, Target};
use crate::transaction::Witness;

/// Makes records of batches. One writer owns it.
pub(crate) trait Encode: Send {
    /// What comes.
    type Batch;

    /// Sends the records of a batch, or holds them back.
    ///
    /// # Errors
    /// One cannot be made, or sent.
    fn write(&mut self, batch: Self::Batch, output: &mut Output) -> Result<()>;

    /// When [`Self::release`] is due for what is held back.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Sends what is held back.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn release(&mut self, output: &mut Output) -> Result<()> {
        let _ = output;
        Ok(())
    }
}

/// The writer of a Kafka sink.
pub(crate) struct KafkaWriter<E> {
    encode: E,
    output: Output,
}

impl<E: Encode> KafkaWriter<E> {
    /// Connects, and sees that the topics are there.
    ///
    /// # Errors
    /// The brokers cannot be reached, or a topic is missing and the broker does not make it.
    pub(crate) fn open(encode: E, target: Arc<Target>, producer: Producer, context: &TaskContext) -> Result<Self> {
        Ok(Self { encode, output: Output::open(target, producer, context)? })
    }

    /// Waits until the brokers have every row, those held back too; how many came since the producer began, and the place of one of them.
    ///
    /// # Errors
    /// A row was refused.
    pub(crate) fn complete(&mut self) -> Result<(u64, Option<Witness>)> {
        self.encode.release(&mut self.output)?;
        self.output.complete()
    }

    /// Goes on with another producer, and returns the former, of which every row must have been reported.
    pub(crate) fn replace_producer(&mut self, producer: Producer) -> Producer {
        self.output.replace_producer(producer)
    }
}

impl<E: Encode> SinkWriter<E::Batch> for KafkaWriter<E> {
    fn write(&mut self, batch: E::Batch) -> Result<()> {
        self.encode.write(batch, &mut self.output)
    }

    fn deadline(&self) -> Option<Instant> {
        self.output.deadline().into_iter().chain(self.encode.deadline()).min()
    }

    fn tick(&mut self) -> Result<()> {
        if self.encode.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.encode.release(&mut self.output)?;
        }
        self.output.report(Duration::ZERO)
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        self.encode.release(&mut self.output)?;
        if self.output.target.waits || reason == Flush::End {
            self.output.wait_for_reports()
        } else {
            self.output.report(Duration::ZERO)
        }
    }
}
