//! Where reading starts, and where it ends.

use std::collections::BTreeMap;

use riverrun_base::{Error, Result};

use crate::scan::{Reset, Start, Stop};

/// Where to start, or to stop: Flink's class of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsInitializer(At);

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Earliest,
    Latest,
    Committed(OffsetResetStrategy),
    Timestamp(i64),
    Offsets(BTreeMap<(String, i32), i64>),
}

/// What to do where the consumer group has committed nothing, or what it has committed is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetResetStrategy {
    /// Go to the beginning.
    Earliest,
    /// Go to the end.
    Latest,
    /// Fail.
    #[default]
    None,
}

impl OffsetsInitializer {
    /// The beginning of every partition.
    pub fn earliest() -> Self {
        Self(At::Earliest)
    }

    /// The end of every partition, as it is when the partition is found.
    pub fn latest() -> Self {
        Self(At::Latest)
    }

    /// Where the consumer group has committed; `reset` says what to do where it has not. It needs a group id.
    pub fn committed_offsets(reset: OffsetResetStrategy) -> Self {
        Self(At::Committed(reset))
    }

    /// The first record at or after this time, in milliseconds since 1970; the end where there is none.
    pub fn timestamp(millis: i64) -> Self {
        Self(At::Timestamp(millis))
    }

    /// These offsets, by topic and partition. To start in another partition: where the group has committed, or at its beginning. To stop:
    /// another partition is not read.
    pub fn offsets<T: Into<String>>(offsets: impl IntoIterator<Item = ((T, i32), i64)>) -> Self {
        Self(At::Offsets(offsets.into_iter().map(|((topic, partition), at)| ((topic.into(), partition), at)).collect()))
    }

    /// As the beginning of reading, with what to do without a position.
    pub(super) fn start(self) -> (Start, Option<Reset>) {
        match self.0 {
            At::Earliest => (Start::Earliest, None),
            At::Latest => (Start::Latest, None),
            At::Committed(reset) => {
                let reset = match reset {
                    OffsetResetStrategy::Earliest => Reset::Earliest,
                    OffsetResetStrategy::Latest => Reset::Latest,
                    OffsetResetStrategy::None => Reset::Fail,
                };
                (Start::Committed, Some(reset))
            }
            At::Timestamp(millis) => (Start::Timestamp(millis), None),
            At::Offsets(offsets) => (Start::Offsets(offsets), None),
        }
    }

    /// As the end of reading.
    pub(super) fn stop(self) -> Result<Stop> {
        Ok(match self.0 {
            At::Earliest => {
                return Err(Error::user("a source that stops at the earliest offsets would read nothing")
                    .hint("say set_bounded(OffsetsInitializer::latest()) to read what is there"));
            }
            At::Latest => Stop::Latest,
            At::Committed(_) => Stop::Committed,
            At::Timestamp(millis) => Stop::Timestamp(millis),
            At::Offsets(offsets) => Stop::Offsets(offsets),
        })
    }
}
