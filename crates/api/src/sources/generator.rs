//! Generated records: a function of the record's number (FLIP-238).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TaskContext,
};
use riverrun_data::Records;

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
    rate: Option<f64>,
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
        Self { function, count: u64::MAX, rate: None, parallelism: None }
    }

    /// Ends after so many records.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// So many records a second, of all subtasks together; a part of a record for less than one. Zero or less is as fast as it can.
    #[must_use]
    pub fn rate_per_second(mut self, rate: f64) -> Self {
        self.rate = (rate > 0.0).then_some(rate);
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
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let pace = self.rate.map(|rate| Pace::new(rate / context.parallelism.max(1) as f64));
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
    pace: Option<Pace>,
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
        let allowed = match &mut self.pace {
            Some(pace) => pace.take(BATCH, wait),
            None => BATCH,
        };
        let end = range.end.min(range.next.saturating_add(allowed));
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
}

/// Lets through so many a second. What was not used in the last twentieth of a second is let through at once; more does not pile up.
struct Pace {
    per_second: f64,
    ready: f64,
    last: Instant,
}

impl Pace {
    fn new(per_second: f64) -> Self {
        Self { per_second, ready: 0.0, last: Instant::now() }
    }

    /// How many may come now, waiting for the first for `wait` at most.
    fn take(&mut self, most: u64, wait: Duration) -> u64 {
        self.refill();
        if self.ready < 1.0 {
            let missing = Duration::try_from_secs_f64((1.0 - self.ready) / self.per_second).unwrap_or(Duration::MAX);
            std::thread::sleep(missing.min(wait));
            self.refill();
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and cut by the next line"
        )]
        let whole = (self.ready as u64).min(most);
        #[allow(clippy::cast_precision_loss, reason = "at most a batch")]
        let taken = whole as f64;
        self.ready -= taken;
        whole
    }

    fn refill(&mut self) {
        let now = Instant::now();
        self.ready += now.duration_since(self.last).as_secs_f64() * self.per_second;
        self.ready = self.ready.min((self.per_second / 20.0).max(1.0));
        self.last = now;
    }
}
