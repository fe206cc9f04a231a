#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::window::TimeWindow;

fn assigned<A: WindowAssigner<u64, Window = TimeWindow>>(
    assigner: &A,
    timestamp: Option<i64>,
    now: i64,
) -> Vec<(i64, i64)> {
    let mut windows = Vec::new();
    assigner.clone().assign_windows(&7, &AssignerContext::new(timestamp, now), &mut windows).unwrap();
    windows.iter().map(|window| (window.start(), window.end())).collect()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn tumbling_windows_are_those_of_flink() {
    let windows = TumblingEventTimeWindows::of(ms(5_000));
    for (time, start) in [(0, 0), (4_999, 0), (5_000, 5_000), (-1, -5_000)] {
        assert_eq!(assigned(&windows, Some(time), 99), [(start, start + 5_000)]);
    }
    let shifted = TumblingEventTimeWindows::of(ms(5_000)).with_offset(ms(100));
    for (time, start) in [(100, 100), (5_099, 100), (5_100, 5_100), (0, -4_900)] {
        assert_eq!(assigned(&shifted, Some(time), 99), [(start, start + 5_000)]);
    }
    let by_clock = TumblingProcessingTimeWindows::of(ms(5_000)).with_offset(ms(100));
    assert_eq!(assigned(&by_clock, Some(0), 5_100), [(5_100, 10_100)]);
}

#[test]
fn a_tumbling_assigner_that_remembers_its_last_window_answers_as_a_new_one() {
    let mut windows = TumblingEventTimeWindows::of(ms(7)).with_offset(ms(3));
    for step in 0..10_000i64 {
        let time = step * 7_919 % 501 - 250;
        let mut seen = Vec::new();
        WindowAssigner::<u64>::assign_windows(&mut windows, &7, &AssignerContext::new(Some(time), 0), &mut seen)
            .unwrap();
        let start = TimeWindow::start_with_offset(time, 3, 7);
        assert_eq!(seen, [TimeWindow::new(start, start + 7)]);
    }
}

#[test]
fn sliding_windows_overlap_or_leave_gaps() {
    let windows = SlidingEventTimeWindows::of(ms(5_000), ms(1_000));
    let expected = [(0, 5_000), (-1_000, 4_000), (-2_000, 3_000), (-3_000, 2_000), (-4_000, 1_000)];
    assert_eq!(assigned(&windows, Some(0), 99), expected);
    assert_eq!(assigned(&windows, Some(4_999), 99)[0], (4_000, 9_000));
    let shifted = SlidingEventTimeWindows::of(ms(2_000), ms(1_000)).with_offset(ms(500));
    assert_eq!(assigned(&shifted, Some(1_000), 99), [(500, 2_500), (-500, 1_500)]);
    let gaps = SlidingEventTimeWindows::of(ms(300), ms(1_000));
    assert_eq!([assigned(&gaps, Some(299), 9), assigned(&gaps, Some(300), 9)], [vec![(0, 300)], vec![]]);
    let by_clock = SlidingProcessingTimeWindows::of(ms(2_000), ms(1_000));
    assert_eq!(assigned(&by_clock, None, 1_500), [(1_000, 3_000), (0, 2_000)]);
}

#[test]
fn sessions_last_for_the_gap_that_is_fixed_or_said_by_the_record() {
    assert_eq!(assigned(&EventTimeSessionWindows::with_gap(ms(5)), Some(1), 99), [(1, 6)]);
    assert_eq!(assigned(&ProcessingTimeSessionWindows::with_gap(ms(5)), Some(1), 99), [(99, 104)]);
    let dynamic = EventTimeSessionWindows::with_dynamic_gap(|value: &u64| ms(*value));
    assert_eq!(assigned(&dynamic, Some(1), 99), [(1, 8)]);
    let dynamic = ProcessingTimeSessionWindows::with_dynamic_gap(|value: &u64| ms(*value));
    assert_eq!(assigned(&dynamic, Some(1), 99), [(99, 106)]);
    let mut none = EventTimeSessionWindows::with_dynamic_gap(|_: &u64| ms(0));
    assert!(none.assign_windows(&7, &AssignerContext::new(Some(1), 0), &mut Vec::new()).is_err());
}

#[test]
fn an_assigner_that_cannot_work_and_a_record_without_time_are_refused() {
    let check = |assigner: &dyn Fn() -> Result<()>| assigner().unwrap_err().to_string();
    let message = check(&|| WindowAssigner::<u64>::check(&TumblingEventTimeWindows::of(ms(0))));
    assert!(message.contains("the size of a window"), "{message}");
    let message = check(&|| WindowAssigner::<u64>::check(&TumblingEventTimeWindows::of(ms(5)).with_offset(ms(5))));
    assert!(message.contains("offset"), "{message}");
    check(&|| WindowAssigner::<u64>::check(&SlidingEventTimeWindows::of(ms(5), ms(0))));
    check(&|| WindowAssigner::<u64>::check(&EventTimeSessionWindows::with_gap(ms(0))));
    for timestamp in [None, Some(i64::MIN)] {
        let message = check(&|| AssignerContext::new(timestamp, 0).event_time().map(drop));
        assert!(message.contains("without event time"), "{message}");
    }
}
