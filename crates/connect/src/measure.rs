//! What a subtask measures beside counters: gauges, meters, histograms, and what functions add up for the result of their job.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};

/// A value that goes up and down. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value now, 0 at first.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Counts events, and says how many a second there were in the last minute. Clones share it.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Marks>);

#[derive(Debug)]
struct Marks {
    count: AtomicU64,
    /// When somebody looked, and what the count was: the last look that is a minute old, and those since.
    looks: Mutex<VecDeque<(Instant, u64)>>,
}

/// A meter's rate is of this time, as Flink's `MeterView` has it.
const SPAN: Duration = Duration::from_secs(60);

impl Default for Meter {
    fn default() -> Self {
        let looks = Mutex::new(VecDeque::from([(Instant::now(), 0)]));
        Self(Arc::new(Marks { count: AtomicU64::new(0), looks }))
    }
}

impl Meter {
    /// An event has happened.
    pub fn mark_event(&self) {
        self.mark_events(1);
    }

    /// So many events have happened.
    pub fn mark_events(&self, events: u64) {
        self.0.count.fetch_add(events, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// How many there were a second: since the last time that somebody looked a minute ago or more; since the beginning, if nobody has.
    pub fn rate(&self) -> f64 {
        self.rate_at(Instant::now())
    }

    fn rate_at(&self, now: Instant) -> f64 {
        let count = self.count();
        let mut looks = self.0.looks.lock().unwrap_or_else(PoisonError::into_inner);
        while looks.get(1).is_some_and(|(time, _)| now.duration_since(*time) >= SPAN) {
            looks.pop_front();
        }
        let Some((time, before)) = looks.front().copied() else { return 0.0 };
        // Not more looks than matter are kept, however often somebody looks.
        if looks.back().is_none_or(|(last, _)| now.duration_since(*last) >= SPAN / 60) {
            looks.push_back((now, count));
        }
        let seconds = now.duration_since(time).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let events = count.saturating_sub(before) as f64;
        if seconds == 0.0 { 0.0 } else { events / seconds }
    }
}

/// How values are spread: of the last [`Histogram::WINDOW`]. Clones share it.
#[derive(Clone)]
pub struct Histogram(Arc<Window>);

struct Window {
    /// How many values there were.
    count: AtomicU64,
    values: Box<[AtomicI64]>,
}

impl Default for Histogram {
    fn default() -> Self {
        let values = (0..Self::WINDOW).map(|_| AtomicI64::new(0)).collect();
        Self(Arc::new(Window { count: AtomicU64::new(0), values }))
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histogram").field(&self.statistics()).finish()
    }
}

impl Histogram {
    /// How many values are remembered.
    pub const WINDOW: usize = 1024;

    /// Adds a value.
    pub fn update(&self, value: i64) {
        let place = self.0.count.fetch_add(1, Ordering::Relaxed) % Self::WINDOW as u64;
        #[allow(clippy::cast_possible_truncation, reason = "below the window's size")]
        self.0.values[place as usize].store(value, Ordering::Relaxed);
    }

    /// What is known of the values now.
    pub fn statistics(&self) -> HistogramStatistics {
        let count = self.0.count.load(Ordering::Relaxed);
        let known = usize::try_from(count).unwrap_or(usize::MAX).min(Self::WINDOW);
        let mut values: Vec<i64> = self.0.values.iter().take(known).map(|v| v.load(Ordering::Relaxed)).collect();
        values.sort_unstable();
        HistogramStatistics { count, values }
    }
}

/// The values that a [`Histogram`] remembered at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramStatistics {
    count: u64,
    /// Sorted.
    values: Vec<i64>,
}

#[allow(clippy::cast_precision_loss, reason = "statistics")]
impl HistogramStatistics {
    /// How many values there were, those that are not remembered included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest; 0 without values, as all that follows.
    pub fn min(&self) -> i64 {
        self.values.first().copied().unwrap_or_default()
    }

    /// The largest.
    pub fn max(&self) -> i64 {
        self.values.last().copied().unwrap_or_default()
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.values.iter().map(|value| *value as f64).sum();
        sum / self.values.len().max(1) as f64
    }

    /// The standard deviation of the values as a sample.
    pub fn std_dev(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.values.iter().map(|value| (*value as f64 - mean).powi(2)).sum();
        (squares / self.values.len().saturating_sub(1).max(1) as f64).sqrt()
    }

    /// The value that so much of the values (0 to 1) lies below, between two of them if need be.
    pub fn quantile(&self, quantile: f64) -> f64 {
        let position = quantile * (self.values.len() as f64 + 1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut below")]
        let lower = position.max(0.0) as usize;
        let Some(below) = lower.checked_sub(1) else { return self.min() as f64 };
        match (self.values.get(below), self.values.get(lower)) {
            (Some(below), Some(above)) => *below as f64 + position.fract() * (*above as f64 - *below as f64),
            _ => self.max() as f64,
        }
    }
}

/// What was measured, at one moment.
#[derive(Clone, Debug)]
pub enum Measure {
    /// A value.
    Gauge(f64),
    /// How many events there were, and how many a second.
    Meter {
        /// How many there were.
        count: u64,
        /// How many a second: [`Meter::rate`].
        rate: f64,
    },
    /// How values are spread.
    Histogram(HistogramStatistics),
    /// What a function adds up for the result of its job, whatever it is.
    Accumulator(Arc<dyn Any + Send + Sync>),
}

/// Where it is measured.
#[derive(Clone, Debug)]
enum Handle {
    Gauge(Gauge),
    Meter(Meter),
    Histogram(Histogram),
    Accumulator(Arc<dyn Any + Send + Sync>),
}

/// What one subtask measures, by name. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Measures(Arc<Mutex<BTreeMap<&'static str, Handle>>>);

impl Measures {
    /// The gauge of this name, made at the first call.
    ///
    /// # Errors
    /// Something else has this name.
    pub fn gauge(&self, name: &'static str) -> Result<Gauge> {
        match self.handle(name, || Handle::Gauge(Gauge::default())) {
            Handle::Gauge(gauge) => Ok(gauge),
            _ => Err(taken(name)),
        }
    }

    /// The meter of this name, made at the first call.
    ///
    /// # Errors
    /// Something else has this name.
    pub fn meter(&self, name: &'static str) -> Result<Meter> {
        match self.handle(name, || Handle::Meter(Meter::default())) {
            Handle::Meter(meter) => Ok(meter),
            _ => Err(taken(name)),
        }
    }

    /// The histogram of this name, made at the first call.
    ///
    /// # Errors
    /// Something else has this name.
    pub fn histogram(&self, name: &'static str) -> Result<Histogram> {
        match self.handle(name, || Handle::Histogram(Histogram::default())) {
            Handle::Histogram(histogram) => Ok(histogram),
            _ => Err(taken(name)),
        }
    }

    /// What is added up under this name, made at the first call.
    ///
    /// # Errors
    /// Something else has this name, or it is of another type.
    pub fn accumulator<A: Default + Send + Sync + 'static>(&self, name: &'static str) -> Result<Arc<A>> {
        match self.handle(name, || Handle::Accumulator(Arc::new(A::default()))) {
            Handle::Accumulator(accumulator) => accumulator.downcast().map_err(|_| taken(name)),
            _ => Err(taken(name)),
        }
    }

    fn handle(&self, name: &'static str, make: impl FnOnce() -> Handle) -> Handle {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert_with(make).clone()
    }

    /// Names and what was measured now.
    pub fn snapshot(&self) -> Vec<(&'static str, Measure)> {
        let handles = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let measure = |handle: Handle| match handle {
            Handle::Gauge(gauge) => Measure::Gauge(gauge.get()),
            Handle::Meter(meter) => Measure::Meter { count: meter.count(), rate: meter.rate() },
            Handle::Histogram(histogram) => Measure::Histogram(histogram.statistics()),
            Handle::Accumulator(accumulator) => Measure::Accumulator(accumulator),
        };
        handles.into_iter().map(|(name, handle)| (name, measure(handle))).collect()
    }
}

fn taken(name: &str) -> Error {
    Error::user(format!("a metric or accumulator '{name}' is there already, and is of another kind"))
        .hint("give it a name of its own")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests, of exact numbers")]
    use super::*;

    #[test]
    fn a_meter_says_the_rate_of_the_last_minute() {
        let meter = Meter::default();
        let start = meter.0.looks.lock().unwrap()[0].0;
        let at = |seconds| meter.rate_at(start + Duration::from_secs(seconds));
        assert_eq!(at(0), 0.0);
        meter.mark_events(100);
        assert_eq!(at(10), 10.0);
        meter.mark_event();
        meter.mark_events(99);
        assert_eq!(at(20), 10.0);
        for second in 21..70 {
            at(second);
        }
        // Of the 200, 100 were seen a minute before this.
        assert_eq!(at(70), 100.0 / 60.0);
        assert_eq!(at(140), 0.0);
        assert_eq!(meter.count(), 200);
    }

    #[test]
    fn a_histogram_knows_the_last_values() {
        let histogram = Histogram::default();
        assert_eq!(histogram.statistics().quantile(0.5), 0.0);
        assert_eq!(histogram.statistics().mean(), 0.0);
        for value in 1..=9 {
            histogram.update(value);
        }
        let known = histogram.statistics();
        assert_eq!((known.count(), known.min(), known.max(), known.mean()), (9, 1, 9, 5.0));
        assert_eq!([0.0, 0.5, 0.55, 0.99, 1.0].map(|q| known.quantile(q)), [1.0, 5.0, 5.5, 9.0, 9.0]);
        assert_eq!(known.std_dev(), 7.5f64.sqrt());
        for _ in 0..Histogram::WINDOW {
            histogram.update(7);
        }
        let known = histogram.statistics();
        assert_eq!((known.count(), known.min(), known.quantile(0.001)), (9 + Histogram::WINDOW as u64, 7, 7.0));
    }

    #[test]
    fn a_name_has_one_kind_of_measure() {
        let measures = Measures::default();
        measures.gauge("a").unwrap().set(1.5);
        measures.gauge("a").unwrap();
        assert!(measures.meter("a").is_err());
        let sum: Arc<AtomicU64> = measures.accumulator("sum").unwrap();
        sum.fetch_add(3, Ordering::Relaxed);
        assert!(measures.accumulator::<AtomicI64>("sum").is_err());
        let snapshot = measures.snapshot();
        assert!(matches!(snapshot[0], ("a", Measure::Gauge(value)) if value == 1.5));
        let Measure::Accumulator(sum) = &snapshot[1].1 else { unreachable!() };
        assert_eq!(sum.downcast_ref::<AtomicU64>().unwrap().load(Ordering::Relaxed), 3);
    }
}
