//! Whether a row is visible: the last proof of how a transaction ended, when its coordinator has forgotten it.
//!
//! A coordinator remembers one transaction of an id, and that for a week at most. The partitions remember longer: as long as they keep
//! the row, they know whether its transaction was aborted.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use riverrun_base::{Error, Result};
use riverrun_connect::Cancellation;

use crate::client;
use crate::transaction::Witness;

/// What a partition tells about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Readers of committed rows see it.
    Visible,
    /// It is there, and they pass over it.
    Aborted,
    /// It is gone, by retention or compaction.
    Gone,
}

/// Looks for a row as readers with `isolation.level` = `read_committed` do, and where they do not see it, as others do.
///
/// # Errors
/// The partition cannot be read within `limit`; the job stops.
pub(crate) fn look(
    config: &ClientConfig,
    witness: &Witness,
    limit: Duration,
    cancellation: &Cancellation,
) -> Result<Sight> {
    let end = Instant::now() + limit;
    if is_there(config, "read_committed", witness, end, cancellation)? {
        return Ok(Sight::Visible);
    }
    let is_there = is_there(config, "read_uncommitted", witness, end, cancellation)?;
    Ok(if is_there { Sight::Aborted } else { Sight::Gone })
}

/// Whether the row at the witness's offset is there, for a reader of this isolation level.
fn is_there(
    config: &ClientConfig,
    isolation: &str,
    witness: &Witness,
    end: Instant,
    cancellation: &Cancellation,
) -> Result<bool> {
    let Witness { topic, partition, offset } = witness;
    let failed = |what: &str| {
        Error::external(format!("cannot see whether a transaction was committed: {what}"))
            .with("offset", offset)
            .with("partition", partition)
            .with("topic", topic)
    };
    let mut config = config.clone();
    config
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        // It is required, and used for nothing: the partition is assigned.
        .set("group.id", "riverrun-witness");
    let consumer: BaseConsumer = config.create().map_err(client::refused_configuration)?;
    let mut list = TopicPartitionList::new();
    let assigned = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
    assigned.and_then(|()| consumer.assign(&list)).map_err(|error| failed(&client::reason(&error)))?;
    let mut reason = "the broker does not answer".to_owned();
    while Instant::now() < end {
        cancellation.check()?;
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => return Ok(message.offset() == *offset),
            Some(Err(KafkaError::PartitionEOF(_))) => {
                // The end of committed rows is at the first open transaction, which may lie before the row.
                match consumer.fetch_watermarks(topic, *partition, Duration::from_secs(1)) {
                    Ok((_, high)) if high > *offset => return Ok(false),
                    Ok(_) if isolation == "read_uncommitted" => return Ok(false),
                    Ok((_, high)) => {
                        reason = format!("another transaction is open there since offset {high}");
                        cancellation.sleep(Duration::from_millis(100))?;
                        consumer.assign(&list).map_err(|error| failed(&client::reason(&error)))?;
                    }
                    Err(error) => reason = client::reason(&error),
                }
            }
            // Retention has removed it, or the topic was made anew.
            Some(Err(error)) if is_gone(&error) => return Ok(false),
            Some(Err(error)) if error.rdkafka_error_code().is_some_and(client::passes) => {
                reason = client::reason(&error);
            }
            Some(Err(error)) => return Err(failed(&client::reason(&error))),
            None => {}
        }
    }
    Err(failed(&reason).retryable())
}

fn is_gone(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
        )
    )
}
