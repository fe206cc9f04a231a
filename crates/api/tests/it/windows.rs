//! Windows in whole programs, against what a few lines say about all records at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::window::{
    EventTimeSessionWindows, SlidingEventTimeWindows, TimeWindow, Trigger, TriggerContext, TriggerResult,
    TumblingEventTimeWindows, Window,
};

/// Key, event time, value.
type Row = (u8, i64, i64);

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

/// Rows whose times are at most `delay` behind the latest, read by `parallelism` subtasks.
fn timed(env: &StreamExecutionEnvironment, rows: &[Row], delay: i64, parallelism: usize) -> DataStream<Row> {
    let rows: Arc<[Row]> = rows.into();
    let count = rows.len() as u64;
    let source = GeneratorSource::new(move |n| rows[usize::try_from(n).unwrap()]).count(count).parallelism(parallelism);
    let strategy = WatermarkStrategy::for_bounded_out_of_orderness(ms(delay));
    env.from_source(source, strategy.with_timestamp_assigner(|row: &Row, _| row.1), "rows")
}

/// Times that rise, with some disorder.
fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (0u8..5, 0i64..20, 0i64..50, -100i64..100);
    prop::collection::vec(row, 1..most).prop_map(|steps| {
        let mut now = 0;
        let row = |(key, step, back, value)| {
            now += step;
            (key, now - back, value)
        };
        steps.into_iter().map(row).collect()
    })
}

fn sums(windows: impl Iterator<Item = (u8, i64, i64)>) -> BTreeMap<(u8, i64), (i64, u64)> {
    let mut sums = BTreeMap::new();
    for (key, end, value) in windows {
        let (sum, count) = sums.entry((key, end)).or_default();
        *sum += value;
        *count += 1;
    }
    sums
}

/// The sum and the number of values.
#[derive(Clone)]
struct SumAndCount;

impl AggregateFunction for SumAndCount {
    type In = Row;
    type Accumulator = (i64, u64);
    type Out = (i64, u64);

    fn create_accumulator(&self) -> (i64, u64) {
        (0, 0)
    }

    fn add(&self, row: &Row, (sum, count): &mut (i64, u64)) {
        *sum += row.2;
        *count += 1;
    }

    fn get_result(&self, accumulator: &(i64, u64)) -> (i64, u64) {
        *accumulator
    }

    fn merge(&self, a: (i64, u64), b: (i64, u64)) -> (i64, u64) {
        (a.0 + b.0, a.1 + b.1)
    }
}

/// Key and end of a window, and what is told of it.
type Told = ((u8, i64), (i64, u64));

fn told(key: &u8, window: &TimeWindow, sum: &(i64, u64), out: &mut Collector<'_, Told>) {
    out.collect(((*key, window.end()), *sum));
}

fn collected(stream: DataStream<Told>) -> BTreeMap<(u8, i64), (i64, u64)> {
    let results = stream.execute_and_collect("windows").unwrap();
    let count = results.len();
    let map: BTreeMap<_, _> = results.into_iter().collect();
    assert_eq!(map.len(), count, "a window fires once");
    map
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn windows_of_a_stream_are_those_of_all_its_rows(
        rows in rows(400),
        parallelism in 1usize..4,
        sources in 1usize..4,
        (size, slide) in (1i64..90, 1i64..90),
    ) {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(parallelism);
        let by_key = timed(&env, &rows, 50, sources).key_by(|row| row.0);

        let tumbling = by_key.clone().window(TumblingEventTimeWindows::of(ms(size)));
        let expected = rows.iter().map(|(key, time, value)| (*key, time.div_euclid(size) * size + size, *value));
        prop_assert_eq!(collected(tumbling.aggregate_apply(SumAndCount, told)), sums(expected));

        let by_key = timed(&env, &rows, 50, sources).key_by(|row| row.0);
        let sliding = by_key.window(SlidingEventTimeWindows::of(ms(size), ms(slide)));
        let windows = rows.iter().flat_map(|(key, time, value)| {
            let starts = (time - size + 1..=*time).filter(|start| start.rem_euclid(slide) == 0);
            starts.map(|start| (*key, start + size, *value)).collect::<Vec<_>>()
        });
        prop_assert_eq!(collected(sliding.aggregate_apply(SumAndCount, told)), sums(windows));
    }

    #[test]
    fn sessions_of_a_stream_are_those_of_all_its_rows(
        rows in rows(400),
        parallelism in 1usize..4,
        sources in 1usize..4,
        gap in 1i64..60,
    ) {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(parallelism);
        let sessions = timed(&env, &rows, 50, sources).key_by(|row| row.0).window(EventTimeSessionWindows::with_gap(ms(gap)));
        let mut in_order = rows.clone();
        in_order.sort_by_key(|(key, time, _)| (*key, *time));
        let mut expected = BTreeMap::new();
        for session in in_order.chunk_by(|a, b| a.0 == b.0 && b.1 - a.1 <= gap) {
            let (key, last, _) = session[session.len() - 1];
            let sum = session.iter().map(|row| row.2).sum::<i64>();
            expected.insert((key, last + gap), (sum, session.len() as u64));
        }
        prop_assert_eq!(collected(sessions.aggregate_apply(SumAndCount, told)), expected);
    }

    #[test]
    fn joins_of_streams_are_those_of_all_their_rows(
        left in rows(150),
        right in rows(150),
        parallelism in 1usize..4,
        size in 1i64..90,
        (lower, width) in (-60i64..60, 0i64..60),
        (no_lower, no_upper) in (any::<bool>(), any::<bool>()),
    ) {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(parallelism);
        let streams = || (timed(&env, &left, 50, parallelism), timed(&env, &right, 50, 1));
        let pairs = || left.iter().flat_map(|left| right.iter().map(move |right| (*left, *right)))
            .filter(|(left, right)| left.0 == right.0);

        let (one, two) = streams();
        let windowed = TumblingEventTimeWindows::of(ms(size));
        let joined = one.join(two).where_(|row| row.0).equal_to(|row| row.0).window(windowed.clone());
        let mut joined = joined.apply(|left, right| (*left, *right)).execute_and_collect("join").unwrap();
        joined.sort_unstable();
        let mut expected: Vec<_> =
            pairs().filter(|(left, right)| left.1.div_euclid(size) == right.1.div_euclid(size)).collect();
        expected.sort_unstable();
        prop_assert_eq!(joined, expected);

        let (one, two) = streams();
        let grouped = one.co_group(two).where_(|row| row.0).equal_to(|row| row.0).window(windowed);
        let grouped = grouped.apply(|left: &[&Row], right: &[&Row], out: &mut Collector<'_, (u8, i64, usize, usize)>| {
            let any = left.first().or(right.first()).unwrap();
            out.collect((any.0, any.1, left.len(), right.len()));
        });
        let mut groups = BTreeMap::new();
        for (key, time, left, right) in grouped.execute_and_collect("co-group").unwrap() {
            prop_assert!(groups.insert((key, time.div_euclid(size)), (left, right)).is_none());
        }
        let mut expected = BTreeMap::<_, (usize, usize)>::new();
        left.iter().for_each(|row| expected.entry((row.0, row.1.div_euclid(size))).or_default().0 += 1);
        right.iter().for_each(|row| expected.entry((row.0, row.1.div_euclid(size))).or_default().1 += 1);
        prop_assert_eq!(groups, expected);

        let upper = lower + width;
        prop_assume!(upper - i64::from(no_upper) >= lower + i64::from(no_lower));
        let (one, two) = streams();
        let mut near = one.key_by(|row| row.0).interval_join(two.key_by(|row| row.0)).between(lower, upper);
        if no_lower {
            near = near.lower_bound_exclusive();
        }
        if no_upper {
            near = near.upper_bound_exclusive();
        }
        let mut near = near.apply(|left, right| (*left, *right)).execute_and_collect("interval join").unwrap();
        near.sort_unstable();
        let within = lower + i64::from(no_lower)..=upper - i64::from(no_upper);
        let mut expected: Vec<_> = pairs().filter(|(left, right)| within.contains(&(right.1 - left.1))).collect();
        expected.sort_unstable();
        prop_assert_eq!(near, expected);
    }
}

#[test]
fn a_job_that_fails_within_windows_gives_the_results_of_one_that_never_failed() {
    let failures = Arc::new(AtomicU64::new(0));
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(20));
    env.set_fixed_delay_restart(5, Duration::from_millis(10));
    let folder = tempfile::tempdir().unwrap();
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let count = 30_000;
    let row = |n: u64| {
        let n = i64::try_from(n).unwrap();
        (u8::try_from(n % 10).unwrap(), n - n * 7_919 % 100, n)
    };
    let source = GeneratorSource::new(row).count(count).rate_per_second(30_000.0);
    let strategy = WatermarkStrategy::for_bounded_out_of_orderness(ms(200));
    let rows = env.from_source(source, strategy.with_timestamp_assigner(|row: &Row, _| row.1), "rows");
    let failed = Arc::clone(&failures);
    let rows = rows.try_map(move |row| {
        let time = failed.load(Ordering::SeqCst);
        if time < 3 && row.2 % 15_000 == 4_000 * (i64::try_from(time).unwrap() + 1) {
            failed.fetch_add(1, Ordering::SeqCst);
            return Err(format!("failure {time}"));
        }
        Ok(row)
    });
    let windows = rows.key_by(|row| row.0).window(TumblingEventTimeWindows::of(ms(1_000)));
    let results = windows.aggregate_apply(SumAndCount, told).execute_and_collect("restarts").unwrap();
    assert!(failures.load(Ordering::SeqCst) >= 1);
    // What came out between a checkpoint and the failure comes again, the same.
    let mut unique = BTreeMap::new();
    for (window, sum) in results {
        assert_eq!(*unique.entry(window).or_insert(sum), sum, "{window:?}");
    }
    let expected = (0..count).map(row).map(|(key, time, value)| (key, time.div_euclid(1_000) * 1_000 + 1_000, value));
    assert_eq!(unique, sums(expected));
}

#[test]
fn late_rows_are_in_their_side_output_and_results_have_the_windows_time() {
    let env = StreamExecutionEnvironment::new();
    let late = OutputTag::<Row>::new("late");
    // Each batch ends with its own watermark: the second has rows of before it.
    let rows: Vec<Row> = (0..4_096).map(|n| (0, n, 1)).chain((0..10).map(|n| (0, n, 1))).collect();
    let windows = timed(&env, &rows, 0, 1).key_by(|row| row.0).window(TumblingEventTimeWindows::of(ms(100)));
    let counts = windows.side_output_late_data(&late).reduce(|a: Row, b: Row| (a.0, a.1, a.2 + b.2));
    let dropped = counts.get_side_output(&late).map(|row| (row.1, "late"));

    #[derive(Clone)]
    struct Times;

    impl ProcessFunction<Row, (i64, &'static str)> for Times {
        fn process_element(
            &mut self,
            _: Row,
            context: &mut ProcessContext<'_>,
            out: &mut Collector<'_, (i64, &'static str)>,
        ) -> FnResult {
            out.collect((context.timestamp().unwrap(), "window"));
            Ok(())
        }
    }

    let mut all = counts.process(Times).union([dropped]).execute_and_collect("late").unwrap();
    all.sort_unstable();
    let mut expected: Vec<_> = (0..10).map(|n| (n, "late")).collect();
    expected.extend((0..41).map(|n| (n * 100 + 99, "window")));
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[test]
fn late_rows_that_nobody_wants_are_counted() {
    let env = StreamExecutionEnvironment::new();
    let rows: Vec<Row> = (0..4_096).map(|n| (0, n, 1)).chain((0..10).map(|n| (0, n, 1))).collect();
    let windows = timed(&env, &rows, 0, 1).key_by(|row| row.0).window(TumblingEventTimeWindows::of(ms(100)));
    windows.sum(|row| &mut row.2).discard();
    let result = env.execute("late").unwrap();
    let operators = result.metrics().tasks.iter().flat_map(|task| &task.operators);
    let counters: Vec<_> = operators.flat_map(|operator| &operator.counters).collect();
    assert!(counters.contains(&&("numLateRecordsDropped", 10)), "{counters:?}");
}

#[test]
fn all_rows_can_be_in_windows_together_and_counted_by_number() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let rows: Vec<Row> = (0..1_000).map(|n| (u8::try_from(n % 7).unwrap(), n, n)).collect();
    let all = timed(&env, &rows, 0, 1).window_all(TumblingEventTimeWindows::of(ms(500)));
    let all = all.apply(|(), window, rows: &[Row], out: &mut Collector<'_, (i64, usize)>| {
        out.collect((window.max_timestamp(), rows.len()));
    });
    let mut all = all.execute_and_collect("all").unwrap();
    all.sort_unstable();
    assert_eq!(all, [(499, 500), (999, 500)]);

    let env = StreamExecutionEnvironment::new();
    let hundreds = env.from_sequence(1, 1_000).count_window_all(100).reduce(|a: i64, b: i64| a + b);
    assert_eq!(hundreds.execute_and_collect("hundreds").unwrap().len(), 10);

    let env = StreamExecutionEnvironment::new();
    let last = env.from_sequence(1, 9).map(|n| (n % 2, n)).key_by(|(key, _)| *key).count_window_slide(3, 2);
    let last = last.max(|(_, n): &mut (i64, i64)| n).execute_and_collect("last").unwrap();
    assert_eq!(last, [(1, 3), (0, 4), (1, 7), (0, 8)]);

    let env = StreamExecutionEnvironment::new();
    let least = env.from_sequence(1, 9).map(|n| (n % 2, 10 - n)).key_by(|(key, _)| *key).count_window(4);
    let least = least.min_by(|(_, n)| *n).execute_and_collect("least").unwrap();
    assert_eq!(least, [(1, 3), (0, 2)]);
}

#[test]
fn windows_that_cannot_work_are_refused_before_anything_runs() {
    let env = StreamExecutionEnvironment::new();
    env.from_sequence(1, 2).key_by(|n| *n).window(TumblingEventTimeWindows::of(ms(0))).reduce(|a: i64, _| a).discard();
    let error = env.execute("no size").unwrap_err().to_string();
    assert!(error.contains("size of a window"), "{error}");

    let env = StreamExecutionEnvironment::new();
    env.from_sequence(1, 2).key_by(|n| *n).window(TumblingEventTimeWindows::of(ms(5))).reduce(|a: i64, _| a).discard();
    let error = env.execute("no time").unwrap_err().to_string();
    assert!(error.contains("without event time"), "{error}");

    #[derive(Clone)]
    struct Always;

    impl<T, W: Window> Trigger<T, W> for Always {
        type State = ();

        fn on_element(
            &mut self,
            _: &T,
            _: Option<i64>,
            _: &W,
            (): &mut (),
            _: &mut TriggerContext<'_>,
        ) -> TriggerResult {
            TriggerResult::Fire
        }
    }

    let env = StreamExecutionEnvironment::new();
    let sessions = env.from_sequence(1, 2).key_by(|n| *n).window(EventTimeSessionWindows::with_gap(ms(5)));
    sessions.trigger(Always).reduce(|a: i64, _| a).discard();
    let error = env.execute("no merging").unwrap_err().to_string();
    assert!(error.contains("EventTimeSessionWindows merge, and the trigger Always"), "{error}");

    let env = StreamExecutionEnvironment::new();
    let (one, two) = (env.from_sequence(1, 2).key_by(|n| *n), env.from_sequence(1, 2).key_by(|n| *n));
    one.interval_join(two).between(5, 4).apply(|a, b| a + b).discard();
    let error = env.execute("no bounds").unwrap_err().to_string();
    assert!(error.contains("no times between 5 and 4"), "{error}");
}
