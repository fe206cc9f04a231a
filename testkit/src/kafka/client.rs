//! What tests do with topics: make them, write and read records, look at a group's offsets.
//!
//! Every call waits at most 30 s, and fails the test then.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaServer;
use crate::{unique, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// A record to write.
#[derive(Debug, Clone, Default)]
pub struct Record {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    partition: Option<i32>,
    timestamp_ms: Option<i64>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with this value and nothing else.
    #[must_use]
    pub fn value(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record without a value, which deletes its key in a compacted topic.
    #[must_use]
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// With a key.
    #[must_use]
    pub fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Into this partition; otherwise the client chooses by key.
    #[must_use]
    pub fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// With this time, milliseconds since 1970; otherwise now.
    #[must_use]
    pub fn timestamp_ms(self, timestamp_ms: i64) -> Self {
        Self { timestamp_ms: Some(timestamp_ms), ..self }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Its time, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Consumed {
    /// The value as text, `<null>` for a tombstone.
    #[must_use]
    pub fn text(&self) -> String {
        self.value.as_ref().map_or_else(|| "<null>".to_owned(), |value| String::from_utf8_lossy(value).into_owned())
    }

    /// The key as text, `<null>` if there is none.
    #[must_use]
    pub fn key_text(&self) -> String {
        self.key.as_ref().map_or_else(|| "<null>".to_owned(), |key| String::from_utf8_lossy(key).into_owned())
    }

    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map(|headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        }
    }
}

impl KafkaServer {
    /// Makes a topic of its own for one test, and returns its name.
    ///
    /// # Panics
    /// When the broker refuses.
    #[must_use]
    #[track_caller]
    pub fn topic(&self, prefix: &str, partitions: i32) -> String {
        let topic = unique(prefix);
        self.create_topic(&topic, partitions);
        topic
    }

    /// Makes a topic; returns when clients can see all its partitions.
    ///
    /// # Panics
    /// When the broker refuses.
    #[track_caller]
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]);
    }

    /// Makes a topic with settings such as `("cleanup.policy", "compact")`; otherwise as [`create_topic`](Self::create_topic).
    ///
    /// # Panics
    /// When the broker refuses.
    #[track_caller]
    pub fn create_topic_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let answers = block_on(self.admin().create_topics([&new], &options()));
        self.expect_done(&format!("create topic {topic}"), answers);
        self.wait_for_partitions(topic, partitions);
    }

    /// Makes a topic larger; returns when clients can see all its partitions.
    ///
    /// # Panics
    /// When the broker refuses.
    #[track_caller]
    pub fn add_partitions(&self, topic: &str, new_total: i32) {
        let total = usize::try_from(new_total).unwrap_or_default();
        let answers = block_on(self.admin().create_partitions([&NewPartitions::new(topic, total)], &options()));
        self.expect_done(&format!("add partitions to {topic}"), answers);
        self.wait_for_partitions(topic, new_total);
    }

    /// Removes a topic.
    ///
    /// # Panics
    /// When the broker refuses.
    #[track_caller]
    pub fn delete_topic(&self, topic: &str) {
        let answers = block_on(self.admin().delete_topics(&[topic], &options()));
        self.expect_done(&format!("delete topic {topic}"), answers);
    }

    /// How many partitions clients see; none where the topic does not exist.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    #[track_caller]
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        partitions(&self.consumer(&[]), topic)
    }

    /// Writes records in order; returns when the broker has acknowledged all.
    ///
    /// # Panics
    /// When one is not acknowledged.
    #[track_caller]
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Record>) {
        let failures = Failures::default();
        let producer: BaseProducer<Failures> = self.connect(
            ClientConfig::new()
                .set("bootstrap.servers", self.bootstrap())
                .set("enable.idempotence", "true")
                .set("message.timeout.ms", "30000")
                .create_with_context(failures.clone()),
        );
        for record in records {
            send(&producer, topic, &record);
        }
        if let Err(error) = producer.flush(LIMIT) {
            panic!("produce to {topic} at {}: {error}", self.bootstrap());
        }
        let failures = failures.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.is_empty(), "produce to {topic} at {}: {}", self.bootstrap(), failures.join("; "));
    }

    /// Writes values without keys; otherwise as [`produce`](Self::produce).
    ///
    /// # Panics
    /// When one is not acknowledged.
    #[track_caller]
    pub fn produce_lines<V: Into<Vec<u8>>>(&self, topic: &str, values: impl IntoIterator<Item = V>) {
        self.produce(topic, values.into_iter().map(Record::value));
    }

    /// Everything committed that is in the topic now, by partition and offset.
    ///
    /// # Panics
    /// When the topic does not exist or cannot be read.
    #[must_use]
    #[track_caller]
    pub fn read_all(&self, topic: &str) -> Vec<Consumed> {
        self.read_until(topic, LIMIT, None)
    }

    /// Waits until the topic holds `count` committed records, and returns them by partition and offset; more, if more
    /// came together.
    ///
    /// # Panics
    /// When fewer came within the limit; the message shows them.
    #[must_use]
    #[track_caller]
    pub fn read(&self, topic: &str, count: usize, limit: Duration) -> Vec<Consumed> {
        self.read_until(topic, limit, Some(count))
    }

    #[track_caller]
    fn read_until(&self, topic: &str, limit: Duration, count: Option<usize>) -> Vec<Consumed> {
        let consumer = self.consumer(&[("enable.partition.eof", "true")]);
        let Some(partitions) = partitions(&consumer, topic) else {
            panic!("there is no topic {topic} at {}", self.bootstrap())
        };
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            self.connect(list.add_partition_offset(topic, partition, Offset::Beginning));
        }
        self.connect(consumer.assign(&list));

        let end = Instant::now() + limit;
        let mut records = Vec::new();
        let mut ended = std::collections::BTreeSet::new();
        loop {
            let enough = match count {
                Some(count) => records.len() >= count,
                None => ended.len() == usize::try_from(partitions).unwrap_or_default(),
            };
            if enough {
                records.sort_by_key(|record: &Consumed| (record.partition, record.offset));
                return records;
            }
            if Instant::now() >= end {
                let texts: Vec<String> = records.iter().map(Consumed::text).collect();
                panic!(
                    "read {} records from {topic} within {limit:?}, expected {count:?}:\n{}",
                    records.len(),
                    texts.join("\n")
                );
            }
            match consumer.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => records.push(Consumed::of(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                // the client connects again by itself
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => panic!("read {topic} at {}: {error}", self.bootstrap()),
                None => {}
            }
        }
    }

    /// The offsets that a group has committed, by partition.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    #[track_caller]
    pub fn committed(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let consumer = self.consumer(&[("group.id", group)]);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions(&consumer, topic).unwrap_or_default() - 1);
        let answer = self.connect(consumer.committed_offsets(list, LIMIT));
        let offset = |offset| {
            if let Offset::Offset(number) = offset { Some(number) } else { None }
        };
        answer.elements().iter().filter_map(|element| Some((element.partition(), offset(element.offset())?))).collect()
    }

    /// Commits offsets for a group, as if it had read up to there.
    ///
    /// # Panics
    /// When the broker refuses.
    #[track_caller]
    pub fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) {
        let consumer = self.consumer(&[("group.id", group)]);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            self.connect(list.add_partition_offset(topic, *partition, Offset::Offset(*offset)));
        }
        self.connect(consumer.commit(&list, CommitMode::Sync));
    }

    #[track_caller]
    fn wait_for_partitions(&self, topic: &str, count: i32) {
        let consumer = self.consumer(&[]);
        let what = format!("topic {topic} to have {count} partitions at {}", self.bootstrap());
        wait_until(LIMIT, &what, || partitions(&consumer, topic) == Some(count));
    }

    #[track_caller]
    fn consumer(&self, settings: &[(&str, &str)]) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("enable.auto.commit", "false");
        // required, and unused: partitions are assigned by hand
        config.set("group.id", "testkit").set("isolation.level", "read_committed");
        // the end of a partition is told when a fetch finds nothing, after half a second by default
        config.set("fetch.wait.max.ms", "10");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        self.connect(config.create())
    }

    #[track_caller]
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.connect(ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create())
    }

    #[track_caller]
    fn connect<T>(&self, result: Result<T, KafkaError>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => panic!("Kafka at {}: {error}", self.bootstrap()),
        }
    }

    #[track_caller]
    fn expect_done(&self, what: &str, answers: Result<Vec<TopicResult>, KafkaError>) {
        for answer in self.connect(answers) {
            if let Err((_, code)) = answer {
                panic!("{what} at {}: {code}", self.bootstrap());
            }
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}

#[track_caller]
fn partitions(consumer: &BaseConsumer, topic: &str) -> Option<i32> {
    let metadata = match consumer.fetch_metadata(Some(topic), LIMIT) {
        Ok(metadata) => metadata,
        Err(error) => panic!("ask Kafka for topic {topic}: {error}"),
    };
    let topic = metadata.topics().first()?;
    let led = topic.partitions().iter().filter(|partition| partition.leader() >= 0).count();
    if topic.error().is_some() || led != topic.partitions().len() { None } else { i32::try_from(led).ok() }
}

#[track_caller]
fn send(producer: &BaseProducer<Failures>, topic: &str, record: &Record) {
    let end = Instant::now() + LIMIT;
    let mut message = BaseRecord::<Vec<u8>, Vec<u8>>::to(topic);
    message.key = record.key.as_ref();
    message.payload = record.value.as_ref();
    message.partition = record.partition;
    message.timestamp = record.timestamp_ms;
    if !record.headers.is_empty() {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_ref() }));
        message.headers = Some(headers);
    }
    while let Err((error, back)) = producer.send(message) {
        let full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
        assert!(full && Instant::now() < end, "produce to {topic}: {error}");
        producer.poll(Duration::from_millis(20));
        message = back;
    }
    producer.poll(Duration::ZERO);
}

fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

/// Keeps what the broker did not take.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<String>>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
    }
}

/// Waits for a future that another thread completes.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
