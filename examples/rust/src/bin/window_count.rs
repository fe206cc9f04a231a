//! Map, filter, `key_by`, count in windows of ten seconds: what `benchmarks/datastream.py` measures, beside the same on Flink and a plain loop.
//!
//! `window_count COUNT` prints how many milliseconds the job ran; `window_count COUNT loop` those of the loop.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::window::TumblingEventTimeWindows;
use riverrun::{Error, Result};

#[derive(Clone)]
struct Event {
    key: u64,
    time: i64,
    #[allow(dead_code, reason = "32 bytes, as on Flink")]
    value: u64,
    other: u64,
}

impl Event {
    fn new(n: u64) -> Self {
        let time = i64::try_from(n / 100).unwrap_or(i64::MAX);
        Self { key: n.wrapping_mul(2_654_435_761) % 1000, time, value: n, other: n % 10 }
    }
}

/// Counts.
#[derive(Clone)]
struct Count;

impl AggregateFunction for Count {
    type In = Event;
    type Accumulator = u64;
    type Out = u64;

    fn create_accumulator(&self) -> u64 {
        0
    }

    fn add(&self, _: &Event, count: &mut u64) {
        *count += 1;
    }

    fn get_result(&self, count: &u64) -> u64 {
        *count
    }

    fn merge(&self, a: u64, b: u64) -> u64 {
        a + b
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count =
        arguments.next().and_then(|count| count.parse().ok()).ok_or_else(|| Error::user("how many records?"))?;
    let took = if arguments.next().is_some() { plain_loop(count) } else { job(count)? };
    println!("{}", took.as_millis());
    Ok(())
}

fn job(count: u64) -> Result<Duration> {
    let env = StreamExecutionEnvironment::new();
    env.add_source(GeneratorSource::new(|n| n).count(count), "numbers")
        .map(Event::new)
        .assign_timestamps_and_watermarks(
            WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|event: &Event, _| event.time),
        )
        .filter(|event| event.other != 0)
        .key_by(|event| event.key)
        .window(TumblingEventTimeWindows::of(Duration::from_secs(10)))
        .aggregate(Count)
        .discard();
    Ok(env.execute("window count")?.net_runtime())
}

/// The same in one loop, as one would write it by hand.
fn plain_loop(count: u64) -> Duration {
    let begin = Instant::now();
    let mut windows: HashMap<(u64, i64), u64> = HashMap::new();
    let (mut watermark, mut results) = (i64::MIN, 0u64);
    for event in (0..count).map(Event::new).filter(|event| event.other != 0) {
        let start = event.time - event.time.rem_euclid(10_000);
        if start > watermark {
            watermark = start;
            windows.retain(|(_, window), count| {
                let open = *window >= start;
                results += if open { 0 } else { *count };
                open
            });
        }
        *windows.entry((event.key, start)).or_insert(0) += 1;
    }
    results += windows.into_values().sum::<u64>();
    std::hint::black_box(results);
    begin.elapsed()
}
