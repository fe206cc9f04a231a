//! Metrics, and that memory is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use riverrun_runtime::{JobSettings, MAX_WATERMARK, MetricsServer, NodeSettings, OperatorKind, prometheus_text};

use crate::kit::*;

#[test]
fn a_slow_sink_slows_its_source_and_no_queue_grows_above_its_capacity() {
    for capacity in [1, 3, 8] {
        let (mut graph, name) = graph(JobSettings { queue_capacity: capacity, ..parallel(1) });
        let sent = Arc::new(AtomicU64::new(0));
        let count = {
            let sent = Arc::clone(&sent);
            map(move |_, rows| {
                sent.fetch_add(1, Ordering::SeqCst);
                Ok(rows)
            })
        };
        let written = Arc::new(AtomicU64::new(0));
        let sink = {
            let (sent, written) = (Arc::clone(&sent), Arc::clone(&written));
            Collect::acting(move |context, _| {
                // In the queue, in the sink, and in the hand of the source.
                let ahead = sent.load(Ordering::SeqCst) - written.fetch_add(1, Ordering::SeqCst);
                assert!(ahead <= capacity as u64 + 2, "{ahead} batches ahead");
                context.cancellation.sleep(Duration::from_micros(300))
            })
        };
        let stream = graph.source(
            NodeSettings::named(name.of("source")),
            Scripted::new(vec![endless("a", 10, 5)]).boxed(),
            None,
            |_| Ok(Box::new(())),
        );
        let stream = graph.operator(&stream, NodeSettings::named("count"), count);
        graph.sink(&stream, NodeSettings::named(name.of("sink")).new_chain(), sink.boxed());
        let job = graph.start().unwrap();
        eventually("rows are written", || written.load(Ordering::SeqCst) > 60);
        let metrics = job.metrics();
        let (source, sink) = (&metrics.tasks[0], &metrics.tasks[1]);
        assert!(source.backpressured > source.busy, "{source:?}");
        assert!(source.backpressured_ms_per_second > 500.0, "{source:?}");
        assert!(sink.busy > sink.idle && sink.backpressured.is_zero(), "{sink:?}");
        eventually("the queue is full", || job.metrics().tasks[1].in_pool_usage == Some(1.0));
        job.cancel();
        job.wait().unwrap();
    }
}

#[test]
fn a_job_without_rows_is_idle() {
    let (mut graph, name) = graph(parallel(1));
    let quiet = Scripted::new(vec![split("q", || Box::new(|_| Ok(Step::Nothing)))]);
    let stream = graph.source(NodeSettings::named(name.of("source")), quiet.boxed(), None, row_time());
    graph.sink(&stream, NodeSettings::named(name.of("sink")).new_chain(), Collect::default().boxed());
    let job = graph.start().unwrap();
    eventually("time passes", || job.metrics().uptime > Duration::from_millis(50));
    for task in job.metrics().tasks {
        assert!(task.idle > task.busy * 2 && task.backpressured.is_zero(), "{task:?}");
    }
}

#[test]
fn rows_bytes_and_watermarks_are_counted_at_every_operator() {
    let (mut graph, name) = graph(parallel(2));
    let source =
        Scripted::new(vec![batches("a", vec![rows(1, 0..30)]), batches("b", vec![rows(2, 0..20), rows(3, 20..30)])]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let half = map(|_, rows: Rows| Ok(Rows(rows.0.into_iter().filter(|row| row.value % 2 == 0).collect())));
    let stream = graph.operator(&stream, NodeSettings::named("half"), half);
    let stream = graph.exchange(&stream, by_key(128));
    graph.sink(
        &stream,
        NodeSettings::named(name.of("sink")),
        Collect::acting(|context, _| {
            context.counters.counter("numWrites").add(1);
            Ok(())
        })
        .boxed(),
    );
    let metrics = graph.start().unwrap().wait().unwrap().metrics;
    let sum = |operator: &str, of: fn(&riverrun_runtime::OperatorSnapshot) -> u64| {
        metrics.operators(operator).map(of).sum::<u64>()
    };
    let (source, sink) = (name.of("source"), name.of("sink"));
    assert_eq!((sum(&source, |o| o.records_in), sum(&source, |o| o.records_out)), (60, 60));
    assert_eq!((sum("half", |o| o.records_in), sum("half", |o| o.records_out)), (60, 30));
    assert_eq!((sum(&sink, |o| o.records_in), sum(&sink, |o| o.records_out)), (30, 0));
    let size = size_of::<Row>() as u64;
    assert_eq!(
        (sum(&source, |o| o.bytes_in), sum("half", |o| o.bytes_out), sum(&sink, |o| o.bytes_in)),
        (60 * size, 30 * size, 30 * size)
    );
    assert!(metrics.operators(&sink).all(|o| o.input_watermark == Some(MAX_WATERMARK) && o.watermark_lag.is_none()));
    assert!(
        metrics.operators(&source).all(|o| o.output_watermark == Some(MAX_WATERMARK) && o.kind == OperatorKind::Source)
    );
    assert!(
        sum(&sink, |o| o.counters.iter().filter(|(name, _)| *name == "numWrites").map(|(_, count)| count).sum()) > 0
    );
    assert_eq!((metrics.records_in(OperatorKind::Source), metrics.records_in(OperatorKind::Sink)), (60, 30));
    assert!(metrics.tasks.iter().all(|task| task.ended));
}

#[test]
fn the_endpoint_shows_a_running_job() {
    use std::io::{Read, Write};
    let (mut graph, name) = graph(parallel(1));
    let source = Scripted::new(vec![endless("a", 10, 5)]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let sink = Collect::acting(|context, _| context.cancellation.sleep(Duration::from_millis(1)));
    graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start().unwrap();
    eventually("rows arrive", || sink.count() > 0);
    let control = job.control();
    let server = MetricsServer::start("127.0.0.1:0".parse().unwrap(), move || vec![control.metrics()]).unwrap();
    let mut client = std::net::TcpStream::connect(server.address()).unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let task = format!("{} -> sink", name.of("source"));
    assert!(
        answer.contains(&format!(
            "flink_taskmanager_job_task_operator_numRecordsIn{{job_name=\"{}\",task_name=\"{task}\"",
            job.metrics().job
        )),
        "{answer}"
    );
    assert!(prometheus_text(&[job.metrics()]).contains("watermarkLag"));
}

#[test]
fn a_small_job_starts_and_ends_within_milliseconds() {
    let run = || {
        let (mut graph, name) = graph(parallel(2));
        let source = Scripted::new(vec![batches("a", vec![rows(1, 0..10)])]);
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        let stream = graph.exchange(&stream, by_key(128));
        graph.sink(&stream, NodeSettings::named(name.of("sink")), Collect::default().boxed());
        let begin = std::time::Instant::now();
        graph.start().unwrap().wait().unwrap();
        begin.elapsed()
    };
    // The best of several, as other tests run beside this one.
    let best = (0..20).map(|_| run()).min().unwrap();
    assert!(best < Duration::from_millis(5), "{best:?}");
}
