//! The metrics of all tasks of a job, and the rates that need a look back.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riverrun_protocol::{MAX_WATERMARK, NO_WATERMARK, Timestamp};

use super::{OperatorKind, OperatorMetrics, OperatorSnapshot, TaskMetrics, TaskSnapshot, TaskTimes};
use crate::gate::GateControl;
use crate::time::now_millis;

/// Rates are means over at least this long.
const WINDOW: Duration = Duration::from_secs(1);

/// What a job's tasks measure.
#[derive(Default)]
pub(crate) struct Registry {
    tasks: Vec<TaskEntry>,
}

/// A task and where its numbers are.
pub(crate) struct TaskEntry {
    pub(crate) name: String,
    pub(crate) subtask: usize,
    pub(crate) parallelism: usize,
    pub(crate) metrics: Arc<TaskMetrics>,
    pub(crate) gate: Option<Arc<dyn GateControl>>,
    /// The operators of the chain, by their names.
    pub(crate) operators: Vec<(String, OperatorKind, Arc<OperatorMetrics>)>,
    pub(crate) rates: Mutex<Rates>,
}

/// The last two looks at a task's times, at least [`WINDOW`] apart where the task has run so long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    before: TaskTimes,
    last: TaskTimes,
}

impl Rates {
    /// Takes in a look, and answers what part of the time was spent busy, backpressured and idle.
    fn update(&mut self, now: TaskTimes) -> [f64; 3] {
        if now.elapsed >= self.last.elapsed + WINDOW {
            self.before = self.last;
            self.last = now;
        }
        // Before the first window is full, the mean since the start.
        let (from, to) = if self.last.elapsed.is_zero() { (self.before, now) } else { (self.before, self.last) };
        let span = to.elapsed.saturating_sub(from.elapsed).as_secs_f64();
        let per_second = |part: fn(&TaskTimes) -> Duration| {
            if span == 0.0 {
                0.0
            } else {
                (part(&to).saturating_sub(part(&from)).as_secs_f64() / span * 1000.0).min(1000.0)
            }
        };
        [per_second(TaskTimes::busy), per_second(|times| times.backpressured), per_second(|times| times.idle)]
    }
}

impl Registry {
    pub(crate) fn new(tasks: Vec<TaskEntry>) -> Self {
        Self { tasks }
    }

    pub(crate) fn snapshot(&self) -> Vec<TaskSnapshot> {
        let now = now_millis();
        self.tasks.iter().map(|task| task.snapshot(now)).collect()
    }
}

impl TaskEntry {
    fn snapshot(&self, now: Timestamp) -> TaskSnapshot {
        let times = self.metrics.times();
        let [busy, backpressured, idle] = self.rates.lock().unwrap_or_else(PoisonError::into_inner).update(times);
        let operators =
            self.operators.iter().map(|(name, kind, metrics)| operator(name, *kind, metrics, now)).collect();
        TaskSnapshot {
            name: self.name.clone(),
            subtask: self.subtask,
            parallelism: self.parallelism,
            ended: self.metrics.has_ended(),
            busy: times.busy(),
            backpressured: times.backpressured,
            idle: times.idle,
            busy_ms_per_second: busy,
            backpressured_ms_per_second: backpressured,
            idle_ms_per_second: idle,
            in_pool_usage: self.gate.as_ref().map(|gate| usage(gate.fill())),
            operators,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "queues are short")]
fn usage((used, capacity): (usize, usize)) -> f64 {
    if capacity == 0 { 0.0 } else { used as f64 / capacity as f64 }
}

fn operator(name: &str, kind: OperatorKind, metrics: &OperatorMetrics, now: Timestamp) -> OperatorSnapshot {
    let known = |watermark: Timestamp| (watermark != NO_WATERMARK).then_some(watermark);
    let output_watermark = known(metrics.output_watermark.load(Ordering::Relaxed));
    OperatorSnapshot {
        name: name.to_owned(),
        kind,
        records_in: metrics.records_in.get(),
        records_out: metrics.records_out.get(),
        bytes_in: metrics.bytes_in.get(),
        bytes_out: metrics.bytes_out.get(),
        input_watermark: known(metrics.input_watermark.load(Ordering::Relaxed)),
        output_watermark,
        watermark_lag: output_watermark
            .filter(|watermark| *watermark != MAX_WATERMARK)
            .map(|watermark| now.saturating_sub(watermark)),
        counters: metrics.counters.snapshot(),
        measures: metrics.counters.measures().snapshot(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the numbers are exact")]
    use super::*;

    fn times(elapsed: u64, idle: u64, backpressured: u64) -> TaskTimes {
        let millis = Duration::from_millis;
        TaskTimes { elapsed: millis(elapsed), idle: millis(idle), backpressured: millis(backpressured) }
    }

    #[test]
    fn rates_are_of_the_last_full_window() {
        let mut rates = Rates::default();
        assert_eq!(rates.update(times(0, 0, 0)), [0.0; 3]);
        assert_eq!(rates.update(times(500, 250, 0)), [500.0, 0.0, 500.0], "since the start");
        assert_eq!(rates.update(times(1000, 250, 250)), [500.0, 250.0, 250.0]);
        assert_eq!(rates.update(times(1500, 750, 250)), [500.0, 250.0, 250.0], "the window is not full");
        assert_eq!(rates.update(times(2000, 1250, 250)), [0.0, 0.0, 1000.0]);
    }
}
