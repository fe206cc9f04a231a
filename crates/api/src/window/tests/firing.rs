//! When windows fire: triggers, lateness, evictors.

use std::time::Duration;

use super::harness::{Harness, Row, late, listed, listing};
use crate::functions::{AggregateFunction, Collector, FnResult, RuntimeContext};
use crate::state::{MapState, MapStateDescriptor, ValueState, ValueStateDescriptor};
use crate::window::{
    Aggregating, ContinuousEventTimeTrigger, ContinuousProcessingTimeTrigger, CountEvictor, CountTrigger, DeltaTrigger,
    EventTimeTrigger, Evicts, GlobalWindow, GlobalWindows, Listing, Plain, ProcessWindowFunction,
    ProcessingTimeTrigger, PurgingTrigger, Reducing, SlidingEventTimeWindows, TimeEvictor, TimeWindow, Trigger,
    TriggerContext, TriggerResult, TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner,
    WindowContext, Windowing, With,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn windowing<A, Tr>(assigner: A, trigger: Tr) -> Windowing<Row, A, Tr> {
    Windowing { assigner, trigger, allowed_lateness: 0, late: None }
}

#[test]
fn a_late_firing_follows_each_record_that_comes_within_the_lateness() {
    // WindowOperatorTest.testLateness: windows of two seconds, half a second of lateness, purged when they fire.
    let trigger = PurgingTrigger::of(EventTimeTrigger);
    let assigner = TumblingEventTimeWindows::of(ms(2_000));
    let windowing = Windowing { assigner, trigger, allowed_lateness: 500, late: Some(late()) };
    let mut harness = Harness::of(windowing, listed::<TimeWindow>());
    harness.element(2, 1, 500);
    harness.watermark(1_500);
    harness.element(2, 2, 1_300);
    harness.watermark(2_300);
    assert_eq!(harness.timed_results(), [((2, 1_999, vec![1, 2]), Some(1_999))]);
    // Not late yet, and the rest of the window is gone.
    harness.element(2, 3, 1_997);
    assert_eq!(harness.results(), [(2, 1_999, vec![3])]);
    harness.watermark(6_000);
    harness.element(2, 4, 1_998);
    assert_eq!((harness.results(), harness.late()), (vec![], vec![((2, 4), Some(1_998))]));
    harness.watermark(7_000);
    assert_eq!((harness.results(), harness.keys(), harness.dropped()), (vec![], 0, 0));
}

#[test]
fn a_window_that_is_not_purged_fires_with_everything_again() {
    let mut harness = listing(TumblingEventTimeWindows::of(ms(100)), EventTimeTrigger, 50);
    harness.element(1, 1, 10);
    harness.watermark(99);
    assert_eq!(harness.results(), [(1, 99, vec![1])]);
    harness.restart();
    harness.elements(&[(1, 2, 20), (1, 3, 30)]);
    assert_eq!(harness.results(), [(1, 99, vec![1, 2]), (1, 99, vec![1, 2, 3])]);
    harness.watermark(148);
    harness.element(1, 4, 40);
    assert_eq!(harness.results(), [(1, 99, vec![1, 2, 3, 4])]);
    harness.watermark(149);
    harness.element(1, 5, 50);
    assert_eq!((harness.results(), harness.dropped(), harness.keys()), (vec![], 1, 0));
}

#[test]
fn a_record_is_late_only_where_no_window_takes_it() {
    let mut harness = listing(SlidingEventTimeWindows::of(ms(100), ms(50)), EventTimeTrigger, 0);
    harness.watermark(99);
    // The window until 100 has passed, that until 150 has not.
    harness.element(1, 1, 70);
    harness.element(1, 2, 40);
    harness.watermark(i64::MAX);
    assert_eq!((harness.results(), harness.dropped()), (vec![(1, 149, vec![1])], 1));

    // Between windows is nowhere; late is what the watermark has passed.
    let mut harness = listing(SlidingEventTimeWindows::of(ms(10), ms(100)), EventTimeTrigger, 0);
    harness.element(1, 1, 50);
    harness.watermark(60);
    harness.element(1, 2, 50);
    assert_eq!((harness.results(), harness.dropped(), harness.keys()), (vec![], 1, 0));
}

#[test]
fn sliding_windows_fire_one_after_another() {
    let mut harness = listing(SlidingEventTimeWindows::of(ms(3_000), ms(1_000)), EventTimeTrigger, 0);
    harness.elements(&[(2, 1, 3_999), (2, 2, 3_000), (1, 3, 20), (1, 4, 0), (1, 5, 999)]);
    harness.watermark(999);
    assert_eq!(harness.results(), [(1, 999, vec![3, 4, 5])]);
    harness.watermark(1_999);
    harness.restart();
    harness.watermark(2_999);
    assert_eq!(harness.results(), [(1, 1_999, vec![3, 4, 5]), (1, 2_999, vec![3, 4, 5])]);
    harness.watermark(7_999);
    let expected = [3_999, 4_999, 5_999].map(|time| (2, time, vec![1, 2]));
    assert_eq!((harness.results(), harness.keys()), (expected.to_vec(), 0));
}

#[test]
fn a_count_window_has_so_many_records_and_leaves_no_key_behind() {
    let mut harness = listing(GlobalWindows::create(), PurgingTrigger::of(CountTrigger::of(3)), 0);
    harness.elements(&[(1, 1, 0), (2, 1, 0), (1, 2, 0)]);
    harness.restart();
    harness.elements(&[(1, 3, 0), (1, 4, 0), (2, 2, 0)]);
    assert_eq!(harness.timed_results(), [((1, i64::MAX, vec![1, 2, 3]), Some(i64::MAX))]);
    assert_eq!(harness.keys(), 2);
    harness.elements(&[(2, 3, 0), (1, 5, 0), (1, 6, 0)]);
    assert_eq!(harness.results(), [(2, i64::MAX, vec![1, 2, 3]), (1, i64::MAX, vec![4, 5, 6])]);
    assert_eq!(harness.keys(), 0);
    harness.watermark(i64::MAX);
    assert_eq!(harness.results(), []);
}

#[test]
fn a_sliding_count_window_keeps_the_last_records() {
    // EvictingWindowOperatorTest.testCountTrigger: the last four of each key, with every second.
    let contents = With(CountEvictor::of(4)).around(listed::<GlobalWindow>());
    let mut harness = Harness::of(windowing(GlobalWindows::create(), CountTrigger::of(2)), contents);
    harness.elements(&[(2, 1, 10), (2, 2, 11), (2, 3, 12), (1, 1, 13), (1, 2, 14), (2, 4, 15)]);
    let end = i64::MAX;
    assert_eq!(harness.results(), [(2, end, vec![1, 2]), (1, end, vec![1, 2]), (2, end, vec![1, 2, 3, 4])]);
    harness.restart();
    harness.elements(&[(2, 5, 16), (2, 6, 17)]);
    assert_eq!(harness.results(), [(2, end, vec![3, 4, 5, 6])]);
}

#[test]
fn an_evictor_works_before_reductions_and_aggregates_too() {
    let global = || windowing(GlobalWindows::create(), CountTrigger::of(1));
    let evictor = || With(TimeEvictor::of(ms(10)));
    let sum = Reducing(|(key, a): Row, (_, b): Row| (key, a + b), Plain);
    let mut harness = Harness::of(global(), Evicts::<u8, Row, GlobalWindow>::around(evictor(), sum));
    harness.elements(&[(1, 1, 0), (1, 2, 5), (1, 4, 11), (1, 8, 9)]);
    assert_eq!(harness.results(), [(1, 1), (1, 3), (1, 6), (1, 14)]);

    let mut harness =
        Harness::of(global(), Evicts::<u8, Row, GlobalWindow>::around(evictor(), Aggregating(Sum, Plain)));
    harness.elements(&[(1, 1, 0), (1, 2, 5), (1, 4, 11)]);
    assert_eq!(harness.results(), [1, 3, 6]);

    // Out of what is gone after a firing nothing comes back.
    let contents = With(CountEvictor::of(1).after()).around(listed::<GlobalWindow>());
    let mut harness = Harness::of(global(), contents);
    harness.elements(&[(1, 1, 0), (1, 2, 0), (1, 3, 0)]);
    assert_eq!(harness.results().into_iter().map(|seen| seen.2).collect::<Vec<_>>(), [vec![1], vec![1, 2], vec![2, 3]]);
}

#[derive(Clone)]
struct Sum;

impl AggregateFunction for Sum {
    type In = Row;
    type Accumulator = i64;
    type Out = i64;

    fn create_accumulator(&self) -> i64 {
        0
    }

    fn add(&self, row: &Row, sum: &mut i64) {
        *sum += row.1;
    }

    fn get_result(&self, sum: &i64) -> i64 {
        *sum
    }

    fn merge(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[test]
fn a_continuous_trigger_fires_at_each_multiple_of_its_interval() {
    let trigger = ContinuousEventTimeTrigger::of(ms(30));
    let mut harness = listing(TumblingEventTimeWindows::of(ms(100)), trigger, 0);
    harness.element(1, 1, 40);
    harness.watermark(59);
    assert_eq!(harness.results(), []);
    harness.watermark(60);
    assert_eq!(harness.results(), [(1, 99, vec![1])]);
    harness.restart();
    harness.element(1, 2, 61);
    // At 90, and at the window's end, once.
    harness.watermark(200);
    assert_eq!(harness.results(), [(1, 99, vec![1, 2]), (1, 99, vec![1, 2])]);
    assert_eq!(harness.keys(), 0);

    let trigger = ContinuousProcessingTimeTrigger::of(ms(30));
    let mut harness = listing(GlobalWindows::create(), trigger, 0);
    harness.clock(40);
    harness.element(1, 1, 0);
    harness.clock(59);
    assert_eq!((harness.results(), harness.deadline()), (vec![], Some(60)));
    harness.clock(95);
    assert_eq!(harness.results().len(), 2);
    harness.restart();
    assert_eq!(harness.deadline(), Some(120));
}

#[test]
fn windows_by_the_clock_fire_when_it_has_passed_them() {
    let assigner = TumblingProcessingTimeWindows::of(ms(3_000));
    let mut harness = listing(assigner, ProcessingTimeTrigger, 0);
    harness.clock(3);
    harness.elements(&[(2, 1, i64::MAX), (2, 1, 7_000), (1, 1, 7_000)]);
    harness.watermark(i64::MAX);
    assert_eq!((harness.results(), harness.deadline()), (vec![], Some(2_999)));
    harness.clock(5_000);
    assert_eq!(harness.timed_results(), [((2, 2_999, vec![1, 1]), Some(2_999)), ((1, 2_999, vec![1]), Some(2_999))]);
    harness.element(1, 2, 7_000);
    harness.clock(7_000);
    assert_eq!((harness.results(), harness.keys()), (vec![(1, 5_999, vec![2])], 0));
}

#[test]
fn a_window_until_the_end_fires_at_the_end_of_input() {
    let assigner = GlobalWindows::create_with_end_of_stream_trigger();
    let trigger = WindowAssigner::<Row>::default_trigger(&assigner);
    let mut harness = listing(assigner, trigger, 0);
    harness.elements(&[(1, 1, 0), (1, 2, 0)]);
    harness.watermark(1_000_000);
    harness.restart();
    assert_eq!(harness.results(), []);
    harness.watermark(i64::MAX);
    assert_eq!(harness.results(), [(1, i64::MAX, vec![1, 2])]);
}

/// Fires when nothing has come for a while of event time: sets a timer with each record in place of the one before.
#[derive(Clone)]
struct Quiet(i64);

impl Trigger<Row, GlobalWindow> for Quiet {
    type State = Option<i64>;

    fn on_element(
        &mut self,
        _: &Row,
        timestamp: Option<i64>,
        _: &GlobalWindow,
        timer: &mut Option<i64>,
        context: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if let Some(timer) = timer.take() {
            context.delete_event_time_timer(timer);
        }
        let next = timestamp.unwrap() + self.0;
        context.register_event_time_timer(next);
        *timer = Some(next);
        TriggerResult::Continue
    }

    fn on_event_time(
        &mut self,
        _: i64,
        _: &GlobalWindow,
        timer: &mut Option<i64>,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        *timer = None;
        TriggerResult::FireAndPurge
    }
}

#[test]
fn a_trigger_of_ones_own_moves_its_timer() {
    let mut harness = listing(GlobalWindows::create(), Quiet(100), 0);
    for time in 0..50 {
        harness.element(1, time, time * 10);
        harness.watermark(time * 10);
    }
    harness.restart();
    harness.watermark(589);
    assert_eq!(harness.results(), []);
    harness.watermark(590);
    assert_eq!(harness.results(), [(1, i64::MAX, (0..50).collect())]);
    assert_eq!(harness.keys(), 0);
}

/// How often the key's windows have fired, and how often this one has.
#[derive(Clone, Default)]
struct Firings {
    all: ValueState<u64>,
    of_window: MapState<TimeWindow, u64>,
}

impl ProcessWindowFunction<Row, (u64, u64), u8, TimeWindow> for Firings {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.all = context.value_state(ValueStateDescriptor::new("all"))?;
        self.of_window = context.map_state(MapStateDescriptor::new("of window"))?;
        Ok(())
    }

    fn process(
        &mut self,
        _: &u8,
        context: &mut WindowContext<'_, TimeWindow>,
        elements: &[Row],
        out: &mut Collector<'_, (u64, u64)>,
    ) -> FnResult {
        let all = self.all.value_or_insert_with(context, || 0)?;
        *all += 1;
        let all = *all;
        let window = *context.window();
        let of_window = self.of_window.get(context, &window)?.copied().unwrap_or_default() + 1;
        self.of_window.put(context, window, of_window)?;
        out.collect((all, of_window));
        if elements.len() > 2 {
            context.output(&late(), elements[2]);
        }
        Ok(())
    }

    fn clear(&mut self, context: &mut WindowContext<'_, TimeWindow>) -> FnResult {
        let window = *context.window();
        self.of_window.remove(context, &window)?;
        if self.of_window.is_empty(context)? {
            self.all.clear(context)?;
        }
        Ok(())
    }
}

#[test]
fn a_function_keeps_state_of_its_key_and_of_each_window() {
    let assigner = TumblingEventTimeWindows::of(ms(100));
    let windowing = Windowing { assigner, trigger: EventTimeTrigger, allowed_lateness: 150, late: None };
    let mut harness = Harness::of(windowing, Listing::of(Firings::default()));
    harness.elements(&[(1, 1, 0), (1, 2, 100)]);
    harness.watermark(150);
    harness.element(1, 3, 1);
    harness.restart();
    harness.element(1, 4, 2);
    assert_eq!(harness.results(), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(harness.late(), [((1, 4), Some(99))]);
    harness.watermark(200);
    assert_eq!(harness.results(), [(4, 1)]);
    assert_eq!(harness.keys(), 1);
    harness.watermark(349);
    assert_eq!(harness.keys(), 0);
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn a_trigger_of_distances_fires_when_records_have_moved_away_from_the_last_it_fired_for() {
    let trigger = DeltaTrigger::of(10.0, |last: &Row, next: &Row| (next.1 - last.1) as f64);
    let mut harness = listing(GlobalWindows::create(), PurgingTrigger::of(trigger), 0);
    harness.elements(&[(1, 0, 0), (1, 10, 0), (2, 50, 0)]);
    assert_eq!(harness.results(), []);
    harness.restart();
    harness.elements(&[(1, 11, 0), (1, 21, 0)]);
    assert_eq!(harness.results(), [(1, i64::MAX, vec![0, 10, 11])]);
    harness.element(1, 22, 0);
    assert_eq!(harness.results(), [(1, i64::MAX, vec![21, 22])]);
}
