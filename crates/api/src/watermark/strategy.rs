//! How a stream gets its event time.

use std::marker::PhantomData;
use std::time::Duration;

use riverrun_data::{NO_TIMESTAMP, Records};

use super::{BoundedOutOfOrderness, NoWatermarks, WatermarkGenerator};

/// How records of a type get their times, and the stream its watermarks.
///
/// ```
/// use std::time::Duration;
/// use riverrun::watermark::WatermarkStrategy;
///
/// struct Click {
///     time: i64,
/// }
///
/// let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(5))
///     .with_timestamp_assigner(|click: &Click, _recorded| click.time)
///     .with_idleness(Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct WatermarkStrategy<T, G, A = RecordTimestamps> {
    pub(crate) generator: G,
    pub(crate) assigner: A,
    pub(crate) idleness: Option<Duration>,
    pub(crate) alignment: Option<WatermarkAlignment>,
    record: PhantomData<fn(&T)>,
}

/// Lets sources of a group wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatermarkAlignment {
    /// The name of the group.
    pub group: String,
    /// How far a source may be ahead of the slowest of its group.
    pub max_drift: Duration,
}

impl<T> WatermarkStrategy<T, BoundedOutOfOrderness> {
    /// Records come at most so late.
    pub fn for_bounded_out_of_orderness(delay: Duration) -> Self {
        let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        Self::for_generator(BoundedOutOfOrderness::new(delay))
    }

    /// The times of a split never fall.
    pub fn for_monotonous_timestamps() -> Self {
        Self::for_bounded_out_of_orderness(Duration::ZERO)
    }
}

impl<T> WatermarkStrategy<T, NoWatermarks> {
    /// No watermarks: for a stream that does without event time.
    pub fn no_watermarks() -> Self {
        Self::for_generator(NoWatermarks)
    }
}

impl<T, G> WatermarkStrategy<T, G> {
    /// With a generator of one's own, a clone of which is made for each split.
    pub fn for_generator(generator: G) -> Self
    where
        G: WatermarkGenerator<T>,
    {
        Self { generator, assigner: RecordTimestamps, idleness: None, alignment: None, record: PhantomData }
    }
}

impl<T, G, A> WatermarkStrategy<T, G, A> {
    /// Takes the time of a record, in epoch milliseconds, from the record; the second argument is the one it has already (that of a Kafka
    /// record, for one).
    pub fn with_timestamp_assigner<F>(self, assigner: F) -> WatermarkStrategy<T, G, F>
    where
        F: Fn(&T, Option<i64>) -> i64 + Clone + Send + Sync + 'static,
    {
        let Self { generator, idleness, alignment, .. } = self;
        WatermarkStrategy { generator, assigner, idleness, alignment, record: PhantomData }
    }

    /// A split that brings nothing for so long holds nobody back.
    #[must_use]
    pub fn with_idleness(mut self, timeout: Duration) -> Self {
        self.idleness = Some(timeout);
        self
    }

    /// Sources of the same group wait while they are more than `max_drift` of event time ahead of the slowest. Only at a source.
    #[must_use]
    pub fn with_watermark_alignment(mut self, group: impl Into<String>, max_drift: Duration) -> Self {
        self.alignment = Some(WatermarkAlignment { group: group.into(), max_drift });
        self
    }
}

/// Gives records their times.
pub trait TimestampAssigner<T>: Clone + Send + Sync + 'static {
    /// The time of a record in epoch milliseconds, where `recorded` is what its source gave it.
    fn extract_timestamp(&self, event: &T, recorded: Option<i64>) -> i64;

    /// Those of a batch.
    fn assign_all(&self, batch: &Records<T>) -> Vec<i64> {
        let time = |(index, value)| self.extract_timestamp(value, batch.timestamp(index));
        batch.values().iter().enumerate().map(time).collect()
    }
}

impl<T, F: Fn(&T, Option<i64>) -> i64 + Clone + Send + Sync + 'static> TimestampAssigner<T> for F {
    #[inline]
    fn extract_timestamp(&self, event: &T, recorded: Option<i64>) -> i64 {
        self(event, recorded)
    }
}

/// The times that the source gives to records; none where it gives none.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordTimestamps;

impl<T> TimestampAssigner<T> for RecordTimestamps {
    fn extract_timestamp(&self, _: &T, recorded: Option<i64>) -> i64 {
        recorded.unwrap_or(NO_TIMESTAMP)
    }

    fn assign_all(&self, batch: &Records<T>) -> Vec<i64> {
        batch.timestamps().to_vec()
    }
}
