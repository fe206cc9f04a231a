//! Jobs that fail, are killed and go on: nothing is lost and nothing is doubled.

use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::ChangelogMode;
use riverrun_runtime::{
    Checkpointing, Exchange, JobGraph, JobSettings, JobStatus, NodeSettings, Recovery, RestartStrategy, Retention,
};

use crate::kit::*;

const ROWS: u64 = 1_500;

fn settings(directory: &std::path::Path, parallelism: usize) -> JobSettings {
    JobSettings {
        checkpointing: Some(Checkpointing {
            interval: Some(Duration::from_millis(10)),
            directory: Some(directory.to_string_lossy().into_owned()),
            retention: Retention::RetainOnCancellation,
            ..Checkpointing::default()
        }),
        restart: RestartStrategy::FixedDelay { attempts: u32::MAX, delay_ms: 1 },
        recovery: Recovery::Resume,
        ..parallel(parallelism)
    }
}

/// Numbers, their counts by key, a ledger.
fn job(name: &str, settings: JobSettings, splits: usize, chaos: &Chaos, ledger: &Ledger) -> JobGraph {
    let mut graph = JobGraph::new(name, settings);
    let source = Numbers { splits, rows: ROWS, chaos: chaos.clone() };
    let numbers = graph.source(NodeSettings::named("numbers"), Box::new(source), None, row_time());
    let keyed = graph.exchange(&numbers, by_key(128));
    let counts = graph.operator(&keyed, NodeSettings::named("counts"), running_counts(chaos));
    let spread = graph.exchange(&counts, Exchange::Rebalance);
    let sink = LedgerSink { ledger: ledger.clone(), chaos: chaos.clone() };
    graph.sink(&spread, NodeSettings::named("ledger"), Box::new(sink));
    graph
}

/// Each row is there once, and each key has been counted without a gap.
fn assert_exactly_once(ledger: &Ledger, splits: usize, seed: u64) {
    let rows = ledger.visible();
    let all = (0..splits).flat_map(|split| (0..ROWS).map(move |value| number(split, value).value));
    let mut times: std::collections::BTreeMap<u64, i32> = all.map(|value| (value, -1)).collect();
    rows.iter().for_each(|row| *times.entry(row.value).or_insert(-1) += 1);
    times.retain(|_, times| *times != 0);
    let wrong: Vec<(u64, i32)> = times.iter().map(|(value, times)| (*value, *times)).take(8).collect();
    assert!(wrong.is_empty(), "seed {seed}: {} rows are lost (-1) or doubled (1), such as {wrong:?}", times.len());
    for key in 0..7 {
        let mut counts: Vec<i64> = rows.iter().filter(|row| row.key == key).map(|row| row.time).collect();
        counts.sort_unstable();
        assert!(counts.iter().copied().eq(1..=counts.len() as i64), "seed {seed}, key {key}");
    }
    assert_eq!(ledger.prepared(), 0, "seed {seed}");
}

fn seeds(count: u64) -> std::ops::Range<u64> {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    only.map_or(0..count, |seed| seed..seed + 1)
}

#[test]
fn a_job_that_fails_anywhere_shows_each_row_once() {
    for seed in seeds(30) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let (splits, parallelism) = (rng.usize(1..5), rng.usize(1..4));
        let (chaos, ledger) = (Chaos::new(seed, rng.usize(0..12)), Ledger::default());
        let name = format!("fails-{seed}");
        let running = job(&name, settings(folder.path(), parallelism), splits, &chaos, &ledger).start().unwrap();
        let summary = running.wait().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(summary.status, JobStatus::Finished);
        assert_exactly_once(&ledger, splits, seed);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the checkpoints of a job that has finished");
    }
}

#[test]
fn a_job_that_is_canceled_or_stopped_goes_on_at_any_parallelism() {
    for seed in seeds(15) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let splits = rng.usize(1..5);
        let (chaos, ledger) = (Chaos::new(seed, rng.usize(0..4)), Ledger::default());
        let name = format!("stops-{seed}");
        let mut runs = 0;
        loop {
            runs += 1;
            assert!(runs < 200, "seed {seed} does not end");
            let parallelism = rng.usize(1..4);
            let running = job(&name, settings(folder.path(), parallelism), splits, &chaos, &ledger).start().unwrap();
            let control = running.control();
            std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
            if rng.bool() {
                control.stop();
            } else {
                control.cancel();
            }
            let summary = running.wait().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            if summary.status == JobStatus::Finished {
                break;
            }
            assert!(matches!(summary.status, JobStatus::Canceled | JobStatus::Suspended));
        }
        assert_exactly_once(&ledger, splits, seed);
    }
}

#[test]
fn rows_that_a_system_gave_up_before_their_commit_are_replayed_from_the_checkpoint_before() {
    // The ledger forgets transactions now and then, between the barrier and the commit.
    for seed in seeds(10) {
        let folder = tempfile::tempdir().unwrap();
        let (chaos, ledger) = (Chaos::new(seed, 3), Ledger::default());
        let name = format!("loses-{seed}");
        let running = job(&name, settings(folder.path(), 1), 2, &chaos, &ledger).start().unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut lost = 0;
        while !running.status().is_terminal() && lost < 3 {
            // What is before the first checkpoint is not stored anywhere, and cannot be gone back to.
            lost += usize::from(!ledger.visible().is_empty() && ledger.lose_one());
            std::thread::sleep(Duration::from_micros(rng.u64(100..3000)));
        }
        let summary = running.wait().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(summary.status, JobStatus::Finished);
        assert_exactly_once(&ledger, 2, seed);
    }
}

#[test]
fn without_alignment_nothing_is_lost() {
    for seed in seeds(8) {
        let folder = tempfile::tempdir().unwrap();
        let (chaos, ledger) = (Chaos::new(seed, 6), Ledger::default());
        let mut settings = settings(folder.path(), 3);
        if let Some(checkpointing) = &mut settings.checkpointing {
            checkpointing.aligned = false;
        }
        let running = job(&format!("unaligned-{seed}"), settings, 4, &chaos, &ledger).start().unwrap();
        assert_eq!(running.wait().unwrap().status, JobStatus::Finished);
        let visible: std::collections::BTreeSet<u64> = ledger.visible().iter().map(|row| row.value).collect();
        assert_eq!(visible.len() as u64, 4 * ROWS, "seed {seed}");
    }
}

#[test]
fn a_job_without_a_restart_strategy_ends_with_its_error_and_goes_on_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::default();
    let none = |chaos: &Chaos| {
        let settings = JobSettings { restart: RestartStrategy::None, ..settings(folder.path(), 2) };
        job("fails once", settings, 3, chaos, &ledger)
    };
    let mut failures = 0;
    for seed in 0.. {
        match none(&Chaos::new(seed, 1)).start().unwrap().wait() {
            Ok(summary) => {
                assert_eq!(summary.status, JobStatus::Finished);
                break;
            }
            Err(error) => {
                failures += 1;
                assert!(error.message().starts_with("chaos "), "{error}");
                assert!(failures < 100);
            }
        }
    }
    assert_exactly_once(&ledger, 3, 0);
}

#[test]
fn a_savepoint_is_whole_by_itself_and_a_job_starts_from_it() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chaos, ledger) = (Chaos::new(1, 0), Ledger::default());
    let running = job("saved", settings(folder.path(), 2), 3, &chaos, &ledger).start().unwrap();
    eventually("rows are visible", || !ledger.visible().is_empty());
    let path = running.stop_with_savepoint(elsewhere.path().to_str(), false).unwrap();
    assert_eq!(running.wait().unwrap().status, JobStatus::Suspended);
    std::fs::remove_dir_all(folder.path()).unwrap();
    let from = Recovery::From { path, claim: false, allow_non_restored_state: false };
    let settings = JobSettings { recovery: from, ..settings(folder.path(), 3) };
    let summary = job("saved again", settings, 3, &chaos, &ledger).start().unwrap().wait().unwrap();
    assert_eq!(summary.status, JobStatus::Finished);
    assert_exactly_once(&ledger, 3, 1);
}

#[test]
fn a_sink_that_commits_is_refused_where_no_checkpoints_are_taken() {
    let (chaos, ledger) = (Chaos::new(1, 0), Ledger::default());
    let error = job("without", parallel(1), 1, &chaos, &ledger).start().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("execution.checkpointing.interval"), "{error}");
}

#[test]
fn state_without_its_operator_is_refused_and_left_out_only_where_that_is_asked_for() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (chaos, ledger) = (Chaos::new(1, 0), Ledger::default());
    let running = job("named", settings(folder.path(), 1), 1, &chaos, &ledger).start().unwrap();
    eventually("rows are visible", || !ledger.visible().is_empty());
    let path = running.stop_with_savepoint(elsewhere.path().to_str(), false).unwrap();
    running.wait().unwrap();
    let without_counts = |allow| {
        let from = Recovery::From { path: path.clone(), claim: false, allow_non_restored_state: allow };
        let mut graph = JobGraph::new("renamed", JobSettings { recovery: from, ..settings(folder.path(), 1) });
        let source = Numbers { splits: 1, rows: ROWS, chaos: chaos.clone() };
        let numbers = graph.source(NodeSettings::named("numbers"), Box::new(source), None, row_time());
        let sink = LedgerSink { ledger: ledger.clone(), chaos: chaos.clone() };
        graph.sink(&numbers, NodeSettings::named("ledger"), Box::new(sink));
        graph.start().unwrap().wait()
    };
    let error = without_counts(false).unwrap_err().to_string();
    assert!(error.contains("'counts'") && error.contains("--allow-non-restored-state"), "{error}");
    assert_eq!(without_counts(true).unwrap().status, JobStatus::Finished);
}

/// Holds rows until nothing follows: what a barrier finds goes into the checkpoint.
#[derive(Clone)]
struct HoldingSink {
    chaos: Chaos,
    done: std::sync::Arc<std::sync::Mutex<Vec<u64>>>,
}

struct HoldingWriter {
    sink: HoldingSink,
    held: Vec<u64>,
}

impl Sink<Rows> for HoldingSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, _: &TaskContext) -> Result<Box<dyn SinkWriter<Rows>>> {
        Ok(Box::new(HoldingWriter { sink: self.clone(), held: Vec::new() }))
    }
}

impl SinkWriter<Rows> for HoldingWriter {
    fn write(&mut self, batch: Rows) -> Result<()> {
        self.sink.chaos.strike(200, "in a sink")?;
        self.held.extend(batch.0.iter().map(|row| row.value));
        Ok(())
    }

    fn flush(&mut self, reason: Flush) -> Result<()> {
        if reason == Flush::End {
            self.sink.done.lock().unwrap().append(&mut self.held);
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Vec<Vec<u8>>> {
        Ok(self.held.iter().map(|value| value.to_le_bytes().to_vec()).collect())
    }

    fn restore(&mut self, entries: Vec<Vec<u8>>) -> Result<()> {
        assert!(self.held.is_empty(), "restored before the first row");
        self.held = entries.into_iter().map(|entry| u64::from_le_bytes(entry.try_into().unwrap())).collect();
        Ok(())
    }
}

#[test]
fn rows_on_their_way_in_a_sink_come_back_from_its_checkpoint_at_any_parallelism() {
    let mut restored = 0;
    for seed in seeds(15) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let splits = rng.usize(1..4);
        let sink = HoldingSink { chaos: Chaos::new(seed, rng.usize(0..4)), done: Default::default() };
        loop {
            let job_settings = settings(folder.path(), rng.usize(1..4));
            let mut graph = JobGraph::new(format!("holds-{seed}"), job_settings);
            let source = Numbers { splits, rows: ROWS, chaos: Chaos::new(seed, 0) };
            let numbers = graph.source(NodeSettings::named("numbers"), Box::new(source), None, row_time());
            let spread = graph.exchange(&numbers, Exchange::Rebalance);
            graph.sink(&spread, NodeSettings::named("holding"), Box::new(sink.clone()));
            let running = graph.start().unwrap();
            std::thread::sleep(Duration::from_millis(rng.u64(0..60)));
            running.control().cancel();
            let summary = running.wait().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            if summary.status == JobStatus::Finished {
                break;
            }
            restored += 1;
        }
        let mut done = sink.done.lock().unwrap().clone();
        done.sort_unstable();
        done.dedup();
        let all: Vec<u64> =
            (0..splits).flat_map(|split| (0..ROWS).map(move |value| number(split, value).value)).collect();
        assert_eq!(done, all, "seed {seed}");
    }
    assert!(restored > 0, "no run was cut short");
}
