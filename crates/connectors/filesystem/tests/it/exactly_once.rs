//! Exactly once: parts show when their checkpoint is committed, whatever crashes when.

use std::fs;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use riverrun_connect::{Commit, Commits, Committable, Committer, Flush, JobContext, Sink, SinkWriter, TaskContext};
use riverrun_data::Batch;
use riverrun_protocol::CheckpointId;
use riverrun_testkit::suites::two_phase::{self, Destination};
use tempfile::{TempDir, tempdir, tempdir_in};

use super::{numbers, read, sink, table, task};

/// A folder in memory where there is one: what is brought to disk there costs nothing.
fn folder() -> TempDir {
    tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap()
}

fn rows(numbers: Range<u64>) -> Batch {
    let texts = StringArray::from_iter_values(numbers.clone().map(|number| format!("row {number}")));
    let numbers = Int64Array::from_iter_values(numbers.map(|number| i64::try_from(number).unwrap()));
    let columns: [(&str, ArrayRef, bool); 2] = [("a", Arc::new(numbers), true), ("b", Arc::new(texts), true)];
    Batch::insertions(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

/// An attempt of a job that takes checkpoints.
fn attempt(job: &str, operator: &str, attempt: u64) -> TaskContext {
    let checkpoint_interval = Some(Duration::from_secs(1));
    let job = JobContext { id: job.into(), operator: operator.into(), attempt, restored: None, checkpoint_interval };
    TaskContext { job, ..task() }
}

fn sink_of(path: &Path, options: &[(&str, &str)]) -> Box<dyn Sink> {
    sink(&table(path, "csv", options)).unwrap()
}

fn writer(path: &Path, context: &TaskContext) -> Box<dyn SinkWriter> {
    sink_of(path, &[]).writer(context).unwrap()
}

fn committer(path: &Path, context: &TaskContext) -> Box<dyn Committer> {
    sink_of(path, &[]).committer(context).unwrap()
}

/// Prepares a part for each number, for checkpoint 1 of attempt 1.
fn prepared(path: &Path, parts: u64) -> Vec<Committable> {
    let sink = sink_of(path, &[("sink.rolling-policy.file-size", "1 b")]);
    let mut writer = sink.writer(&attempt("j", "o", 1)).unwrap();
    writer.write(rows(0..parts)).unwrap();
    let prepared = writer.prepare(CheckpointId(1)).unwrap();
    assert_eq!(prepared.len() as u64, parts);
    prepared
}

/// The names of parts that show, and of every hidden file.
fn names(path: &Path) -> (Vec<String>, Vec<String>) {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.into_iter().partition(|name| !name.starts_with('.'))
}

/// The hidden parts.
fn hidden(path: &Path) -> Vec<String> {
    names(path).1.into_iter().filter(|name| name.starts_with(".part-")).collect()
}

fn seen(path: &Path) -> Vec<i64> {
    let mut seen = numbers(&read(&table(path, "csv", &[])).unwrap());
    seen.sort_unstable();
    seen
}

struct Folder {
    folder: TempDir,
    options: Vec<(&'static str, &'static str)>,
}

impl Destination<Batch> for Folder {
    fn sink(&mut self) -> Box<dyn Sink> {
        sink_of(self.folder.path(), &self.options)
    }

    fn rows(&mut self, numbers: Range<u64>) -> Batch {
        rows(numbers)
    }

    fn visible(&mut self) -> Vec<u64> {
        let parts = names(self.folder.path()).0;
        let text: String =
            parts.iter().map(|part| fs::read_to_string(self.folder.path().join(part)).unwrap()).collect();
        text.lines().map(|line| line.split_once(',').unwrap().0.parse().unwrap()).collect()
    }

    fn unfinished(&mut self) -> Vec<String> {
        hidden(self.folder.path())
    }
}

#[test]
fn every_row_is_seen_once_whatever_crashes_when() {
    two_phase::crash_after_every_call(0..4, || Folder { folder: folder(), options: Vec::new() });
    let small = vec![("sink.rolling-policy.file-size", "20 b")];
    two_phase::random_crashes(0..200, || Folder { folder: folder(), options: small.clone() });
}

#[test]
fn a_part_shows_when_its_checkpoint_is_committed() {
    let folder = folder();
    let path = folder.path();
    assert_eq!(sink_of(path, &[]).commits(), Commits::WithCheckpoints);
    let context = attempt("0f", "o", 3);
    let (mut parts, mut commits) = (writer(path, &context), committer(path, &context));
    parts.write(rows(0..2)).unwrap();
    let one = parts.prepare(CheckpointId(1)).unwrap();
    parts.write(rows(2..3)).unwrap();
    let (shown, waiting) = names(path);
    assert!(shown.is_empty() && waiting.len() == 2, "{shown:?} {waiting:?}");
    assert!(waiting.iter().all(|name| name.contains(".inprogress.0f-") && name.ends_with("-3")), "{waiting:?}");
    for _ in 0..3 {
        assert!(matches!(commits.commit(CheckpointId(1), &one).unwrap(), Commit::Done));
        assert_eq!(seen(path), [0, 1]);
    }
    let error = parts.flush(Flush::End).unwrap_err().to_string();
    assert!(error.contains("no barrier came behind its rows"), "{error}");
    let two = parts.prepare(CheckpointId(2)).unwrap();
    parts.flush(Flush::End).unwrap();
    drop(parts);
    assert!(matches!(commits.commit(CheckpointId(2), &two).unwrap(), Commit::Done));
    assert_eq!((seen(path), hidden(path)), (vec![0, 1, 2], vec![]));
    let shown = names(path).0;
    assert!(shown.iter().all(|name| name.starts_with("part-") && name.contains("-0-")), "{shown:?}");
}

#[test]
fn the_recovery_finishes_the_renames_and_removes_only_what_earlier_attempts_of_the_same_sink_left() {
    let folder = folder();
    let path = folder.path();
    let prepare = |job: &str, operator: &str, number| {
        let mut writer = writer(path, &attempt(job, operator, number));
        writer.write(rows(number..number + 1)).unwrap();
        let prepared = writer.prepare(CheckpointId(number)).unwrap();
        // As in a killed process.
        writer.write(rows(90..91)).unwrap();
        std::mem::forget(writer);
        prepared
    };
    let restored = prepare("j", "o", 1);
    prepare("j", "o", 2);
    for (job, operator, number) in [("j", "other", 1), ("other", "o", 1), ("j", "o", 4)] {
        prepare(job, operator, number);
    }
    for name in [".part-of-a-user", ".part-x-0-1.inprogress.550e8400-e29b-41d4-a716-446655440000", "_SUCCESS"] {
        fs::write(path.join(name), "").unwrap();
    }
    assert_eq!(hidden(path).len(), 12);
    assert!(matches!(
        committer(path, &attempt("j", "o", 3)).recover(Some(CheckpointId(1)), &restored).unwrap(),
        Commit::Done
    ));
    assert_eq!(seen(path), [1]);
    let left = hidden(path);
    assert_eq!(left.len(), 8, "{left:?}");
    assert!(path.join("_SUCCESS").exists() && !left.iter().any(|name| name.ends_with("-2")), "{left:?}");
    let nowhere = path.join("nowhere");
    assert!(matches!(committer(&nowhere, &attempt("j", "o", 3)).recover(None, &[]).unwrap(), Commit::Done));
}

#[test]
fn parts_that_a_reader_has_taken_away_are_not_missed() {
    let folder = folder();
    let path = folder.path();
    let parts = prepared(path, 3);
    let mut commits = committer(path, &attempt("j", "o", 1));
    commits.commit(CheckpointId(1), &parts).unwrap();
    for name in names(path).0 {
        fs::remove_file(path.join(name)).unwrap();
    }
    assert!(matches!(commits.commit(CheckpointId(1), &parts).unwrap(), Commit::Done));
    // A savepoint is restored as another job.
    let mut recovers = committer(path, &attempt("another", "o", 1));
    assert!(matches!(recovers.recover(Some(CheckpointId(1)), &parts).unwrap(), Commit::Done));
    // A job that begins anew under the same id has a checkpoint 1 of its own.
    assert!(matches!(commits.recover(None, &[]).unwrap(), Commit::Done));
    assert!(matches!(commits.commit(CheckpointId(1), &parts).unwrap(), Commit::Lost { .. }));
}

#[test]
fn a_part_that_was_damaged_is_lost_and_nothing_of_its_checkpoint_is_seen() {
    let folder = folder();
    let path = folder.path();
    let parts = prepared(path, 3);
    let victim = path.join(&hidden(path)[1]);
    fs::write(&victim, "0").unwrap();
    let Commit::Lost { visible: false, error } =
        committer(path, &attempt("j", "o", 1)).commit(CheckpointId(1), &parts).unwrap()
    else {
        panic!("nothing is visible");
    };
    let error = error.to_string();
    assert!(
        error.contains("has 1 bytes and had 10 at its checkpoint (path: ") && error.contains("checkpoint: 1"),
        "{error}"
    );
    assert_eq!(
        (names(path).0, hidden(path)),
        (vec![], vec![]),
        "a late commit by another process finds nothing to publish"
    );
}

#[test]
fn a_part_that_is_gone_is_lost_and_may_have_been_seen() {
    let folder = folder();
    let path = folder.path();
    let parts = prepared(path, 3);
    let victim = path.join(&hidden(path)[2]);
    let kept = folder.path().join("kept");
    fs::rename(&victim, &kept).unwrap();
    let mut commits = committer(path, &attempt("j", "o", 1));
    let Commit::Lost { visible: true, error } = commits.commit(CheckpointId(1), &parts).unwrap() else {
        panic!("it may be visible");
    };
    assert!(error.to_string().contains("a part file is gone"), "{error}");
    assert_eq!(hidden(path).len(), 2, "nothing else is touched");
    fs::rename(&kept, &victim).unwrap();
    assert!(matches!(commits.commit(CheckpointId(1), &parts).unwrap(), Commit::Done));
    assert_eq!(seen(path), [0, 1, 2]);
}

#[test]
fn two_processes_that_commit_the_same_at_once_both_succeed() {
    for _ in 0..20 {
        let folder = folder();
        let path = folder.path();
        let parts = prepared(path, 100);
        std::thread::scope(|scope| {
            let commit = |number| {
                let mut committer = committer(path, &attempt("j", "o", number));
                assert!(matches!(committer.commit(CheckpointId(1), &parts).unwrap(), Commit::Done));
            };
            scope.spawn(move || commit(1));
            scope.spawn(move || commit(2));
        });
        assert_eq!((seen(path), hidden(path)), ((0..100).collect(), vec![]));
    }
}

#[test]
fn a_dropped_writer_leaves_what_it_has_prepared_and_nothing_else() {
    let folder = folder();
    let path = folder.path();
    let sink = sink_of(path, &[("sink.rolling-policy.file-size", "1 b")]);
    let mut parts = sink.writer(&attempt("j", "o", 1)).unwrap();
    parts.write(rows(0..2)).unwrap();
    assert_eq!(parts.prepare(CheckpointId(1)).unwrap().len(), 2);
    parts.write(rows(2..5)).unwrap();
    assert_eq!(hidden(path).len(), 5);
    drop(parts);
    assert_eq!((names(path).0, hidden(path).len()), (vec![], 2));
}

/// Another process of this program that runs one test, which is ignored otherwise, in a folder.
fn process(test: &str, folder: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    let run = format!(r#"{before} exec "$0" --ignored --exact "exactly_once::{test}""#);
    command.arg("-c").arg(run).arg(std::env::current_exe().unwrap()).env(FOLDER, folder).current_dir("/");
    command
}

const FOLDER: &str = "RIVERRUN_TEST_FOLDER";

/// The folder that the parent names; `None` where this test was not started by one.
fn folder_of_parent() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

#[test]
#[ignore = "a process that another test starts"]
fn commits_all() {
    let Some(path) = folder_of_parent() else { return };
    let text = fs::read_to_string(path.join("_prepared")).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let parts: Vec<_> = text.lines().map(|line| Committable(line.as_bytes().chunks(2).map(byte).collect())).collect();
    committer(&path, &attempt("j", "o", 1)).commit(CheckpointId(1), &parts).unwrap();
}

#[test]
fn a_commit_that_is_killed_in_the_middle_is_finished_by_the_next_attempt() {
    const PARTS: u64 = 3000;
    let killed_in_the_middle = (0..30).any(|_| {
        let folder = folder();
        let path = folder.path();
        let parts = prepared(path, PARTS);
        let hex = |part: &Committable| part.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
        fs::write(path.join("_prepared"), parts.iter().map(hex).collect::<String>()).unwrap();
        let uuid = hidden(path)[0].strip_prefix('.').unwrap().split_once("-0-").unwrap().0.to_owned();
        let first = path.join(format!("{uuid}-0-0"));
        let mut child = process("commits_all", path, "").stdout(Stdio::null()).spawn().unwrap();
        while !first.exists() && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        let status = child.wait().unwrap();
        let shown = names(path).0.iter().filter(|name| name.starts_with("part-")).count() as u64;
        let mut recovers = committer(path, &attempt("j", "o", 2));
        assert!(matches!(recovers.recover(Some(CheckpointId(1)), &parts).unwrap(), Commit::Done));
        assert_eq!(seen(path), (0..3000).collect::<Vec<_>>());
        assert_eq!(hidden(path), Vec::<String>::new());
        status.signal() == Some(9) && shown > 0 && shown < PARTS
    });
    assert!(killed_in_the_middle, "no kill met the renames");
}

#[test]
#[ignore = "a process that another test starts"]
fn fails_for_want_of_space() {
    let Some(path) = folder_of_parent() else { return };
    for (batches, reason) in [(1, "cannot write the file"), (40, "cannot write the file")] {
        let mut parts = writer(&path, &attempt("j", "o", 1));
        parts.write(rows(0..1)).unwrap();
        let mut all = || {
            (0..batches).try_for_each(|_| parts.write(rows(0..10_000)))?;
            parts.prepare(CheckpointId(1))
        };
        let error = all().unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("path: ") && error.contains("table: t"), "{error}");
        assert!(error.contains("No space left") || error.contains("File too large"), "{error}");
        drop(parts);
        assert_eq!(names(&path), (vec![], vec![]));
    }
}

#[test]
#[ignore = "a process that another test starts"]
fn commits_when_there_is_space_again() {
    let Some(path) = folder_of_parent() else { return };
    let parts = prepared(&path, 4);
    let ballast = path.join("_ballast");
    fs::write(&ballast, vec![0; 1 << 20]).unwrap_err();
    let mut commits = committer(&path, &attempt("j", "o", 1));
    let error = commits.commit(CheckpointId(1), &parts).unwrap_err().to_string();
    assert!(error.contains("No space left") && error.contains("path: "), "{error}");
    fs::remove_file(&ballast).unwrap();
    let mut recovers = committer(&path, &attempt("j", "o", 2));
    assert!(matches!(recovers.recover(Some(CheckpointId(1)), &parts).unwrap(), Commit::Done));
    assert_eq!((seen(&path), hidden(&path)), (vec![0, 1, 2, 3], vec![]));
}

fn passes(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{failed}");
}

#[test]
fn a_file_that_may_not_grow_fails_the_job_and_shows_nothing() {
    let folder = folder();
    // Blocks of 512 bytes.
    passes(process("fails_for_want_of_space", folder.path(), "trap '' XFSZ; ulimit -f 64;"));
    assert_eq!(names(folder.path()), (vec![], vec![]));
}

#[test]
fn a_full_disk_fails_the_job_and_shows_nothing_until_there_is_space() {
    let disk = r#"mount -t tmpfs -o size=128k tmpfs "$RIVERRUN_TEST_FOLDER" &&"#;
    let folder = folder();
    let mut probe = Command::new("unshare");
    probe.args(["-m", "sh", "-c"]).arg(format!("{disk} true")).env(FOLDER, folder.path());
    if !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("not run: this user cannot mount a small disk");
        return;
    }
    for test in ["fails_for_want_of_space", "commits_when_there_is_space_again"] {
        let run = process(test, folder.path(), disk);
        let mut apart = Command::new("unshare");
        apart.arg("-m").arg(run.get_program()).args(run.get_args()).env(FOLDER, folder.path()).current_dir("/");
        passes(apart);
    }
}
