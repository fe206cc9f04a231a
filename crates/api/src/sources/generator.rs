//! Generated records: a function of the record's number (FLIP-238).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};
use riverrun_data::Records;

use super::{RateLimiter, RateLimiterStrategy};
use crate::Record;

/// Records that a function makes of their numbers, from 0. The numbers are dealt out to the subtasks in ranges; after a failure each
/// goes on where the checkpoint says.
///
/// ```
/// use riverrun::sources::GeneratorSource;
///
/// let clicks = GeneratorSource::new(|n| format!("click {n}")).count(1_000).rate_per_second(100.0);
/// ```
#[derive(Clone)]
pub struct GeneratorSource<F> {
    function: F,
    count: u64,
    rate: RateLimiterStrategy,
    parallelism: Option<usize>,
}

/// So many records come in one batch, at most.
const BATCH: u64 = 4096;

impl<F> GeneratorSource<F> {
    /// Endless, as fast as it can.
    pub fn new<T>(function: F) -> Self
    where
        F: Fn(u64) -> T,
    {
        Self { function, count: u64::MAX, rate: RateLimiterStrategy::no_op(), parallelism: None }
    }

    /// Ends after so many records.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// So many records a second, of all subtasks together: [`RateLimiterStrategy::per_second`].
    #[must_use]
    pub fn rate_per_second(self, rate: f64) -> Self {
        self.rate_limiter(RateLimiterStrategy::per_second(rate))
    }

    /// How fast records come; as fast as they can, unless this says otherwise.
    #[must_use]
    pub fn rate_limiter(mut self, strategy: RateLimiterStrategy) -> Self {
        self.rate = strategy;
        self
    }

    /// How many subtasks read it.
    #[must_use]
    pub fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism);
        self
    }
}

impl<T: Record, F> Source<Records<T>> for GeneratorSource<F>
where
    F: Fn(u64) -> T + Clone + Send + Sync + 'static,
{
    fn boundedness(&self) -> Boundedness {
        if self.count == u64::MAX { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        Ok(Box::new(Ranges { count: self.count, splits: context.parallelism.max(1) as u64, known: false }))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<Records<T>>>> {
        let pace = self.rate.create_rate_limiter(context.parallelism);
        Ok(Box::new(Reader { function: self.function.clone(), splits: VecDeque::new(), pace }))
    }
}

/// Deals the numbers out.
struct Ranges {
    count: u64,
    splits: u64,
    known: bool,
}

impl SplitEnumerator for Ranges {
    fn discover(&mut self) -> Result<Discovery> {
        if std::mem::replace(&mut self.known, true) {
            return Ok(Discovery::default());
        }
        let bound = |split: u64| u64::try_from(u128::from(self.count) * u128::from(split) / u128::from(self.splits));
        let ranges =
            (0..self.splits).map(|split| Some(Range { next: bound(split).ok()?, end: bound(split + 1).ok()? }));
        let splits = ranges.flatten().enumerate().filter(|(_, range)| range.next < range.end);
        let splits = splits.map(|(split, range)| range.split(&split.to_string().into())).collect();
        Ok(Discovery { splits, again: None })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.known = !known.is_empty();
    }
}

/// The numbers from `next` up to `end`, exclusive.
#[derive(Clone, Copy, Debug)]
struct Range {
    next: u64,
    end: u64,
}

impl Range {
    fn split(self, id: &SplitId) -> Split {
        let position = [self.next.to_le_bytes(), self.end.to_le_bytes()].concat();
        Split { id: Arc::clone(id), position }
    }

    fn of(split: &Split) -> Result<Self> {
        let decoded = split.position.split_first_chunk().and_then(|(next, rest)| {
            let end = rest.try_into().ok()?;
            Some(Self { next: u64::from_le_bytes(*next), end: u64::from_le_bytes(end) })
        });
        decoded.ok_or_else(|| Error::data("the position of a generator cannot be read").with("split", &split.id))
    }
}

struct Reader<F> {
    function: F,
    /// The first is read next.
    splits: VecDeque<(SplitId, Range)>,
    pace: RateLimiter,
}

impl<T: Record, F: Fn(u64) -> T + Send> SourceReader<Records<T>> for Reader<F> {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        for split in splits {
            let range = Range::of(&split)?;
            self.splits.push_back((split.id, range));
        }
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled<Records<T>>> {
        let Some((id, range)) = self.splits.front_mut() else { return Ok(Polled::Nothing) };
        if range.next >= range.end {
            let id = Arc::clone(id);
            self.splits.pop_front();
            return Ok(Polled::Finished(id));
        }
        let allowed = self.pace.acquire(BATCH.min(range.end - range.next), wait);
        let end = range.next + allowed;
        if range.next == end {
            return Ok(Polled::Nothing);
        }
        let batch: Vec<T> = (range.next..end).map(&self.function).collect();
        range.next = end;
        let split = Arc::clone(id);
        // The next poll reads the next split.
        self.splits.rotate_left(1);
        Ok(Polled::Rows { split, batch: batch.into() })
    }

    fn splits(&self) -> Vec<Split> {
        self.splits.iter().map(|(id, range)| range.split(id)).collect()
    }

    fn checkpoint_completed(&mut self, _: &[Split]) -> Result<()> {
        self.pace.notify_checkpoint_complete();
        Ok(())
    }
}
