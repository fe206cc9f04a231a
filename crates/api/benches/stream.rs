//! What the DataStream API costs: `cargo bench -p riverrun --bench stream --no-default-features`.
//!
//! `count`: eight million records of 32 bytes out of memory, through map, filter, key_by and a tumbling window that counts, with parallelism
//! 1; beside it the same by a loop over the same records with a hash map, of the standard library and of hashbrown. `key_by`: the same
//! records from one subtask to two, which look their keys up and forget them. `exchange`: the same, but nothing is looked up, beside
//! `no exchange`, where one subtask does all. `pages`: two million clicks of six pages counted in windows, the page as key by a clone, and
//! by reference, each also through an exchange to two subtasks.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;
use riverrun::window::TumblingEventTimeWindows;

const RECORDS: u64 = 8_000_000;
const KEYS: u64 = 10_000;
/// In milliseconds: a tenth of the time that the records span.
const WINDOW: i64 = 8_000;

#[derive(Clone, Copy)]
struct Order {
    customer: u64,
    time: i64,
    amount: i64,
    kind: u64,
}

fn orders() -> Arc<[Order]> {
    let mut random = fastrand::Rng::with_seed(42);
    let order = |n: u64| Order {
        customer: random.u64(..KEYS),
        time: i64::try_from(n / 100).unwrap(),
        amount: random.i64(..1_000),
        kind: random.u64(..10),
    };
    (0..RECORDS).map(order).collect()
}

fn source(env: &StreamExecutionEnvironment, orders: &Arc<[Order]>) -> DataStream<Order> {
    let orders = Arc::clone(orders);
    let source = GeneratorSource::new(move |n| orders[usize::try_from(n).unwrap()]).count(RECORDS).parallelism(1);
    let strategy =
        WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|order: &Order, _| order.time);
    env.from_source(source, strategy, "orders")
}

fn cleaned(mut order: Order) -> Order {
    order.amount *= 2;
    order
}

fn is_wanted(order: &Order) -> bool {
    order.kind != 0
}

#[derive(Clone)]
struct Count;

impl AggregateFunction for Count {
    type In = Order;
    type Accumulator = u64;
    type Out = u64;

    fn create_accumulator(&self) -> u64 {
        0
    }

    fn add(&self, _: &Order, count: &mut u64) {
        *count += 1;
    }

    fn get_result(&self, count: &u64) -> u64 {
        *count
    }

    fn merge(&self, a: u64, b: u64) -> u64 {
        a + b
    }
}

fn counted(orders: &Arc<[Order]>) {
    let env = StreamExecutionEnvironment::new();
    let wanted = source(&env, orders).map(cleaned).filter(is_wanted);
    let size = Duration::from_millis(WINDOW.unsigned_abs());
    wanted.key_by(|order| order.customer).window(TumblingEventTimeWindows::of(size)).aggregate(Count).discard();
    env.execute("count").unwrap();
}

/// What a program without the API would do: count, and pass on what is complete.
fn by_hand<S: BuildHasher + Default>(orders: &[Order]) -> u64 {
    let mut counts: HashMap<(u64, i64), u64, S> = HashMap::default();
    let (mut end, mut told) = (WINDOW, 0);
    for order in orders {
        let order = cleaned(*order);
        if !is_wanted(&order) {
            continue;
        }
        if order.time >= end {
            told += counts.drain().map(|(_, count)| count).sum::<u64>();
            end += WINDOW;
        }
        *counts.entry((order.customer, order.time.div_euclid(WINDOW))).or_default() += 1;
    }
    told + counts.into_values().sum::<u64>()
}

fn exchanged(orders: &Arc<[Order]>) {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    source(&env, orders).key_by(|order| order.customer).process(Forget).discard();
    env.execute("key_by").unwrap();
}

#[derive(Clone)]
struct Forget;

impl KeyedProcessFunction<u64, Order, Order> for Forget {
    fn process_element(
        &mut self,
        order: Order,
        _: &mut KeyedContext<'_, u64>,
        _: &mut Collector<'_, Order>,
    ) -> FnResult {
        black_box(order);
        Ok(())
    }
}

/// From one subtask to two that forget the records, or to one in the same thread.
fn forgotten(orders: &Arc<[Order]>, exchange: bool) {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(if exchange { 2 } else { 1 });
    let orders = source(&env, orders);
    if !exchange {
        orders.discard();
    } else {
        // Connected streams that keep no state have the exchange, and look nothing up.
        let nothing = env.from_collection(Vec::<Order>::new()).key_by(|order| order.customer);
        let both = orders.key_by(|order| order.customer).connect(nothing);
        let forget = |order, _: &mut Collector<'_, Order>| {
            black_box(order);
        };
        both.flat_map(forget, |_, _| ()).discard();
    }
    env.execute("exchange").unwrap();
}

#[derive(Clone)]
struct Click {
    page: String,
    time: i64,
}

const CLICKS: u64 = 2_000_000;

#[derive(Clone)]
struct Clicks;

impl AggregateFunction for Clicks {
    type In = Click;
    type Accumulator = u64;
    type Out = u64;

    fn create_accumulator(&self) -> u64 {
        0
    }

    fn add(&self, _: &Click, count: &mut u64) {
        *count += 1;
    }

    fn get_result(&self, count: &u64) -> u64 {
        *count
    }

    fn merge(&self, a: u64, b: u64) -> u64 {
        a + b
    }
}

fn clicks(parallelism: usize, by_reference: bool) {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(parallelism);
    let page = |n: u64| Click { page: format!("/page/of/a/site/{}", n % 6), time: i64::try_from(n / 100).unwrap() };
    let strategy =
        WatermarkStrategy::for_monotonous_timestamps().with_timestamp_assigner(|click: &Click, _| click.time);
    let clicks = env.from_source(GeneratorSource::new(page).count(CLICKS).parallelism(1), strategy, "clicks");
    let windows = TumblingEventTimeWindows::of(Duration::from_secs(1));
    if by_reference {
        clicks.key_by_ref(|click| click.page.as_str()).window(windows).aggregate(Clicks).discard();
    } else {
        clicks.key_by(|click| click.page.clone()).window(windows).aggregate(Clicks).discard();
    }
    env.execute("pages").unwrap();
}

fn benchmarks(criterion: &mut Criterion) {
    let orders = orders();
    let mut group = criterion.benchmark_group("stream");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.bench_function("count", |bencher| bencher.iter(|| counted(&orders)));
    group.bench_function("count by hand, std", |bencher| {
        bencher.iter(|| by_hand::<std::hash::RandomState>(&orders));
    });
    group.bench_function("count by hand, hashbrown", |bencher| {
        bencher.iter(|| by_hand::<hashbrown::DefaultHashBuilder>(&orders));
    });
    group.bench_function("key_by", |bencher| bencher.iter(|| exchanged(&orders)));
    group.bench_function("exchange", |bencher| bencher.iter(|| forgotten(&orders, true)));
    group.bench_function("no exchange", |bencher| bencher.iter(|| forgotten(&orders, false)));
    group.throughput(Throughput::Elements(CLICKS));
    for (parallelism, by_reference) in [(1, false), (1, true), (2, false), (2, true)] {
        let how = if by_reference { "by reference" } else { "by clone" };
        let name = format!("pages {how}, parallelism {parallelism}");
        group.bench_function(name, |bencher| bencher.iter(|| clicks(parallelism, by_reference)));
    }
    group.finish();
}

criterion_group!(stream, benchmarks);
criterion_main!(stream);
