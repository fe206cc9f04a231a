//! Sends records, and counts what becomes of them.
//!
//! librdkafka sends in the background and reports every record once: delivered, or refused. What was sent and what was reported is counted here;
//! a flush returns when both agree and nothing was refused. (librdkafka's own flush succeeds even where records were refused.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Counter, TaskContext};

use crate::client::{self, Asker, Connection};
use crate::enumerator::refused_topic;
use crate::scan::Topics;
use crate::transaction::Witness;

/// How long a topic that is not there is asked for again: the broker may be making it.
const MISSING_LIMIT: Duration = Duration::from_secs(5);

/// After how many records reports are taken in between.
const REPORT_EVERY: u64 = 1024;

/// How often reports are taken when nothing is written.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// What a producer calls back.
#[derive(Debug, Default)]
pub(crate) struct ProducerEvents {
    /// What it told about its connection.
    pub(crate) connection: Connection,
    delivered: AtomicU64,
    first_delivered: Mutex<Option<Witness>>,
    refused: AtomicU64,
    first_refused: Mutex<Option<Refused>>,
}

/// A record that was not written.
#[derive(Clone, Debug)]
struct Refused {
    topic: String,
    partition: i32,
    code: Option<RDKafkaErrorCode>,
    reason: String,
}

impl ClientContext for ProducerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note(&error, reason);
    }
}

impl ProducerContext for ProducerEvents {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                if self.delivered.fetch_add(1, Ordering::Relaxed) == 0 {
                    let (topic, partition, offset) =
                        (message.topic().to_owned(), message.partition(), message.offset());
                    let witness = Witness { topic, partition, offset };
                    *self.first_delivered.lock().unwrap_or_else(PoisonError::into_inner) = Some(witness);
                }
            }
            Err((error, message)) => {
                self.first_refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| Refused {
                    topic: message.topic().to_owned(),
                    partition: message.partition(),
                    code: error.rdkafka_error_code(),
                    reason: client::reason(error),
                });
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A producer as the connector makes it.
pub(crate) type Producer = BaseProducer<ProducerEvents>;

/// Makes a producer; nothing is asked of the brokers yet.
///
/// # Errors
/// librdkafka refuses the properties together.
pub(crate) fn producer(config: &ClientConfig) -> Result<Producer> {
    config.create_with_context(ProducerEvents::default()).map_err(client::refused_configuration)
}

/// What puts questions through a producer.
pub(crate) fn with_asker<T>(
    producer: &Producer,
    bootstrap: &str,
    cancellation: &Cancellation,
    use_it: impl FnOnce(&Asker<'_, ProducerEvents>) -> Result<T>,
) -> Result<T> {
    let client = producer.client();
    let connection = &client.context().connection;
    let serve = || producer.poll(Duration::ZERO);
    use_it(&Asker { client, connection, bootstrap, cancellation, serve: &serve })
}

/// Where records go.
pub(crate) struct Target {
    /// The brokers, for errors.
    pub(crate) bootstrap: String,
    /// The topics that records may go to.
    pub(crate) topics: Topics,
    /// Whether a checkpoint waits for acknowledgements.
    pub(crate) waits: bool,
}

/// A record to send.
pub(crate) struct Outgoing<'a> {
    /// The topic, one of those of the target.
    pub(crate) topic: &'a str,
    /// The partition; the client chooses without one.
    pub(crate) partition: Option<i32>,
    /// The key's bytes.
    pub(crate) key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a tombstone.
    pub(crate) value: Option<&'a [u8]>,
    /// Milliseconds since 1970; the client's clock without one.
    pub(crate) timestamp: Option<i64>,
    /// The headers.
    pub(crate) headers: Option<OwnedHeaders>,
}

/// A producer, and what was sent by it.
pub(crate) struct Output {
    producer: Producer,
    pub(crate) target: Arc<Target>,
    cancellation: Cancellation,
    /// The index of the subtask that sends.
    pub(crate) subtask: usize,
    /// The number of partitions of the topics seen so far.
    partitions: HashMap<String, i32>,
    sent: u64,
    reported: Instant,
    records_out: Counter,
    bytes_out: Counter,
}

impl Output {
    /// Connects, and sees that every topic that is known by name can be written.
    ///
    /// # Errors
    /// The brokers cannot be reached, or a topic is missing and the broker does not make it.
    pub(crate) fn open(target: Arc<Target>, producer: Producer, context: &TaskContext) -> Result<Self> {
        let mut output = Self {
            producer,
            target,
            cancellation: context.cancellation.clone(),
            subtask: context.subtask,
            partitions: HashMap::new(),
            sent: 0,
            reported: Instant::now(),
            records_out: context.counters.counter("numRecordsOut"),
            bytes_out: context.counters.counter("numBytesOut"),
        };
        output.connect()?;
        Ok(output)
    }

    /// Waits until the brokers have every record; how many came since the producer began, and the place of one of them.
    ///
    /// # Errors
    /// A record was refused.
    pub(crate) fn complete(&mut self) -> Result<(u64, Option<Witness>)> {
        self.wait_for_reports()?;
        let events = self.producer.client().context();
        let delivered = events.delivered.load(Ordering::Relaxed);
        if delivered != self.sent {
            let sent = self.sent;
            return Err(Error::internal(format!("{sent} records were sent, and {delivered} reported as delivered")));
        }
        Ok((delivered, events.first_delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Goes on with another producer, and returns the former, of which every record must have been reported.
    pub(crate) fn replace_producer(&mut self, producer: Producer) -> Producer {
        self.sent = 0;
        std::mem::replace(&mut self.producer, producer)
    }

    /// When [`Self::report`] is due, so that nothing refused stays unknown.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.outstanding() > 0).then(|| self.reported + REPORT_INTERVAL)
    }

    fn connect(&mut self) -> Result<()> {
        match &self.target.topics {
            Topics::List(topics) => topics.clone().iter().try_for_each(|topic| self.find(topic)),
            Topics::Pattern { .. } | Topics::Any => self.ask(|asker| asker.metadata(None)).map(drop),
        }
    }

    fn ask<T>(&self, use_it: impl FnOnce(&Asker<'_, ProducerEvents>) -> Result<T>) -> Result<T> {
        with_asker(&self.producer, &self.target.bootstrap, &self.cancellation, use_it)
    }

    /// Learns the partitions of a topic. Asking makes the broker create the topic where it is set up to.
    fn find(&mut self, topic: &str) -> Result<()> {
        let begin = Instant::now();
        loop {
            let metadata = self.ask(|asker| asker.metadata(Some(topic)))?;
            let found = metadata.topics().first().ok_or_else(|| Error::internal("the brokers' answer has no topic"))?;
            match found.error().map(RDKafkaErrorCode::from) {
                None if !found.partitions().is_empty() => {
                    let count = i32::try_from(found.partitions().len())
                        .map_err(|_| Error::internal("more partitions than Kafka can have"))?;
                    self.partitions.insert(topic.to_owned(), count);
                    return Ok(());
                }
                None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::LeaderNotAvailable)
                    if begin.elapsed() < MISSING_LIMIT =>
                {
                    self.cancellation.sleep(Duration::from_millis(100))?;
                }
                None | Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                    return Err(Error::user(format!(
                        "Kafka at {} has no topic '{topic}' and does not create it",
                        self.target.bootstrap
                    ))
                    .with("option", "topic")
                    .hint("create the topic, or let the broker do it (auto.create.topics.enable)"));
                }
                Some(code) => return Err(refused_topic(topic, code)),
            }
        }
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// It is none of the target's, or missing.
    pub(crate) fn partitions(&mut self, topic: &str) -> Result<i32> {
        if let Some(count) = self.partitions.get(topic) {
            return Ok(*count);
        }
        if !self.target.topics.contains(topic) {
            return Err(Error::data(format!("a row wants to go to the topic '{topic}', which is none of the table's"))
                .with("column", "topic"));
        }
        self.find(topic)?;
        Ok(self.partitions.get(topic).copied().unwrap_or_default())
    }

    /// Sends a record; waits where too many are on their way.
    ///
    /// # Errors
    /// It cannot be sent, or one before it was refused.
    pub(crate) fn send(&mut self, record: Outgoing<'_>) -> Result<()> {
        let Outgoing { topic, partition, key, value, timestamp, headers } = record;
        let mut message =
            BaseRecord::<[u8], [u8]> { topic, partition, payload: value, key, timestamp, headers, delivery_opaque: () };
        while let Err((error, back)) = self.producer.send(message) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(self.not_sent(topic, &error));
            }
            // Records leave the queue when they are delivered or their delivery times out, so this wait ends.
            self.cancellation.check()?;
            self.report(Duration::from_millis(5))?;
            message = back;
        }
        self.sent += 1;
        self.records_out.add(1);
        self.bytes_out.add((key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64);
        if self.sent.is_multiple_of(REPORT_EVERY) { self.report(Duration::ZERO) } else { Ok(()) }
    }

    /// The error of a record that librdkafka does not take.
    fn not_sent(&self, topic: &str, error: &KafkaError) -> Error {
        if let Some((_, reason)) = self.producer.client().fatal_error() {
            return Error::external(format!("the Kafka producer cannot go on: {reason}"))
                .with("topic", topic)
                .retryable();
        }
        refused(&Refused {
            topic: topic.to_owned(),
            partition: -1,
            code: error.rdkafka_error_code(),
            reason: client::reason(error),
        })
    }

    /// Takes reports for `wait`, or those that are there.
    ///
    /// # Errors
    /// A record was refused.
    pub(crate) fn report(&mut self, wait: Duration) -> Result<()> {
        self.reported = Instant::now();
        self.producer.poll(wait);
        let events = self.producer.client().context();
        if events.refused.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        match &*events.first_refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(first) => Err(refused(first)),
            None => Err(Error::internal("a record was refused without a reason")),
        }
    }

    /// How many records were sent and not reported.
    fn outstanding(&self) -> u64 {
        let events = self.producer.client().context();
        self.sent.saturating_sub(events.delivered.load(Ordering::Relaxed) + events.refused.load(Ordering::Relaxed))
    }

    /// Waits until every record is reported. The delivery timeout bounds it.
    ///
    /// # Errors
    /// A record was refused.
    pub(crate) fn wait_for_reports(&mut self) -> Result<()> {
        self.report(Duration::ZERO)?;
        while self.outstanding() > 0 {
            self.cancellation.check()?;
            // A flush that does not wait makes librdkafka send what lingers; waiting in it would be in steps of 100 ms.
            match self.producer.flush(Duration::ZERO) {
                Ok(()) | Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {}
                Err(error) => {
                    return Err(
                        Error::external(format!("cannot flush to Kafka: {}", client::reason(&error))).retryable()
                    );
                }
            }
            self.report(Duration::from_millis(1))?;
        }
        Ok(())
    }
}

fn refused(refused: &Refused) -> Error {
    let text = format!("Kafka did not take a record: {}", refused.reason);
    let error = match refused.code {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord) => Error::data(text)
            .hint("larger records need 'properties.max.request.size' here and 'max.message.bytes' of the topic"),
        Some(RDKafkaErrorCode::MessageTimedOut) => {
            Error::external(text).hint("no broker acknowledged it within 'properties.delivery.timeout.ms'").retryable()
        }
        Some(code) if client::passes(code) => Error::external(text).retryable(),
        _ => Error::external(text),
    };
    let error = if refused.partition >= 0 { error.with("partition", refused.partition) } else { error };
    error.with("topic", &refused.topic)
}
