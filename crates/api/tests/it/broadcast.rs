//! The broadcast state pattern.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun::prelude::*;
use riverrun::sources::GeneratorSource;

const KEYS: u64 = 50;
const PRICES: u64 = 10;

fn prices() -> MapStateDescriptor<u64, u64> {
    MapStateDescriptor::new("prices")
}

fn price(of: u64) -> u64 {
    of * 7 + 1
}

/// What the numbers of each key cost, where a number whose price is not known yet waits for it.
#[derive(Clone)]
struct Priced {
    prices: BroadcastState<u64, u64>,
    waiting: ListState<u64>,
    total: ValueState<(u64, u64)>,
    /// How many prices were told, over all subtasks.
    told: Arc<AtomicU64>,
    totals: Arc<Mutex<Vec<(u64, u64, u64)>>>,
}

impl Priced {
    fn new() -> Self {
        Self {
            prices: BroadcastState::default(),
            waiting: ListState::default(),
            total: ValueState::default(),
            told: Arc::default(),
            totals: Arc::default(),
        }
    }
}

impl KeyedBroadcastProcessFunction<u64, u64, (u64, u64), u64> for Priced {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.prices = context.broadcast_state(&prices())?;
        self.waiting = context.list_state(ListStateDescriptor::new("waiting"))?;
        self.total = context.value_state(ValueStateDescriptor::new("total"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        n: u64,
        context: &mut KeyedReadOnlyBroadcastContext<'_, u64>,
        out: &mut Collector<'_, u64>,
    ) -> FnResult {
        context.timer_service().register_event_time_timer(1_000_000)?;
        let of = context.current_key() % PRICES;
        let Some(price) = self.prices.get(context, &of)?.copied() else {
            return Ok(self.waiting.add(context, n)?);
        };
        let (count, sum) = self.total.value_or_insert_with(context, || (0, 0))?;
        (*count, *sum) = (*count + 1, *sum + n * price);
        out.collect(n);
        Ok(())
    }

    fn process_broadcast_element(
        &mut self,
        (of, price): (u64, u64),
        context: &mut KeyedBroadcastContext<'_, u64>,
        out: &mut Collector<'_, u64>,
    ) -> FnResult {
        self.prices.put(context, of, price)?;
        let (waiting, total) = (self.waiting, self.total);
        context.apply_to_keyed_state(|key, state| {
            if key % PRICES != of {
                return Ok(());
            }
            let waited: Vec<u64> = waiting.get(state)?.to_vec();
            waiting.clear(state)?;
            for n in waited {
                let (count, sum) = total.value_or_insert_with(state, || (0, 0))?;
                (*count, *sum) = (*count + 1, *sum + n * price);
                out.collect(n);
            }
            Ok(())
        })?;
        self.told.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: i64,
        context: &mut KeyedReadOnlyBroadcastContext<'_, u64>,
        _: &mut Collector<'_, u64>,
    ) -> FnResult {
        assert!(self.waiting.get(context)?.is_empty());
        let (count, sum) = self.total.take(context)?.unwrap_or_default();
        self.totals.lock().unwrap().push((*context.current_key(), count, sum));
        Ok(())
    }
}

fn expected(count: u64) -> Vec<(u64, u64, u64)> {
    let total = |key: u64| {
        (key..count).step_by(50).fold((key, 0, 0), |(_, n, sum), i| (key, n + 1, sum + i * price(key % PRICES)))
    };
    (0..KEYS).map(total).collect()
}

fn totals(priced: &Priced) -> Vec<(u64, u64, u64)> {
    let mut totals = priced.totals.lock().unwrap().clone();
    totals.sort_unstable();
    totals
}

/// The job: prices come at `rate` a second, and numbers.
fn job(env: &StreamExecutionEnvironment, priced: &Priced, count: u64, rate: f64, failures: u64) {
    let told = GeneratorSource::new(|of| (of, price(of))).count(PRICES).parallelism(1).rate_per_second(rate);
    let told = env.add_source(told, "prices").uid("prices").broadcast_state(&prices());
    let numbers = GeneratorSource::new(|n| n).count(count).rate_per_second(30_000.0).parallelism(1);
    let failed = Arc::new(AtomicU64::new(0));
    let numbers = env.add_source(numbers, "numbers").uid("numbers").try_map(move |n| {
        let time = failed.load(Ordering::SeqCst);
        if time < failures && n == 6_000 * (time + 1) {
            failed.fetch_add(1, Ordering::SeqCst);
            return Err("failure");
        }
        Ok(n)
    });
    numbers.key_by(|n| n % KEYS).connect(told).process(priced.clone()).uid("priced").discard();
}

#[test]
fn every_subtask_has_the_broadcast_state_and_lets_it_at_the_state_of_all_keys() {
    for parallelism in [1, 3] {
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(parallelism);
        let priced = Priced::new();
        job(&env, &priced, 20_000, 50.0, 0);
        env.execute("prices").unwrap();
        assert_eq!(totals(&priced), expected(20_000));
        assert_eq!(priced.told.load(Ordering::SeqCst), PRICES * parallelism as u64);
    }
}

#[test]
fn a_job_with_broadcast_state_that_fails_and_restarts_is_as_one_that_never_failed() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2).enable_checkpointing(Duration::from_millis(20));
    env.set_fixed_delay_restart(5, Duration::from_millis(10));
    let folder = tempfile::tempdir().unwrap();
    env.checkpoint_config().set_checkpoint_storage(folder.path().to_str().unwrap());
    let priced = Priced::new();
    job(&env, &priced, 20_000, 20.0, 3);
    env.execute("prices").unwrap();
    assert_eq!(totals(&priced), expected(20_000));
}

#[test]
fn broadcast_state_is_whole_in_every_subtask_at_another_parallelism() {
    for (before, after) in [(2, 3), (3, 1), (1, 2)] {
        let savepoints = tempfile::tempdir().unwrap();
        let savepoint = {
            let env = StreamExecutionEnvironment::new();
            env.set_parallelism(before).enable_checkpointing(Duration::from_millis(20));
            let priced = Priced::new();
            job(&env, &priced, 30_000, 1_000.0, 0);
            let running = env.execute_async("prices").unwrap();
            while priced.told.load(Ordering::SeqCst) < PRICES * before as u64 {
                assert!(matches!(running.job_status(), riverrun::JobStatus::Running | riverrun::JobStatus::Created));
                std::thread::yield_now();
            }
            let savepoint = running.stop_with_savepoint(false, savepoints.path().to_str()).unwrap();
            running.wait().unwrap();
            assert!(totals(&priced).is_empty(), "the numbers have not come to their end");
            savepoint
        };
        let env = StreamExecutionEnvironment::new();
        env.set_parallelism(after).enable_checkpointing(Duration::from_millis(20));
        env.set("execution.state-recovery.path", savepoint).unwrap();
        let priced = Priced::new();
        job(&env, &priced, 30_000, 1_000.0, 0);
        env.execute("prices").unwrap();
        assert_eq!(totals(&priced), expected(30_000));
        assert_eq!(priced.told.load(Ordering::SeqCst), 0, "no price is told again");
    }
}

/// Words, with the mark that was told last; what they are told is written to the side.
#[derive(Clone, Default)]
struct Marked {
    marks: BroadcastState<String, u32>,
    others: BroadcastState<u8, u8>,
    side: Option<OutputTag<String>>,
}

impl BroadcastProcessFunction<String, u32, String> for Marked {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.marks = context.broadcast_state(&MapStateDescriptor::new("marks"))?;
        self.others = context.broadcast_state(&MapStateDescriptor::new("others"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        word: String,
        context: &mut ReadOnlyBroadcastContext<'_>,
        out: &mut Collector<'_, String>,
    ) -> FnResult {
        let marks = self.marks.immutable_entries(context)?.len();
        assert_eq!(self.others.contains(context, &0)?, marks > 0);
        out.collect(word);
        Ok(())
    }

    fn process_broadcast_element(
        &mut self,
        mark: u32,
        context: &mut BroadcastContext<'_>,
        _: &mut Collector<'_, String>,
    ) -> FnResult {
        self.marks.put(context, "mark".to_owned(), mark)?;
        self.others.put(context, 0, 1)?;
        let marks = self.marks.immutable_entries(context)?;
        if let Some(side) = &self.side {
            context.output(side, format!("{marks:?}"));
        }
        Ok(())
    }
}

#[test]
fn a_stream_without_keys_can_be_connected_with_several_broadcast_states() {
    let env = StreamExecutionEnvironment::new();
    env.set_parallelism(2);
    let side = OutputTag::new("marks");
    let told = env.from_collection([1u32, 2]).broadcast_state(&MapStateDescriptor::<String, u32>::new("marks"));
    let told = told.and_state(&MapStateDescriptor::<u8, u8>::new("others"));
    let words = env.from_collection(["a".to_owned(), "b".to_owned()]).rebalance();
    let marked = words.connect(told).process(Marked { side: Some(side.clone()), ..Marked::default() });
    let sides = marked.get_side_output(&side);
    let mut all = marked.union([sides]).execute_and_collect("marks").unwrap();
    all.sort();
    let expected = ["a", "b", r#"{"mark": 1}"#, r#"{"mark": 1}"#, r#"{"mark": 2}"#, r#"{"mark": 2}"#];
    assert_eq!(all, expected);
}

#[test]
fn a_state_that_is_not_broadcast_fails_the_job_with_its_name() {
    let env = StreamExecutionEnvironment::new();
    let told = env.from_collection([1u32]).broadcast_state(&MapStateDescriptor::<String, u32>::new("markz"));
    let marked = env.from_collection(["a".to_owned()]).connect(told).process(Marked::default());
    let error = marked.execute_and_collect("marks").unwrap_err().to_string();
    assert!(error.contains("'marks'") && error.contains("markz"), "{error}");
}
