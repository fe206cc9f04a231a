//! Sessions, as the tests of Flink's `WindowOperator` have them.

use std::time::Duration;

use super::harness::{Harness, Row, Seen, late, listed, listing};
use crate::window::{
    ContinuousEventTimeTrigger, CountTrigger, DynamicEventTimeSessionWindows, EventTimeSessionWindows,
    EventTimeTrigger, ProcessingTimeSessionWindows, ProcessingTimeTrigger, PurgingTrigger, TimeWindow, Windowing,
};

fn gap(millis: u64) -> EventTimeSessionWindows {
    EventTimeSessionWindows::with_gap(Duration::from_millis(millis))
}

fn sorted(mut seen: Vec<Seen>) -> Vec<Seen> {
    seen.sort();
    seen
}

#[test]
fn sessions_merge_also_when_the_operator_was_restored_between() {
    let mut harness = listing(gap(3_000), EventTimeTrigger, 0);
    harness.elements(&[(2, 1, 0), (2, 2, 1_000), (2, 3, 2_500), (1, 1, 10), (1, 2, 1_000)]);
    harness.restart();
    harness.elements(&[(1, 3, 2_500), (2, 4, 5_501), (2, 5, 6_000), (2, 5, 6_000), (2, 6, 6_050)]);
    harness.watermark(12_000);
    let expected = [(1, 5_499, vec![1, 2, 3]), (2, 5_499, vec![1, 2, 3]), (2, 9_049, vec![4, 5, 5, 6])];
    assert_eq!(sorted(harness.results()), expected);
    harness.elements(&[(2, 10, 15_000), (2, 20, 15_000)]);
    harness.watermark(17_999);
    assert_eq!(harness.timed_results(), [((2, 17_999, vec![10, 20]), Some(17_999))]);
    assert_eq!(harness.keys(), 0);
}

#[test]
fn a_trigger_that_counts_counts_over_sessions_that_merge() {
    let mut harness = listing(gap(3_000), PurgingTrigger::of(CountTrigger::of(4)), 0);
    harness.elements(&[(2, 1, 0), (2, 2, 1_000), (2, 3, 2_500), (2, 4, 3_500), (1, 1, 10), (1, 2, 1_000)]);
    harness.restart();
    assert_eq!(harness.results(), [(2, 6_499, vec![1, 2, 3, 4])]);
    harness.element(1, 3, 2_500);
    harness.elements(&[(1, 1, 6_000), (1, 2, 6_500), (1, 3, 7_000)]);
    assert_eq!(harness.results(), []);
    // Three and three, and the one that makes them one session.
    harness.element(1, 10, 4_500);
    assert_eq!(harness.results(), [(1, 9_999, vec![1, 2, 3, 1, 2, 3, 10])]);
    harness.watermark(20_000);
    assert_eq!((harness.results(), harness.keys()), (vec![], 0));
}

#[test]
fn a_late_record_lets_its_session_fire_again_while_that_is_kept() {
    let mut harness = listing(gap(100), EventTimeTrigger, 1_000);
    harness.elements(&[(1, 1, 0), (1, 2, 50)]);
    harness.watermark(149);
    assert_eq!(harness.results(), [(1, 149, vec![1, 2])]);
    // Within it: at once. Behind it: when the longer session ends.
    harness.element(1, 3, 20);
    assert_eq!(harness.results(), [(1, 149, vec![1, 2, 3])]);
    harness.element(1, 4, 100);
    assert_eq!(harness.results(), []);
    harness.restart();
    harness.watermark(199);
    assert_eq!(harness.results(), [(1, 199, vec![1, 2, 3, 4])]);
    // What the watermark has passed by less than the lateness is a session of its own.
    harness.watermark(1_198);
    harness.element(1, 5, 301);
    assert_eq!(harness.results(), [(1, 400, vec![5])]);
    harness.watermark(1_199);
    // The first is gone, and the one before can be joined yet.
    harness.element(1, 6, 99);
    assert_eq!((harness.results(), harness.dropped()), (vec![], 1));
    harness.element(1, 7, 250);
    assert_eq!(harness.results(), [(1, 400, vec![5, 7])]);
    harness.watermark(1_400);
    assert_eq!((harness.results(), harness.keys()), (vec![], 0));
}

#[test]
fn a_record_that_is_late_itself_joins_a_session_that_is_not() {
    let windowing =
        Windowing { assigner: gap(100), trigger: EventTimeTrigger, allowed_lateness: 0, late: Some(late()) };
    let mut harness = Harness::of(windowing, listed::<TimeWindow>());
    harness.element(1, 1, 200);
    harness.watermark(250);
    // Its own session would have ended at 250, but it touches one that goes on.
    harness.element(1, 2, 149);
    harness.element(1, 3, 40);
    assert_eq!(harness.late(), [((1, 3), Some(40))]);
    harness.watermark(299);
    assert_eq!(harness.results(), [(1, 299, vec![1, 2])]);
    assert_eq!((harness.dropped(), harness.keys()), (0, 0));
}

#[test]
fn each_record_says_its_own_gap() {
    let sessions: DynamicEventTimeSessionWindows<_> =
        EventTimeSessionWindows::with_dynamic_gap(|row: &Row| Duration::from_millis(row.1.unsigned_abs()));
    let mut harness = listing(sessions, EventTimeTrigger, 0);
    // A short one within a long one does not end it.
    harness.elements(&[(1, 1_000, 0), (1, 10, 500), (1, 300, 900), (2, 5, 0), (2, 5, 6)]);
    harness.watermark(5_000);
    assert_eq!(sorted(harness.results()), [(1, 1_199, vec![1_000, 10, 300]), (2, 4, vec![5]), (2, 10, vec![5])]);
}

#[test]
fn a_continuous_trigger_goes_on_over_sessions_that_merge() {
    let mut harness = listing(gap(50), ContinuousEventTimeTrigger::of(Duration::from_millis(40)), 0);
    harness.elements(&[(1, 1, 10), (1, 2, 90)]);
    harness.watermark(39);
    assert_eq!(harness.results(), []);
    harness.watermark(40);
    assert_eq!(harness.results(), [(1, 59, vec![1])]);
    // One session from 10 to 140, which fires at 59 and not 80: the earlier of both.
    harness.element(1, 3, 55);
    harness.watermark(60);
    assert_eq!(harness.results(), [(1, 139, vec![1, 2, 3])]);
    harness.watermark(98);
    assert_eq!(harness.results(), []);
    harness.watermark(200);
    assert_eq!(harness.results(), [(1, 139, vec![1, 2, 3]), (1, 139, vec![1, 2, 3])]);
    assert_eq!(harness.keys(), 0);
}

#[test]
fn sessions_by_the_clock_end_when_nothing_has_come_for_the_gap() {
    let sessions = ProcessingTimeSessionWindows::with_gap(Duration::from_millis(100));
    let mut harness = listing(sessions, ProcessingTimeTrigger, 0);
    for (value, time) in [(1, 1_000), (2, 1_050), (3, 1_120)] {
        harness.clock(time);
        harness.element(1, value, 0);
    }
    harness.clock(1_218);
    assert_eq!(harness.results(), []);
    harness.restart();
    harness.clock(1_219);
    assert_eq!(harness.results(), [(1, 1_219, vec![1, 2, 3])]);
    assert_eq!((harness.deadline(), harness.keys()), (None, 0));
}
