//! What commits the half messages of one queue and interval, as it is stored in a checkpoint.
//!
//! JSON: `{"topic":"t","broker":"broker-a","queue":0,"group":"g","from":42,"until":1700000000000,"halves":[["KEY",7,4711],["KEY",8,5000,"TX"]]}`.
//! `from` is where the queue ended before the first of them was sent, `until` when the last lifetime is over, absent where they have none; a
//! half message is its unique key, its place among the half messages, its place in the commit log and, where it differs from the key, its
//! transaction. Fields may be added, none renamed.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};
use riverrun_connect::Committable;
use riverrun_rocketmq_client::{HalfMessage, Queue};
use serde::{Deserialize, Serialize};

/// The half messages of one queue and interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    topic: String,
    broker: String,
    queue: i32,
    group: String,
    from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    halves: Vec<Half>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Half {
    Plain(String, i64, i64),
    Named(String, i64, i64, String),
}

/// The half messages of an interval, by queue.
#[derive(Debug, Default)]
pub(crate) struct Halves(BTreeMap<Queue, Stored>);

impl Halves {
    /// Takes one.
    pub(crate) fn push(&mut self, half: HalfMessage) {
        let HalfMessage { queue, group, unique_key, transaction_id, half_offset, commit_log_offset, scan_from, until } =
            half;
        let stored = self.0.entry(queue).or_insert_with_key(|queue| Stored {
            topic: queue.topic.to_string(),
            broker: queue.broker.to_string(),
            queue: queue.id,
            group,
            from: scan_from,
            until,
            halves: Vec::new(),
        });
        stored.from = stored.from.min(scan_from);
        stored.until = stored.until.max(until);
        stored.halves.push(if transaction_id == unique_key {
            Half::Plain(unique_key, half_offset, commit_log_offset)
        } else {
            Half::Named(unique_key, half_offset, commit_log_offset, transaction_id)
        });
    }

    /// What is stored of them; nothing of them is left here.
    ///
    /// # Errors
    /// A bug: it cannot be written.
    pub(crate) fn take(&mut self) -> Result<Vec<Committable>> {
        let write = |stored: Stored| {
            serde_json::to_vec(&stored)
                .map(Committable)
                .map_err(|error| Error::internal("cannot write what commits messages").caused_by(error))
        };
        std::mem::take(&mut self.0).into_values().map(write).collect()
    }
}

/// The half messages that a committable names.
///
/// # Errors
/// It was not written by this connector.
pub(crate) fn decode(committable: &Committable) -> Result<Vec<HalfMessage>> {
    let stored: Stored = serde_json::from_slice(&committable.0)
        .map_err(|error| Error::internal("cannot read what commits messages of RocketMQ").caused_by(error))?;
    let Stored { topic, broker, queue, group, from, until, halves } = stored;
    let queue = Queue::new(&topic, &broker, queue);
    let half = |half: Half| {
        let (unique_key, half_offset, commit_log_offset, transaction_id) = match half {
            Half::Plain(key, half, log) => (key.clone(), half, log, key),
            Half::Named(key, half, log, transaction) => (key, half, log, transaction),
        };
        HalfMessage {
            queue: queue.clone(),
            group: group.clone(),
            unique_key,
            transaction_id,
            half_offset,
            commit_log_offset,
            scan_from: from,
            until,
        }
    };
    Ok(halves.into_iter().map(half).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn half(queue: i32, key: &str, transaction: &str, scan_from: i64, until: Option<i64>) -> HalfMessage {
        HalfMessage {
            queue: Queue::new("t", "broker-a", queue),
            group: "g".into(),
            unique_key: key.into(),
            transaction_id: transaction.into(),
            half_offset: 7,
            commit_log_offset: 4711,
            scan_from,
            until,
        }
    }

    #[test]
    fn half_messages_are_stored_by_queue_and_read_again() {
        let mut halves = Halves::default();
        let of_queue = Some(1_700_000_000_000);
        let all = [half(0, "A", "A", 42, of_queue), half(1, "B", "B", 3, None), half(0, "C", "TX", 42, of_queue)];
        all.iter().cloned().for_each(|half| halves.push(half));
        let stored = halves.take().unwrap();
        let text = r#"{"topic":"t","broker":"broker-a","queue":0,"group":"g","from":42,"until":1700000000000,"halves":[["A",7,4711],["C",7,4711,"TX"]]}"#;
        assert_eq!((stored.len(), std::str::from_utf8(&stored[0].0).unwrap()), (2, text));
        let read: Vec<HalfMessage> = stored.iter().flat_map(|stored| decode(stored).unwrap()).collect();
        assert_eq!(read, [all[0].clone(), all[2].clone(), all[1].clone()]);
        assert!(halves.take().unwrap().is_empty());
        let former = br#"{"topic":"t","broker":"broker-a","queue":1,"group":"g","from":3,"halves":[["B",7,4711]]}"#;
        assert_eq!(decode(&Committable(former.to_vec())).unwrap(), [all[1].clone()]);
        assert!(decode(&Committable(b"x".to_vec())).is_err());
    }
}
