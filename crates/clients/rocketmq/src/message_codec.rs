//! How messages stand in bodies.
//!
//! *Stored* form, in which brokers answer: `u32 size | i32 magic | u32 CRC of the body | i32 queue | i32 flag | i64 queue
//! offset | i64 commit log offset | i32 flags | i64 born | born host | i64 stored | store host | i32 reconsumed | i64
//! prepared offset | u32 length, body | topic | u16 length, properties`. A host is 4 bytes, or 16 where a flag says so,
//! and a `u32` port. The topic's length is a `u8` with the first magic, a `u16` with the second.
//!
//! *Batch* form, in which several are sent at once: `u32 size | i32 magic 0 | u32 CRC 0 | i32 flag | u32 length, body |
//! u16 length, properties`. Brokers may keep a batch as one message whose body has this form, and hand it out so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use riverrun_base::{Error, Result};

use crate::compression::decompress;
use crate::message::{BORN_HOST_V6, COMPRESSED, INNER_BATCH, NEED_UNWRAP, ReceivedMessage, STORE_HOST_V6};

const MAGIC: i32 = -626_843_481;
const MAGIC_V2: i32 = -626_843_477;

/// The properties' length is a `u16` that Java reads as signed.
pub(crate) const PROPERTIES_BYTES_MAX: usize = 32_767;

/// Reads the messages of an answer to a pull. `body_bytes_max` bounds what a compressed body may become.
///
/// # Errors
/// The body is none of messages.
pub(crate) fn decode_stored(mut body: Bytes, body_bytes_max: usize) -> Result<Vec<ReceivedMessage>> {
    // a pull brings 32 by default
    let mut messages = Vec::with_capacity(32);
    while !body.is_empty() {
        let size =
            body.first_chunk().map_or(0, |size| usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX));
        if size < 4 || size > body.len() {
            return Err(malformed("its size is not that of what follows"));
        }
        let mut record = body.split_to(size);
        record.advance(4);
        let message = stored(record, body_bytes_max)?;
        if message.system_flags & (INNER_BATCH | NEED_UNWRAP) == INNER_BATCH | NEED_UNWRAP {
            unwrap(&message, &mut messages)?;
        } else {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// One message, its size taken off.
fn stored(mut record: Bytes, body_bytes_max: usize) -> Result<ReceivedMessage> {
    let short = |_| malformed("it is cut off");
    let magic = record.try_get_i32().map_err(short)?;
    if magic != MAGIC && magic != MAGIC_V2 {
        return Err(malformed("its magic number is unknown"));
    }
    record.try_get_u32().map_err(short)?;
    let queue_id = record.try_get_i32().map_err(short)?;
    let flag = record.try_get_i32().map_err(short)?;
    let queue_offset = record.try_get_i64().map_err(short)?;
    let commit_log_offset = record.try_get_i64().map_err(short)?;
    let system_flags = record.try_get_i32().map_err(short)?;
    let born_timestamp = record.try_get_i64().map_err(short)?;
    let born_host = host(&mut record, system_flags & BORN_HOST_V6 != 0)?;
    let store_timestamp = record.try_get_i64().map_err(short)?;
    let store_host = host(&mut record, system_flags & STORE_HOST_V6 != 0)?;
    let reconsume_times = record.try_get_i32().map_err(short)?;
    let prepared_transaction_offset = record.try_get_i64().map_err(short)?;
    let length = record.try_get_u32().map_err(short)?;
    let mut body = part(&mut record, length)?;
    if system_flags & COMPRESSED != 0 {
        body = decompress(system_flags, &body, body_bytes_max).map_err(|error| {
            error
                .with("queue", queue_id)
                .with("queue offset", queue_offset)
                .with("commit log offset", commit_log_offset)
        })?;
    }
    let topic = if magic == MAGIC_V2 {
        usize::from(record.try_get_u16().map_err(short)?)
    } else {
        usize::from(record.try_get_u8().map_err(short)?)
    };
    let length = record.get(topic..).and_then(|behind| behind.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes));
    let (properties_start, length) = (topic + 2, usize::from(length.ok_or_else(|| malformed("it is cut off"))?));
    if record.len() < properties_start + length {
        return Err(malformed("it is cut off"));
    }
    record.truncate(properties_start + length);
    let (text, topic_end, properties_start) = utf8(record, topic, properties_start);
    Ok(ReceivedMessage {
        queue_id,
        queue_offset,
        commit_log_offset,
        flag,
        born_timestamp,
        born_host,
        store_timestamp,
        store_host,
        reconsume_times,
        prepared_transaction_offset,
        system_flags,
        body,
        text,
        topic_end,
        properties_start,
    })
}

/// Topic and properties; where they are no UTF-8, a copy in which what is none is replaced, as Java does.
fn utf8(text: Bytes, topic_end: usize, properties_start: usize) -> (Bytes, usize, usize) {
    let parts = (text.get(..topic_end).unwrap_or_default(), text.get(properties_start..).unwrap_or_default());
    if std::str::from_utf8(parts.0).is_ok() && std::str::from_utf8(parts.1).is_ok() {
        return (text, topic_end, properties_start);
    }
    let topic = String::from_utf8_lossy(parts.0);
    let properties = String::from_utf8_lossy(parts.1);
    (Bytes::from(format!("{topic}{properties}")), topic.len(), topic.len())
}

fn host(record: &mut Bytes, is_v6: bool) -> Result<SocketAddr> {
    let short = |_| malformed("it is cut off");
    let address = if is_v6 {
        IpAddr::V6(Ipv6Addr::from_bits(record.try_get_u128().map_err(short)?))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(record.try_get_u32().map_err(short)?))
    };
    let port = u16::try_from(record.try_get_u32().map_err(short)?).map_err(|_| malformed("a host's port is none"))?;
    Ok(SocketAddr::new(address, port))
}

fn part(record: &mut Bytes, length: u32) -> Result<Bytes> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > record.len() {
        return Err(malformed("it is cut off"));
    }
    Ok(record.split_to(length))
}

/// The messages in a message that holds a batch: its own data but for body, flag and properties, and the queue offsets
/// from its own on.
fn unwrap(batch: &ReceivedMessage, into: &mut Vec<ReceivedMessage>) -> Result<()> {
    let mut body = batch.body.clone();
    let mut queue_offset = batch.queue_offset;
    while !body.is_empty() {
        let short = |_| malformed("a message of a batch is cut off");
        // size, magic, CRC
        for _ in 0..3 {
            body.try_get_u32().map_err(short)?;
        }
        let flag = body.try_get_i32().map_err(short)?;
        let length = body.try_get_u32().map_err(short)?;
        let inner = part(&mut body, length)?;
        let length = body.try_get_u16().map_err(short)?;
        let properties = part(&mut body, u32::from(length))?;
        let topic = batch.topic();
        let joined = [topic.as_bytes(), &properties].concat();
        let (text, topic_end, properties_start) = utf8(joined.into(), topic.len(), topic.len());
        into.push(ReceivedMessage {
            queue_offset,
            flag,
            body: inner,
            text,
            topic_end,
            properties_start,
            ..batch.clone()
        });
        queue_offset += 1;
    }
    Ok(())
}

/// Adds one message to the body of a batch. The caller has checked the lengths.
pub(crate) fn encode_in_batch(batch: &mut BytesMut, flag: i32, body: &[u8], properties: &str) {
    let size = 4 + 4 + 4 + 4 + 4 + body.len() + 2 + properties.len();
    batch.reserve(size);
    batch.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    batch.extend_from_slice(&[0; 8]);
    batch.extend_from_slice(&flag.to_be_bytes());
    batch.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    batch.extend_from_slice(body);
    batch.extend_from_slice(&u16::try_from(properties.len()).unwrap_or(u16::MAX).to_be_bytes());
    batch.extend_from_slice(properties.as_bytes());
}

fn malformed(why: &str) -> Error {
    Error::external(format!("a message of the broker's answer cannot be read: {why}"))
}

#[cfg(test)]
mod tests;
