//! Sends messages, and sees that every one is answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, TaskContext};
use riverrun_rocketmq_client::{Message, Pending, Producer, Receipt, SendStatus};

use crate::client::Io;

/// How often answers are taken when nothing is written.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// A producer, and what was sent by it and is not known to be stored.
pub(crate) struct Output {
    producer: Producer,
    io: Io,
    /// Whether a message is sent before the one before is answered.
    is_async: bool,
    pending: VecDeque<Pending<Receipt>>,
    pending_max: usize,
    reported: Instant,
    records_out: Counter,
    bytes_out: Counter,
}

impl Output {
    pub(crate) fn new(producer: Producer, io: Io, is_async: bool, pending_max: usize, context: &TaskContext) -> Self {
        Self {
            producer,
            io,
            is_async,
            pending: VecDeque::new(),
            pending_max: pending_max.max(1),
            reported: Instant::now(),
            records_out: context.counters.counter("numRecordsOut"),
            bytes_out: context.counters.counter("numBytesOut"),
        }
    }

    /// Sends messages in order; waits while too many are under way.
    ///
    /// # Errors
    /// One cannot be sent, or one that was sent earlier was not stored.
    pub(crate) fn send(&mut self, messages: Vec<Message>) -> Result<()> {
        let Self { producer, pending, pending_max, is_async, .. } = self;
        self.records_out.add(messages.len() as u64);
        self.bytes_out.add(messages.iter().map(|message| message.body().len() as u64).sum());
        self.io.wait(async {
            for message in messages {
                let sent = producer.submit(message).await?;
                if !*is_async {
                    stored(&sent.await?)?;
                    continue;
                }
                pending.push_back(sent);
                while pending.len() > *pending_max {
                    settle_first(pending).await?;
                }
            }
            take_answered(pending)
        })
    }

    /// Waits until every message is stored.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn complete(&mut self) -> Result<()> {
        let pending = &mut self.pending;
        self.io.wait(async {
            while !pending.is_empty() {
                settle_first(pending).await?;
            }
            Ok(())
        })
    }

    /// When [`Self::report`] is due, so that nothing refused stays unknown.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.pending.is_empty()).then(|| self.reported + REPORT_INTERVAL)
    }

    /// Takes the answers that are there, and has what failed sent again.
    ///
    /// # Errors
    /// A message is not stored.
    pub(crate) fn report(&mut self) -> Result<()> {
        self.reported = Instant::now();
        let pending = &mut self.pending;
        self.io.wait(async { take_answered(pending) })
    }
}

async fn settle_first(pending: &mut VecDeque<Pending<Receipt>>) -> Result<()> {
    if let Some(first) = pending.front_mut() {
        let receipt = first.await;
        pending.pop_front();
        stored(&receipt?)?;
    }
    Ok(())
}

/// Takes the answers from the front on, until one is not there yet.
fn take_answered(pending: &mut VecDeque<Pending<Receipt>>) -> Result<()> {
    while let Some(receipt) = pending.front_mut().and_then(|first| first.now_or_never()) {
        pending.pop_front();
        stored(&receipt?)?;
    }
    Ok(())
}

/// Whether a message is as safe as its broker promises.
fn stored(receipt: &Receipt) -> Result<()> {
    let why = match receipt.status {
        SendStatus::Ok => return Ok(()),
        SendStatus::FlushDiskTimeout => "it was not on disk in time",
        SendStatus::FlushSlaveTimeout => "its copy did not have it in time",
        SendStatus::SlaveNotAvailable => "it has no copy",
    };
    Err(Error::external(format!("RocketMQ does not keep a message safely: {why}"))
        .retryable()
        .with("queue", &receipt.queue))
}
