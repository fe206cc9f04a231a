//! Metrics of functions, and accumulators.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use riverrun::accumulators::{AverageAccumulator, Histogram, IntCounter, ListAccumulator, LongCounter};
use riverrun::connect::{Gauge, Measure, Meter};
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

/// Adds everything up, and fails once at a number.
#[derive(Clone, Default)]
struct Adds {
    fails_at: Option<(i64, Arc<AtomicBool>)>,
    count: IntCounter,
    sum: LongCounter,
    mean: AverageAccumulator,
    parities: Histogram,
    subtasks: ListAccumulator<usize>,
}

impl MapFunction<i64, i64> for Adds {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.count = context.accumulator("count")?;
        self.sum = context.accumulator("sum")?;
        self.mean = context.accumulator("mean")?;
        self.parities = context.accumulator("parities")?;
        self.subtasks = context.accumulator("subtasks")?;
        self.subtasks.add(context.index_of_this_subtask());
        Ok(())
    }

    fn map(&mut self, n: i64) -> FnResult<i64> {
        self.count.add(1);
        self.sum.add(n);
        self.mean.add(n as f64);
        self.parities.add((n % 2) as i32);
        if let Some((number, failed)) = &self.fails_at
            && n == *number
            && !failed.swap(true, Ordering::SeqCst)
        {
            Err("failure")?;
        }
        Ok(n)
    }
}

#[test]
fn accumulators_of_all_subtasks_come_together_in_the_result() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(3);
    let numbers = env.from_sequence(1, 1_000).map_with(Adds::default());
    // Those of several operators of a name come together too.
    numbers.map_with(Adds::default()).disable_chaining().discard();
    let result = env.execute("adds").unwrap();
    assert_eq!(result.accumulator_result::<IntCounter>("count").unwrap(), 2_000);
    assert_eq!(result.accumulator_result::<LongCounter>("sum").unwrap(), 1_001_000);
    assert_eq!(result.accumulator_result::<AverageAccumulator>("mean").unwrap(), 500.5);
    let parities = BTreeMap::from([(0, 1_000), (1, 1_000)]);
    assert_eq!(result.accumulator_result::<Histogram>("parities").unwrap(), parities);
    let mut subtasks = result.accumulator_result::<ListAccumulator<usize>>("subtasks").unwrap();
    subtasks.sort_unstable();
    assert_eq!(subtasks, [0, 0, 1, 1, 2, 2]);

    let error = result.accumulator_result::<LongCounter>("summ").unwrap_err().to_string();
    assert!(error.contains("did you mean 'sum'"), "{error}");
    let error = result.accumulator_result::<LongCounter>("count").unwrap_err().to_string();
    assert!(error.contains("LongCounter"), "{error}");
}

#[test]
fn accumulators_begin_anew_when_the_job_restarts() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).set_fixed_delay_restart(1, Duration::from_millis(1));
    let failed = Arc::new(AtomicBool::new(false));
    let adds = Adds { fails_at: Some((700, Arc::clone(&failed))), ..Adds::default() };
    env.from_sequence(1, 1_000).map_with(adds).discard();
    let result = env.execute("adds").unwrap();
    assert!(failed.load(Ordering::SeqCst));
    assert_eq!(result.accumulator_result::<IntCounter>("count").unwrap(), 1_000);
    assert_eq!(result.accumulator_result::<LongCounter>("sum").unwrap(), 500_500);
}

/// Measures what passes.
#[derive(Clone, Default)]
struct Measured {
    last: Gauge,
    passed: Meter,
    values: riverrun::connect::Histogram,
}

impl MapFunction<u64, u64> for Measured {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.last = context.gauge("last")?;
        self.passed = context.meter("passed")?;
        self.values = context.histogram("values")?;
        assert!(context.gauge("passed").is_err());
        Ok(())
    }

    fn map(&mut self, n: u64) -> FnResult<u64> {
        self.last.set(n as f64);
        self.passed.mark_event();
        self.values.update(n as i64);
        Ok(n)
    }
}

#[test]
fn gauges_meters_and_histograms_are_among_the_metrics_while_the_job_runs() {
    let env = StreamExecutionEnvironment::new();
    let numbers = env.add_source(GeneratorSource::new(|n| n).rate_per_second(5_000.0), "numbers");
    numbers.map_with(Measured::default()).name("Measured").discard();
    let job = env.execute_async("measured").unwrap();
    loop {
        let metrics = job.metrics();
        let measures = metrics.operators("Measured").next().map(|operator| operator.measures.clone());
        let measures: BTreeMap<_, _> = measures.unwrap_or_default().into_iter().collect();
        let (Some(Measure::Gauge(last)), Some(Measure::Meter { count, rate }), Some(Measure::Histogram(values))) =
            (measures.get("last"), measures.get("passed"), measures.get("values"))
        else {
            continue;
        };
        if *count >= 500 {
            assert!(*last >= 400.0 && *rate > 0.0);
            assert!(values.count() >= 500 && values.max() >= 400 && values.quantile(0.5) > 0.0);
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    job.cancel();
    job.wait().unwrap();
}
