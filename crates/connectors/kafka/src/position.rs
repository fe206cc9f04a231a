//! A split of Kafka: a partition, the offset to read on from, and where to stop.
//!
//! The name is `topic-partition`. The position is JSON, `{"offset":42,"stop":100}`; `offset` is absent while the beginning has not been
//! looked up, `stop` where reading never ends. It is stored in checkpoints: fields may be added, none renamed.

use riverrun_base::{Error, Result};
use riverrun_connect::{Split, SplitId};
use serde::Deserialize;

/// Where a split is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Position {
    /// The offset of the next record; the beginning of the partition, wherever that is, without it.
    pub(crate) offset: Option<i64>,
    /// The first offset that is not read.
    pub(crate) stop: Option<i64>,
}

impl Position {
    /// Whether nothing is left to read, as far as that can be told without asking.
    pub(crate) fn is_at_end(self) -> bool {
        self.stop.is_some_and(|stop| self.offset.unwrap_or(0) >= stop)
    }
}

/// The name of a partition's split.
pub(crate) fn split_id(topic: &str, partition: i32) -> SplitId {
    format!("{topic}-{partition}").into()
}

/// The partition that a split's name stands for.
///
/// # Errors
/// The name was not made by [`split_id`].
pub(crate) fn topic_partition(id: &str) -> Result<(&str, i32)> {
    id.rsplit_once('-')
        .and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)))
        .ok_or_else(|| Error::internal(format!("'{id}' is not the name of a Kafka partition")))
}

/// The split of a partition at a position.
pub(crate) fn split(id: SplitId, position: Position) -> Split {
    let field = |name: &str, value: Option<i64>| value.map(|value| format!("\"{name}\":{value}"));
    let fields: Vec<String> =
        [field("offset", position.offset), field("stop", position.stop)].into_iter().flatten().collect();
    Split { id, position: format!("{{{}}}", fields.join(",")).into_bytes() }
}

/// The position of a split.
///
/// # Errors
/// It was not written by this connector.
pub(crate) fn position(split: &Split) -> Result<Position> {
    serde_json::from_slice(&split.position).map_err(|error| {
        Error::internal("cannot read the stored position of a Kafka partition")
            .caused_by(error)
            .with("split", &split.id)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_are_read_back_even_of_topics_with_hyphens() {
        for (topic, partition) in [("orders", 0), ("eu-orders-7", 12), ("a.b_c", 3)] {
            assert_eq!(topic_partition(&split_id(topic, partition)).unwrap(), (topic, partition));
        }
        assert!(topic_partition("orders").is_err() && topic_partition("orders-x").is_err());
    }

    /// These texts are in checkpoints: they must stay readable for ever.
    #[test]
    fn stored_positions_stay_readable() {
        for (text, offset, stop) in [
            (r#"{"offset":42,"stop":100}"#, Some(42), Some(100)),
            (r#"{"offset":42}"#, Some(42), None),
            ("{}", None, None),
            (r#"{"stop":7}"#, None, Some(7)),
        ] {
            let expected = Position { offset, stop };
            let stored = Split { id: "t-0".into(), position: text.as_bytes().to_vec() };
            assert_eq!(position(&stored).unwrap(), expected);
            assert_eq!(split("t-0".into(), expected), stored);
        }
        assert!(
            position(&Split { id: "t-0".into(), position: b"x".to_vec() }).unwrap_err().to_string().contains("t-0")
        );
    }

    #[test]
    fn the_end_is_seen_without_asking_where_it_can_be() {
        let at_end = |offset, stop| Position { offset, stop }.is_at_end();
        assert!(at_end(Some(5), Some(5)) && at_end(Some(6), Some(5)) && at_end(None, Some(0)));
        assert!(!at_end(Some(4), Some(5)) && !at_end(None, Some(5)) && !at_end(Some(9), None));
    }
}
