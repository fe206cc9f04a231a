//! Jobs that are killed, stopped and started again: nothing is missing, and nothing is twice.

use std::path::Path;
use std::time::Duration;

use riverrun_testkit::process::Builder;
use riverrun_testkit::{temp_folder, wait_until};

use crate::kit::{LIMIT, riverrun};

/// How many rows the source has.
pub(crate) const ROWS: u64 = 3_000;
/// Rows in a second, so that a job runs for a while and can be disturbed.
pub(crate) const SLOW: u64 = 200;
/// Rows in a second of a job that is to come to its end.
pub(crate) const FAST: u64 = 100_000;

/// Rows 1 to [`ROWS`], so many in a second, written into files exactly once, with a checkpoint ten times in a second.
pub(crate) fn script(folder: &Path, rate: u64) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '100 ms';
         SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
         SET 'execution.checkpointing.savepoint-dir' = '{folder}/savepoints';
         CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '{rate}',
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}');
         CREATE TABLE copied (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'csv');
         INSERT INTO copied SELECT id FROM numbers;",
        folder = folder.display()
    )
}

/// Runs the script with more arguments.
pub(crate) fn job(folder: &Path, rate: u64, arguments: &[&str]) -> Builder {
    riverrun(["run", "-e", &script(folder, rate)].iter().chain(arguments))
}

/// What stands in the files that readers see.
pub(crate) fn visible(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap());
    let seen = files.filter(|file| !file.file_name().to_string_lossy().starts_with(['.', '_']));
    seen.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}

/// The rows in the files that readers see, sorted.
pub(crate) fn written(folder: &Path) -> Vec<u64> {
    let mut rows: Vec<u64> = visible(&folder.join("out")).lines().map(|line| line.parse().unwrap()).collect();
    rows.sort_unstable();
    rows
}

/// Waits until rows are visible: a checkpoint is complete, and was committed.
pub(crate) fn wait_for_rows(folder: &Path, more_than: usize) {
    wait_until(LIMIT, "rows to be committed", || written(folder).len() > more_than);
}

pub(crate) fn every_row_once(folder: &Path) {
    let expected: Vec<u64> = (1..=ROWS).collect();
    let rows = written(folder);
    assert!(rows == expected, "{} rows instead of {ROWS}: {rows:?}", rows.len());
}

#[test]
fn a_job_that_is_killed_twice_and_resumed_writes_every_row_once() {
    let folder = temp_folder();
    let mut seen = 0;
    for _ in 0..2 {
        let job = job(folder.path(), SLOW, &["--resume"]).start();
        wait_for_rows(folder.path(), seen);
        job.kill9();
        drop(job);
        seen = written(folder.path()).len();
    }
    let finished = job(folder.path(), FAST, &["--resume"]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("insert-into_copied: goes on from its last checkpoint, file:///"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains(" checkpoint"), "{}", finished.stderr);
    every_row_once(folder.path());
}

#[test]
fn a_job_says_what_it_begins_with() {
    let folder = temp_folder();
    let first = job(folder.path(), SLOW, &["--resume"]).start();
    first.wait_for_line("insert-into_copied: begins anew: there is no checkpoint of a job of this name in ", LIMIT);
    wait_for_rows(folder.path(), 0);
    first.kill9();
    drop(first);
    let second = job(folder.path(), SLOW, &[]).start();
    let line = second.wait_for_line("begins anew, though an earlier run has left file:///", LIMIT);
    assert!(line.ends_with("; --resume goes on from there"), "{line}");
    second.interrupt();
    assert_eq!(second.wait(LIMIT).code(), Some(0));
}

#[test]
fn a_job_that_is_interrupted_goes_on_where_it_stopped() {
    let folder = temp_folder();
    let first = job(folder.path(), SLOW, &["--resume"]).start();
    wait_for_rows(folder.path(), 0);
    first.interrupt();
    let first = first.wait(LIMIT);
    assert_eq!(first.code(), Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("insert-into_copied: its last checkpoint is file:///"), "{}", first.stderr);
    assert!(first.stderr.contains("insert-into_copied: stopped in "), "{}", first.stderr);
    let stopped_at = written(folder.path()).len() as u64;
    assert!(stopped_at < ROWS, "the job ended before the signal");
    let second = job(folder.path(), FAST, &["--resume"]).run(LIMIT);
    assert_eq!(second.code(), Some(0), "{}", second.stderr);
    let read = format!("read {} row", grouped(ROWS - stopped_at));
    assert!(second.stderr.contains(&read), "{read}: {}", second.stderr);
    every_row_once(folder.path());
}

fn grouped(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}

#[test]
fn a_failed_job_tells_its_restarts() {
    let folder = temp_folder();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/numbers.csv"), "1\ntwo\n").unwrap();
    let script = format!(
        "SET 'execution.checkpointing.interval' = '100 ms';
         SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
         SET 'restart-strategy.type' = 'fixed-delay';
         SET 'restart-strategy.fixed-delay.attempts' = '2';
         SET 'restart-strategy.fixed-delay.delay' = '100 ms';
         CREATE TABLE f (a INT) WITH ('connector' = 'filesystem', 'path' = '{folder}/in', 'format' = 'csv');
         CREATE TABLE b (a INT) WITH ('connector' = 'blackhole');
         INSERT INTO b SELECT a FROM f;",
        folder = folder.path().display()
    );
    let finished = riverrun(["run", "-e", &script]).run(LIMIT);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    let restarts: Vec<&str> =
        finished.stderr.lines().filter(|line| line.starts_with("warning: insert-into_b: failed; restart ")).collect();
    assert_eq!(restarts.len(), 2, "{}", finished.stderr);
    assert!(restarts[1].contains("restart 2 in 0.1 s (error: cannot read 'two' as INT"), "{}", restarts[1]);
    assert!(finished.stderr.contains("not restarted: 2 restarts are spent"), "{}", finished.stderr);
}

#[test]
fn what_cannot_be_gone_on_from_is_refused_before_anything_runs() {
    let folder = temp_folder();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (arguments, expected) in [
        (&["--from", &empty.to_string_lossy()][..], "is no checkpoint: it is empty, or not there"),
        (&["--from", "ftp://host/c"], "there is no store for ftp://"),
        (&["--from", "/c", "-rm", "legacy"], "Flink 2 has it no more"),
        (&["--from", "/c", "--claim-mode", "mine"], "possible values: claim, no_claim"),
        (&["--from", "/c", "--resume"], "cannot be used with"),
        (&["--allow-non-restored-state"], "--from <PATH>"),
        (&["--rest=nowhere"], "'--rest=nowhere' is not an address"),
        (&["localhost:8081"], "if it is an address, write --rest=localhost:8081"),
        (&["--config", "nowhere.yaml"], "cannot read the configuration 'nowhere.yaml'"),
    ] {
        let finished = job(folder.path(), FAST, arguments).run(LIMIT);
        assert_eq!(finished.code(), Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
        assert_eq!(written(folder.path()), Vec::<u64>::new());
    }
    let finished = riverrun([
        "run",
        "--resume",
        "-e",
        "CREATE TABLE n (id INT) WITH ('connector' = 'datagen'); CREATE TABLE b (id INT) WITH ('connector' = 'blackhole'); INSERT INTO b SELECT id FROM n;",
    ])
    .run(LIMIT);
    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("nothing that the job could go on from by '--resume'"), "{}", finished.stderr);
}

#[test]
fn state_that_finds_no_operator_is_an_error_or_is_left_out() {
    let folder = temp_folder();
    let first = job(folder.path(), SLOW, &["--resume"]).start();
    wait_for_rows(folder.path(), 0);
    first.interrupt();
    let first = first.wait(LIMIT);
    let line = first.stderr.lines().find(|line| line.contains("its last checkpoint is ")).unwrap();
    let checkpoint = line.rsplit(' ').next().unwrap();
    let other = format!(
        "SET 'execution.checkpointing.interval' = '1 s';
         CREATE TABLE others (a BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
         CREATE TABLE elsewhere (a BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}/elsewhere', 'format' = 'csv');
         INSERT INTO elsewhere SELECT a FROM others;",
        folder.path().display()
    );
    let refused = riverrun(["run", "-e", &other, "--from", checkpoint]).run(LIMIT);
    assert_ne!(refused.code(), Some(0), "{}", refused.stderr);
    assert!(refused.stderr.contains("no operator for the state of"), "{}", refused.stderr);
    let left_out = riverrun(["run", "-e", &other, "-s", checkpoint, "-n"]).run(LIMIT);
    assert_eq!(left_out.code(), Some(0), "{}", left_out.stderr);
    assert!(left_out.stderr.contains("its state is left out"), "{}", left_out.stderr);
}

#[test]
fn a_configuration_file_of_flink_holds_below_the_command_line_and_the_script() {
    let folder = temp_folder();
    let file = folder.path().join("config.yaml");
    let text = "jobmanager:\n  rpc:\n    address: localhost\ntaskmanager.numberOfTaskSlots: 4\nparallelism:\n  default: 2\npipeline.max-parallelism: 64\nstate.checkpoints.dir: file:///a\n";
    std::fs::write(&file, text).unwrap();
    let set = "SET 'pipeline.max-parallelism' = '32'; SET 'execution.checkpointing.dir' = 'file:///c'; SET;";
    let finished = riverrun([
        "run",
        "-o",
        "csv",
        "--config",
        &file.to_string_lossy(),
        "--set",
        "parallelism.default=3",
        "--set",
        "state.checkpoints.dir=file:///b",
        "-e",
        set,
    ])
    .run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    for line in ["parallelism.default,3", "pipeline.max-parallelism,32", "execution.checkpointing.dir,file:///c"] {
        assert!(
            finished.stdout.lines().any(|shown| shown.replace('"', "") == line),
            "{line} is not in {}",
            finished.stdout
        );
    }
    assert!(!finished.stdout.contains("state.checkpoints.dir"), "{}", finished.stdout);
    let warning =
        "keys of Flink's own processes have no effect here: jobmanager.rpc.address, taskmanager.numberOfTaskSlots\n";
    assert!(finished.stderr.starts_with("warning: ") && finished.stderr.ends_with(warning), "{}", finished.stderr);

    std::fs::write(&file, "paralelism.default: 2\n").unwrap();
    let finished = riverrun(["check", "--config", &file.to_string_lossy(), "-e", "SELECT 1"]).run(LIMIT);
    assert_eq!(finished.code(), Some(2));
    assert!(
        finished.stderr.contains("unknown configuration key 'paralelism.default'")
            && finished.stderr.contains("did you mean 'parallelism.default'?"),
        "{}",
        finished.stderr
    );
}

#[test]
fn checkpoints_in_a_temporary_folder_are_warned_of() {
    let statements = "SET 'execution.checkpointing.interval' = '1 s';
        CREATE TABLE n (id INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
        CREATE TABLE b (id INT) WITH ('connector' = 'blackhole'); INSERT INTO b SELECT id FROM n;";
    let finished = riverrun(["run", "-e", statements]).run(Duration::from_secs(30));
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("warning: insert-into_b: checkpoints are in a temporary folder"),
        "{}",
        finished.stderr
    );
}
