//! How jobs are built, run and end.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun_connect::Flush;
use riverrun_runtime::{AttemptEvent, CheckpointId, Exchange, JobSettings, JobStatus, MAX_WATERMARK, NodeSettings};

use crate::kit::*;

#[test]
fn a_bounded_job_delivers_every_row_in_order_and_finishes() {
    let (mut graph, name) = graph(parallel(1));
    let sink = Collect::default();
    let source = Scripted::new(vec![batches("a", vec![rows(1, 0..5), rows(1, 5..9)])]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let stream = graph.operator(&stream, NodeSettings::named(name.of("calc")), pass());
    graph.sink(&stream, NodeSettings::named(name.of("sink")), sink.boxed());
    let summary = graph.start().unwrap().wait().unwrap();
    assert_eq!(summary.status, JobStatus::Finished);
    assert_eq!(sink.rows(), rows(1, 0..9).0);
    assert_eq!(sink.flushes(), [Flush::End]);
    name.assert_no_threads();
}

#[test]
fn a_graph_without_nodes_is_finished_at_once() {
    let (graph, _) = graph(parallel(1));
    assert_eq!(graph.start().unwrap().wait().unwrap().status, JobStatus::Finished);
}

#[test]
fn a_forwarded_chain_runs_in_one_thread_and_a_new_chain_in_another() {
    for (settings, expected) in [(parallel(1), 2), (JobSettings { operator_chaining: false, ..parallel(1) }, 4)] {
        let (mut graph, name) = graph(settings);
        let threads = Arc::new(Mutex::new(BTreeSet::new()));
        let note = |threads: &Arc<Mutex<BTreeSet<String>>>| {
            let threads = Arc::clone(threads);
            map(move |_, rows| {
                threads.lock().unwrap().insert(std::thread::current().name().unwrap().to_owned());
                Ok(rows)
            })
        };
        let source = Scripted::new(vec![batches("a", vec![rows(1, 0..5)])]);
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        let stream = graph.operator(&stream, NodeSettings::named("one"), note(&threads));
        let stream = graph.operator(&stream, NodeSettings::named(name.of("two")).new_chain(), note(&threads));
        graph.sink(&stream, NodeSettings::named("sink"), Collect::default().boxed());
        let summary = graph.start().unwrap().wait().unwrap();
        assert_eq!(summary.metrics.tasks.len(), expected);
        let threads: Vec<String> = threads.lock().unwrap().iter().cloned().collect();
        if expected == 2 {
            assert_eq!(
                threads,
                [format!("{} -> one (1/1)", name.of("source")), format!("{} -> sink (1/1)", name.of("two"))]
            );
        } else {
            assert_eq!(threads.len(), 2);
        }
    }
}

#[test]
fn a_stream_feeds_several_consumers_and_a_union_takes_from_several() {
    let (mut graph, name) = graph(parallel(2));
    let (left, right, both) = (Collect::default(), Collect::default(), Collect::default());
    let source = Scripted::new(vec![batches("a", vec![rows(1, 0..50)]), batches("b", vec![rows(2, 50..80)])]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let odd = map(|_, rows: Rows| Ok(Rows(rows.0.into_iter().filter(|row| row.value % 2 == 1).collect())));
    let filtered = graph.operator(&stream, NodeSettings::named("odd"), odd);
    graph.sink(&stream, NodeSettings::named("left"), left.boxed());
    graph.sink(&filtered, NodeSettings::named("right"), right.boxed());
    let union = graph.union(vec![stream.clone(), filtered, stream]);
    graph.sink(&union, NodeSettings::named(name.of("both")).parallelism(1), both.boxed());
    let summary = graph.start().unwrap().wait().unwrap();
    assert_eq!(summary.metrics.tasks[0].name, format!("{} -> (odd -> right, left)", name.of("source")));
    let all = counted(rows(1, 0..50).0.into_iter().chain(rows(2, 50..80).0));
    assert_eq!(counted(left.rows()), all);
    assert!(right.rows().iter().all(|row| row.value % 2 == 1) && right.rows().len() == 40);
    let expected = all.keys().map(|row| (*row, if row.value % 2 == 1 { 3 } else { 2 })).collect();
    assert_eq!(counted(both.rows()), expected);
    name.assert_no_threads();
}

#[test]
fn parallelism_comes_from_the_node_then_the_connector_then_the_input_then_the_job() {
    let (mut graph, name) = graph(parallel(3));
    let empty = || Scripted::new(vec![]);
    let own = graph.source(NodeSettings::named(name.of("own")), empty().parallelism(2).boxed(), None, row_time());
    let jobs = graph.source(NodeSettings::named(name.of("jobs")), empty().boxed(), None, row_time());
    let inherits = graph.operator(&own, NodeSettings::named("inherits"), pass());
    let keyed = graph.exchange(&inherits, by_key(128));
    let keyed = graph.operator(&keyed, NodeSettings::named(name.of("keyed")), pass());
    let union = graph.union(vec![keyed, jobs]);
    let union = graph.operator(&union, NodeSettings::named(name.of("union")), pass());
    let mut sink = Collect::default();
    sink.parallelism = Some(4);
    graph.sink(&union, NodeSettings::named(name.of("sink")), sink.boxed());
    let metrics = graph.start().unwrap().wait().unwrap().metrics;
    let parallelism = |operator: &str| metrics.operators(operator).count();
    assert_eq!(["inherits", &name.of("keyed"), &name.of("union"), &name.of("sink")].map(parallelism), [2, 3, 3, 4]);
}

#[test]
fn a_wrong_graph_is_refused_before_anything_runs() {
    let refused = |settings: JobSettings, build: fn(&mut riverrun_runtime::JobGraph, &Name)| {
        let (mut graph, name) = graph(settings);
        build(&mut graph, &name);
        let error = graph.start().err().expect("a wrong graph").to_string();
        name.assert_no_threads();
        error
    };
    let error = refused(parallel(1), |graph, name| {
        let stream =
            graph.source(NodeSettings::named(name.of("source")), Scripted::new(vec![]).boxed(), None, row_time());
        let stream = graph.exchange(&stream, Exchange::Forward);
        graph.sink(&stream, NodeSettings::named("sink").parallelism(2), Collect::default().boxed());
    });
    assert!(error.contains("with parallelism 1 cannot forward to 'sink' with parallelism 2"), "{error}");
    let error = refused(parallel(1), |graph, name| {
        let settings = NodeSettings::named(name.of("source")).uid("x");
        let stream = graph.source(settings, Scripted::new(vec![]).boxed(), None, row_time());
        graph.sink(&stream, NodeSettings::named("sink").uid("x"), Collect::default().boxed());
    });
    assert!(error.contains("two operators have the uid 'x'"), "{error}");
    let error = refused(parallel(1), |graph, _| {
        let nothing = graph.union(vec![]);
        graph.sink(&nothing, NodeSettings::named("sink"), Collect::default().boxed());
    });
    assert!(error.contains("'sink' has no input"), "{error}");
    let error = refused(parallel(1), |graph, name| {
        graph.source(
            NodeSettings::named(name.of("source")).parallelism(129),
            Scripted::new(vec![]).boxed(),
            None,
            row_time(),
        );
    });
    assert!(error.contains("is 129, not between 1 and the maximum parallelism, 128"), "{error}");
    assert!(refused(parallel(0), |_, _| {}).contains("the parallelism of the job is 0"));
    assert!(
        refused(JobSettings { max_parallelism: 40_000, ..parallel(1) }, |_, _| {})
            .contains("the maximum parallelism is 40000")
    );
}

/// An unbounded job of two tasks: what the source's task sent, what the sink saw, and the last watermark.
fn unbounded(
    name: &Name,
    graph: &mut riverrun_runtime::JobGraph,
    sink: &Collect,
) -> (Arc<AtomicU64>, Arc<Mutex<Vec<i64>>>) {
    let (sent, watermarks) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let source = Scripted::new(vec![endless("a", 100, 7), endless("b", 10, 7)]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let count = {
        let sent = Arc::clone(&sent);
        map(move |_, rows: Rows| {
            sent.fetch_add(rows.0.len() as u64, Ordering::SeqCst);
            Ok(rows)
        })
    };
    let stream = graph.operator(&stream, NodeSettings::named("count"), count);
    let stream = graph.exchange(&stream, by_key(128));
    let note = {
        let watermarks = Arc::clone(&watermarks);
        move |_: &riverrun_runtime::OperatorContext| -> Made {
            let watermarks = Arc::clone(&watermarks);
            let watermark = Box::new(move |watermark, _: Out<'_>| {
                watermarks.lock().unwrap().push(watermark);
                Ok(())
            });
            Ok(Box::new(Closures { watermark, ..Closures::default() }))
        }
    };
    let stream = graph.operator(&stream, NodeSettings::named(name.of("keyed")), note);
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    (sent, watermarks)
}

#[test]
fn a_stop_lets_everything_read_flow_out_flushes_and_fires_no_open_window() {
    let (mut graph, name) = graph(parallel(2));
    let sink = Collect::default();
    let (sent, watermarks) = unbounded(&name, &mut graph, &sink);
    let job = graph.start().unwrap();
    eventually("rows arrive", || sink.count() > 2000);
    job.stop();
    let summary = job.wait().unwrap();
    assert_eq!(summary.status, JobStatus::Finished);
    assert_eq!(sink.count() as u64, sent.load(Ordering::SeqCst));
    assert_eq!(sink.flushes(), [Flush::End, Flush::End]);
    assert!(!watermarks.lock().unwrap().contains(&MAX_WATERMARK));
    name.assert_no_threads();
}

#[test]
fn a_cancel_ends_at_once_and_flushes_nothing() {
    let (mut graph, name) = graph(parallel(2));
    let sink = Collect::acting(|context, _| context.cancellation.sleep(Duration::from_millis(5)));
    unbounded(&name, &mut graph, &sink);
    let job = graph.start_attempt().unwrap();
    eventually("rows arrive", || sink.count() > 0);
    let control = job.control();
    control.cancel();
    let summary = job.wait().unwrap();
    assert_eq!((summary.status, control.status()), (JobStatus::Canceled, JobStatus::Canceled));
    assert_eq!(sink.flushes(), []);
    assert!(control.trigger_barrier(CheckpointId(1)).unwrap_err().to_string().contains("CANCELED"));
    name.assert_no_threads();
}

#[test]
fn a_cancel_after_a_stop_does_not_wait_for_a_slow_sink() {
    let (mut graph, name) = graph(parallel(1));
    let sink = Collect::acting(|context, _| context.cancellation.sleep(Duration::from_secs(600)));
    unbounded(&name, &mut graph, &sink);
    let job = graph.start().unwrap();
    eventually("the source waits for the sink", || {
        job.metrics().tasks.first().is_some_and(|task| !task.backpressured.is_zero())
    });
    job.stop();
    eventually("the stop is heard", || job.status() == JobStatus::Finishing);
    job.cancel();
    assert_eq!(job.wait().unwrap().status, JobStatus::Canceled);
    name.assert_no_threads();
}

#[test]
fn a_dropped_handle_leaves_no_thread() {
    let (mut graph, name) = graph(parallel(2));
    let sink = Collect::default();
    unbounded(&name, &mut graph, &sink);
    let job = graph.start().unwrap();
    eventually("rows arrive", || sink.count() > 0);
    assert!(!name.threads().is_empty());
    drop(job);
    name.assert_no_threads();
}

#[test]
fn splits_found_later_are_read_and_the_enumerator_ends_with_the_job() {
    let (mut graph, name) = graph(parallel(2));
    let sink = Collect::default();
    let mut rounds = 0;
    let source = Scripted::new(vec![
        batches("a", vec![rows(1, 0..5)]),
        batches("b", vec![rows(2, 5..9)]),
        batches("c", vec![rows(3, 9..12)]),
    ])
    .discoveries(move || {
        rounds += 1;
        Ok(match rounds {
            1 => found(&["a"], Some(Duration::from_millis(1))),
            2 => found(&["b", "c"], Some(Duration::from_millis(1))),
            _ => found(&[], Some(Duration::from_secs(600))),
        })
    });
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    eventually("all rows", || sink.count() == 12);
    job.stop();
    assert_eq!(job.wait().unwrap().status, JobStatus::Finished);
    name.assert_no_threads();
}

#[test]
fn a_source_that_finds_nothing_ends() {
    let (mut graph, name) = graph(parallel(3));
    let sink = Collect::default();
    let stream = graph.source(NodeSettings::named(name.of("source")), Scripted::new(vec![]).boxed(), None, row_time());
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start_attempt().unwrap();
    eventually("the job ends", || job.status().is_terminal());
    let mut ended = Vec::new();
    while let Some(event) = job.next_event(Duration::ZERO) {
        ended.push(event);
    }
    assert_eq!(ended.len(), 4);
    assert!(matches!(ended.last(), Some(AttemptEvent::Ended(JobStatus::Finished))));
    assert_eq!(sink.flushes(), [Flush::End; 3]);
}
