//! Watermarks: per split, over inputs, idle and at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun_connect::SplitId;
use riverrun_runtime::{JobGraph, JobSettings, MAX_WATERMARK, NodeSettings, OperatorContext, Stream};

use crate::kit::*;

/// Notes the watermarks of each subtask.
fn noting(graph: &mut JobGraph, stream: &Stream<Rows>, settings: NodeSettings) -> (Stream<Rows>, Arc<Mutex<Vec<i64>>>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let watermarks = Arc::clone(&noted);
    let stream = graph.operator(stream, settings, move |_: &OperatorContext| -> Made {
        let watermarks = Arc::clone(&watermarks);
        let watermark = Box::new(move |watermark, _: Out<'_>| {
            watermarks.lock().unwrap().push(watermark);
            Ok(())
        });
        Ok(Box::new(Closures { watermark, ..Closures::default() }))
    });
    (stream, noted)
}

/// A split that gives its batches, says nothing while `pause` holds (before the batch of index `at`), and then goes on.
fn pausing(
    name: &str,
    batches: Vec<Rows>,
    at: usize,
    pause: &Arc<AtomicBool>,
) -> (SplitId, Arc<dyn Fn() -> Script + Send + Sync>) {
    let pause = Arc::clone(pause);
    split(name, move || {
        let (batches, pause, mut next) = (batches.clone(), Arc::clone(&pause), 0);
        Box::new(move |_| {
            if next == at && pause.load(Ordering::SeqCst) {
                return Ok(Step::Nothing);
            }
            next += 1;
            Ok(batches.get(next - 1).cloned().map_or(Step::Finished, Step::Rows))
        })
    })
}

#[test]
fn splits_read_at_different_speeds_drop_nothing() {
    for (parallelism, keyed) in [(1, 1), (2, 2), (2, 3)] {
        let (mut graph, name) = graph(JobSettings { queue_capacity: 2, ..parallel(parallelism) });
        // Three splits of the same times, of which one gives a hundred rows at a time, one ten, and one a row now and
        // then.
        let split_of = |name: &str, step: u64, rest: u64| {
            split(name, move || {
                let (mut next, mut asked) = (0, 0);
                Box::new(move |_| {
                    asked += 1;
                    if asked % (rest + 1) != 0 {
                        return Ok(Step::Nothing);
                    }
                    next += step;
                    Ok(if next > 1000 { Step::Finished } else { Step::Rows(rows(next % 7, next - step..next)) })
                })
            })
        };
        let source = Scripted::new(vec![split_of("fast", 100, 0), split_of("slow", 10, 0), split_of("slowest", 4, 1)]);
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        let stream = graph.exchange(&stream, by_key(128));
        let stream = graph.operator(&stream, NodeSettings::named(name.of("windows")).parallelism(keyed), windows(50));
        let sink = Collect::default();
        graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
        let metrics = graph.start().unwrap().wait().unwrap().metrics;
        let late: u64 = metrics
            .operators(&name.of("windows"))
            .flat_map(|operator| &operator.counters)
            .map(|(_, count)| *count)
            .sum();
        assert_eq!(late, 0);
        assert_eq!(sink.rows().iter().map(|row| row.value).sum::<u64>(), 3000);
    }
}

#[test]
fn the_watermark_is_the_smallest_of_the_splits_and_an_ended_split_no_longer_counts() {
    let (mut graph, name) = graph(parallel(1));
    let pause = Arc::new(AtomicBool::new(true));
    let slow = pausing("slow", vec![rows(1, 0..10), rows(1, 10..20), rows(1, 20..30)], 1, &pause);
    let source = Scripted::new(vec![slow, batches("fast", vec![rows(1, 0..100), rows(1, 100..500)])]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let (stream, noted) = noting(&mut graph, &stream, NodeSettings::named("noting"));
    let sink = Collect::default();
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    eventually("the fast split is read", || sink.count() == 510);
    assert_eq!(*noted.lock().unwrap(), [9]);
    pause.store(false, Ordering::SeqCst);
    job.wait().unwrap();
    assert_eq!(*noted.lock().unwrap(), [9, 19, 29, MAX_WATERMARK]);
}

#[test]
fn an_idle_split_holds_nobody_back_until_it_goes_on() {
    let (mut graph, name) = graph(parallel(1));
    let (sleep, hold) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let quiet = pausing("quiet", vec![rows(1, 0..10), rows(1, 150..160)], 1, &sleep);
    let lively = pausing("lively", vec![rows(2, 0..100), rows(2, 100..200)], 2, &hold);
    let source = Scripted::new(vec![quiet, lively]);
    let stream = graph.source(
        NodeSettings::named(name.of("source")),
        source.boxed(),
        Some(Duration::from_millis(10)),
        row_time(),
    );
    // Behind an exchange, so that idleness goes through a gate too.
    let (stream, noted) = noting(&mut graph, &stream, NodeSettings::named(name.of("noting")).new_chain());
    graph.sink(&stream, NodeSettings::named("sink"), Collect::default().boxed());
    let job = graph.start().unwrap();
    eventually("the quiet split is idle", || noted.lock().unwrap().last() == Some(&199));
    assert_eq!(*noted.lock().unwrap(), [9, 199]);
    sleep.store(false, Ordering::SeqCst);
    hold.store(false, Ordering::SeqCst);
    job.wait().unwrap();
    assert_eq!(noted.lock().unwrap().last(), Some(&MAX_WATERMARK));
    assert!(noted.lock().unwrap().is_sorted());
}

#[test]
fn a_reader_without_a_split_and_an_idle_source_hold_no_union_back() {
    let (mut graph, name) = graph(parallel(1));
    let hold = Arc::new(AtomicBool::new(true));
    // Two readers, one split, and more may come.
    let lively = Scripted::new(vec![pausing("lively", vec![rows(1, 0..50)], 1, &hold)])
        .discoveries(|| Ok(found(&["lively"], Some(Duration::from_secs(600)))));
    let quiet = Scripted::new(vec![pausing("quiet", vec![], 0, &hold)]);
    let lively = graph.source(NodeSettings::named(name.of("lively")).parallelism(2), lively.boxed(), None, row_time());
    let quiet =
        graph.source(NodeSettings::named(name.of("quiet")), quiet.boxed(), Some(Duration::from_millis(5)), row_time());
    let union = graph.union(vec![lively, quiet]);
    let (stream, noted) = noting(&mut graph, &union, NodeSettings::named(name.of("noting")));
    graph.sink(&stream, NodeSettings::named("sink"), Collect::default().boxed());
    let job = graph.start().unwrap();
    eventually("event time goes on", || *noted.lock().unwrap() == [49]);
    job.stop();
    job.wait().unwrap();
    assert_eq!(*noted.lock().unwrap(), [49], "a stop does not end event time");
}

#[test]
fn a_union_waits_for_its_slower_input() {
    let (mut graph, name) = graph(parallel(1));
    let pause = Arc::new(AtomicBool::new(true));
    let slow = Scripted::new(vec![pausing("slow", vec![rows(1, 0..10), rows(1, 10..90)], 1, &pause)]);
    let fast = Scripted::new(vec![batches("fast", vec![rows(2, 0..100)])]);
    let slow = graph.source(NodeSettings::named(name.of("slow")), slow.boxed(), None, row_time());
    let fast = graph.source(NodeSettings::named(name.of("fast")), fast.boxed(), None, row_time());
    let union = graph.union(vec![slow, fast]);
    let (stream, noted) = noting(&mut graph, &union, NodeSettings::named(name.of("noting")));
    let sink = Collect::default();
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    eventually("the first rows arrive", || sink.count() == 110 && !noted.lock().unwrap().is_empty());
    assert_eq!(*noted.lock().unwrap(), [9]);
    pause.store(false, Ordering::SeqCst);
    job.wait().unwrap();
    // The gate may have replaced 89 by the end before anyone read it.
    assert!([vec![9, 89, MAX_WATERMARK], vec![9, MAX_WATERMARK]].contains(&noted.lock().unwrap()));
}

#[test]
fn time_spent_backpressured_makes_no_split_idle() {
    let (mut graph, name) = graph(JobSettings { queue_capacity: 1, ..parallel(1) });
    let first = split("first", || {
        let mut next = 0;
        Box::new(move |_| {
            next += 1;
            Ok(if next > 6 { Step::Finished } else { Step::Rows(rows(1, next * 10..next * 10 + 10)) })
        })
    });
    let second =
        batches("second", vec![rows(2, 0..3), rows(2, 5..9), rows(2, 10..30), rows(2, 30..50), rows(2, 50..80)]);
    let source = Scripted::new(vec![first, second]);
    let stream = graph.source(
        NodeSettings::named(name.of("source")),
        source.boxed(),
        Some(Duration::from_millis(25)),
        row_time(),
    );
    // Each batch takes longer than the idle timeout; both splits have rows all the time.
    let slow =
        map(|context: &OperatorContext, rows| context.cancellation.sleep(Duration::from_millis(30)).map(|()| rows));
    let stream = graph.operator(&stream, NodeSettings::named(name.of("slow")).new_chain(), slow);
    let stream = graph.operator(&stream, NodeSettings::named("windows"), windows(5));
    graph.sink(&stream, NodeSettings::named("sink"), Collect::default().boxed());
    let metrics = graph.start().unwrap().wait().unwrap().metrics;
    let late: Vec<u64> =
        metrics.operators("windows").flat_map(|operator| &operator.counters).map(|(_, count)| *count).collect();
    assert_eq!(late, [0]);
}

#[test]
fn a_split_that_waits_for_its_turn_is_not_idle() {
    let (mut graph, name) = graph(parallel(1));
    let all =
        |name: &str, step: u64| batches(name, (0..120 / step).map(|n| rows(1, n * step..(n + 1) * step)).collect());
    let source = Scripted::new(vec![all("quick", 40), all("steady", 10), all("slow", 5)]);
    let timeout = Some(Duration::from_millis(2));
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), timeout, row_time());
    // In the source's own thread, so that the reader is asked only every few milliseconds.
    let slow =
        map(|context: &OperatorContext, rows| context.cancellation.sleep(Duration::from_millis(5)).map(|()| rows));
    let stream = graph.operator(&stream, NodeSettings::named("slow"), slow);
    let stream = graph.operator(&stream, NodeSettings::named("windows"), windows(5));
    let sink = Collect::default();
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    graph.start().unwrap().wait().unwrap();
    assert_eq!(sink.rows().iter().map(|row| row.value).sum::<u64>(), 360, "no row was late");
}

#[test]
fn when_a_job_is_stopped_event_time_stands_still_whichever_source_ends_first() {
    let (mut graph, name) = graph(parallel(1));
    let hold = Arc::new(AtomicBool::new(true));
    let behind = Scripted::new(vec![pausing("behind", vec![rows(1, 0..10)], 1, &hold)]);
    // It looks into its mailbox late.
    let ahead = Scripted::new(vec![split("ahead", || {
        let mut given = false;
        Box::new(move |context| {
            if std::mem::replace(&mut given, true) {
                context.cancellation.sleep(Duration::from_millis(40))?;
                return Ok(Step::Nothing);
            }
            Ok(Step::Rows(rows(2, 0..500)))
        })
    })]);
    let behind = graph.source(NodeSettings::named(name.of("behind")), behind.boxed(), None, row_time());
    let ahead = graph.source(NodeSettings::named(name.of("ahead")), ahead.boxed(), None, row_time());
    let union = graph.union(vec![behind, ahead]);
    let (stream, noted) = noting(&mut graph, &union, NodeSettings::named(name.of("noting")));
    let sink = Collect::default();
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    eventually("all rows arrive", || sink.count() == 510 && !noted.lock().unwrap().is_empty());
    job.stop();
    job.wait().unwrap();
    assert_eq!(*noted.lock().unwrap(), [9]);
}

#[test]
fn a_pause_shorter_than_the_timeout_makes_no_split_idle() {
    let (mut graph, name) = graph(parallel(1));
    let hold = Arc::new(AtomicBool::new(true));
    let quiet = split("quiet", || {
        let mut asked = 0;
        Box::new(move |_| {
            asked += 1;
            Ok(match asked {
                1 => Step::Rows(rows(1, 0..10)),
                300 => Step::Rows(rows(1, 10..20)),
                301 => Step::Finished,
                _ => Step::Nothing,
            })
        })
    });
    let source = Scripted::new(vec![quiet, pausing("lively", vec![rows(2, 0..500)], 1, &hold)]);
    let timeout = Some(Duration::from_secs(8));
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), timeout, row_time());
    let (stream, noted) = noting(&mut graph, &stream, NodeSettings::named("noting"));
    let sink = Collect::default();
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    // Only then may the lively split end: with both at their end at once, the largest watermark would come right away.
    eventually("the quiet split has ended", || noted.lock().unwrap().last() == Some(&499));
    assert_eq!(sink.count(), 520);
    hold.store(false, Ordering::SeqCst);
    job.wait().unwrap();
    assert_eq!(*noted.lock().unwrap(), [9, 19, 499, MAX_WATERMARK]);
}
