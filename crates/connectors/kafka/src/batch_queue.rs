//! Records in batches, straight from librdkafka's memory.
//!
//! `rd_kafka_consume_batch_queue` hands over thousands of records a call, which costs less than half of one call per record (rdkafka's safe
//! interface has only the latter). The partitions that are read are forwarded to a queue of their own here; what else a consumer tells (its log,
//! errors of connections, results of commits) stays on the consumer's queue, where rdkafka serves it.
//!
//! All unsafe code of the connector is in this file. Its invariants: a pointer in [`Messages`] came from `rd_kafka_consume_batch_queue`, is
//! owned by it alone and is destroyed once; every [`Messages`] and [`BatchQueue`] holds the consumer, so that the client outlives them.
#![allow(unsafe_code, reason = "librdkafka's batch interface has no safe wrapper; every block says why it is sound")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rdsys;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::{RDKafkaMessage, RDKafkaRespErr, RDKafkaTopic};
use riverrun_base::{Error, Result};

use crate::client::Consumer;

/// The queue that all partitions of one reader are forwarded to.
pub(crate) struct BatchQueue {
    queue: NonNull<rdsys::rd_kafka_queue_t>,
    /// Where librdkafka puts the pointers of one call; it only grows, as clearing it would cost each poll more than a few records.
    buffer: Vec<*mut RDKafkaMessage>,
    /// Dropped after the queue: see `Drop`.
    consumer: Arc<Consumer>,
}

// SAFETY: librdkafka's queues may be used from any thread; what the buffer holds between calls is never looked at.
unsafe impl Send for BatchQueue {}

/// What one call brought.
#[derive(Default)]
pub(crate) struct Received {
    /// Records, a group for each partition, in the partition's order.
    pub(crate) groups: Vec<Messages>,
    /// What librdkafka tells about partitions.
    pub(crate) events: Vec<PartitionEvent>,
}

/// Something that concerns one partition: its end was reached, or it cannot be read.
#[derive(Debug)]
pub(crate) struct PartitionEvent {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// What it is; [`RDKafkaErrorCode::PartitionEOF`] at the end of the partition.
    pub(crate) code: RDKafkaErrorCode,
    /// The offset at which it happened.
    pub(crate) offset: i64,
    /// The same as a text.
    pub(crate) text: String,
}

impl BatchQueue {
    /// A queue of this consumer, without partitions.
    ///
    /// # Errors
    /// librdkafka gives none.
    pub(crate) fn new(consumer: Arc<Consumer>) -> Result<Self> {
        // SAFETY: the client's pointer is valid as long as the consumer, which outlives the queue.
        let queue = unsafe { rdsys::rd_kafka_queue_new(consumer.client().native_ptr()) };
        let queue = NonNull::new(queue).ok_or_else(|| Error::internal("librdkafka gives no queue"))?;
        Ok(Self { queue, buffer: Vec::new(), consumer })
    }

    /// Sends a partition's records here. It has to happen before the partition is assigned, once.
    ///
    /// # Errors
    /// The topic's name cannot be passed on.
    pub(crate) fn attach(&self, topic: &str, partition: i32) -> Result<()> {
        let name = CString::new(topic)
            .map_err(|error| Error::user(format!("'{topic}' is not the name of a topic")).caused_by(error))?;
        // SAFETY: client and name are valid for the call; the queue that is returned is released below.
        let source = unsafe {
            rdsys::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), name.as_ptr(), partition)
        };
        if source.is_null() {
            return Err(Error::internal(format!("librdkafka gives no queue for {topic}-{partition}")));
        }
        // SAFETY: both queues are valid. Forwarding holds a reference of its own to the destination, so the handle of the source may go.
        unsafe {
            rdsys::rd_kafka_queue_forward(source, self.queue.as_ptr());
            rdsys::rd_kafka_queue_destroy(source);
        }
        Ok(())
    }

    /// Up to `most` records and events. It waits for the first for at most `wait`, and never for more than the first.
    pub(crate) fn receive(&mut self, most: usize, wait: Duration) -> Received {
        let mut received = Received::default();
        // librdkafka waits until the whole array is full: so ask for one with a wait, and for the rest without.
        let mut count = self.consume(most, Duration::ZERO);
        if count == 0 && !wait.is_zero() {
            count = self.consume(1, wait);
            self.sort(count, &mut received);
            count = if count == 0 { 0 } else { self.consume(most.saturating_sub(1), Duration::ZERO) };
        }
        self.sort(count, &mut received);
        received
    }

    /// Puts pointers into the buffer and returns how many; the caller has to take these, and no others, before the next call.
    fn consume(&mut self, most: usize, wait: Duration) -> usize {
        if self.buffer.len() < most {
            self.buffer.resize(most, ptr::null_mut());
        }
        // SAFETY: the queue is valid, and the buffer has room for `most` pointers.
        let count = unsafe {
            rdsys::rd_kafka_consume_batch_queue(
                self.queue.as_ptr(),
                i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
                self.buffer.as_mut_ptr(),
                most,
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Takes the `count` pointers of the last call.
    fn sort(&self, count: usize, received: &mut Received) {
        // Records of a partition come in runs, so the group of the last one is nearly always the group of the next.
        let mut last = 0;
        for pointer in self.buffer.iter().take(count).copied().filter_map(NonNull::new) {
            // SAFETY: librdkafka returned the pointer just now; nobody else has it.
            let message = unsafe { pointer.as_ref() };
            if message.err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                received.events.push(event(message));
                // SAFETY: owned, and not used again.
                unsafe { rdsys::rd_kafka_message_destroy(pointer.as_ptr()) };
                continue;
            }
            let is_of = |group: &Messages| group.topic == message.rkt && group.partition == message.partition;
            if !received.groups.get(last).is_some_and(is_of) {
                last = received.groups.iter().position(is_of).unwrap_or(received.groups.len());
                if last == received.groups.len() {
                    let consumer = Arc::clone(&self.consumer);
                    received.groups.push(Messages {
                        pointers: Vec::new(),
                        topic: message.rkt,
                        partition: message.partition,
                        _consumer: consumer,
                    });
                }
            }
            if let Some(group) = received.groups.get_mut(last) {
                group.pointers.push(pointer);
            }
        }
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is valid and not used again; the consumer is still there, since fields are dropped after this.
        unsafe { rdsys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

fn event(message: &RDKafkaMessage) -> PartitionEvent {
    // SAFETY: the message is valid; the text lives as long as it.
    let text = unsafe { text(rdsys::rd_kafka_message_errstr(message)) };
    PartitionEvent {
        topic: topic_name(message.rkt),
        partition: message.partition,
        code: message.err.into(),
        offset: message.offset,
        text,
    }
}

fn topic_name(topic: *const RDKafkaTopic) -> String {
    if topic.is_null() {
        return String::new();
    }
    // SAFETY: a topic of a message that is still held; its name lives as long as the topic.
    unsafe { text(rdsys::rd_kafka_topic_name(topic)) }
}

/// # Safety
/// `text` is null or a C string that is valid now.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: as the caller promises.
    if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
}

/// Records of one partition, in order.
pub(crate) struct Messages {
    pointers: Vec<NonNull<RDKafkaMessage>>,
    topic: *mut RDKafkaTopic,
    partition: i32,
    /// Keeps the client alive, whose memory the records are in.
    _consumer: Arc<Consumer>,
}

// SAFETY: the records are owned and only read; librdkafka lets any thread destroy them.
unsafe impl Send for Messages {}

/// When a record was written, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970; -1 without one.
    pub(crate) millis: i64,
    /// Where it comes from, as Kafka's `TimestampType` names it.
    pub(crate) kind: &'static str,
}

impl Messages {
    /// How many there are; at least one.
    pub(crate) fn len(&self) -> usize {
        self.pointers.len()
    }

    /// The topic.
    pub(crate) fn topic(&self) -> String {
        topic_name(self.topic)
    }

    /// The partition.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    fn get(&self, index: usize) -> Option<&RDKafkaMessage> {
        // SAFETY: the pointers are valid until they are destroyed on drop, and nobody else writes to what they point to.
        self.pointers.get(index).map(|pointer| unsafe { pointer.as_ref() })
    }

    /// The offset of a record.
    pub(crate) fn offset(&self, index: usize) -> i64 {
        self.get(index).map_or(-1, |message| message.offset)
    }

    /// The value of a record; `None` for a tombstone.
    pub(crate) fn value(&self, index: usize) -> Option<&[u8]> {
        // SAFETY: librdkafka says that so many bytes are there; they live as long as the message.
        self.get(index).and_then(|message| unsafe { bytes(message.payload, message.len) })
    }

    /// The key of a record.
    pub(crate) fn key(&self, index: usize) -> Option<&[u8]> {
        // SAFETY: as for the value.
        self.get(index).and_then(|message| unsafe { bytes(message.key, message.key_len) })
    }

    /// The time of a record.
    pub(crate) fn timestamp(&self, index: usize) -> Timestamp {
        let mut kind = rdsys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: message and place are valid for the call.
        let millis =
            self.get(index).map_or(-1, |message| unsafe { rdsys::rd_kafka_message_timestamp(message, &raw mut kind) });
        let kind = match kind {
            rdsys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => "CreateTime",
            rdsys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => "LogAppendTime",
            rdsys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => "NoTimestampType",
        };
        Timestamp { millis, kind }
    }

    /// The epoch of the leader that wrote a record, where the broker tells it.
    pub(crate) fn leader_epoch(&self, index: usize) -> Option<i32> {
        // SAFETY: the message is valid for the call.
        let epoch = self.get(index).map(|message| unsafe { rdsys::rd_kafka_message_leader_epoch(message) });
        epoch.filter(|epoch| *epoch >= 0)
    }

    /// Calls `each` with every header of a record, in order.
    pub(crate) fn for_each_header(&self, index: usize, mut each: impl FnMut(&str, Option<&[u8]>)) {
        let Some(message) = self.get(index) else { return };
        let mut headers = ptr::null_mut();
        // SAFETY: message and place are valid for the call. The headers belong to the message.
        if unsafe { rdsys::rd_kafka_message_headers(message, &raw mut headers) }
            != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return;
        }
        for position in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: headers and places are valid for the call.
            let result = unsafe {
                rdsys::rd_kafka_header_get_all(headers, position, &raw mut name, &raw mut value, &raw mut size)
            };
            if result != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
                return;
            }
            // SAFETY: name is a C string and value has `size` bytes; both live as long as the message.
            let (name, value) = unsafe { (CStr::from_ptr(name).to_string_lossy(), bytes(value, size)) };
            each(&name, value);
        }
    }
}

/// # Safety
/// `start` is null or points to `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

impl Drop for Messages {
    fn drop(&mut self) {
        for pointer in &self.pointers {
            // SAFETY: owned, destroyed once, and not used again.
            unsafe { rdsys::rd_kafka_message_destroy(pointer.as_ptr()) };
        }
    }
}
