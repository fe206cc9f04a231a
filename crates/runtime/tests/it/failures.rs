//! Whatever fails, wherever: the job ends with that, says where, and leaves nothing behind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun_base::{Error, Kind, Result};
use riverrun_connect::{Discovery, Flush};
use riverrun_runtime::{JobGraph, JobSettings, NodeSettings, OperatorContext};

use crate::kit::*;

#[derive(Clone, Copy, Debug)]
enum How {
    Error,
    Panic,
}

impl How {
    fn happen<T>(self) -> Result<T> {
        match self {
            Self::Error => Err(Error::data("the milk is sour").with("record", 7)),
            Self::Panic => panic!("the milk is {}", "sour"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Enumerator,
    Discover,
    DiscoverLater,
    Reader,
    Poll,
    SplitOperatorMade,
    SplitOperator,
    Made,
    Process,
    Watermark,
    Deadline,
    ProcessingTime,
    Finish,
    Partitioner,
    Writer,
    Write,
    Tick,
    Flush,
}

const PLACES: [Place; 18] = [
    Place::Enumerator,
    Place::Discover,
    Place::DiscoverLater,
    Place::Reader,
    Place::Poll,
    Place::SplitOperatorMade,
    Place::SplitOperator,
    Place::Made,
    Place::Process,
    Place::Watermark,
    Place::Deadline,
    Place::ProcessingTime,
    Place::Finish,
    Place::Partitioner,
    Place::Writer,
    Place::Write,
    Place::Tick,
    Place::Flush,
];

/// Source and `before` in one task, `bad` and `after` in the next, and the sink; something goes wrong in one place
/// after a few batches.
fn bad_graph(graph: &mut JobGraph, name: &Name, place: Place, how: How) {
    let at = move |here: Place| if here == place { how.happen() } else { Ok(()) };
    let ends = matches!(place, Place::Finish | Place::Flush);
    let mut source = Scripted::new(vec![split("a", move || {
        let mut count = 0;
        Box::new(move |_| {
            count += 1;
            if count > 20 {
                at(Place::Poll)?;
                if ends {
                    return Ok(Step::Finished);
                }
            }
            Ok(Step::Rows(rows(count % 5, count * 10..count * 10 + 10)))
        })
    })]);
    source.on_enumerator = Arc::new(move |_| at(Place::Enumerator));
    source.on_reader = Arc::new(move |_| at(Place::Reader));
    let mut discoveries = 0;
    let source = source.discoveries(move || -> Result<Discovery> {
        discoveries += 1;
        at(Place::Discover)?;
        if discoveries == 1 {
            return Ok(found(&["a"], (place == Place::DiscoverLater).then_some(Duration::from_millis(1))));
        }
        at(Place::DiscoverLater)?;
        Ok(found(&[], None))
    });
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, move |_| {
        at(Place::SplitOperatorMade)?;
        Ok(Box::new(BadSplitOperator(at)))
    });
    let stream = graph.operator(&stream, NodeSettings::named("before"), pass());
    let partition = riverrun_runtime::Exchange::hash(move |batch: &Rows, groups: &mut Vec<u32>| {
        at(Place::Partitioner)?;
        groups.extend(batch.0.iter().map(|row| row.key as u32));
        Ok(())
    });
    let stream = graph.exchange(&stream, partition);
    let stream = graph.operator(&stream, NodeSettings::named(name.of("bad")), move |context| {
        if context.subtask == 0 {
            at(Place::Made)?;
        }
        Ok(Box::new(Closures {
            process: Box::new(move |batch, out| {
                at(Place::Process)?;
                out.emit(batch)
            }),
            watermark: Box::new(move |_, _| at(Place::Watermark)),
            deadline: Box::new(move || {
                if place == Place::Deadline && matches!(how, How::Panic) {
                    let _: Result<()> = how.happen();
                }
                (place == Place::ProcessingTime).then_some(1)
            }),
            on_processing_time: Box::new(move |_, _| at(Place::ProcessingTime)),
            finish: Box::new(move |_| at(Place::Finish)),
            ..Closures::default()
        }))
    });
    let stream = graph.operator(&stream, NodeSettings::named("after"), pass());
    let mut sink = Collect::acting(move |_, seen| match seen {
        Seen::Rows(_) => at(Place::Write),
        Seen::Tick => at(Place::Tick),
        Seen::Flushed(_) => at(Place::Flush),
    });
    sink.on_writer = Arc::new(move |_| at(Place::Writer));
    if place == Place::Tick {
        sink.deadline = Arc::new(|| Some(std::time::Instant::now()));
    }
    graph.sink(&stream, NodeSettings::named(name.of("sink")).parallelism(1), sink.boxed());
}

struct BadSplitOperator<F>(F);

impl<F: Fn(Place) -> Result<()> + Send> riverrun_runtime::SplitOperator<Rows> for BadSplitOperator<F> {
    fn apply(&mut self, split: &riverrun_connect::SplitId, batch: Rows) -> Result<(Rows, Option<i64>)> {
        (self.0)(Place::SplitOperator)?;
        RowTime.apply(split, batch)
    }
}

fn where_it_happens(place: Place) -> &'static str {
    match place {
        Place::Enumerator
        | Place::Discover
        | Place::DiscoverLater
        | Place::Reader
        | Place::Poll
        | Place::SplitOperatorMade
        | Place::SplitOperator => "source",
        Place::Partitioner => "before",
        Place::Made | Place::Process | Place::Watermark | Place::Deadline | Place::ProcessingTime | Place::Finish => {
            "bad"
        }
        Place::Writer | Place::Write | Place::Tick | Place::Flush => "sink",
    }
}

/// Keeps panics with this message off the screen.
fn silence(message: &'static str) {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(message) {
            show(panic);
        }
    }));
}

#[test]
fn an_error_or_a_panic_anywhere_ends_the_job_with_its_message_and_its_operator() {
    silence("the milk is sour");
    for how in [How::Error, How::Panic] {
        for place in PLACES {
            if place == Place::Deadline && matches!(how, How::Error) {
                continue;
            }
            let (mut graph, name) = graph(parallel(2));
            bad_graph(&mut graph, &name, place, how);
            let error = graph.start().unwrap().wait().expect_err(&format!("{place:?} {how:?}"));
            let text = error.to_string();
            assert!(text.contains("the milk is sour"), "{place:?} {how:?}: {text}");
            let operator = error
                .context()
                .iter()
                .filter(|(key, _)| *key == "operator")
                .map(|(_, name)| name.clone())
                .collect::<Vec<_>>();
            assert_eq!(operator.len(), 1, "{place:?} {how:?}: {text}");
            assert!(operator[0].contains(where_it_happens(place)), "{place:?} {how:?}: {text}");
            match how {
                How::Error => assert!(error.kind() == Kind::Data && text.contains("record: 7"), "{text}"),
                How::Panic => assert!(error.kind() == Kind::Internal && text.contains("panicked"), "{text}"),
            }
            name.assert_no_threads();
        }
    }
}

#[test]
fn the_cause_wins_over_its_consequences_in_every_other_task() {
    for round in 0..50 {
        let (mut graph, name) = graph(JobSettings { queue_capacity: 2, ..parallel(3) });
        let source = Scripted::new((0..3).map(|n| endless(&format!("s{n}"), 20, 50)).collect());
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        let stream = graph.exchange(&stream, by_key(128));
        let stream = graph.operator(&stream, NodeSettings::named(name.of("keyed")), pass());
        let stream = graph.exchange(&stream, riverrun_runtime::Exchange::Rebalance);
        let sink = Collect::acting(move |context, _| {
            if context.subtask == 1 && context.counters.counter("writes").get() > round {
                return Err(Error::external("the disk is full"));
            }
            context.counters.counter("writes").add(1);
            Ok(())
        });
        graph.sink(&stream, NodeSettings::named(name.of("sink")), sink.boxed());
        let error = graph.start().unwrap().wait().unwrap_err();
        assert_eq!(error.message(), "the disk is full");
        assert_eq!(error.context(), [("operator", format!("{} (2/3)", name.of("sink")))]);
        name.assert_no_threads();
    }
}

#[test]
fn what_waits_until_it_is_canceled_ends_when_another_task_fails() {
    let (mut graph, name) = graph(parallel(1));
    let source = Scripted::new(vec![endless("a", 10, 3)]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let blocked = Arc::new(AtomicBool::new(false));
    let block = {
        let blocked = Arc::clone(&blocked);
        map(move |context: &OperatorContext, rows| {
            blocked.store(true, Ordering::SeqCst);
            context.cancellation.sleep(Duration::from_secs(600))?;
            Ok(rows)
        })
    };
    let blocking = graph.operator(&stream, NodeSettings::named(name.of("blocks")).new_chain(), block);
    graph.sink(&blocking, NodeSettings::named("sink"), Collect::default().boxed());
    let failing = Collect::acting(move |_, _| {
        eventually("the other operator blocks", || blocked.load(Ordering::SeqCst));
        Err(Error::external("no space"))
    });
    graph.sink(&stream, NodeSettings::named(name.of("fails")).new_chain(), failing.boxed());
    assert_eq!(graph.start().unwrap().wait().unwrap_err().message(), "no space");
    name.assert_no_threads();
}

#[test]
fn a_task_that_does_not_react_is_named_after_the_cancellation_timeout() {
    for fails in [false, true] {
        let settings = JobSettings { cancellation_timeout: Duration::from_millis(30), ..parallel(1) };
        let (mut graph, name) = graph(settings);
        let stream = graph.source(
            NodeSettings::named(name.of("source")),
            Scripted::new(vec![endless("a", 10, 3)]).boxed(),
            None,
            row_time(),
        );
        let gate = Arc::new(Mutex::new(()));
        let reached = Arc::new(AtomicBool::new(false));
        let deaf = {
            let (gate, reached) = (Arc::clone(&gate), Arc::clone(&reached));
            map(move |_, rows| {
                reached.store(true, Ordering::SeqCst);
                drop(gate.lock().unwrap());
                Ok(rows)
            })
        };
        let deaf = graph.operator(&stream, NodeSettings::named(name.of("deaf")).new_chain(), deaf);
        graph.sink(&deaf, NodeSettings::named("sink"), Collect::default().boxed());
        let failing = {
            let reached = Arc::clone(&reached);
            Collect::acting(move |_, _| {
                eventually("the deaf operator runs", || reached.load(Ordering::SeqCst));
                if fails { Err(Error::external("no space")) } else { Ok(()) }
            })
        };
        graph.sink(&stream, NodeSettings::named(name.of("other")).new_chain(), failing.boxed());
        let held = gate.lock().unwrap();
        let job = graph.start().unwrap();
        eventually("the deaf operator runs", || reached.load(Ordering::SeqCst));
        if !fails {
            job.cancel();
        }
        let error = job.wait().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{} -> sink (1/1)", name.of("deaf"))), "{text}");
        assert_eq!(error.message().contains("no space"), fails, "{text}");
        drop(held);
        name.assert_no_threads();
    }
}

#[test]
fn a_source_that_contradicts_itself_fails_the_job() {
    let failed = |source: Scripted| {
        let (mut graph, name) = graph(parallel(1));
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        graph.sink(&stream, NodeSettings::named("sink"), Collect::default().boxed());
        let error = graph.start().unwrap().wait().unwrap_err();
        name.assert_no_threads();
        error.to_string()
    };
    let twice = Scripted::new(vec![endless("a", 1, 1)]).discoveries(|| Ok(found(&["a"], Some(Duration::ZERO))));
    assert!(failed(twice).contains("found split 'a' twice"));
    let canceled = failed(Scripted::new(vec![split("a", || Box::new(|_| Err(Error::canceled())))]));
    assert!(canceled.contains("nobody canceled the job") && canceled.contains("source"), "{canceled}");
}

#[test]
fn discovery_is_retried_only_after_it_worked_once_and_only_so_often() {
    let run = |works_first: bool, failures: usize| {
        let settings =
            JobSettings { discovery_retries: 3, discovery_backoff: Duration::from_micros(100), ..parallel(1) };
        let (mut graph, name) = graph(settings);
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let source = Scripted::new(vec![batches("a", vec![rows(1, 0..3)])]).discoveries(move || {
            let asked = counter.fetch_add(1, Ordering::SeqCst);
            match (works_first, asked) {
                (true, 0) => Ok(found(&["a"], Some(Duration::ZERO))),
                (_, asked) if asked <= failures => Err(Error::external("no broker answers").retryable()),
                _ => Ok(found(&[], None)),
            }
        });
        let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
        let sink = Collect::default();
        graph.sink(&stream, NodeSettings::named("sink"), sink.boxed());
        let result = graph.start().unwrap().wait();
        name.assert_no_threads();
        (result.map(|_| sink.flushes()).map_err(|error| error.message().to_owned()), asked.load(Ordering::SeqCst))
    };
    assert_eq!(run(true, 3), (Ok(vec![Flush::End]), 5));
    assert_eq!(run(true, 4), (Err("no broker answers".into()), 5));
    assert_eq!(run(false, 1), (Err("no broker answers".into()), 1));
}
