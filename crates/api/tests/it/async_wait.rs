//! Async I/O.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use riverrun::functions::RetryPredicates;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

const LONG: Duration = Duration::from_secs(60);

/// Answers after a time that depends on the number alone, and is not that of its neighbours.
async fn answer(n: u64) -> FnResult<Vec<u64>> {
    tokio::time::sleep(Duration::from_micros(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53)).await;
    Ok(vec![n; (n % 3) as usize])
}

fn answers(count: u64) -> Vec<u64> {
    (0..count).flat_map(|n| vec![n; (n % 3) as usize]).collect()
}

#[test]
fn ordered_answers_come_in_the_order_of_the_records_and_unordered_ones_all() {
    for (capacity, count) in [(1, 100), (7, 700), (1_000, 3_000)] {
        let numbers =
            |env: &StreamExecutionEnvironment| env.add_source(GeneratorSource::new(|n| n).count(count), "numbers");
        let env = StreamExecutionEnvironment::new();
        let ordered = AsyncDataStream::ordered_wait(numbers(&env), answer, LONG, capacity);
        assert_eq!(ordered.execute_and_collect("ordered").unwrap(), answers(count));
        let env = StreamExecutionEnvironment::new();
        let unordered = AsyncDataStream::unordered_wait(numbers(&env), answer, LONG, capacity);
        let mut unordered = unordered.execute_and_collect("unordered").unwrap();
        unordered.sort_unstable();
        assert_eq!(unordered, answers(count));
    }
}

#[test]
fn no_answer_comes_behind_a_watermark_that_its_record_came_before() {
    /// What is late.
    #[derive(Clone)]
    struct Late;

    impl ProcessFunction<u64, (i64, i64)> for Late {
        fn process_element(
            &mut self,
            _: u64,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, (i64, i64)>,
        ) -> FnResult {
            out.collect((context.timestamp().unwrap(), context.current_watermark()));
            Ok(())
        }
    }

    for is_ordered in [true, false] {
        let env = StreamExecutionEnvironment::new();
        let strategy = WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(|n: &u64, _| i64::try_from(*n).unwrap());
        let source = GeneratorSource::new(|n| n).count(4_000).rate_per_second(8_000.0);
        let numbers = env.from_source(source, strategy, "numbers");
        let waited = if is_ordered {
            AsyncDataStream::ordered_wait(numbers, |n: u64| async move { answer(n).await }, LONG, 100)
        } else {
            AsyncDataStream::unordered_wait(numbers, |n: u64| async move { answer(n).await }, LONG, 100)
        };
        let seen = waited.process(Late).execute_and_collect("late").unwrap();
        assert_eq!(seen.len(), answers(4_000).len());
        assert!(seen.iter().all(|(time, watermark)| watermark < time), "{seen:?}");
        assert!(seen.iter().any(|(_, watermark)| *watermark > i64::MIN), "watermarks come between");
    }
}

#[test]
fn no_more_records_are_on_their_way_than_the_capacity_and_as_many() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let env = StreamExecutionEnvironment::new();
    let (on_way, largest) = (Arc::clone(&now), Arc::clone(&most));
    let function = move |n: i64| {
        let (on_way, largest) = (Arc::clone(&on_way), Arc::clone(&largest));
        async move {
            largest.fetch_max(on_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            on_way.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![n])
        }
    };
    let waited = AsyncDataStream::unordered_wait(env.from_sequence(1, 500), function, LONG, 20);
    assert_eq!(waited.execute_and_collect("capacity").unwrap().len(), 500);
    assert_eq!(most.load(Ordering::SeqCst), 20);
}

#[test]
fn an_answer_comes_out_while_no_other_record_comes_in() {
    let env = StreamExecutionEnvironment::new();
    // The second record comes long after the first has its answer.
    let source = GeneratorSource::new(|n| n).count(2).rate_per_second(2.0);
    let waited = AsyncDataStream::ordered_wait(
        env.add_source(source, "slow"),
        |n: u64| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(vec![(n, Instant::now())])
        },
        LONG,
        10,
    );
    let seen = waited.map(|(n, answered)| (n, answered.elapsed())).execute_and_collect("slow").unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].1 < Duration::from_millis(250), "{seen:?}");
}

/// Answers even numbers only, and odd ones when their time is over.
#[derive(Clone)]
struct Odd;

impl AsyncFunction<i64, String> for Odd {
    async fn async_invoke(self: Arc<Self>, n: i64) -> FnResult<Vec<String>> {
        if n % 2 == 1 {
            std::future::pending::<()>().await;
        }
        Ok(vec![n.to_string()])
    }

    fn timeout(&self, n: i64) -> FnResult<Vec<String>> {
        Ok(vec![format!("{n} took too long")])
    }
}

#[test]
fn a_record_whose_time_is_over_gets_what_the_function_says_then() {
    let env = StreamExecutionEnvironment::new();
    let waited = AsyncDataStream::ordered_wait(env.from_sequence(1, 4), Odd, Duration::from_millis(20), 10);
    let waited = waited.execute_and_collect("timeout").unwrap();
    assert_eq!(waited, ["1 took too long", "2", "3 took too long", "4"]);
}

#[test]
fn a_timeout_that_nobody_handles_a_failure_and_a_panic_fail_the_job() {
    let run = |function: fn(i64) -> bool| {
        let env = StreamExecutionEnvironment::new();
        let waited = AsyncDataStream::unordered_wait(
            env.from_sequence(1, 5),
            move |n: i64| async move {
                if n == 3 {
                    match function(n) {
                        true => std::future::pending::<()>().await,
                        false => Err("no answer for three")?,
                    }
                }
                Ok(vec![n])
            },
            Duration::from_millis(20),
            10,
        );
        waited.execute_and_collect("fails").unwrap_err().to_string()
    };
    let error = run(|_| true);
    assert!(error.contains("not answered in time") && error.contains("number 3"), "{error}");
    let error = run(|_| false);
    assert!(error.contains("no answer for three") && error.contains("number 3"), "{error}");
    let error = run(|_| panic!("out of luck"));
    assert!(error.contains("out of luck"), "{error}");
}

#[test]
fn calls_are_repeated_as_the_retry_strategy_says() {
    let calls: Arc<Mutex<BTreeMap<i64, u32>>> = Arc::default();
    let counted = Arc::clone(&calls);
    let function = move |n: i64| {
        let call = {
            let mut calls = counted.lock().unwrap();
            let calls = calls.entry(n).or_default();
            *calls += 1;
            *calls
        };
        // The first n calls for n fail, or answer nothing.
        async move {
            match call {
                call if i64::from(call) > n => Ok(vec![n]),
                call if call % 2 == 0 => Ok(vec![]),
                _ => Err("not yet".into()),
            }
        }
    };
    let strategy = |attempts| {
        AsyncRetryStrategies::exponential_backoff(attempts, Duration::from_millis(1), Duration::from_millis(3), 2.0)
            .if_result(RetryPredicates::empty_result)
            .if_exception(RetryPredicates::has_exception)
    };
    let env = StreamExecutionEnvironment::new();
    let numbers = env.from_sequence(0, 4);
    let waited = AsyncDataStream::ordered_wait_with_retry(numbers, function.clone(), LONG, 10, strategy(4));
    assert_eq!(waited.execute_and_collect("retries").unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(calls.lock().unwrap().values().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);

    calls.lock().unwrap().clear();
    let env = StreamExecutionEnvironment::new();
    let numbers = env.from_sequence(5, 5);
    let waited = AsyncDataStream::unordered_wait_with_retry(numbers, function, LONG, 10, strategy(4));
    let error = waited.execute_and_collect("too few").unwrap_err().to_string();
    assert!(error.contains("not yet"), "{error}");
    assert_eq!(calls.lock().unwrap()[&5], 5);
}

#[test]
fn a_job_with_records_on_their_way_that_fails_and_restarts_loses_none() {
    for is_ordered in [true, false] {
        let failures = Arc::new(AtomicU64::new(0));
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(2).enable_checkpointing(Duration::from_millis(10));
        env.set_fixed_delay_restart(5, Duration::from_millis(10));
        let folder = tempfile::tempdir().unwrap();
        env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
        let numbers = env.add_source(GeneratorSource::new(|n| n).count(10_000).rate_per_second(15_000.0), "numbers");
        let failed = Arc::clone(&failures);
        let function = move |n: u64| {
            let time = failed.load(Ordering::SeqCst);
            let fails = time < 2 && n % 5_000 == 2_000 * (time + 1);
            if fails {
                failed.fetch_add(1, Ordering::SeqCst);
            }
            async move {
                // Long enough that there are always some on their way at a checkpoint.
                tokio::time::sleep(Duration::from_micros(2_000 + n % 7 * 500)).await;
                if fails { Err("failure".into()) } else { Ok(vec![n]) }
            }
        };
        let waited = if is_ordered {
            AsyncDataStream::ordered_wait(numbers, function, LONG, 50)
        } else {
            AsyncDataStream::unordered_wait(numbers, function, LONG, 50)
        };
        // Sums and counts by key are state, so what is in them is there exactly once.
        let sums = waited.map(|n| (n % 10, n, 1u64)).key_by(|(key, ..)| *key);
        let sums = sums.reduce(|(key, a, m): (u64, u64, u64), (_, b, n)| (key, a + b, m + n));
        let mut last = BTreeMap::new();
        for (key, sum, count) in sums.execute_and_collect("restarts").unwrap() {
            let known = last.entry(key).or_insert((0, 0));
            *known = (*known).max((sum, count));
        }
        assert_eq!(failures.load(Ordering::SeqCst), 2);
        let expected = (0..10).map(|key| (key, ((key..10_000).step_by(10).sum(), 1_000))).collect();
        assert_eq!(last, expected);
    }
}

#[test]
fn records_on_their_way_are_dealt_out_anew_at_another_parallelism() {
    for (before, after) in [(1, 3), (3, 1)] {
        let savepoints = tempfile::tempdir().unwrap();
        // Until the job is restored, no call is answered.
        let job = |env: &StreamExecutionEnvironment, answers: bool, capacity: usize| {
            let source = GeneratorSource::new(|n| n).count(90).parallelism(1).rate_per_second(1_000.0);
            let numbers = env.add_source(source, "numbers").uid("numbers").rebalance();
            // The job does not come to its end before it is restored.
            let tail = GeneratorSource::new(|n| 90 + n).count(2).parallelism(1);
            let tail = tail.rate_per_second(if answers { 1_000.0 } else { 0.001 });
            let numbers = numbers.union([env.add_source(tail, "tail").uid("tail").rebalance()]);
            let started = Arc::new(AtomicU64::new(0));
            let begun = Arc::clone(&started);
            let function = move |n: u64| {
                begun.fetch_add(1, Ordering::SeqCst);
                async move {
                    if !answers {
                        std::future::pending::<()>().await;
                    }
                    Ok(vec![n])
                }
            };
            let waited = AsyncDataStream::unordered_wait(numbers, function, Duration::ZERO, capacity);
            (waited.uid("wait"), started)
        };
        let savepoint = {
            let env = StreamExecutionEnvironment::new();
            env.set_parallelism(before).enable_checkpointing(Duration::from_millis(10));
            let (waited, started) = job(&env, false, 1_000);
            waited.map(|_| ()).discard().name("sink").uid("sink");
            let running = env.execute_async("stopped").unwrap();
            while started.load(Ordering::SeqCst) < 90 {
                std::thread::yield_now();
            }
            let savepoint = running.trigger_savepoint(savepoints.path().to_str()).unwrap();
            running.cancel();
            let _ = running.wait();
            savepoint
        };
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(after).enable_checkpointing(Duration::from_millis(10));
        env.set("execution.state-recovery.path", savepoint).unwrap();
        let (waited, started) = job(&env, true, 5);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = Arc::clone(&seen);
        waited.map(move |n| sees.lock().unwrap().push(n)).discard().name("sink").uid("sink");
        env.execute("restored").unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..92).collect::<Vec<_>>());
        assert_eq!(started.load(Ordering::SeqCst), 92);
    }
}

#[test]
fn a_job_that_waits_can_be_canceled_at_once() {
    for capacity in [1, 1_000] {
        let env = StreamExecutionEnvironment::new();
        let started = Arc::new(AtomicU64::new(0));
        let begun = Arc::clone(&started);
        let function = move |n: i64| {
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                std::future::pending::<()>().await;
                Ok(vec![n])
            }
        };
        AsyncDataStream::ordered_wait(env.from_sequence(1, 100), function, Duration::ZERO, capacity).discard();
        let job = env.execute_async("waits").unwrap();
        while started.load(Ordering::SeqCst) < capacity.min(100) as u64 {
            std::thread::yield_now();
        }
        let before = Instant::now();
        job.cancel();
        let _ = job.wait();
        assert!(before.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn to_wait_for_room_is_to_be_backpressured_and_not_busy() {
    let env = StreamExecutionEnvironment::new();
    let numbers = env.add_source(GeneratorSource::new(|n| n), "numbers");
    let function = |n: u64| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(vec![n])
    };
    AsyncDataStream::ordered_wait(numbers, function, LONG, 1).name("waits").discard();
    let job = env.execute_async("waits").unwrap();
    let start = Instant::now();
    let task = loop {
        let metrics = job.metrics();
        let task = metrics.tasks.iter().find(|task| task.name.starts_with("waits"));
        if let Some(task) = task.filter(|task| task.backpressured > Duration::from_millis(200)) {
            break task.clone();
        }
        assert!(start.elapsed() < LONG, "{metrics:?}");
        std::thread::sleep(Duration::from_millis(1));
    };
    job.cancel();
    job.wait().unwrap();
    assert!(task.busy < task.backpressured, "{task:?}");
}

#[test]
fn a_capacity_of_none_is_refused() {
    let env = StreamExecutionEnvironment::new();
    let numbers = env.from_sequence(1, 2);
    let waited = AsyncDataStream::ordered_wait(numbers, |n: i64| async move { Ok(vec![n]) }, LONG, 0);
    assert!(waited.execute_and_collect("none").unwrap_err().to_string().contains("capacity"));
}

#[test]
fn a_stream_that_is_idle_before_async_io_is_idle_behind_it() {
    /// Tells the watermark.
    #[derive(Clone)]
    struct Tells(Arc<AtomicI64>);

    impl ProcessFunction<u64, u64> for Tells {
        fn process_element(
            &mut self,
            n: u64,
            context: &mut ProcessContext<'_>,
            _: &mut Collector<'_, u64>,
        ) -> FnResult {
            if n != u64::MAX {
                self.0.store(context.current_watermark(), Ordering::SeqCst);
            }
            Ok(())
        }
    }

    let env = StreamExecutionEnvironment::new();
    let strategy = || {
        WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(|n: &u64, _| i64::try_from(*n).unwrap_or(0))
            .with_idleness(Duration::from_millis(20))
    };
    // One record, and then none for long.
    let idle = GeneratorSource::new(|_| u64::MAX).rate_per_second(0.001);
    let idle = AsyncDataStream::ordered_wait(env.from_source(idle, strategy(), "idle"), answer_max, LONG, 10);
    let busy = env.from_source(GeneratorSource::new(|n| n).rate_per_second(2_000.0), strategy(), "busy");
    let watermark = Arc::new(AtomicI64::new(i64::MIN));
    busy.union([idle]).process(Tells(Arc::clone(&watermark))).discard();
    let job = env.execute_async("idle").unwrap();
    let start = Instant::now();
    while watermark.load(Ordering::SeqCst) < 100 {
        assert!(start.elapsed() < LONG, "the idle stream holds event time back");
        std::thread::sleep(Duration::from_millis(1));
    }
    job.cancel();
    job.wait().unwrap();
}

/// Answers what it is asked.
async fn answer_max(n: u64) -> FnResult<Vec<u64>> {
    Ok(vec![n])
}
