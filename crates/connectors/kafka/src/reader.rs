//! Reads partitions: records of one partition at a time become a batch, and its position moves past them.
//!
//! Partitions are assigned with explicit offsets and never subscribed to, so no rebalance of a consumer group can move them. librdkafka reconnects
//! by itself and goes on behind the last record it handed over; a broker that is away only makes the reader wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Counter, Polled, SourceReader, Split, SplitId, TaskContext};

use crate::batch_queue::{BatchQueue, Messages, PartitionEvent};
use crate::client::{self, Consumer};
use crate::decode::Decode;
use crate::enumerator::refused_topic;
use crate::position::{self, Position, split_id};

/// How many records make a batch at most.
const BATCH_RECORDS: usize = 8192;

/// How many bytes of keys and values make a batch, but for the last record.
const BATCH_BYTES: usize = 4 << 20;

/// How long the reader waits at a time before it lets the client call back.
const SLICE: Duration = Duration::from_millis(100);

/// How often topics are looked for that seem to be gone.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The reader of a Kafka source.
pub(crate) struct KafkaReader<D> {
    decoder: D,
    cancellation: Cancellation,
    bytes_in: Counter,
    commits: bool,
    partitions: BTreeMap<SplitId, Partition>,
    /// The split of a partition, by topic and number.
    ids: HashMap<(String, i32), SplitId>,
    /// Received, not returned yet. Declared before the queue and the consumer, whose memory it holds.
    ready: VecDeque<Ready>,
    /// Ended, not returned yet.
    ended: VecDeque<SplitId>,
    /// Ended and returned, with the offset behind the last record, until a checkpoint without them is complete.
    uncommitted: BTreeMap<SplitId, i64>,
    /// When the client last called back.
    served: Instant,
    /// When the topics were last looked for.
    checked: Instant,
    queue: BatchQueue,
    consumer: Arc<Consumer>,
}

struct Partition {
    topic: String,
    number: i32,
    position: Position,
    /// Up to where the broker has nothing left, when that is at or behind `stop`.
    at_end: bool,
}

/// Records of one split, from `next` on.
struct Ready {
    split: SplitId,
    messages: Messages,
    next: usize,
}

impl<D: Decode> KafkaReader<D> {
    /// A reader without partitions.
    ///
    /// # Errors
    /// librdkafka refuses the properties together.
    pub(crate) fn open(config: &ClientConfig, decoder: D, commits: bool, context: &TaskContext) -> Result<Self> {
        let consumer = Arc::new(client::consumer(config)?);
        Ok(Self {
            decoder,
            cancellation: context.cancellation.clone(),
            bytes_in: context.counters.counter("numBytesIn"),
            commits,
            partitions: BTreeMap::new(),
            ids: HashMap::new(),
            ready: VecDeque::new(),
            ended: VecDeque::new(),
            uncommitted: BTreeMap::new(),
            served: Instant::now(),
            checked: Instant::now(),
            queue: BatchQueue::new(Arc::clone(&consumer))?,
            consumer,
        })
    }

    /// The next batch of what was received.
    fn next_batch(&mut self) -> Result<Option<Polled<D::Batch>>> {
        while let Some(ready) = self.ready.front_mut() {
            let Some(partition) = self.partitions.get_mut(&ready.split) else {
                self.ready.pop_front();
                continue;
            };
            let begin = ready.next;
            let (end, bytes) = batch_end(&ready.messages, begin, partition.position.stop);
            ready.next = end;
            let split = Arc::clone(&ready.split);
            let mut batch = None;
            if end > begin {
                batch = self.decoder.decode(&ready.messages, begin..end)?;
                self.bytes_in.add(bytes as u64);
                partition.position.offset = Some(ready.messages.offset(end - 1) + 1);
            }
            let stopped = end < ready.messages.len() && end == begin;
            if end == ready.messages.len() || stopped {
                self.ready.pop_front();
            }
            if stopped || partition.position.is_at_end() {
                self.end(&split)?;
            }
            if let Some(batch) = batch {
                return Ok(Some(Polled::Rows { split, batch }));
            }
        }
        self.next_ended()
    }

    /// The next split that has ended. What was received before the end of a partition was seen is returned first: this is called when nothing is left.
    fn next_ended(&mut self) -> Result<Option<Polled<D::Batch>>> {
        while let Some(id) =
            self.partitions.iter().find(|(_, partition)| partition.at_end).map(|(id, _)| Arc::clone(id))
        {
            self.end(&id)?;
        }
        Ok(self.ended.pop_front().map(Polled::Finished))
    }

    /// Stops reading a partition; its end is returned when its rows are.
    fn end(&mut self, id: &SplitId) -> Result<()> {
        let Some(partition) = self.partitions.remove(id) else { return Ok(()) };
        self.ready.retain(|ready| ready.split != *id);
        if let Some(offset) = partition.position.offset {
            self.uncommitted.insert(Arc::clone(id), offset);
        }
        self.ended.push_back(Arc::clone(id));
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.number);
        self.consumer.incremental_unassign(&list).map_err(|error| failed("stop reading", &partition, &error))
    }

    /// Receives records, waiting for at most `wait`.
    fn receive(&mut self, wait: Duration) -> Result<()> {
        if self.served.elapsed() >= SLICE {
            self.served = Instant::now();
            client::serve(&self.consumer);
            if self.consumer.context().suspicion.load(Ordering::Relaxed) && self.checked.elapsed() >= CHECK_INTERVAL {
                self.checked = Instant::now();
                self.check_topics()?;
            }
        }
        let received = self.queue.receive(BATCH_RECORDS, wait);
        for messages in received.groups {
            let at = (messages.topic(), messages.partition());
            // What is still on its way from a partition that has ended is dropped.
            if let Some(id) = self.ids.get(&at) {
                self.ready.push_back(Ready { split: Arc::clone(id), messages, next: 0 });
            }
        }
        received.events.into_iter().try_for_each(|event| self.handle(event))
    }

    fn handle(&mut self, event: PartitionEvent) -> Result<()> {
        let id = split_id(&event.topic, event.partition);
        let Some(partition) = self.partitions.get_mut(&id) else { return Ok(()) };
        match event.code {
            RDKafkaErrorCode::PartitionEOF => {
                partition.at_end = partition.position.stop.is_some_and(|stop| event.offset >= stop);
                Ok(())
            }
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => Err(self.lost(&id)),
            code if client::passes(code) => {
                tracing::warn!(target: "riverrun_kafka", "cannot read {id} now: {}", event.text);
                Ok(())
            }
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition => {
                self.consumer.context().suspicion.store(true, Ordering::Relaxed);
                Ok(())
            }
            RDKafkaErrorCode::TopicAuthorizationFailed => Err(refused_topic(&event.topic, event.code)),
            RDKafkaErrorCode::NotImplemented | RDKafkaErrorCode::UnsupportedCompressionType => {
                Err(Error::not_supported("the compression of a record")
                    .hint(event.text)
                    .with("partition", event.partition)
                    .with("topic", event.topic))
            }
            // The group is only told offsets; reading goes on without it.
            RDKafkaErrorCode::GroupAuthorizationFailed => {
                tracing::warn!(target: "riverrun_kafka", "the consumer group cannot be used: {}", event.text);
                Ok(())
            }
            _ => Err(Error::external(format!("cannot read from Kafka: {}", event.text))
                .with("offset", event.offset)
                .with("partition", event.partition)
                .with("topic", event.topic)),
        }
    }

    /// The error of a position whose records are gone. Where the user wants to go on, librdkafka does, and logs a warning.
    fn lost(&self, id: &SplitId) -> Error {
        let Some(partition) = self.partitions.get(id) else {
            return Error::internal("a partition that is not read is lost");
        };
        let wanted =
            partition.position.offset.map_or_else(|| "the beginning".to_owned(), |offset| format!("offset {offset}"));
        Error::external(format!("the records from {wanted} on are gone: the broker has removed them"))
            .with("partition", partition.number)
            .with("topic", &partition.topic)
            .hint("to go on without them, set 'properties.auto.offset.reset' to 'earliest' or 'latest'")
    }

    /// Fails when a topic that is read was deleted. A broker that is away, or has just started, does not know.
    fn check_topics(&self) -> Result<()> {
        let mut known = Vec::new();
        for partition in self.partitions.values().filter(|partition| !partition.at_end) {
            if known.contains(&&partition.topic) {
                continue;
            }
            known.push(&partition.topic);
            let Ok(metadata) = self.consumer.fetch_metadata(Some(&partition.topic), Duration::from_secs(1)) else {
                return Ok(());
            };
            let code = metadata.topics().first().and_then(|topic| topic.error()).map(RDKafkaErrorCode::from);
            if matches!(code, Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)) {
                return Err(Error::external("the topic is gone while it is being read").with("topic", &partition.topic));
            }
        }
        self.consumer.context().suspicion.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Connects to the brokers. librdkafka looks every half second for the leaders of partitions it does not know; asked for them, it answers at once.
    fn warm_up(&self) {
        let topics: BTreeSet<&str> = self.partitions.values().map(|partition| partition.topic.as_str()).collect();
        // Several topics are asked for in one question, which is about all there are.
        let topic = topics.first().copied().filter(|_| topics.len() == 1);
        if let Err(error) = self.consumer.fetch_metadata(topic, Duration::from_secs(1)) {
            tracing::warn!(target: "riverrun_kafka", "the brokers do not answer yet: {}", client::reason(&error));
        }
    }

    fn commit<'a>(&self, offsets: impl Iterator<Item = (&'a str, i64)>) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for (id, offset) in offsets {
            let (topic, number) = position::topic_partition(id)?;
            list.add_partition_offset(topic, number, Offset::Offset(offset))
                .map_err(|error| Error::internal(format!("offset {offset}: {error}")))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        // The group's offsets only show the progress to others, so the job does not wait for them; a failure is logged by the client's events.
        match self.consumer.commit(&list, CommitMode::Async) {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()),
            Err(error) => {
                Err(Error::external(format!("cannot commit offsets to the consumer group: {}", client::reason(&error)))
                    .retryable())
            }
        }
    }
}

impl<D: Decode> SourceReader<D::Batch> for KafkaReader<D> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        let mut added = Vec::new();
        for split in splits {
            let (topic, number) = position::topic_partition(&split.id)?;
            let partition =
                Partition { topic: topic.to_owned(), number, position: position::position(&split)?, at_end: false };
            if partition.position.is_at_end() {
                self.ended.push_back(split.id);
                continue;
            }
            self.queue.attach(topic, number)?;
            self.ids.insert((topic.to_owned(), number), Arc::clone(&split.id));
            self.partitions.insert(Arc::clone(&split.id), partition);
            added.push(split.id);
        }
        if added.is_empty() {
            return Ok(());
        }
        self.warm_up();
        let list = assignment(added.iter().filter_map(|id| self.partitions.get(id)))?;
        self.consumer
            .incremental_assign(&list)
            .map_err(|error| Error::external(format!("cannot read from Kafka: {}", client::reason(&error))))
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled<D::Batch>> {
        let end = Instant::now() + wait;
        loop {
            if let Some(polled) = self.next_batch()? {
                return Ok(polled);
            }
            let left = end.saturating_duration_since(Instant::now());
            self.receive(left.min(SLICE))?;
            if !self.ready.is_empty() {
                continue;
            }
            if let Some(polled) = self.next_batch()? {
                return Ok(polled);
            }
            if left.is_zero() || self.cancellation.is_canceled() {
                return Ok(Polled::Nothing);
            }
        }
    }

    fn splits(&self) -> Vec<Split> {
        self.partitions.iter().map(|(id, partition)| position::split(Arc::clone(id), partition.position)).collect()
    }

    fn checkpoint_completed(&mut self, splits: &[Split]) -> Result<()> {
        if !self.commits {
            return Ok(());
        }
        let mut offsets = Vec::new();
        for split in splits {
            if let Some(offset) = position::position(split)?.offset {
                offsets.push((&*split.id, offset));
            }
        }
        // A split that has ended and is not in the checkpoint had ended before it.
        let ended = |id: &SplitId| splits.iter().all(|split| split.id != *id);
        let finished: Vec<(SplitId, i64)> =
            self.uncommitted.iter().filter(|(id, _)| ended(id)).map(|(id, offset)| (Arc::clone(id), *offset)).collect();
        self.commit(offsets.into_iter().chain(finished.iter().map(|(id, offset)| (&**id, *offset))))?;
        self.uncommitted.retain(|id, _| finished.iter().all(|(done, _)| done != id));
        Ok(())
    }
}

/// How far a batch goes that begins at `begin`: the index behind its last record, and the bytes in it.
fn batch_end(messages: &Messages, begin: usize, stop: Option<i64>) -> (usize, usize) {
    let mut bytes = 0;
    let mut end = begin;
    while end < messages.len() && end - begin < BATCH_RECORDS && bytes < BATCH_BYTES {
        if stop.is_some_and(|stop| messages.offset(end) >= stop) {
            break;
        }
        bytes += messages.value(end).map_or(0, <[u8]>::len) + messages.key(end).map_or(0, <[u8]>::len);
        end += 1;
    }
    (end, bytes)
}

fn assignment<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        let offset = partition.position.offset.map_or(Offset::Beginning, Offset::Offset);
        list.add_partition_offset(&partition.topic, partition.number, offset).map_err(|error| {
            Error::internal(format!("cannot read {}-{} at {offset:?}: {error}", partition.topic, partition.number))
        })?;
    }
    Ok(list)
}

fn failed(what: &str, partition: &Partition, error: &KafkaError) -> Error {
    Error::external(format!("cannot {what} from Kafka: {}", client::reason(error)))
        .with("partition", partition.number)
        .with("topic", &partition.topic)
}
