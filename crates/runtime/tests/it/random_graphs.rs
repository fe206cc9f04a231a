//! Random graphs under random pressure, ended in random ways: they always end, with the right rows or the right error,
//! and leave no thread.
//!
//! A failure prints its seed; `SEED=n cargo test -p riverrun-runtime random` runs that one alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use riverrun_base::Error;
use riverrun_runtime::{
    AttemptEvent, CheckpointId, Exchange, JobGraph, JobSettings, JobStatus, NodeSettings, OperatorContext, Stream,
};

use crate::kit::*;

struct Random {
    graph: JobGraph,
    name: Name,
    rng: fastrand::Rng,
    sources: usize,
    /// The streams, and how often each row of each source is in them.
    streams: Vec<(Stream<Rows>, Vec<usize>)>,
    /// The same for the sinks.
    sinks: Vec<(Collect, Vec<usize>)>,
    /// After how many batches somewhere the job fails.
    fails_after: Option<Arc<AtomicU64>>,
    bounded: bool,
}

const ROWS: u64 = 300;

impl Random {
    fn new(seed: u64, bounded: bool, fails: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let settings = JobSettings {
            queue_capacity: rng.usize(1..4),
            operator_chaining: rng.u8(..) < 200,
            cancellation_timeout: Duration::from_secs(20),
            ..parallel(rng.usize(1..4))
        };
        let (graph, name) = graph(settings);
        let fails_after = fails.then(|| Arc::new(AtomicU64::new(rng.u64(0..100))));
        let sources = rng.usize(1..4);
        let mut random =
            Self { graph, name, rng, sources, streams: Vec::new(), sinks: Vec::new(), fails_after, bounded };
        for source in 0..sources {
            random.add_source(source);
        }
        for _ in 0..random.rng.usize(0..6) {
            random.add_operator();
        }
        random.add_sinks();
        random
    }

    fn settings(&mut self, kind: &str) -> NodeSettings {
        let settings = NodeSettings::named(self.name.of(&format!("{kind}{}", self.rng.u16(..))));
        if self.rng.bool() { settings.parallelism(self.rng.usize(1..4)) } else { settings }
    }

    fn add_source(&mut self, source: usize) {
        let splits: Vec<_> = (0..self.rng.u64(0..4))
            .map(|n| {
                let (size, bounded, key) = (self.rng.u64(1..60), self.bounded, source as u64);
                split(&n.to_string(), move || {
                    let mut next = 0;
                    Box::new(move |_| {
                        if bounded && next >= ROWS {
                            return Ok(Step::Finished);
                        }
                        let end = if bounded { (next + size).min(ROWS) } else { next + size };
                        let batch =
                            (next..end).map(|value| Row { key: value % 13, time: value as i64, value: key }).collect();
                        next = end;
                        Ok(Step::Rows(Rows(batch)))
                    })
                })
            })
            .collect();
        // Each split has the same rows.
        let mut reached = vec![0; self.sources];
        reached[source] = splits.len();
        let settings = self.settings("source");
        let idle = self.rng.bool().then_some(Duration::from_millis(1));
        let stream = self.graph.source(settings, Scripted::new(splits).boxed(), idle, row_time());
        self.streams.push((stream, reached));
    }

    /// One of the streams, or several in union, through a random exchange.
    fn stream(&mut self, to: usize) -> (Stream<Rows>, Vec<usize>) {
        let mut inputs = Vec::new();
        let mut reached = vec![0; self.sources];
        for _ in 0..if self.rng.u8(..) < 60 { 2 } else { 1 } {
            let (stream, of) = &self.streams[self.rng.usize(0..self.streams.len())];
            inputs.push(stream.clone());
            reached.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        }
        let union = self.graph.union(inputs);
        let exchange = match self.rng.u8(0..6) {
            0 => by_key(128),
            1 => Exchange::Rebalance,
            2 => Exchange::Global,
            3 => {
                reached.iter_mut().for_each(|of| *of *= to);
                Exchange::Broadcast
            }
            _ => return (union, reached),
        };
        (self.graph.exchange(&union, exchange), reached)
    }

    fn add_operator(&mut self) {
        let parallelism = self.rng.usize(1..4);
        let (input, reached) = self.stream(parallelism);
        let (pause, fails) = (self.rng.u64(0..200), self.fails_after.clone());
        let act = map(move |context: &OperatorContext, rows| {
            let fail = || Err(Error::external("the operator gives up"));
            if fails.as_ref().is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 0) {
                return fail();
            }
            if pause < 30 {
                context.cancellation.sleep(Duration::from_micros(pause * 10))?;
            }
            Ok(rows)
        });
        let settings = self.settings("operator").parallelism(parallelism);
        let stream = self.graph.operator(&input, settings, act);
        self.streams.push((stream, reached));
    }

    fn add_sinks(&mut self) {
        for _ in 0..self.rng.usize(1..3) {
            let parallelism = self.rng.usize(1..4);
            let (input, reached) = self.stream(parallelism);
            let (pause, fails) = (self.rng.u64(0..300), self.fails_after.clone());
            let sink = Collect::acting(move |context, _| {
                if fails.as_ref().is_some_and(|left| left.fetch_sub(1, Ordering::SeqCst) == 0) {
                    return Err(Error::external("the operator gives up"));
                }
                if pause < 100 { context.cancellation.sleep(Duration::from_micros(pause * 10)) } else { Ok(()) }
            });
            let settings = self.settings("sink").parallelism(parallelism);
            self.graph.sink(&input, settings, sink.boxed());
            self.sinks.push((sink, reached));
        }
    }
}

/// Runs `body` for each seed in a thread of its own, so that a hang is seen.
fn for_seeds(count: u64, body: fn(u64)) {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        let (done, ended) = mpsc::channel();
        let runner = std::thread::spawn(move || {
            body(seed);
            done.send(()).unwrap();
        });
        match ended.recv_timeout(Duration::from_secs(30)) {
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("seed {seed} hangs"),
            _ => assert!(runner.join().is_ok(), "seed {seed} fails"),
        }
    }
}

#[test]
fn a_random_graph_delivers_each_row_as_often_as_it_should_under_barriers() {
    for_seeds(100, |seed| {
        let Random { graph, name, sinks, .. } = Random::new(seed, true, false);
        let job = graph.start_attempt().unwrap();
        // A barrier when the one before it has passed a sink, or is held up.
        let mut checkpoint = 0;
        loop {
            match job.next_event(Duration::from_millis(2)) {
                Some(AttemptEvent::Ended(_)) => break,
                Some(AttemptEvent::Acknowledged { checkpoint: CheckpointId(of), task, .. })
                    if of == checkpoint && job.tasks().nth(task).is_some_and(|(name, _)| name.contains("sink")) => {}
                Some(_) => continue,
                None => {}
            }
            checkpoint += 1;
            // The job may have ended meanwhile.
            let _ = job.trigger_barrier(CheckpointId(checkpoint));
        }
        assert_eq!(job.wait().unwrap().status, JobStatus::Finished);
        for (sink, reached) in sinks {
            let row = |value: u64, source: usize| Row { key: value % 13, time: value as i64, value: source as u64 };
            let rows = reached
                .iter()
                .enumerate()
                .filter(|(_, times)| **times > 0)
                .flat_map(|(source, times)| (0..ROWS).map(move |n| (row(n, source), *times)));
            assert_eq!(counted(sink.rows()), rows.collect(), "seed {seed}");
        }
        name.assert_no_threads();
    });
}

#[test]
fn a_random_graph_with_full_queues_is_canceled_or_stopped_at_any_moment() {
    for_seeds(200, |seed| {
        let Random { graph, name, mut rng, .. } = Random::new(seed, false, false);
        let job = graph.start_attempt().unwrap();
        let control = job.control();
        if rng.bool() {
            std::thread::sleep(Duration::from_micros(rng.u64(0..4000)));
        }
        if rng.bool() {
            // A source without splits has ended by itself.
            let _ = control.trigger_barrier(CheckpointId(1));
        }
        let stops = rng.u8(..) < 80;
        if stops {
            control.stop();
        }
        if !stops || rng.bool() {
            control.cancel();
        }
        let status = job.wait().unwrap().status;
        assert!(status == JobStatus::Canceled || status == JobStatus::Finished, "seed {seed}: {status}");
        name.assert_no_threads();
    });
}

#[test]
fn a_random_graph_that_fails_somewhere_ends_with_that_error() {
    for_seeds(200, |seed| {
        let Random { graph, name, fails_after, .. } = Random::new(seed, true, true);
        let result = graph.start().unwrap().wait();
        let has_failed = fails_after.is_some_and(|left| left.load(Ordering::SeqCst) > u64::MAX / 2);
        match result {
            Ok(summary) => assert!(!has_failed && summary.status == JobStatus::Finished, "seed {seed}"),
            Err(error) => assert!(has_failed && error.message() == "the operator gives up", "seed {seed}: {error}"),
        }
        name.assert_no_threads();
    });
}
