//! A topic of Kafka. Rows count as kept when all replicas in sync have acknowledged them.
//!
//! A row cannot be taken out of a topic. What is removed is marked: the consumer group [`GROUP`] has committed the offset before which all
//! rows are removed. A row behind one that stays is read again by a later run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use riverrun_base::{Error, Result, Secret};

use super::{Found, Place, Row, Store};

/// How long an attempt may take; the client gives rows up a little earlier.
const LIMIT: Duration = Duration::from_secs(25);
/// Properties of the Java client that mean nothing here.
const JAVA: &[&str] =
    &["key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "serializer.class"];

/// The consumer group that marks what was removed.
const GROUP: &str = "riverrun-failover-replay";

/// The store.
pub(crate) struct Topic {
    config: ClientConfig,
    topic: String,
    producer: Option<Arc<BaseProducer<Reports>>>,
    /// Of each partition, the offset before which all is removed, and what is removed behind it.
    removed: BTreeMap<i32, (i64, BTreeSet<i64>)>,
}

/// What the client reports of one producer's rows.
#[derive(Default)]
struct Reports {
    delivered: AtomicU64,
    refused: Mutex<Option<KafkaError>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => drop(self.delivered.fetch_add(1, Ordering::SeqCst)),
            Err((error, _)) => {
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
            }
        }
    }
}

impl Topic {
    /// # Errors
    /// A property would take the guarantee away.
    pub(crate) fn new(servers: &str, topic: &str, properties: &BTreeMap<String, Secret>) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("message.timeout.ms", "20000").set("linger.ms", "5");
        config
            .set("message.max.bytes", "16777216")
            .set("enable.metrics.push", "false")
            .set("reconnect.backoff.max.ms", "1000");
        for (key, value) in properties.iter().filter(|(key, _)| !JAVA.contains(&key.as_str())) {
            let value = value.expose();
            if matches!(key.as_str(), "acks" | "request.required.acks") && !matches!(value, "all" | "-1") {
                return Err(Error::user(format!("a failover store needs 'acks' = 'all', and it is '{value}'"))
                    .with("option", "sink.failover.kafka.acks")
                    .hint("remove it"));
            }
            config.set(key, value);
        }
        config.set("acks", "all");
        Ok(Self { config, topic: topic.to_owned(), producer: None, removed: BTreeMap::new() })
    }

    fn failed(&self, what: &str, error: &KafkaError) -> Error {
        let text = format!("{what}: {error}");
        let error = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord) => Error::data(text).hint(
                "larger records need 'sink.failover.kafka.message.max.bytes' here and 'max.message.bytes' of the topic",
            ),
            _ => Error::external(text).retryable(),
        };
        error.with("topic", &self.topic)
    }

    fn producer(&mut self) -> Result<Arc<BaseProducer<Reports>>> {
        if let Some(producer) = &self.producer {
            return Ok(Arc::clone(producer));
        }
        let made = self.config.create_with_context(Reports::default());
        let producer: Arc<BaseProducer<Reports>> =
            Arc::new(made.map_err(|error| self.failed("Kafka's client refuses its settings", &error))?);
        self.producer = Some(Arc::clone(&producer));
        Ok(producer)
    }

    /// Makes the topic, with what the brokers have as defaults, where it is missing.
    async fn make_topic(&self) -> Result<()> {
        let cannot = |error: &KafkaError| self.failed("the topic cannot be made", error);
        let admin: AdminClient<DefaultClientContext> = self.config.create().map_err(|error| cannot(&error))?;
        let topic = NewTopic {
            name: &self.topic,
            num_partitions: -1,
            replication: TopicReplication::Fixed(-1),
            config: Vec::new(),
        };
        let options = AdminOptions::new()
            .request_timeout(Some(Duration::from_secs(8)))
            .operation_timeout(Some(Duration::from_secs(8)));
        let made = admin.create_topics([&topic], &options).await.map_err(|error| cannot(&error))?;
        match made.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => {
                Err(Error::external(format!("the topic {} cannot be made: {code}", self.topic)).retryable())
            }
        }
    }

    async fn put(&mut self, rows: &[Row]) -> Result<()> {
        if self.producer.is_none() {
            self.make_topic().await?;
        }
        let (producer, topic) = (self.producer()?, self.topic.clone());
        let lines: Vec<String> = rows.iter().map(Row::line).collect();
        let sent = tokio::task::spawn_blocking(move || send(&producer, &topic, &lines)).await;
        let sent = sent.map_err(|error| Error::internal("writing to Kafka panicked").caused_by(error))?;
        sent.map_err(|error| {
            // What it still holds is not to come later: the rows are written again.
            self.producer = None;
            self.failed("Kafka did not take a record", &error)
        })
    }
}

/// Offsets by partition, as a place: `0:12,1:5`.
fn offsets(place: &str) -> BTreeMap<i32, i64> {
    let part = |part: &str| {
        let (partition, offset) = part.split_once(':')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    };
    place.split(',').filter_map(part).collect()
}

fn place(offsets: &BTreeMap<i32, i64>) -> Place {
    offsets.iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect::<Vec<_>>().join(",")
}

/// What a read has brought.
struct Page {
    found: Vec<(Option<String>, i32, i64)>,
    /// The offsets behind it, and those at which the first page began.
    behind: BTreeMap<i32, i64>,
    begin: Option<BTreeMap<i32, i64>>,
}

/// Reads up to `most` rows behind `after`, or from what is marked on.
fn page(
    config: &ClientConfig,
    topic: &str,
    after: Option<BTreeMap<i32, i64>>,
    most: usize,
) -> std::result::Result<Page, KafkaError> {
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let partitions: Vec<i32> =
        metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|partition| partition.id()).collect();
    let begin = match &after {
        Some(after) => after.clone(),
        None => marks(&consumer, topic, &partitions)?,
    };
    let (mut list, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
    let mut behind = begin.clone();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, LIMIT)?;
        let next = behind.entry(partition).or_insert(low);
        *next = (*next).max(low);
        if *next < high {
            list.add_partition_offset(topic, partition, Offset::Offset(*next))?;
            ends.insert(partition, high);
        }
    }
    consumer.assign(&list)?;
    let mut found = Vec::new();
    let end = std::time::Instant::now() + LIMIT;
    while found.len() < most
        && ends.iter().any(|(partition, high)| behind.get(partition).is_none_or(|next| next < high))
    {
        if std::time::Instant::now() > end {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        let (partition, offset) = (message.partition(), message.offset());
        behind.insert(partition, offset + 1);
        if ends.get(&partition).is_some_and(|high| offset < *high) {
            let text = message.payload().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            found.push((text, partition, offset));
        }
    }
    Ok(Page { found, behind, begin: after.is_none().then_some(begin) })
}

/// Asks again while the brokers are about to find out who keeps the group's offsets, as they do after they have started.
fn patiently<T>(ask: impl Fn() -> std::result::Result<T, KafkaError>) -> std::result::Result<T, KafkaError> {
    let end = std::time::Instant::now() + LIMIT;
    loop {
        match ask() {
            Err(error) if is_settling(&error) && std::time::Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(200))
            }
            answer => return answer,
        }
    }
}

fn is_settling(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    matches!(error.rdkafka_error_code(), Some(NotCoordinator | CoordinatorNotAvailable | CoordinatorLoadInProgress))
}

/// The offsets that are marked.
fn marks(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
) -> std::result::Result<BTreeMap<i32, i64>, KafkaError> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, *partition);
    }
    let committed = patiently(|| consumer.committed_offsets(list.clone(), LIMIT))?;
    let mark = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    };
    Ok(committed.elements().into_iter().filter_map(mark).collect())
}

impl Topic {
    fn consumer_config(&self) -> ClientConfig {
        let mut config = self.config.clone();
        for key in ["acks", "message.timeout.ms", "linger.ms"] {
            config.remove(key);
        }
        config.set("group.id", GROUP).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        config
    }

    async fn next_page(&mut self, after: Option<Place>, most: usize) -> Result<(Vec<Found>, Option<Place>)> {
        let (config, topic) = (self.consumer_config(), self.topic.clone());
        let after = after.as_deref().map(offsets);
        let read = tokio::task::spawn_blocking(move || page(&config, &topic, after, most)).await;
        let read = read.map_err(|error| Error::internal("reading from Kafka panicked").caused_by(error))?;
        let Page { found, behind, begin } = read.map_err(|error| self.failed("Kafka cannot be read", &error))?;
        for (partition, offset) in begin.into_iter().flatten() {
            self.removed.entry(partition).or_insert((offset, BTreeSet::new()));
        }
        let mut rows = Vec::new();
        for (text, partition, offset) in found {
            self.removed.entry(partition).or_insert((offset, BTreeSet::new()));
            let row = Row::parse(text.as_deref().unwrap_or_default());
            rows.push(Found {
                at: format!("{partition}:{offset}"),
                row: row.map_err(|error| error.with("partition", partition).with("offset", offset))?,
            });
        }
        let last = (!rows.is_empty()).then(|| place(&behind));
        Ok((rows, last))
    }

    async fn mark(&mut self, rows: &[Found]) -> Result<()> {
        for (partition, offset) in rows.iter().flat_map(|row| offsets(&row.at)) {
            self.removed.entry(partition).or_insert((offset, BTreeSet::new())).1.insert(offset);
        }
        let mut list = TopicPartitionList::new();
        for (partition, (mark, removed)) in &mut self.removed {
            let before = *mark;
            while removed.remove(mark) {
                *mark += 1;
            }
            if *mark > before {
                list.add_partition_offset(&self.topic, *partition, Offset::Offset(*mark))
                    .map_err(|error| Error::internal("an offset cannot be marked").caused_by(error))?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        let config = self.consumer_config();
        let marked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create()?;
            patiently(|| consumer.commit(&list, CommitMode::Sync))
        })
        .await;
        let marked = marked.map_err(|error| Error::internal("marking in Kafka panicked").caused_by(error))?;
        marked.map_err(|error| self.failed("what was replayed cannot be marked", &error))
    }
}

/// Sends rows and waits until each is acknowledged.
fn send(producer: &BaseProducer<Reports>, topic: &str, lines: &[String]) -> std::result::Result<(), KafkaError> {
    let reports = producer.context();
    let before = reports.delivered.load(Ordering::SeqCst);
    for line in lines {
        let mut record = BaseRecord::<(), str>::to(topic).payload(line.as_str());
        while let Err((error, back)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            producer.poll(Duration::from_millis(50));
            record = back;
        }
    }
    let flushed = producer.flush(LIMIT);
    if let Some(refused) = reports.refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(refused);
    }
    flushed?;
    if reports.delivered.load(Ordering::SeqCst) - before == lines.len() as u64 {
        return Ok(());
    }
    Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut))
}

impl Store for Topic {
    fn write<'a>(&'a mut self, rows: &'a [Row]) -> BoxFuture<'a, Result<()>> {
        self.put(rows).boxed()
    }

    fn read<'a>(&'a mut self, after: Option<Place>, most: usize) -> BoxFuture<'a, Result<(Vec<Found>, Option<Place>)>> {
        self.next_page(after, most).boxed()
    }

    fn remove<'a>(&'a mut self, rows: &'a [Found], behind: Option<Place>) -> BoxFuture<'a, Result<Option<Place>>> {
        async move { self.mark(rows).await.map(|()| behind) }.boxed()
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<()>> {
        self.make_topic().boxed()
    }
}
