//! Work that is due at a time of day.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use riverrun_runtime::{JobSettings, NodeSettings, OperatorContext};

use crate::kit::*;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Gives a row every ten milliseconds, three times.
fn ticking() -> impl Fn(&OperatorContext) -> Made + Send + Sync + 'static {
    |_| {
        let (begin, fired) = (now(), Arc::new(AtomicI64::new(0)));
        let next = {
            let fired = Arc::clone(&fired);
            move || Some(fired.load(Ordering::SeqCst)).filter(|fired| *fired < 3).map(|fired| begin + 10 * (fired + 1))
        };
        let on_processing_time = {
            let next = next.clone();
            Box::new(move |time: i64, out: Out<'_>| {
                let due = next().unwrap();
                assert!(time >= due && now() >= due, "called too early");
                fired.fetch_add(1, Ordering::SeqCst);
                out.emit(Rows(vec![Row { key: 99, time, value: 0 }]))
            })
        };
        Ok(Box::new(Closures { deadline: Box::new(next), on_processing_time, ..Closures::default() }))
    }
}

#[test]
fn timers_fire_while_the_job_is_idle_and_while_it_is_busy_in_sources_and_behind_gates() {
    let quiet = || Scripted::new(vec![split("q", || Box::new(|_| Ok(Step::Nothing)))]);
    let unassigned = || Scripted::new(vec![]).discoveries(|| Ok(found(&[], Some(Duration::from_secs(600)))));
    let busy = || Scripted::new(vec![endless("b", 5, 2)]);
    for source in [quiet, unassigned, busy] {
        for chained in [true, false] {
            let (mut graph, name) = graph(JobSettings { operator_chaining: chained, ..parallel(1) });
            let stream = graph.source(NodeSettings::named(name.of("source")), source().boxed(), None, row_time());
            let stream = graph.operator(&stream, NodeSettings::named(name.of("ticking")), ticking());
            let sink = Collect::default();
            graph.sink(&stream, NodeSettings::named(name.of("sink")), sink.boxed());
            let job = graph.start().unwrap();
            eventually("three ticks", || sink.rows().iter().filter(|row| row.key == 99).count() == 3);
            job.cancel();
            job.wait().unwrap();
            name.assert_no_threads();
        }
    }
}

#[test]
fn a_sinks_writer_is_ticked_at_its_deadlines_while_nothing_comes() {
    let (mut graph, name) = graph(parallel(1));
    let ticks = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let mut sink = Collect::acting({
        let ticks = Arc::clone(&ticks);
        move |_, seen| {
            if *seen == Seen::Tick {
                let ticks = ticks.fetch_add(1, Ordering::SeqCst);
                assert!(begin.elapsed() >= Duration::from_millis(5 * (ticks as u64 + 1)));
            }
            Ok(())
        }
    });
    sink.deadline = {
        let ticks = Arc::clone(&ticks);
        Arc::new(move || Some(begin + Duration::from_millis(5 * (ticks.load(Ordering::SeqCst) as u64 + 1))))
    };
    let quiet = Scripted::new(vec![split("q", || Box::new(|_| Ok(Step::Nothing)))]);
    let stream = graph.source(NodeSettings::named(name.of("source")), quiet.boxed(), None, row_time());
    graph.sink(&stream, NodeSettings::named(name.of("sink")).new_chain(), sink.boxed());
    let job = graph.start().unwrap();
    eventually("ten ticks", || ticks.load(Ordering::SeqCst) >= 10);
    job.cancel();
    job.wait().unwrap();
}
