//! Keyed streams: state, timers, restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

/// The number of records of each key, told by a timer a second of event time after the first.
#[derive(Clone, Default)]
struct CountUntilTimer {
    count: ValueState<u64>,
}

impl KeyedProcessFunction<u64, u64, (u64, i64, u64)> for CountUntilTimer {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.count = context.value_state(ValueStateDescriptor::new("count"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        _: u64,
        context: &mut KeyedContext<'_, u64>,
        _: &mut Collector<'_, (u64, i64, u64)>,
    ) -> FnResult {
        if self.count.value(context)?.is_none() {
            let time = context.timestamp().unwrap() + 1_000;
            context.timer_service().register_event_time_timer(time)?;
        }
        *self.count.value_or_insert_with(context, || 0)? += 1;
        Ok(())
    }

    fn on_timer(
        &mut self,
        time: i64,
        context: &mut KeyedContext<'_, u64>,
        out: &mut Collector<'_, (u64, i64, u64)>,
    ) -> FnResult {
        let count = self.count.take(context)?.unwrap_or_default();
        out.collect((*context.current_key(), time, count));
        Ok(())
    }
}

type ByTime = WatermarkStrategy<u64, riverrun::watermark::BoundedOutOfOrderness, fn(&u64, Option<i64>) -> i64>;

fn by_time() -> ByTime {
    WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|n: &u64, _| i64::try_from(*n).unwrap())
}

fn expected(count: u64, keys: u64) -> BTreeMap<(u64, i64), u64> {
    let mut open: BTreeMap<u64, (i64, u64)> = BTreeMap::new();
    let mut told = BTreeMap::new();
    for n in 0..count {
        let (key, time) = (n % keys, i64::try_from(n).unwrap());
        if let Some((until, counted)) = open.get(&key).copied()
            && until < time
        {
            told.insert((key, until), counted);
            open.remove(&key);
        }
        open.entry(key).or_insert((time + 1_000, 0)).1 += 1;
    }
    told.extend(open.into_iter().map(|(key, (until, counted))| ((key, until), counted)));
    told
}

#[test]
fn a_running_reduction_tells_each_step() {
    let env = StreamExecutionEnvironment::new();
    let sums = env.from_sequence(1, 6).map(|n| (n % 2, n)).key_by(|(parity, _)| *parity);
    let sums = sums.reduce(|(key, a): (i64, i64), (_, b)| (key, a + b)).execute_and_collect("sums").unwrap();
    assert_eq!(sums, [(1, 1), (0, 2), (1, 4), (0, 6), (1, 9), (0, 12)]);
}

#[test]
fn timers_of_event_time_fire_when_the_watermark_has_come() {
    let env = StreamExecutionEnvironment::new();
    // A batch at a time, so that watermarks come between the records.
    let numbers = env.from_source(GeneratorSource::new(|n| n).count(20_000).parallelism(1), by_time(), "numbers");
    let told = numbers.key_by(|n| n % 7).process(CountUntilTimer::default());
    let told = told.execute_and_collect("timers").unwrap();
    let total: u64 = told.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, 20_000);
    for pair in told.windows(2) {
        assert!(pair[0].1 <= pair[1].1, "timers fire in the order of their times: {pair:?}");
    }
}

#[test]
fn a_job_that_fails_and_restarts_counts_as_one_that_never_failed() {
    let failures = Arc::new(AtomicU64::new(0));
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(20));
    env.set_fixed_delay_restart(3, Duration::from_millis(10));
    let count = 30_000;
    let source = GeneratorSource::new(|n| n).count(count).rate_per_second(30_000.0);
    let failed = Arc::clone(&failures);
    let numbers = env.from_source(source, WatermarkStrategy::no_watermarks(), "numbers").try_map(move |n| {
        // Each subtask fails once or twice, some records in.
        let time = failed.load(Ordering::SeqCst);
        if time < 3 && n % 15_000 == 4_000 * (time + 1) {
            failed.fetch_add(1, Ordering::SeqCst);
            return Err(format!("failure {time}"));
        }
        Ok(n)
    });
    let sums =
        numbers.map(|n| (n % 100, 1u64)).key_by(|(key, _)| *key).reduce(|(key, a): (u64, u64), (_, b)| (key, a + b));
    let folder = tempfile::tempdir().unwrap();
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let sums = sums.execute_and_collect("restarts").unwrap();
    assert!(failures.load(Ordering::SeqCst) >= 1);
    let mut last = BTreeMap::new();
    for (key, sum) in sums {
        let known = last.entry(key).or_insert(0);
        *known = sum.max(*known);
    }
    assert_eq!(last, (0..100).map(|key| (key, count / 100)).collect());
}

#[test]
fn the_oracle_of_timers_agrees_when_each_record_has_a_watermark() {
    let env = StreamExecutionEnvironment::new();
    env.set("pipeline.operator-chaining.enabled", "false").unwrap();
    let numbers = env.from_source(GeneratorSource::new(|n| n).count(5_000).parallelism(1), by_time(), "numbers");
    let told = numbers.key_by(|n| n % 3).process(CountUntilTimer::default());
    let told = told.execute_and_collect("timers").unwrap();
    let total: u64 = told.iter().map(|(_, _, count)| count).sum();
    assert_eq!(total, expected(5_000, 3).values().sum::<u64>());
}

#[test]
fn a_job_without_checkpoints_goes_on_from_a_savepoint_too() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = |env: &StreamExecutionEnvironment| {
        let source = GeneratorSource::new(|n| n).count(3_000).rate_per_second(2_000.0).parallelism(1);
        let counted = env.add_source(source, "numbers").uid("numbers").map(|_| (0u64, 1u64)).key_by(|(key, _)| *key);
        counted.reduce(|(key, a): (u64, u64), (_, b)| (key, a + b)).uid("count")
    };
    let env = StreamExecutionEnvironment::new();
    env.enable_checkpointing(Duration::from_millis(20));
    numbers(&env).discard();
    let job = env.execute_async("counting").unwrap();
    while job.metrics().checkpoints.completed < 2 {
        std::thread::yield_now();
    }
    let savepoint = job.stop_with_savepoint(false, folder.path().to_str()).unwrap();
    job.wait().unwrap();

    let env = StreamExecutionEnvironment::new();
    env.set("execution.state-recovery.path", savepoint).unwrap();
    let counts = numbers(&env).execute_and_collect("counting").unwrap();
    assert!(counts.first().is_some_and(|(_, count)| *count > 1), "it begins anew: {:?}", counts.first());
    assert_eq!(counts.last(), Some(&(0, 3_000)));
}
