//! Writes rows as records.
//!
//! librdkafka sends in the background and reports every record once: delivered, or refused. The writer counts what it sent and what was reported;
//! a flush returns when both agree and nothing was refused. (librdkafka's own flush succeeds even where records were refused.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{Array, MapArray, StringArray, TimestampMillisecondArray};
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Counter, Flush, SinkWriter, TaskContext};
use riverrun_data::Batch;

use crate::client::{self, Asker, Connection};
use crate::encode::{Record, RowEncoder};
use crate::enumerator::refused_topic;
use crate::metadata;
use crate::sink::Target;
use crate::table::Table;
use crate::transaction::Witness;
use crate::upsert::Buffer;

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

/// The writer of a Kafka sink.
pub(crate) struct KafkaWriter {
    encoder: RowEncoder,
    output: Output,
    buffer: Option<Buffer>,
}

/// The producer with what is needed to send to it, apart from the encoder whose memory is sent.
struct Output {
    producer: Producer,
    target: Arc<Target>,
    cancellation: Cancellation,
    subtask: usize,
    /// The number of partitions of the topics seen so far.
    partitions: HashMap<String, i32>,
    sent: u64,
    reported: Instant,
    records_out: Counter,
    bytes_out: Counter,
}

impl KafkaWriter {
    /// Connects, and sees that the topics are there.
    ///
    /// # Errors
    /// The brokers cannot be reached, or a topic is missing and the broker does not make it.
    pub(crate) fn open(table: &Table, target: Arc<Target>, producer: Producer, context: &TaskContext) -> Result<Self> {
        let encoder = RowEncoder::new(table)?;
        let buffer = target.buffer.map(|(rows, interval)| Buffer::new(rows, interval));
        let mut output = Output {
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
        Ok(Self { encoder, output, buffer })
    }

    /// Waits until the brokers have every row, those held back too; how many came since the producer began, and the place of one of them.
    ///
    /// # Errors
    /// A row was refused.
    pub(crate) fn complete(&mut self) -> Result<(u64, Option<Witness>)> {
        self.send_buffered()?;
        self.output.wait_for_reports()?;
        let events = self.output.producer.client().context();
        let delivered = events.delivered.load(Ordering::Relaxed);
        if delivered != self.output.sent {
            let sent = self.output.sent;
            return Err(Error::internal(format!("{sent} records were sent, and {delivered} reported as delivered")));
        }
        Ok((delivered, events.first_delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Goes on with another producer, and returns the former, of which every row must have been reported.
    pub(crate) fn replace_producer(&mut self, producer: Producer) -> Producer {
        self.output.sent = 0;
        std::mem::replace(&mut self.output.producer, producer)
    }

    fn send(&mut self, batch: &Batch) -> Result<()> {
        let columns = Beside::of(batch, &self.output.target)?;
        let output = &mut self.output;
        self.encoder.encode(batch, |record| output.send(&record, &columns))?;
        output.report(Duration::ZERO)
    }

    fn send_buffered(&mut self) -> Result<()> {
        let batches = match &mut self.buffer {
            Some(buffer) => buffer.drain()?,
            None => return Ok(()),
        };
        batches.iter().try_for_each(|batch| self.send(batch))
    }
}

impl SinkWriter for KafkaWriter {
    fn write(&mut self, batch: Batch) -> Result<()> {
        let Some(buffer) = &mut self.buffer else { return self.send(&batch) };
        self.encoder.encode_keys(&batch)?;
        buffer.add(batch, self.encoder.keys(), Instant::now())?;
        if buffer.is_due(Instant::now()) { self.send_buffered() } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        let reports = (self.output.outstanding() > 0).then(|| self.output.reported + REPORT_INTERVAL);
        let buffer = self.buffer.as_ref().and_then(Buffer::deadline);
        reports.into_iter().chain(buffer).min()
    }

    fn tick(&mut self) -> Result<()> {
        if self.buffer.as_ref().is_some_and(|buffer| buffer.is_due(Instant::now())) {
            self.send_buffered()?;
        }
        self.output.report(Duration::ZERO)
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        self.send_buffered()?;
        if self.output.target.waits || reason == Flush::End {
            self.output.wait_for_reports()
        } else {
            self.output.report(Duration::ZERO)
        }
    }
}

/// The columns beside key and value of one batch.
struct Beside<'a> {
    topic: Option<&'a StringArray>,
    headers: Option<&'a MapArray>,
    timestamp: Option<&'a TimestampMillisecondArray>,
}

impl<'a> Beside<'a> {
    fn of(batch: &'a Batch, target: &Target) -> Result<Self> {
        let written = target.written;
        Ok(Self {
            topic: column(batch, written.topic)?,
            headers: column(batch, written.headers)?,
            timestamp: column(batch, written.timestamp)?,
        })
    }

    fn timestamp(&self, row: usize) -> Option<i64> {
        self.timestamp.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    }

    fn headers(&self, row: usize) -> Option<OwnedHeaders> {
        self.headers.and_then(|column| metadata::headers(column, row))
    }
}

fn column<T: 'static>(batch: &Batch, index: Option<usize>) -> Result<Option<&T>> {
    let Some(index) = index else { return Ok(None) };
    let array = batch.rows().columns().get(index).and_then(|array| array.as_any().downcast_ref());
    array.map(Some).ok_or_else(|| Error::internal(format!("column {index} does not hold the metadata it should")))
}

impl Output {
    /// Sees that every topic that is known by name can be written.
    fn connect(&mut self) -> Result<()> {
        match &self.target.topics {
            crate::scan::Topics::List(topics) => topics.clone().iter().try_for_each(|topic| self.find(topic)),
            crate::scan::Topics::Pattern { .. } => self.ask(|asker| asker.metadata(None)).map(drop),
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

    fn send(&mut self, record: &Record<'_>, beside: &Beside<'_>) -> Result<()> {
        let target = Arc::clone(&self.target);
        let topic = match (target.topics.single(), beside.topic) {
            (Some(topic), _) => topic,
            (None, Some(column)) if column.is_valid(record.row) => column.value(record.row),
            (None, _) => return Err(Error::data("a row has no topic to go to").with("column", "topic")),
        };
        let partitions = match self.partitions.get(topic) {
            Some(count) => *count,
            None => {
                if !target.topics.contains(topic) {
                    return Err(Error::data(format!(
                        "a row wants to go to the topic '{topic}', which is none of the table's"
                    ))
                    .with("column", "topic"));
                }
                self.find(topic)?;
                self.partitions.get(topic).copied().unwrap_or_default()
            }
        };
        let mut message = BaseRecord::<[u8], [u8]> {
            topic,
            partition: target.partitioner.partition(self.subtask, partitions),
            payload: record.value,
            key: record.key,
            timestamp: beside.timestamp(record.row),
            headers: beside.headers(record.row),
            delivery_opaque: (),
        };
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
        self.bytes_out.add((record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64);
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
    fn report(&mut self, wait: Duration) -> Result<()> {
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
    fn wait_for_reports(&mut self) -> Result<()> {
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
