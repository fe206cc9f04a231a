//! What tasks and operators measure about themselves.
//!
//! A task's thread is the only writer of its numbers, and writes them once per batch; whoever looks reads them without
//! a lock. A task is *idle* while it waits for input, *backpressured* while it waits for room in a consumer's queue,
//! and *busy* the rest of the time.

mod http;
mod prometheus;
mod registry;
mod snapshot;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use riverrun_connect::Counters;
use riverrun_protocol::{NO_WATERMARK, Timestamp};

pub use http::MetricsServer;
pub use prometheus::prometheus_text;
pub(crate) use registry::{Registry, TaskEntry};
pub use snapshot::{CheckpointStatistics, MetricsSnapshot, OperatorKind, OperatorSnapshot, TaskSnapshot};

/// The numbers of one subtask of an operator.
#[derive(Debug)]
pub(crate) struct OperatorMetrics {
    pub(crate) records_in: Tally,
    pub(crate) records_out: Tally,
    pub(crate) bytes_in: Tally,
    pub(crate) bytes_out: Tally,
    pub(crate) input_watermark: AtomicI64,
    pub(crate) output_watermark: AtomicI64,
    pub(crate) counters: Counters,
}

impl Default for OperatorMetrics {
    fn default() -> Self {
        Self {
            records_in: Tally::default(),
            records_out: Tally::default(),
            bytes_in: Tally::default(),
            bytes_out: Tally::default(),
            input_watermark: AtomicI64::new(NO_WATERMARK),
            output_watermark: AtomicI64::new(NO_WATERMARK),
            counters: Counters::default(),
        }
    }
}

impl OperatorMetrics {
    pub(crate) fn input_watermark(&self, watermark: Timestamp) {
        self.input_watermark.store(watermark, Ordering::Relaxed);
    }

    pub(crate) fn output_watermark(&self, watermark: Timestamp) {
        self.output_watermark.store(watermark, Ordering::Relaxed);
    }
}

/// A sum with one writer, which therefore needs no locked addition.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn add(&self, amount: usize) {
        self.add_u64(amount as u64);
    }

    fn add_u64(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Rows: it is idle.
    ForInput,
    /// Room in a consumer's queue: it is backpressured.
    ForOutput,
}

/// How a task spends its time.
#[derive(Debug)]
pub(crate) struct TaskMetrics {
    epoch: Instant,
    idle: WaitClock,
    backpressured: WaitClock,
    /// When the task ended, in nanoseconds since `epoch`; 0 while it runs.
    ended: AtomicU64,
}

/// Time spent waiting, a wait that goes on included.
#[derive(Debug, Default)]
struct WaitClock {
    /// Past waits, in nanoseconds.
    total: Tally,
    /// When the present wait began, in nanoseconds since the task's epoch; 0 without one.
    since: AtomicU64,
}

/// The times of a task so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskTimes {
    pub(crate) elapsed: Duration,
    pub(crate) idle: Duration,
    pub(crate) backpressured: Duration,
}

impl TaskTimes {
    pub(crate) fn busy(&self) -> Duration {
        self.elapsed.saturating_sub(self.idle).saturating_sub(self.backpressured)
    }
}

impl Default for TaskMetrics {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            idle: WaitClock::default(),
            backpressured: WaitClock::default(),
            ended: AtomicU64::new(0),
        }
    }
}

impl TaskMetrics {
    /// Counts the time until the guard is dropped as waiting.
    pub(crate) fn wait(&self, waiting: Waiting) -> WaitGuard<'_> {
        let clock = match waiting {
            Waiting::ForInput => &self.idle,
            Waiting::ForOutput => &self.backpressured,
        };
        let since = self.now();
        clock.since.store(since, Ordering::Relaxed);
        WaitGuard { metrics: self, clock, since }
    }

    pub(crate) fn end(&self) {
        self.ended.store(self.now(), Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn times(&self) -> TaskTimes {
        let until = match self.ended.load(Ordering::Relaxed) {
            0 => self.now(),
            ended => ended,
        };
        let of = |clock: &WaitClock| {
            let since = clock.since.load(Ordering::Relaxed);
            let present = if since == 0 { 0 } else { until.saturating_sub(since) };
            Duration::from_nanos(clock.total.get() + present)
        };
        TaskTimes { elapsed: Duration::from_nanos(until), idle: of(&self.idle), backpressured: of(&self.backpressured) }
    }

    /// Nanoseconds since the epoch, never 0.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// Ends a wait when it is dropped.
pub(crate) struct WaitGuard<'a> {
    metrics: &'a TaskMetrics,
    clock: &'a WaitClock,
    since: u64,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.clock.since.store(0, Ordering::Relaxed);
        self.clock.total.add_u64(self.metrics.now().saturating_sub(self.since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_counts_while_it_goes_on_and_after_it() {
        let metrics = TaskMetrics::default();
        let guard = metrics.wait(Waiting::ForOutput);
        while metrics.times().backpressured < Duration::from_millis(2) {
            std::thread::yield_now();
        }
        drop(guard);
        let times = metrics.times();
        assert!(times.backpressured >= Duration::from_millis(2) && times.idle.is_zero());
        assert_eq!(times.busy() + times.backpressured, times.elapsed);
        metrics.end();
        assert!(metrics.has_ended());
        assert_eq!(metrics.times().elapsed, metrics.times().elapsed);
    }
}
