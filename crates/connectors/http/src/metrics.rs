//! What is counted, under the names that people know from Flink where there is one: of all destinations together, and of each of the first
//! ones by itself.
//!
//! The core counts in plain numbers; these are told now and then, so that a request costs no more for it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Counter, Counters, Gauge, Histogram};

use crate::core::{Core, Slot, Stats, Tally};

/// How often the numbers are told.
pub(crate) const TOLD_EVERY: Duration = Duration::from_millis(100);

const CLASSES: [&str; 5] = ["httpAnswers1xx", "httpAnswers2xx", "httpAnswers3xx", "httpAnswers4xx", "httpAnswers5xx"];

/// The metrics of a writer.
pub(crate) struct Metrics {
    counters: Counters,
    taken: Counter,
    restored: Counter,
    store_failures: Counter,
    queue_bytes: Gauge,
    total: Meters,
    /// Of the others, which have a name only when there are some; then of each destination that has names.
    meters: Vec<Option<Meters>>,
    /// Where in `meters` a slot of the core's is.
    places: Vec<usize>,
}

impl Metrics {
    /// # Errors
    /// A name is taken for something else.
    pub(crate) fn new(counters: &Counters) -> Result<Self> {
        let gauge = |name| counters.measures().gauge(name);
        Ok(Self {
            taken: counters.counter("numRecordsTaken"),
            restored: counters.counter("numRecordsRestored"),
            store_failures: counters.counter("failoverFailures"),
            queue_bytes: gauge("httpQueueBytes")?,
            total: Meters {
                told: Stats::default(),
                sends: counters.counter("numRequestsSent"),
                retries: counters.counter("numSendRetries"),
                delivered: counters.counter("numRecordsSend"),
                classes: CLASSES.map(|name| counters.counter(name)),
                unanswered: counters.counter("httpUnanswered"),
                given_up: counters.counter("numRecordsSendErrors"),
                failed_over: counters.counter("numRecordsFailedOver"),
                dropped: counters.counter("numRecordsDropped"),
                bisected: counters.counter("httpBatchesBisected"),
                breaks: counters.counter("httpDestinationsDown"),
                in_flight: gauge("httpInFlight")?,
                queue: gauge("httpQueue")?,
                latency: counters.measures().histogram("httpLatencyMicros")?,
            },
            meters: vec![None],
            places: vec![0],
            counters: counters.clone(),
        })
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

    /// A request to the destination of this slot has ended after so long.
    pub(crate) fn latency(&mut self, tally: &Tally, slot: Slot, took: Duration) {
        let micros = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        self.total.latency.update(micros);
        if slot >= self.places.len() || slot == 0 {
            self.name(tally);
        }
        if let Some(meters) = self.meters.get(self.places[slot]).and_then(Option::as_ref) {
            meters.latency.update(micros);
        }
    }

    /// Tells what is new.
    pub(crate) fn tell(&mut self, core: &Core) {
        let tally = core.tally();
        let total = tally.total();
        if total == self.total.told {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "a number of bytes to look at")]
        self.queue_bytes.set(core.bytes() as f64);
        self.total.tell(&total);
        self.name(tally);
        let mut sums = vec![Stats::default(); self.meters.len()];
        tally.stats().iter().zip(&self.places).for_each(|(stats, place)| sums[*place] += stats);
        for (meters, stats) in self.meters.iter_mut().zip(&sums) {
            if let Some(meters) = meters {
                meters.tell(stats);
            }
        }
    }

    /// Gives names to destinations that are new.
    fn name(&mut self, tally: &Tally) {
        while let Some(origin) = tally.origin(self.places.len()) {
            match Meters::of(&self.counters, &origin.to_string()) {
                Some(meters) => {
                    self.places.push(self.meters.len());
                    self.meters.push(Some(meters));
                }
                None => self.places.push(0),
            }
        }
        let others =
            || tally.stats().iter().zip(&self.places).any(|(stats, place)| *place == 0 && *stats != Stats::default());
        if self.meters[0].is_none() && others() {
            self.meters[0] = Meters::of(&self.counters, "other");
        }
    }
}

/// The metrics of one destination, or of all.
struct Meters {
    told: Stats,
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
    in_flight: Gauge,
    queue: Gauge,
    latency: Histogram,
}

impl Meters {
    /// Those of a destination, with names of their own; none where there are too many names already.
    fn of(counters: &Counters, destination: &str) -> Option<Self> {
        let name = |metric: &str| kept(&format!("{metric}{{destination=\"{destination}\"}}"));
        let counter = |metric: &str| Some(counters.counter(name(metric)?));
        let gauge = |metric: &str| counters.measures().gauge(name(metric)?).ok();
        let class = |class: u8| counter(&format!("destinationAnswers{class}xx"));
        Some(Self {
            told: Stats::default(),
            sends: counter("destinationRequestsSent")?,
            retries: counter("destinationSendRetries")?,
            delivered: counter("destinationRecordsSend")?,
            classes: [class(1)?, class(2)?, class(3)?, class(4)?, class(5)?],
            unanswered: counter("destinationUnanswered")?,
            given_up: counter("destinationRecordsSendErrors")?,
            failed_over: counter("destinationRecordsFailedOver")?,
            dropped: counter("destinationRecordsDropped")?,
            bisected: counter("destinationBatchesBisected")?,
            breaks: counter("destinationDown")?,
            in_flight: gauge("destinationInFlight")?,
            queue: gauge("destinationQueue")?,
            latency: counters.measures().histogram(name("destinationLatencyMicros")?).ok()?,
        })
    }

    fn tell(&mut self, now: &Stats) {
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
        #[allow(clippy::cast_precision_loss, reason = "numbers to look at")]
        for (gauge, now) in [(&self.in_flight, now.in_flight), (&self.queue, now.records)] {
            gauge.set(now as f64);
        }
    }
}

/// A metric's name for the rest of the process, as metrics have them. Records can choose destinations, so there are only so many: none
/// beyond that.
fn kept(name: &str) -> Option<&'static str> {
    const MOST: usize = 8192;
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(*known);
    }
    if names.len() >= MOST && !name.ends_with("\"other\"}") {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    Some(name)
}
