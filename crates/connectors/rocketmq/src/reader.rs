//! Reads queues: messages of one queue at a time become a batch, and its position moves past them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Counter, Polled, SourceReader, Split, SplitId, TaskContext};
use riverrun_rocketmq_client::{Client, PullOptions, Queue, ReceivedMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::client::{Connection, Io};
use crate::commits::Commits;
use crate::decode::Decode;
use crate::fetch::{ANSWERS_AHEAD, Answer, BYTES_AHEAD, Fetch, Fetched};
use crate::position::{self, Position};
use crate::scan::Scan;

/// How many messages make a batch at most, but for those of the last answer.
const BATCH_MESSAGES: usize = 8192;

/// How many bytes of bodies make a batch at most, but for those of the last answer.
const BATCH_BYTES: usize = 4 << 20;

/// How long the reader waits at a time before it sees whether the job stops.
const SLICE: Duration = Duration::from_millis(100);

/// How long a broker may hold a question where the end of a time must be seen.
const SUSPEND_UNTIL: Duration = Duration::from_millis(500);

/// The reader of a RocketMQ source.
pub(crate) struct RocketMqReader<D> {
    scan: Arc<Scan>,
    decoder: D,
    client: Client,
    io: Io,
    bytes_in: Counter,
    queues: BTreeMap<SplitId, Reading>,
    receiver: mpsc::Receiver<Fetched>,
    sender: mpsc::Sender<Fetched>,
    bytes: Arc<Semaphore>,
    /// Received, not returned yet.
    ready: VecDeque<Ready>,
    /// Ended, not returned yet.
    ended: VecDeque<SplitId>,
    /// Ended, with the offset behind the last message, until a checkpoint without them is complete.
    uncommitted: BTreeMap<SplitId, i64>,
    commits: Commits,
    /// When offsets were last stored, in a job without checkpoints.
    persisted: Option<Instant>,
}

/// A queue that is being read.
struct Reading {
    queue: Queue,
    position: Position,
    task: AbortHandle,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Messages of one queue.
struct Ready {
    split: SplitId,
    messages: Vec<ReceivedMessage>,
    bytes: usize,
    next_offset: i64,
    is_over: bool,
    permits: Vec<OwnedSemaphorePermit>,
}

impl<D: Decode> RocketMqReader<D> {
    /// A reader without queues.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn open(scan: Arc<Scan>, connection: &Connection, decoder: D, context: &TaskContext) -> Result<Self> {
        let (client, io) = (connection.open()?, Io::new(context)?);
        let (sender, receiver) = mpsc::channel(ANSWERS_AHEAD);
        let commits = Commits::new(client.clone(), io.handle.clone(), scan.group.clone());
        Ok(Self {
            decoder,
            client,
            io,
            bytes_in: context.counters.counter("numBytesIn"),
            queues: BTreeMap::new(),
            receiver,
            sender,
            bytes: Arc::new(Semaphore::new(BYTES_AHEAD)),
            ready: VecDeque::new(),
            ended: VecDeque::new(),
            uncommitted: BTreeMap::new(),
            commits,
            persisted: context.job.checkpoint_interval.is_none().then(Instant::now),
            scan,
        })
    }

    fn start(&self, split: &SplitId, queue: &Queue, position: Position) -> AbortHandle {
        let suspend = self.scan.pull_suspend;
        let suspend = if position.until.is_some() { suspend.min(SUSPEND_UNTIL) } else { suspend };
        let mut options = PullOptions::new(&self.scan.group);
        (options.filter, options.batch, options.suspend) = (self.scan.filter.clone(), self.scan.pull_batch, suspend);
        let fetch = Fetch {
            puller: self.client.puller(queue, options),
            split: Arc::clone(split),
            position,
            lost: self.scan.lost,
            sender: self.sender.clone(),
            bytes: Arc::clone(&self.bytes),
        };
        self.io.handle.spawn(fetch.run()).abort_handle()
    }

    /// Takes what was fetched, without waiting, up to about a batch.
    fn receive(&mut self) -> Result<()> {
        let mut messages: usize = self.ready.iter().map(|ready| ready.messages.len()).sum();
        while messages < BATCH_MESSAGES {
            let Ok(fetched) = self.receiver.try_recv() else { break };
            messages += fetched.answer.as_ref().map_or(0, |answer| answer.messages.len());
            self.take(fetched)?;
        }
        Ok(())
    }

    fn take(&mut self, Fetched { split, answer }: Fetched) -> Result<()> {
        let Answer { messages, next_offset, is_over, permit } = answer?;
        // what is still on its way from a queue that has ended is dropped
        if !self.queues.contains_key(&split) {
            return Ok(());
        }
        let bytes: usize = messages.iter().map(|message| message.body().len()).sum();
        let joins =
            |ready: &Ready| ready.split == split && ready.messages.len() < BATCH_MESSAGES && ready.bytes < BATCH_BYTES;
        match self.ready.iter_mut().rev().find(|ready| ready.split == split).filter(|ready| joins(ready)) {
            Some(ready) => {
                ready.messages.extend(messages);
                ready.bytes += bytes;
                ready.next_offset = next_offset;
                ready.is_over |= is_over;
                ready.permits.extend(permit);
            }
            None => {
                let permits = permit.into_iter().collect();
                self.ready.push_back(Ready { split, messages, bytes, next_offset, is_over, permits });
            }
        }
        Ok(())
    }

    /// The next batch of what was received.
    fn next_batch(&mut self) -> Result<Option<Polled<D::Batch>>> {
        while let Some(mut ready) = self.ready.pop_front() {
            let Some(reading) = self.queues.get_mut(&ready.split) else { continue };
            let Position { stop, until, .. } = reading.position;
            let is_behind = |message: &ReceivedMessage| {
                stop.is_some_and(|stop| message.queue_offset >= stop)
                    || until.is_some_and(|until| message.store_timestamp >= until)
            };
            let mut is_over = ready.is_over;
            if let Some(first) = ready.messages.iter().position(is_behind) {
                ready.next_offset = ready.messages.get(first).map_or(ready.next_offset, |message| message.queue_offset);
                ready.messages.truncate(first);
                is_over = true;
            }
            let batch = if ready.messages.is_empty() {
                None
            } else {
                self.bytes_in.add(ready.messages.iter().map(|message| message.body().len() as u64).sum());
                self.decoder.decode(&reading.queue, &ready.messages)?
            };
            reading.position.offset = ready.next_offset;
            if is_over || reading.position.is_at_end() {
                let split = Arc::clone(&ready.split);
                self.end(split);
            }
            if let Some(batch) = batch {
                return Ok(Some(Polled::Rows { split: ready.split, batch }));
            }
        }
        self.next_ended()
    }

    fn next_ended(&mut self) -> Result<Option<Polled<D::Batch>>> {
        let Some(split) = self.ended.pop_front() else { return Ok(None) };
        if self.persisted.is_some() && self.queues.is_empty() && self.ended.is_empty() {
            self.persist()?;
            self.commits.finish()?;
        }
        Ok(Some(Polled::Finished(split)))
    }

    /// Stops reading a queue; its end is returned when its rows are.
    fn end(&mut self, split: SplitId) {
        if let Some(reading) = self.queues.remove(&split) {
            self.uncommitted.insert(Arc::clone(&split), reading.position.offset);
        }
        self.ended.push_back(split);
    }

    /// Stores offsets when their time has come, in a job without checkpoints.
    fn persist_if_due(&mut self) -> Result<()> {
        match self.persisted {
            Some(last) if last.elapsed() >= self.scan.persist_interval => self.persist(),
            _ => self.commits.pump(),
        }
    }

    fn persist(&mut self) -> Result<()> {
        self.persisted = Some(Instant::now());
        let reading = self.queues.iter().map(|(split, reading)| (Arc::clone(split), reading.position.offset));
        let offsets: Vec<_> = reading.chain(std::mem::take(&mut self.uncommitted)).collect();
        self.commits.submit(offsets)
    }
}

impl<D: Decode> SourceReader<D::Batch> for RocketMqReader<D> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let (queue, position) = (position::queue(&split.id)?, position::position(&split)?);
            if *queue.topic != *self.scan.topic {
                return Err(Error::user(format!(
                    "the checkpoint is of the topic '{}', and the table reads '{}'",
                    queue.topic, self.scan.topic
                ))
                .hint("start without the checkpoint, or read the same topic"));
            }
            if position.is_at_end() {
                self.ended.push_back(split.id);
                continue;
            }
            let task = self.start(&split.id, &queue, position);
            self.queues.insert(split.id, Reading { queue, position, task });
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled<D::Batch>> {
        let end = Instant::now() + wait;
        loop {
            self.persist_if_due()?;
            self.receive()?;
            if let Some(polled) = self.next_batch()? {
                return Ok(polled);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || self.io.is_canceled() {
                return Ok(Polled::Nothing);
            }
            let receiver = &mut self.receiver;
            let next = async { tokio::time::timeout(left.min(SLICE), receiver.recv()).await };
            if let Ok(Some(fetched)) = self.io.handle.block_on(next) {
                self.take(fetched)?;
            }
        }
    }

    fn splits(&self) -> Vec<Split> {
        let split = |(id, reading): (&SplitId, &Reading)| position::split(Arc::clone(id), reading.position).ok();
        self.queues.iter().filter_map(split).collect()
    }

    fn checkpoint_completed(&mut self, splits: &[Split]) -> Result<()> {
        if !self.scan.commit_on_checkpoint {
            return Ok(());
        }
        let mut offsets = Vec::with_capacity(splits.len());
        for split in splits {
            offsets.push((Arc::clone(&split.id), position::position(split)?.offset));
        }
        // a split that has ended and is not in the checkpoint had ended before it
        let (open, ended): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.uncommitted)
            .into_iter()
            .partition(|(id, _)| splits.iter().any(|split| split.id == *id));
        self.uncommitted = open;
        offsets.extend(ended);
        self.commits.submit(offsets)
    }
}
