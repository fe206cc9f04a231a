//! What is counted, under the names that people know from Flink where there is one.

use riverrun_connect::{Counter, Counters};
use std::time::Duration;

use crate::core::Stats;

/// Bounds of the histogram of answers' times, in milliseconds, with the counters' names. Each counts what took so long at most.
const BUCKETS: &[(u64, &str)] = &[
    (1, "httpLatencyMs.le.1"),
    (5, "httpLatencyMs.le.5"),
    (10, "httpLatencyMs.le.10"),
    (25, "httpLatencyMs.le.25"),
    (50, "httpLatencyMs.le.50"),
    (100, "httpLatencyMs.le.100"),
    (250, "httpLatencyMs.le.250"),
    (500, "httpLatencyMs.le.500"),
    (1000, "httpLatencyMs.le.1000"),
    (2500, "httpLatencyMs.le.2500"),
];

const CLASSES: [&str; 5] = ["httpAnswers1xx", "httpAnswers2xx", "httpAnswers3xx", "httpAnswers4xx", "httpAnswers5xx"];

/// The counters of a writer.
pub(crate) struct Metrics {
    told: Stats,
    taken: Counter,
    restored: Counter,
    sends: Counter,
    retries: Counter,
    delivered: Counter,
    classes: [Counter; 5],
    unanswered: Counter,
    given_up: Counter,
    failed_over: Counter,
    dropped: Counter,
    bisected: Counter,
    breaks: Counter,
    store_failures: Counter,
    latency_count: Counter,
    latency_sum: Counter,
    buckets: Vec<(u64, Counter)>,
}

impl Metrics {
    pub(crate) fn new(counters: &Counters) -> Self {
        let counter = |name| counters.counter(name);
        Self {
            told: Stats::default(),
            taken: counter("numRecordsTaken"),
            restored: counter("numRecordsRestored"),
            sends: counter("numRequestsSent"),
            retries: counter("numSendRetries"),
            delivered: counter("numRecordsSend"),
            classes: CLASSES.map(counter),
            unanswered: counter("httpUnanswered"),
            given_up: counter("numRecordsSendErrors"),
            failed_over: counter("numRecordsFailedOver"),
            dropped: counter("numRecordsDropped"),
            bisected: counter("httpBatchesBisected"),
            breaks: counter("httpDestinationsDown"),
            store_failures: counter("failoverFailures"),
            latency_count: counter("httpLatencyMs.count"),
            latency_sum: counter("httpLatencyMs.sum"),
            buckets: BUCKETS.iter().map(|(bound, name)| (*bound, counter(name))).collect(),
        }
    }

    /// Records were taken from the input.
    pub(crate) fn took(&self, records: u64) {
        self.taken.add(records);
    }

    /// Records were taken from a checkpoint.
    pub(crate) fn restored(&self, records: u64) {
        self.restored.add(records);
    }

    /// A store did not take records.
    pub(crate) fn store_failed(&self) {
        self.store_failures.add(1);
    }

    /// An answer has come after so long.
    pub(crate) fn latency(&self, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.latency_count.add(1);
        self.latency_sum.add(ms);
        for (_, counter) in self.buckets.iter().filter(|(bound, _)| took <= Duration::from_millis(*bound)) {
            counter.add(1);
        }
    }

    /// Adds what is new.
    pub(crate) fn tell(&mut self, now: &Stats) {
        if self.told == *now {
            return;
        }
        let before = std::mem::replace(&mut self.told, *now);
        let add = |counter: &Counter, now: u64, before: u64| {
            if now > before {
                counter.add(now - before);
            }
        };
        add(&self.sends, now.sends, before.sends);
        add(&self.retries, now.retries, before.retries);
        add(&self.delivered, now.delivered, before.delivered);
        for ((counter, now), before) in self.classes.iter().zip(now.classes).zip(before.classes) {
            add(counter, now, before);
        }
        add(&self.unanswered, now.unanswered, before.unanswered);
        add(&self.given_up, now.given_up, before.given_up);
        add(&self.failed_over, now.failed_over, before.failed_over);
        add(&self.dropped, now.dropped, before.dropped);
        add(&self.bisected, now.bisected, before.bisected);
        add(&self.breaks, now.breaks, before.breaks);
    }
}
