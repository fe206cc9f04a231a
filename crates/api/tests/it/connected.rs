//! Two streams into one operator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riverrun::functions::CheckpointedFunction;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::state::{FunctionInitializationContext, FunctionSnapshotContext};

#[test]
fn records_of_both_streams_are_mapped_each_by_its_closure() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let small = env.from_sequence(1, 3);
    let words = env.from_collection(["a".to_owned(), "b".to_owned()]).rebalance();
    let connected = small.connect(words);
    let mapped = connected.clone().map(|n| format!("map {n}"), |word| format!("map {word}"));
    let flat = connected.flat_map(
        |n, out| (0..n).for_each(|i| out.collect(format!("flat {n}.{i}"))),
        |word, out| out.collect(format!("flat {word}")),
    );
    let mut all = mapped.union([flat]).execute_and_collect("both").unwrap();
    all.sort();
    let expected = [
        "flat 1.0", "flat 2.0", "flat 2.1", "flat 3.0", "flat 3.1", "flat 3.2", "flat a", "flat b", "map 1", "map 2",
        "map 3", "map a", "map b",
    ];
    assert_eq!(all, expected);
}

#[test]
fn each_stream_keeps_the_exchange_it_had() {
    /// Which subtask saw what.
    #[derive(Clone, Default)]
    struct Where(usize);

    impl CoMapFunction<i64, i64, (usize, i64)> for Where {
        fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
            self.0 = context.index_of_this_subtask();
            Ok(())
        }

        fn map1(&mut self, n: i64) -> FnResult<(usize, i64)> {
            Ok((self.0, n))
        }

        fn map2(&mut self, n: i64) -> FnResult<(usize, i64)> {
            Ok((self.0, -n))
        }
    }

    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let all = env.from_sequence(1, 10).broadcast();
    let custom =
        env.from_sequence(1, 999).partition_custom(|n: &i64, count| usize::try_from(*n).unwrap() % count, |n| *n);
    let seen = all.connect(custom).map_with(Where::default()).execute_and_collect("where").unwrap();
    let (first, second): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, n)| *n > 0);
    assert_eq!(first.len(), 30);
    assert_eq!(second.len(), 999);
    assert!(second.iter().all(|(subtask, n)| *subtask == usize::try_from(-*n).unwrap() % 3));
}

#[test]
fn a_failure_names_the_input_and_the_record() {
    #[derive(Clone)]
    struct Fails;

    impl CoFlatMapFunction<i64, i64, i64> for Fails {
        fn flat_map1(&mut self, n: i64, out: &mut Collector<'_, i64>) -> FnResult {
            out.collect(n);
            Ok(())
        }

        fn flat_map2(&mut self, n: i64, _: &mut Collector<'_, i64>) -> FnResult {
            if n == 7 {
                Err("seven")?
            }
            Ok(())
        }
    }

    let env = StreamExecutionEnvironment::new();
    let failing = env.from_sequence(1, 10).connect(env.from_sequence(1, 10)).flat_map_with(Fails);
    let error = failing.execute_and_collect("fails").unwrap_err().to_string();
    for part in ["seven", "input", "2", "number 7"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn streams_of_two_environments_are_refused() {
    let env = StreamExecutionEnvironment::new();
    let other = StreamExecutionEnvironment::new();
    let mapped = env.from_sequence(1, 2).connect(other.from_sequence(1, 2)).map(|n| n, |n| n);
    let error = mapped.execute_and_collect("two").unwrap_err().to_string();
    assert!(error.contains("two environments"), "{error}");
}

/// Counts of a key's records of either stream, told by a timer at `1_000_000`; what is left over goes to the side.
#[derive(Clone)]
struct Counts {
    first: ValueState<u64>,
    second: ValueState<u64>,
    side: OutputTag<String>,
}

impl Counts {
    fn new(side: &OutputTag<String>) -> Self {
        Self { first: ValueState::default(), second: ValueState::default(), side: side.clone() }
    }
}

type Counted = (u64, u64, u64);

impl KeyedCoProcessFunction<u64, u64, (u64, &'static str), Counted> for Counts {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.first = context.value_state(ValueStateDescriptor::new("first"))?;
        self.second = context.value_state(ValueStateDescriptor::new("second"))?;
        Ok(())
    }

    fn process_element1(
        &mut self,
        _: u64,
        context: &mut KeyedContext<'_, u64>,
        _: &mut Collector<'_, Counted>,
    ) -> FnResult {
        *self.first.value_or_insert_with(context, || 0)? += 1;
        context.timer_service().register_event_time_timer(1_000_000)?;
        Ok(())
    }

    fn process_element2(
        &mut self,
        (_, word): (u64, &'static str),
        context: &mut KeyedContext<'_, u64>,
        _: &mut Collector<'_, Counted>,
    ) -> FnResult {
        let count = self.second.value_or_insert_with(context, || 0)?;
        *count += 1;
        if *count == 1 {
            let line = format!("{word} {}", context.current_key());
            context.output(&self.side, line);
        }
        context.timer_service().register_event_time_timer(1_000_000)?;
        Ok(())
    }

    fn on_timer(&mut self, _: i64, context: &mut KeyedContext<'_, u64>, out: &mut Collector<'_, Counted>) -> FnResult {
        let first = self.first.take(context)?.unwrap_or_default();
        let second = self.second.take(context)?.unwrap_or_default();
        out.collect((*context.current_key(), first, second));
        Ok(())
    }
}

#[test]
fn both_streams_see_the_state_and_the_timers_of_their_key() {
    for parallelism in [1, 3] {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(parallelism);
        let side = OutputTag::new("first");
        let numbers =
            env.from_source(GeneratorSource::new(|n| n).count(3_000), WatermarkStrategy::no_watermarks(), "n");
        let words = GeneratorSource::new(|n| (n, "word")).count(2_000);
        let words = env.from_source(words, WatermarkStrategy::no_watermarks(), "words");
        let counted = numbers.connect(words).key_by(|n| n % 10, |(n, _)| n % 20).process(Counts::new(&side));
        let sides = counted.get_side_output(&side).map(|_| (u64::MAX, 0, 0));
        let mut counted = counted.union([sides]).execute_and_collect("counts").unwrap();
        counted.sort_unstable();
        let expected: Vec<Counted> = (0..20)
            .map(|key| (key, if key < 10 { 300 } else { 0 }, 100))
            .chain((0..20).map(|_| (u64::MAX, 0, 0)))
            .collect();
        assert_eq!(counted, expected);
    }
}

#[test]
fn a_connected_job_that_fails_and_restarts_counts_as_one_that_never_failed() {
    let failures = Arc::new(AtomicU64::new(0));
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(20));
    env.set_fixed_delay_restart(3, Duration::from_millis(10));
    let folder = tempfile::tempdir().unwrap();
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let side = OutputTag::new("first");
    let numbers = GeneratorSource::new(|n| n).count(20_000).rate_per_second(30_000.0);
    let failed = Arc::clone(&failures);
    let numbers = env.add_source(numbers, "numbers").try_map(move |n| {
        let time = failed.load(Ordering::SeqCst);
        if time < 2 && n % 10_000 == 4_000 * (time + 1) {
            failed.fetch_add(1, Ordering::SeqCst);
            return Err("failure");
        }
        Ok(n)
    });
    let words = env.add_source(GeneratorSource::new(|n| (n, "word")).count(10_000).rate_per_second(20_000.0), "words");
    let counted = numbers.key_by(|n| n % 50).connect(words.key_by(|(n, _)| n % 50)).process(Counts::new(&side));
    let counted = counted.execute_and_collect("restarts").unwrap();
    assert!(failures.load(Ordering::SeqCst) >= 1);
    let counted: BTreeMap<u64, (u64, u64)> = counted.into_iter().map(|(key, a, b)| (key, (a, b))).collect();
    assert_eq!(counted, (0..50).map(|key| (key, (400, 200))).collect());
}

#[test]
fn event_time_is_that_of_the_slower_stream() {
    /// The watermark when a record of the second stream comes.
    #[derive(Clone)]
    struct Watermarks;

    impl CoProcessFunction<u64, u64, (i64, i64)> for Watermarks {
        fn process_element1(
            &mut self,
            _: u64,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, (i64, i64)>,
        ) -> FnResult {
            out.collect((context.timestamp().unwrap(), context.current_watermark()));
            Ok(())
        }

        fn process_element2(
            &mut self,
            n: u64,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, (i64, i64)>,
        ) -> FnResult {
            self.process_element1(n, context, out)
        }
    }

    let env = StreamExecutionEnvironment::new();
    let source = |name: &str, delay: i64| {
        let strategy = WatermarkStrategy::for_monotonous_timestamps()
            .with_timestamp_assigner(move |n: &u64, _| i64::try_from(*n).unwrap() + delay);
        env.from_source(GeneratorSource::new(|n| n).count(30_000), strategy, name)
    };
    let seen = source("early", 0).connect(source("late", 100_000)).process(Watermarks);
    let seen = seen.execute_and_collect("watermarks").unwrap();
    assert_eq!(seen.len(), 60_000);
    // None is late: the watermark is that of the stream which is behind.
    assert!(seen.iter().all(|(time, watermark)| watermark < time));
}

/// Numbers that are told, in operator state, and sums with all that were told.
#[derive(Clone, Default)]
struct Told {
    told: Vec<u64>,
    all: Arc<std::sync::Mutex<Vec<u64>>>,
}

impl CheckpointedFunction for Told {
    fn snapshot_state(&mut self, context: &mut FunctionSnapshotContext) -> FnResult {
        Ok(context.set_list_state(ListStateDescriptor::<u64>::new("told"), self.told.iter().copied())?)
    }

    fn initialize_state(&mut self, context: &mut FunctionInitializationContext<'_>) -> FnResult {
        self.told = context.list_state(ListStateDescriptor::<u64>::new("told"))?;
        Ok(())
    }
}

impl CoProcessFunction<u64, u64, u64> for Told {
    fn process_element1(&mut self, n: u64, _: &mut ProcessContext<'_>, out: &mut Collector<'_, u64>) -> FnResult {
        out.collect(n);
        Ok(())
    }

    fn process_element2(&mut self, n: u64, _: &mut ProcessContext<'_>, _: &mut Collector<'_, u64>) -> FnResult {
        self.told.push(n);
        Ok(())
    }

    fn close(&mut self) -> FnResult {
        self.all.lock().unwrap().append(&mut self.told);
        Ok(())
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        Some(self)
    }
}

#[test]
fn operator_state_of_a_function_of_two_streams_survives_a_failure() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(10));
    env.set_fixed_delay_restart(3, Duration::from_millis(10));
    let folder = tempfile::tempdir().unwrap();
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let failures = Arc::new(AtomicU64::new(0));
    let failed = Arc::clone(&failures);
    let numbers = env.add_source(GeneratorSource::new(|n| n).count(8_000).rate_per_second(20_000.0), "numbers");
    let numbers = numbers.try_map(move |n| {
        let fails = n == 6_000 && failed.fetch_add(1, Ordering::SeqCst) == 0;
        if fails { Err("failure") } else { Ok(n) }
    });
    let told = env.add_source(GeneratorSource::new(|n| n).count(1_000).rate_per_second(10_000.0), "told");
    let function = Told::default();
    let all = Arc::clone(&function.all);
    numbers.connect(told).process(function).discard();
    env.execute("told").unwrap();
    assert!(failures.load(Ordering::SeqCst) >= 1);
    let mut all = all.lock().unwrap().clone();
    all.sort_unstable();
    assert_eq!(all, (0..1_000).collect::<Vec<_>>());
}
