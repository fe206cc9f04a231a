//! Barriers: through chains and gates, aligned, to the sinks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riverrun_connect::Flush;
use riverrun_runtime::{
    Attempt, AttemptControl, AttemptEvent, CheckpointId, Exchange, JobSettings, NodeSettings, OperatorContext,
};

use crate::kit::*;

/// Row counts at each checkpoint, summed over subtasks.
type Counts = Arc<Mutex<BTreeMap<u64, u64>>>;

/// Counts its rows, and notes the count at each barrier.
fn counting(counts: &Counts) -> impl Fn(&OperatorContext) -> Made + Send + Sync + 'static {
    let counts = Arc::clone(counts);
    move |_| {
        let (counts, seen) = (Arc::clone(&counts), Arc::new(AtomicU64::new(0)));
        let process = {
            let seen = Arc::clone(&seen);
            Box::new(move |batch: Rows, out: Out<'_>| {
                seen.fetch_add(batch.0.len() as u64, Ordering::Relaxed);
                out.emit(batch)
            })
        };
        let barrier = Box::new(move |barrier: riverrun_runtime::Barrier, _: Out<'_>| {
            *counts.lock().unwrap().entry(barrier.checkpoint.0).or_insert(0) += seen.load(Ordering::Relaxed);
            Ok(())
        });
        Ok(Box::new(Closures { process, barrier, ..Closures::default() }))
    }
}

/// Waits for acknowledgements of a checkpoint by `tasks` tasks.
fn acknowledged(job: &Attempt, checkpoint: CheckpointId, tasks: usize) -> Vec<(String, usize)> {
    let mut by = Vec::new();
    while by.len() < tasks {
        match job.next_event(Duration::from_secs(10)).expect("an acknowledgement") {
            AttemptEvent::Acknowledged { checkpoint: of, task, .. } if of == checkpoint => {
                by.extend(job.tasks().nth(task).map(|(name, subtask)| (name.to_owned(), subtask)));
            }
            AttemptEvent::Declined { checkpoint: of, .. } => assert_ne!(of, checkpoint),
            _ => {}
        }
    }
    by.sort();
    by
}

#[test]
fn every_task_counts_exactly_the_rows_before_the_barrier() {
    let (mut graph, name) = graph(JobSettings { queue_capacity: 2, ..parallel(2) });
    let counts: [Counts; 4] = Default::default();
    let fast = graph.source(
        NodeSettings::named(name.of("fast")),
        Scripted::new(vec![endless("a", 100, 9), endless("b", 30, 9)]).boxed(),
        None,
        row_time(),
    );
    let fast = graph.operator(&fast, NodeSettings::named("count fast"), counting(&counts[0]));
    // Rows of the slow source come now and then.
    let slow = split("c", || {
        let mut asked = 0;
        Box::new(move |_| {
            asked += 1;
            Ok(if asked % 3 == 0 { Step::Rows(rows(asked, asked..asked + 3)) } else { Step::Nothing })
        })
    });
    let slow = graph.source(
        NodeSettings::named(name.of("slow")).parallelism(1),
        Scripted::new(vec![slow]).boxed(),
        None,
        row_time(),
    );
    let slow = graph.operator(&slow, NodeSettings::named("count slow"), counting(&counts[1]));
    let union = graph.union(vec![fast, slow]);
    let union = graph.exchange(&union, by_key(128));
    let union = graph.operator(&union, NodeSettings::named(name.of("union")).parallelism(3), counting(&counts[2]));
    let last = graph.exchange(&union, Exchange::Rebalance);
    let last = graph.operator(&last, NodeSettings::named(name.of("last")).parallelism(2), counting(&counts[3]));
    let sink = Collect::default();
    graph.sink(&last, NodeSettings::named("sink"), sink.boxed());
    let job = graph.start_attempt().unwrap();
    for checkpoint in 1..=30 {
        let so_far = sink.count();
        eventually("rows arrive", || sink.count() > so_far);
        job.trigger_barrier(CheckpointId(checkpoint)).unwrap();
        let by = acknowledged(&job, CheckpointId(checkpoint), 8);
        assert_eq!(
            by.iter()
                .filter(|(task, _)| task.starts_with(&name.of("union")))
                .map(|(_, subtask)| *subtask)
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
        let at = |counts: &Counts| counts.lock().unwrap()[&checkpoint];
        let read = at(&counts[0]) + at(&counts[1]);
        assert!(read > 0);
        assert_eq!((at(&counts[2]), at(&counts[3])), (read, read), "checkpoint {checkpoint}");
    }
    job.cancel();
    job.wait().unwrap();
    assert_eq!(sink.flushes(), [Flush::Barrier; 60]);
}

#[test]
fn a_task_whose_source_has_ended_counts_as_arrived() {
    let (mut graph, name) = graph(parallel(1));
    let ended = graph.source(
        NodeSettings::named(name.of("ended")),
        Scripted::new(vec![batches("a", vec![rows(1, 0..5)])]).boxed(),
        None,
        row_time(),
    );
    let lasting = graph.source(
        NodeSettings::named(name.of("lasting")),
        Scripted::new(vec![endless("b", 1, 1)]).boxed(),
        None,
        row_time(),
    );
    let union = graph.union(vec![ended, lasting]);
    let sink = Collect::default();
    graph.sink(&union, NodeSettings::named(name.of("sink")), sink.boxed());
    let job = graph.start_attempt().unwrap();
    let first = || loop {
        if let AttemptEvent::TaskFinished { task } = job.next_event(Duration::from_secs(10)).expect("an end") {
            return job.tasks().nth(task).unwrap().0.to_owned();
        }
    };
    assert_eq!(first(), name.of("ended"));
    job.trigger_barrier(CheckpointId(1)).unwrap();
    assert_eq!(acknowledged(&job, CheckpointId(1), 2), [(name.of("lasting"), 0), (name.of("sink"), 0)]);
}

#[test]
fn a_younger_checkpoint_overtakes_one_that_a_stuck_source_holds_up() {
    let (mut graph, name) = graph(parallel(1));
    let stuck = Arc::new(AtomicBool::new(true));
    let in_poll = Arc::new(AtomicBool::new(false));
    let held = {
        let (stuck, in_poll) = (Arc::clone(&stuck), Arc::clone(&in_poll));
        split("held", move || {
            let (stuck, in_poll) = (Arc::clone(&stuck), Arc::clone(&in_poll));
            Box::new(move |context| {
                in_poll.store(true, Ordering::SeqCst);
                while stuck.load(Ordering::SeqCst) {
                    context.cancellation.sleep(Duration::from_micros(100))?;
                }
                Ok(Step::Nothing)
            })
        })
    };
    let held = graph.source(NodeSettings::named(name.of("held")), Scripted::new(vec![held]).boxed(), None, row_time());
    let free = graph.source(
        NodeSettings::named(name.of("free")),
        Scripted::new(vec![endless("free", 5, 2)]).boxed(),
        None,
        row_time(),
    );
    let union = graph.union(vec![held, free]);
    graph.sink(&union, NodeSettings::named(name.of("sink")), Collect::default().boxed());
    let job = graph.start_attempt().unwrap();
    eventually("the source is stuck", || in_poll.load(Ordering::SeqCst));
    job.trigger_barrier(CheckpointId(1)).unwrap();
    assert_eq!(acknowledged(&job, CheckpointId(1), 1), [(name.of("free"), 0)]);
    eventually("the free source waits for the other", || !job.metrics().tasks[1].backpressured.is_zero());
    // Both barriers are in the mailbox of the stuck source, and leave it in order.
    job.trigger_barrier(CheckpointId(2)).unwrap();
    stuck.store(false, Ordering::SeqCst);
    let by = acknowledged(&job, CheckpointId(2), 3);
    assert_eq!(by.len(), 3);
    drop(job);
    name.assert_no_threads();
}

#[test]
fn more_barriers_than_the_job_can_align_at_once_pass_one_after_another() {
    let (mut graph, name) = graph(JobSettings { queue_capacity: 1, ..parallel(2) });
    let source = Scripted::new(vec![endless("a", 10, 9), endless("b", 3, 9)]);
    let stream = graph.source(NodeSettings::named(name.of("source")), source.boxed(), None, row_time());
    let stream = graph.exchange(&stream, by_key(128));
    let stream = graph.operator(&stream, NodeSettings::named(name.of("keyed")).parallelism(3), pass());
    let stream = graph.exchange(&stream, Exchange::Rebalance);
    graph.sink(&stream, NodeSettings::named(name.of("sink")), Collect::default().boxed());
    let job = graph.start_attempt().unwrap();
    for checkpoint in 1..=200 {
        job.trigger_barrier(CheckpointId(checkpoint)).unwrap();
    }
    let passed = acknowledged(&job, CheckpointId(200), 7);
    assert_eq!(passed.len(), 7);
}

/// A barrier does not wait for what is idle, and mail reaches a source that waits for rows.
#[test]
fn a_barrier_passes_an_idle_job_soon() {
    let (mut graph, name) = graph(parallel(2));
    let quiet = |name| split(name, || Box::new(|_| Ok(Step::Nothing)));
    let quiet = Scripted::new(vec![quiet("p"), quiet("q")]);
    let stream = graph.source(NodeSettings::named(name.of("source")), quiet.boxed(), None, row_time());
    let stream = graph.exchange(&stream, by_key(128));
    graph.sink(&stream, NodeSettings::named(name.of("sink")), Collect::default().boxed());
    let job = graph.start_attempt().unwrap();
    let control: AttemptControl = job.control();
    for checkpoint in 1..=5 {
        control.trigger_barrier(CheckpointId(checkpoint)).unwrap();
        assert_eq!(acknowledged(&job, CheckpointId(checkpoint), 4).len(), 4);
    }
}
