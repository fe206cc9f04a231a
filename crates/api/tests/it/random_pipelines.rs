//! Random pipelines: what comes out of a stream is what a loop over all records says, whatever the parallelism, the split into batches, the
//! kills and the changes of parallelism on the way.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::test_harness::OneInputStreamOperatorTestHarness;
use riverrun::window::{EventTimeSessionWindows, SlidingEventTimeWindows, TumblingEventTimeWindows};
use serde::{Deserialize, Serialize};

/// A record. What makes it depends on all fields of what it is made of, but not on its place among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) time: i64,
    key: u64,
    value: u64,
    /// How many records it was made of.
    count: u64,
}

/// Event times are at most this much out of order.
pub(super) const DISORDER: i64 = 50;

/// From one record to the next, so much time passes in the mean.
const PACE: u64 = 8;

/// Times are even, and so are the sizes of windows, while the gaps of sessions are odd: two records are never apart by just a gap, where it
/// would depend on the time between two watermarks whether they are of one session.
pub(super) fn item(n: u64) -> Item {
    let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let time = i64::try_from(n * PACE + noise % 25 * 2).unwrap();
    Item { time, key: noise % 13, value: noise % 1_000, count: 1 }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Map(u64),
    Filter(u64),
    FlatMap,
    Rebalance,
    Shuffle,
    OwnParallelism(usize),
    OwnThread,
    Tumbling {
        keys: u64,
        size: i64,
    },
    Sliding {
        keys: u64,
        slide: i64,
    },
    Session {
        keys: u64,
        gap: i64,
    },
    /// Tumbling windows by hand: map state and timers.
    Timers {
        keys: u64,
        size: i64,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let keys = || 1..8u64;
    prop_oneof![
        (1..100u64).prop_map(Step::Map),
        (2..6u64).prop_map(Step::Filter),
        Just(Step::FlatMap),
        Just(Step::Rebalance),
        Just(Step::Shuffle),
        (1..4usize).prop_map(Step::OwnParallelism),
        Just(Step::OwnThread),
        (keys(), 5..250i64).prop_map(|(keys, half)| Step::Tumbling { keys, size: 2 * half }),
        (keys(), 5..100i64).prop_map(|(keys, half)| Step::Sliding { keys, slide: 2 * half }),
        (keys(), 5..100i64).prop_map(|(keys, half)| Step::Session { keys, gap: 2 * half + 1 }),
        (keys(), 5..250i64).prop_map(|(keys, half)| Step::Timers { keys, size: 2 * half }),
    ]
}

/// Puts records together, in whatever order.
fn together(time: i64, key: u64, items: impl IntoIterator<Item = Item>) -> Item {
    items.into_iter().fold(Item { time, key, value: 0, count: 0 }, |sum, item| {
        let value = item.value.wrapping_mul(31).wrapping_add(item.key ^ item.time.unsigned_abs());
        Item { value: sum.value.wrapping_add(value), count: sum.count + item.count, ..sum }
    })
}

fn mapped(item: Item, by: u64) -> Item {
    Item { key: item.key.wrapping_mul(by) % 97, value: item.value.wrapping_add(by), ..item }
}

fn copies(item: Item) -> [Item; 2] {
    [item, Item { key: item.key + 1, value: item.value / 2, ..item }]
}

fn window_start(time: i64, size: i64) -> i64 {
    time - time.rem_euclid(size)
}

/// The step for a stream.
fn streamed(stream: DataStream<Item>, step: Step) -> DataStream<Item> {
    let millis = |time: i64| Duration::from_millis(time.unsigned_abs());
    match step {
        Step::Map(by) => stream.map(move |item| mapped(item, by)),
        Step::Filter(modulus) => stream.filter(move |item| !item.value.is_multiple_of(modulus)),
        Step::FlatMap => stream.flat_map(|item, out| copies(item).into_iter().for_each(|copy| out.collect(copy))),
        Step::Rebalance => stream.rebalance(),
        Step::Shuffle => stream.shuffle(),
        Step::OwnParallelism(parallelism) => stream.map(|item| item).set_parallelism(parallelism),
        Step::OwnThread => stream.map(|item| item).disable_chaining(),
        Step::Tumbling { keys, size } => {
            let windows = TumblingEventTimeWindows::of(millis(size));
            stream.key_by(move |item| item.key % keys).window(windows).apply(|key, window, items, out| {
                out.collect(together(window.end() - 1, *key, items.iter().copied()));
            })
        }
        Step::Sliding { keys, slide } => {
            let windows = SlidingEventTimeWindows::of(millis(2 * slide), millis(slide));
            stream.key_by(move |item| item.key % keys).window(windows).apply(|key, window, items, out| {
                out.collect(together(window.end() - 1, *key, items.iter().copied()));
            })
        }
        Step::Session { keys, gap } => {
            let windows = EventTimeSessionWindows::with_gap(millis(gap));
            stream.key_by(move |item| item.key % keys).window(windows).apply(|key, window, items, out| {
                out.collect(together(window.end() - 1, *key, items.iter().copied()));
            })
        }
        Step::Timers { keys, size } => {
            stream.key_by(move |item| item.key % keys).process(Timers { size, ..Timers::default() })
        }
    }
}

/// The step for all records at once.
fn batched(items: Vec<Item>, step: &Step) -> Vec<Item> {
    let by_window = |keys: u64, starts: &dyn Fn(i64) -> Vec<i64>, size: i64| {
        let mut windows: BTreeMap<(u64, i64), Vec<Item>> = BTreeMap::new();
        for item in &items {
            starts(item.time)
                .into_iter()
                .for_each(|start| windows.entry((item.key % keys, start)).or_default().push(*item));
        }
        windows.into_iter().map(|((key, start), items)| together(start + size - 1, key, items)).collect()
    };
    match *step {
        Step::Map(by) => items.into_iter().map(|item| mapped(item, by)).collect(),
        Step::Filter(modulus) => items.into_iter().filter(|item| !item.value.is_multiple_of(modulus)).collect(),
        Step::FlatMap => items.into_iter().flat_map(copies).collect(),
        Step::Rebalance | Step::Shuffle | Step::OwnParallelism(_) | Step::OwnThread => items,
        Step::Tumbling { keys, size } | Step::Timers { keys, size } => {
            by_window(keys, &|time| vec![window_start(time, size)], size)
        }
        Step::Sliding { keys, slide } => {
            let starts = |time| vec![window_start(time, slide), window_start(time, slide) - slide];
            by_window(keys, &starts, 2 * slide)
        }
        Step::Session { keys, gap } => {
            let mut by_key: BTreeMap<u64, Vec<Item>> = BTreeMap::new();
            items.into_iter().for_each(|item| by_key.entry(item.key % keys).or_default().push(item));
            let mut sessions = Vec::new();
            for (key, mut items) in by_key {
                items.sort_unstable();
                for session in items.chunk_by(|one, next| next.time - one.time <= gap) {
                    let end = session.last().map_or(0, |item| item.time + gap);
                    sessions.push(together(end - 1, key, session.iter().copied()));
                }
            }
            sessions
        }
    }
}

/// Sums each key's records by hand, a timer for each stretch of event time.
#[derive(Clone, Default)]
struct Timers {
    size: i64,
    items: MapState<i64, Vec<Item>>,
}

impl KeyedProcessFunction<u64, Item, Item> for Timers {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.items = context.map_state(MapStateDescriptor::new("items"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        item: Item,
        context: &mut KeyedContext<'_, u64>,
        _: &mut Collector<'_, Item>,
    ) -> FnResult {
        let end = window_start(context.timestamp().ok_or("no event time")?, self.size) + self.size - 1;
        let mut items = self.items.get(context, &end)?.cloned().unwrap_or_default();
        items.push(item);
        self.items.put(context, end, items)?;
        context.timer_service().register_event_time_timer(end)
    }

    fn on_timer(&mut self, time: i64, context: &mut KeyedContext<'_, u64>, out: &mut Collector<'_, Item>) -> FnResult {
        let items = self.items.remove(context, &time)?.unwrap_or_default();
        out.collect(together(time, *context.current_key(), items));
        Ok(())
    }
}

pub(super) fn expected(count: u64, steps: &[Step]) -> Vec<Item> {
    let mut all = steps.iter().fold((0..count).map(item).collect(), batched);
    all.sort_unstable();
    all
}

pub(super) fn pipeline(stream: DataStream<Item>, steps: &[Step]) -> DataStream<Item> {
    // What is behind an exchange has no name or parallelism of its own.
    steps.iter().fold(stream, |stream, step| streamed(stream, step.clone())).map(|item| item)
}

/// What happens to a harness while it is at work.
#[derive(Clone, Debug)]
enum Event {
    /// So many records come in one batch, and event time with them.
    Batch(u64),
    Snapshot(bool),
    /// All is lost but the last snapshot; it goes on with so many subtasks.
    Kill(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..60u64).prop_map(Event::Batch),
        2 => prop::bool::weighted(0.3).prop_map(Event::Snapshot),
        1 => (1..5usize).prop_map(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn streamed_is_batch_in_a_harness_whatever_happens_to_it(
        steps in prop::collection::vec(step(), 1..6),
        events in prop::collection::vec(event(), 1..40),
    ) {
        let of = steps.clone();
        let mut harness = OneInputStreamOperatorTestHarness::new(move |stream: DataStream<Item>| pipeline(stream, &of));
        harness.open().unwrap();
        // What came out before the last snapshot, the snapshot, and how many records came before it.
        let (mut done, mut snapshot, mut kept): (Vec<Item>, Option<Vec<u8>>, u64) = (Vec::new(), None, 0);
        let mut next = 0;
        for event in events {
            match event {
                Event::Batch(count) => {
                    harness.process_elements((next..next + count).map(|n| (item(n), item(n).time))).unwrap();
                    next += count;
                    harness.process_watermark(i64::try_from(next * PACE).unwrap() - 1).unwrap();
                }
                Event::Snapshot(full) => {
                    snapshot = Some(if full { harness.full_snapshot().unwrap() } else { harness.snapshot().unwrap() });
                    done.extend(harness.extract_output_values());
                    kept = next;
                }
                Event::Kill(parallelism) => {
                    harness.extract_output_values();
                    harness.set_parallelism(parallelism);
                    match &snapshot {
                        Some(snapshot) => harness.initialize_state(snapshot).unwrap(),
                        None => harness.open().unwrap(),
                    }
                    next = kept;
                }
            }
        }
        harness.end_input().unwrap();
        done.extend(harness.extract_output_values());
        done.sort_unstable();
        prop_assert_eq!(done, expected(next, &steps));
    }
}

/// A job of the steps whose results go into a vector.
fn job(steps: &[Step], parallelism: usize, source: GeneratorSource<fn(u64) -> Item>) -> Job {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(parallelism).enable_checkpointing(Duration::from_millis(15));
    env.set_fixed_delay_restart(5, Duration::from_millis(5));
    let event_time = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(DISORDER.unsigned_abs()))
        .with_timestamp_assigner(|item: &Item, _| item.time);
    let fails = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::new(AtomicU64::new(0));
    let (failing, counted) = (Arc::clone(&fails), Arc::clone(&seen));
    let items = env.from_source(source, event_time, "items").uid("items").try_map(move |item| {
        let mut fails: std::sync::MutexGuard<'_, Vec<u64>> = failing.lock().unwrap();
        let number = counted.fetch_add(1, Ordering::SeqCst);
        if fails.first().is_some_and(|at| number >= *at) {
            fails.remove(0);
            return Err(format!("killed at record {number}"));
        }
        Ok(item)
    });
    let results = Arc::new(Mutex::new(Vec::new()));
    let collected = Arc::clone(&results);
    let _sink = pipeline(items, steps).map(move |item| collected.lock().unwrap().push(item)).discard();
    Job { env, results, fails, seen }
}

struct Job {
    env: StreamExecutionEnvironment,
    results: Arc<Mutex<Vec<Item>>>,
    /// After so many records, of all attempts, one fails.
    fails: Arc<Mutex<Vec<u64>>>,
    /// How many records have come, in all attempts.
    seen: Arc<AtomicU64>,
}

fn results(of: &[&Job]) -> Vec<Item> {
    let mut all: Vec<Item> = of.iter().flat_map(|job| job.results.lock().unwrap().clone()).collect();
    all.sort_unstable();
    all
}

/// A check of each item: it came as often as it should, or oftener where that is allowed.
fn counts(items: &[Item]) -> HashMap<Item, usize> {
    items.iter().fold(HashMap::new(), |mut counts, item| {
        *counts.entry(*item).or_insert(0) += 1;
        counts
    })
}

impl std::hash::Hash for Item {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.time, self.key, self.value, self.count).hash(state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn streamed_is_batch_in_threads_that_are_killed(
        steps in prop::collection::vec(step(), 1..6),
        parallelism in 1..4usize,
        count in 500..2_500u64,
        mut kills in prop::collection::vec(0..3_000u64, 0..3),
    ) {
        kills.sort_unstable();
        let folder = tempfile::tempdir().unwrap();
        let source = GeneratorSource::new(item as fn(u64) -> Item).count(count).rate_per_second(20_000.0);
        let job = job(&steps, parallelism, source);
        job.env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
        *job.fails.lock().unwrap() = kills;
        job.env.execute("random").unwrap();
        // The vector is no transactional sink: what came between the last checkpoint and a kill is there twice.
        let (found, expected) = (counts(&results(&[&job])), counts(&expected(count, &steps)));
        for (item, count) in &expected {
            prop_assert!(found.get(item).is_some_and(|found| found >= count), "{item:?} came {:?} times of {count}", found.get(item));
        }
        for item in found.keys() {
            prop_assert!(expected.contains_key(item), "{item:?} is wrong");
        }
    }

    #[test]
    fn a_job_that_is_stopped_and_goes_on_at_another_parallelism_brings_everything_once(
        steps in prop::collection::vec(step(), 1..6),
        before in 1..4usize,
        after in 1..4usize,
        count in 1_000..2_500u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let source = GeneratorSource::new(item as fn(u64) -> Item).count(count).rate_per_second(20_000.0);
        let first = job(&steps, before, source.clone());
        first.env.checkpoint_config().set_checkpoint_storage(at("first"));
        let running = first.env.execute_async("first").unwrap();
        // A third of the records have come, or all.
        while first.seen.load(Ordering::SeqCst) < count / 3 && running.job_status() != riverrun::JobStatus::Finished {
            std::thread::yield_now();
        }
        let Ok(savepoint) = running.stop_with_savepoint(false, Some(&at("savepoints"))) else {
            // It was faster.
            running.wait().unwrap();
            prop_assert_eq!(results(&[&first]), expected(count, &steps));
            return Ok(());
        };
        running.wait().unwrap();
        let second = job(&steps, after, source);
        second.env.checkpoint_config().set_checkpoint_storage(at("second"));
        second.env.set("execution.state-recovery.path", savepoint).unwrap();
        second.env.execute("second").unwrap();
        prop_assert_eq!(results(&[&first, &second]), expected(count, &steps));
    }
}
