//! Harnesses of functions and pipelines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::prelude::*;
use crate::state::{FunctionInitializationContext, FunctionSnapshotContext};

/// Counts each key's records until a timer of either kind of time, a second after the first; what comes late goes aside.
#[derive(Clone)]
struct Counter {
    count: ValueState<u64>,
    late: OutputTag<i64>,
}

impl Counter {
    fn new() -> Self {
        Self { count: ValueState::default(), late: OutputTag::new("late") }
    }
}

impl KeyedProcessFunction<i64, (i64, i64), (i64, u64)> for Counter {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.count = context.value_state(ValueStateDescriptor::new("count"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        (_, n): (i64, i64),
        context: &mut KeyedContext<'_, i64>,
        _: &mut Collector<'_, (i64, u64)>,
    ) -> FnResult {
        if context.timestamp().is_some_and(|time| time <= context.timer_service().current_watermark()) {
            context.output(&self.late, n);
            return Ok(());
        }
        let first = self.count.value(context)?.is_none();
        *self.count.value_or_insert_with(context, || 0)? += 1;
        if first {
            match context.timestamp() {
                Some(time) => context.timer_service().register_event_time_timer(time + 1_000)?,
                None => {
                    let time = context.timer_service().current_processing_time() + 1_000;
                    context.timer_service().register_processing_time_timer(time)?;
                }
            }
        }
        Ok(())
    }

    fn on_timer(
        &mut self,
        _: i64,
        context: &mut KeyedContext<'_, i64>,
        out: &mut Collector<'_, (i64, u64)>,
    ) -> FnResult {
        out.collect((*context.current_key(), self.count.take(context)?.unwrap_or_default()));
        Ok(())
    }
}

type CounterHarness = OneInputStreamOperatorTestHarness<(i64, i64), (i64, u64)>;

fn counter() -> CounterHarness {
    ProcessFunctionTestHarnesses::for_keyed_process_function(Counter::new(), |(key, _): &(i64, i64)| *key)
}

#[test]
fn elements_watermarks_and_side_outputs_come_out_as_they_would_of_a_job() {
    let late = OutputTag::new("late");
    let mut harness = counter();
    harness.read_side_output::<i64>(&late);
    assert!(harness.process_element((1, 1), 5).unwrap_err().to_string().contains("open()"));
    harness.open().unwrap();
    harness.process_element((1, 10), 5).unwrap();
    harness.process_elements([((1, 11), 6), ((2, 12), 7)]).unwrap();
    assert_eq!((harness.num_keyed_state_entries().unwrap(), harness.num_event_time_timers().unwrap()), (2, 2));
    harness.process_watermark(1_005).unwrap();
    harness.process_element((2, 13), 1_000).unwrap();
    harness.process_watermark(1_007).unwrap();
    let record = |value, timestamp| StreamElement::Record(StreamRecord { value, timestamp: Some(timestamp) });
    assert_eq!(
        harness.take_output(),
        [
            record((1, 2), 1_005),
            StreamElement::Watermark(1_005),
            record((2, 1), 1_007),
            StreamElement::Watermark(1_007)
        ]
    );
    assert_eq!(harness.get_side_output(&late).unwrap(), [StreamRecord { value: 13, timestamp: Some(1_000) }]);
    assert!(harness.get_side_output(&OutputTag::<i64>::new("other")).is_err());
    assert_eq!(harness.num_keyed_state_entries().unwrap(), 0, "no state is left behind");
    assert_eq!(harness.num_event_time_timers().unwrap(), 0);
    harness.close().unwrap();
    assert!(harness.process_element((1, 1), 5).is_err());
}

#[test]
fn timers_of_processing_time_fire_when_time_is_set() {
    let mut harness = counter();
    harness.set_processing_time(500).unwrap();
    harness.open().unwrap();
    harness.process_values([(1, 0), (1, 0), (2, 0)]).unwrap();
    assert_eq!(harness.num_processing_time_timers().unwrap(), 2);
    harness.set_processing_time(1_499).unwrap();
    assert_eq!(harness.extract_output_values(), []);
    harness.set_processing_time(1_500).unwrap();
    assert_eq!(harness.extract_output_values(), [(1, 2), (2, 1)]);
    assert_eq!(harness.processing_time(), 1_500);
}

#[test]
fn a_snapshot_is_restored_at_any_parallelism() {
    let mut harness = counter();
    let mut snapshot: Option<Vec<u8>> = None;
    let mut expected = BTreeMap::new();
    for (round, parallelism) in [1, 3, 2, 1, 4].into_iter().enumerate() {
        harness.set_parallelism(parallelism);
        match &snapshot {
            Some(snapshot) => harness.initialize_state(snapshot).unwrap(),
            None => harness.open().unwrap(),
        }
        for key in 0..20 {
            for _ in 0..=(key % 3) {
                harness.process_element((key, 0), 10 + i64::try_from(round).unwrap()).unwrap();
                *expected.entry(key).or_insert(0) += 1;
            }
            if key == 10 {
                // The next one builds on it.
                harness.snapshot().unwrap();
            }
        }
        snapshot = Some(if round == 2 { harness.full_snapshot().unwrap() } else { harness.snapshot().unwrap() });
        assert_eq!(harness.num_event_time_timers().unwrap(), 20);
    }
    harness.process_watermark(1_010).unwrap();
    assert_eq!(harness.extract_output_values().into_iter().collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn what_is_wrong_is_told_with_the_operator() {
    let mut harness = OneInputStreamOperatorTestHarness::new(|words: DataStream<String>| {
        words.try_map(|word| word.parse::<i64>()).name("Parse").map(|n| n + 1)
    });
    harness.open().unwrap();
    let error = harness.process_element("x".to_owned(), 1).unwrap_err().to_string();
    for part in ["Parse (1/1)", "invalid digit", "number 1"] {
        assert!(error.contains(part), "{error}");
    }

    let mut harness = OneInputStreamOperatorTestHarness::new(|numbers: DataStream<i64>| {
        let others = numbers.execution_environment().from_collection([1i64]);
        numbers.union([others])
    });
    assert!(harness.open().unwrap_err().to_string().contains("harness reads no source"));

    let mut harness = counter();
    let error = harness.initialize_state(b"no snapshot").unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    harness.open().unwrap();
    harness.process_element((1, 1), 1).unwrap();
    let snapshot = harness.snapshot().unwrap();
    let mut other = OneInputStreamOperatorTestHarness::keyed(|n: &i64| *n, |keyed| keyed.reduce(|a, _| a));
    let error = other.initialize_state(&snapshot).unwrap_err().to_string();
    assert!(error.contains("KeyedProcess"), "{error}");
}

#[test]
fn an_incompatible_state_names_operator_state_and_remedy() {
    let keyed = |text: bool| {
        let mut harness = OneInputStreamOperatorTestHarness::new(move |numbers: DataStream<i64>| {
            let env = numbers.map(|n| n);
            if text {
                env.map(|n| n.to_string()).key_by(|_| 1).reduce(|a, _| a).map(|text| text.len())
            } else {
                env.map(|n| n).key_by(|_| 1).reduce(|a, _| a).map(|_| 0)
            }
        });
        harness.set_processing_time(0).unwrap();
        harness
    };
    let mut before = keyed(true);
    before.open().unwrap();
    before.process_element(5, 0).unwrap();
    let error = keyed(false).initialize_state(&before.snapshot().unwrap()).unwrap_err().to_string();
    for part in ["Keyed Reduce (1/1)", "state: _reduced", "#[serde(default)]"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn two_inputs_have_the_smaller_watermark_and_one_snapshot() {
    let mut harness = TwoInputStreamOperatorTestHarness::new(|numbers: DataStream<i64>, texts: DataStream<String>| {
        let numbers = numbers.map(|n| n.to_string());
        numbers.union([texts]).key_by(String::len).reduce(|a: String, b: String| format!("{}{}", &a[..1], &b[1..]))
    });
    harness.open().unwrap();
    harness.process_element1(10, 1).unwrap();
    harness.process_element2("ab".to_owned(), 2).unwrap();
    harness.process_watermark1(100).unwrap();
    harness.process_watermark2(50).unwrap();
    let watermarks = |output: Vec<StreamElement<String>>| {
        output.into_iter().filter(|element| matches!(element, StreamElement::Watermark(_))).collect::<Vec<_>>()
    };
    assert_eq!(watermarks(harness.take_output()), [StreamElement::Watermark(50)]);
    harness.process_watermark_status2(true).unwrap();
    assert_eq!(watermarks(harness.take_output()), [StreamElement::Watermark(100)]);
    let snapshot = harness.snapshot().unwrap();
    harness.set_parallelism(2).initialize_state(&snapshot).unwrap();
    harness.process_element2("xy".to_owned(), 3).unwrap();
    assert_eq!(harness.extract_output_values(), ["1y"]);
}

#[test]
fn aggregations_change_one_field_or_choose_a_record() {
    let records = [(7, 3.0, 'a'), (7, 1.0, 'b'), (7, f64::NAN, 'c'), (7, 9.0, 'd'), (7, 1.0, 'e')];
    type Fares = KeyedStream<(i32, f64, char), i32, fn(&(i32, f64, char)) -> i32>;
    let run = |pipeline: fn(Fares) -> DataStream<(i32, f64, char)>| {
        let key: fn(&(i32, f64, char)) -> i32 = |record| record.0;
        let mut harness = OneInputStreamOperatorTestHarness::keyed(key, pipeline);
        harness.open().unwrap();
        harness.process_values(records).unwrap();
        harness.extract_output_values().into_iter().map(|(_, value, tag)| (value, tag)).collect::<Vec<_>>()
    };
    assert_eq!(run(|keyed| keyed.min(|record| &mut record.1))[4], (1.0, 'a'));
    assert_eq!(run(|keyed| keyed.max(|record| &mut record.1))[4], (9.0, 'a'));
    assert_eq!(run(|keyed| keyed.min_by(|record| record.1))[4], (1.0, 'b'));
    assert_eq!(run(|keyed| keyed.max_by(|record| record.1))[4], (9.0, 'd'));
    assert_eq!(run(|keyed| keyed.sum(|record| &mut record.0))[4].1, 'a');
    assert_eq!(run(|keyed| keyed.sum(|record| &mut record.1))[1], (4.0, 'a'));
}

/// Keeps what has come, to pass it on with the watermark; and knows the names of all subtasks that ever were.
#[derive(Clone, Default)]
struct Buffer {
    held: Vec<i64>,
    names: Vec<String>,
    was_restored: bool,
}

impl CheckpointedFunction for Buffer {
    fn initialize_state(&mut self, context: &mut FunctionInitializationContext<'_>) -> FnResult {
        self.held = context.list_state(ListStateDescriptor::new("held"))?;
        self.names = context.union_list_state(ListStateDescriptor::new("names"))?;
        self.was_restored = context.is_restored();
        Ok(())
    }

    fn snapshot_state(&mut self, context: &mut FunctionSnapshotContext) -> FnResult {
        context.set_list_state(ListStateDescriptor::new("held"), self.held.clone())?;
        Ok(context.set_list_state(ListStateDescriptor::new("names"), [format!("at {}", context.checkpoint_id())])?)
    }
}

impl FlatMapFunction<i64, (Vec<i64>, Vec<String>, bool)> for Buffer {
    fn flat_map(&mut self, n: i64, out: &mut Collector<'_, (Vec<i64>, Vec<String>, bool)>) -> FnResult {
        if n < 0 {
            self.held.sort_unstable();
            out.collect((self.held.clone(), self.names.clone(), self.was_restored));
        } else {
            self.held.push(n);
        }
        Ok(())
    }

    fn checkpointed(&mut self) -> Option<&mut dyn CheckpointedFunction> {
        Some(self)
    }
}

#[test]
fn operator_state_is_kept_dealt_out_evenly_or_given_to_all() {
    let buffer =
        || OneInputStreamOperatorTestHarness::new(|numbers: DataStream<i64>| numbers.flat_map_with(Buffer::default()));
    let mut harness = buffer();
    harness.set_parallelism(2).open().unwrap();
    (0..10).for_each(|n| harness.process_element(n, 0).unwrap());
    let snapshot = harness.snapshot().unwrap();
    let show = |parallelism: usize| {
        let mut harness = buffer();
        harness.set_parallelism(parallelism).initialize_state(&snapshot).unwrap();
        (0..parallelism).for_each(|_| harness.process_element(-1, 0).unwrap());
        let shown = harness.extract_output_values();
        assert_eq!(shown.len(), parallelism);
        for (_, names, was_restored) in &shown {
            assert_eq!((names.as_slice(), *was_restored), (["at 1".to_owned(), "at 1".to_owned()].as_slice(), true));
        }
        shown.into_iter().map(|(held, _, _)| held).collect::<Vec<_>>()
    };
    assert_eq!(show(2), [vec![0, 2, 4, 6, 8], vec![1, 3, 5, 7, 9]]);
    assert_eq!(show(1), [(0..10).collect::<Vec<_>>()]);
    let three = show(3);
    assert!(three.iter().all(|held| (3..=4).contains(&held.len())), "{three:?}");
    let mut all = three.concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>());

    let mut fresh = buffer();
    fresh.open().unwrap();
    fresh.process_element(-1, 0).unwrap();
    assert_eq!(fresh.extract_output_values(), [(vec![], vec![], false)]);

    let mut none =
        OneInputStreamOperatorTestHarness::new(|numbers: DataStream<i64>| numbers.flat_map(|n, out| out.collect(n)));
    let error = none.initialize_state(&snapshot).unwrap_err().to_string();
    assert!(error.contains("holds state for a function that has none"), "{error}");
}
