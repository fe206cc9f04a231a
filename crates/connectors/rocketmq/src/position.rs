//! A split of RocketMQ: a queue, the offset to read on from, and where to stop.
//!
//! The name is `topic/broker/queue`. The position is JSON, `{"offset":42,"stop":100,"until":1700000000000}`; `stop` is the first offset
//! that is not read, `until` the store time of the first message that is not, each absent where reading never ends. It is stored in
//! checkpoints: fields may be added, none renamed.

use riverrun_base::{Error, Result};
use riverrun_connect::{Split, SplitId};
use riverrun_rocketmq_client::Queue;
use serde::{Deserialize, Serialize};

/// Where a split is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The offset of the next message, which may be one that is filtered out.
    pub(crate) offset: i64,
    /// The first offset that is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop: Option<i64>,
    /// The store time, in milliseconds since 1970, of the first message that is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<i64>,
}

impl Position {
    /// Whether nothing is left to read, as far as that can be told without asking.
    pub(crate) fn is_at_end(self) -> bool {
        self.stop.is_some_and(|stop| self.offset >= stop)
    }
}

/// The name of a queue's split.
pub(crate) fn split_id(queue: &Queue) -> SplitId {
    queue.to_string().into()
}

/// The queue that a split's name stands for.
///
/// # Errors
/// The name was not made by [`split_id`].
pub(crate) fn queue(id: &str) -> Result<Queue> {
    let parts = || {
        let (topic, rest) = id.split_once('/')?;
        let (broker, number) = rest.rsplit_once('/')?;
        Some(Queue::new(topic, broker, number.parse().ok()?))
    };
    parts().ok_or_else(|| Error::internal(format!("'{id}' is not the name of a RocketMQ queue")))
}

/// The split of a queue at a position.
///
/// # Errors
/// A bug: it cannot be written.
pub(crate) fn split(id: SplitId, position: Position) -> Result<Split> {
    let position = serde_json::to_vec(&position)
        .map_err(|error| Error::internal("cannot write the position of a RocketMQ queue").caused_by(error))?;
    Ok(Split { id, position })
}

/// The position of a split.
///
/// # Errors
/// It was not written by this connector.
pub(crate) fn position(split: &Split) -> Result<Position> {
    serde_json::from_slice(&split.position).map_err(|error| {
        Error::internal("cannot read the stored position of a RocketMQ queue").caused_by(error).with("split", &split.id)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn splits_are_read_as_they_were_written() {
        let of = |offset, stop, until| Position { offset, stop, until };
        for position in [of(0, None, None), of(7, Some(9), None), of(7, None, Some(-3)), of(9, Some(9), Some(1))] {
            let written = split(split_id(&Queue::new("t", "a/b", 3)), position).unwrap();
            assert_eq!(self::position(&written).unwrap(), position);
            assert_eq!(queue(&written.id).unwrap(), Queue::new("t", "a/b", 3));
        }
        let stored = Split { id: "t/b/0".into(), position: br#"{"offset":42,"later":1}"#.to_vec() };
        assert_eq!(position(&stored).unwrap(), of(42, None, None));
        assert!(
            of(9, Some(9), None).is_at_end() && !of(8, Some(9), None).is_at_end() && !of(8, None, None).is_at_end()
        );
        assert!(queue("nothing").is_err());
    }
}
