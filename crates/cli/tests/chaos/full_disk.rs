//! A disk that is full, and has room again: a small file system of the job's own, in a mount namespace.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{temp_folder, wait_until};

const ROWS: u64 = 60_000;
const LIMIT: Duration = Duration::from_secs(60);

/// Mounts 8 MB at `small`, runs the job, and copies what the job wrote out of the namespace.
const WRAPPER: &str = r#"
mount -t tmpfs -o size=8m none small
"$@"
code=$?
cp -r small/out . 2> /dev/null
exit $code
"#;

/// Runs a job whose checkpoints and files are in these folders; fills the disk in the middle, and makes room when the job has told of it.
fn run(checkpoints: &str, out: &str) {
    let _turn = crate::turn();
    let folder = temp_folder();
    std::fs::create_dir(folder.path().join("small")).unwrap();
    std::fs::write(folder.path().join("wrapper.sh"), WRAPPER).unwrap();
    let at = folder.path().display();
    let script = format!(
        "SET 'execution.checkpointing.interval' = '50 ms';
SET 'execution.checkpointing.dir' = '{at}/{checkpoints}';
SET 'execution.checkpointing.tolerable-failed-checkpoints' = '2';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '1000';
SET 'restart-strategy.fixed-delay.delay' = '50 ms';
CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}');
CREATE TABLE copied (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{at}/{out}', 'format' = 'csv');
INSERT INTO copied SELECT id FROM numbers;
"
    );
    std::fs::write(folder.path().join("job.sql"), script).unwrap();
    let mut job = Riverrun::builder_at("unshare")
        .args(["--map-root-user", "--mount", "sh", "wrapper.sh", env!("CARGO_BIN_EXE_riverrun"), "run", "job.sql"])
        .current_dir(folder.path())
        .env("TERM", "dumb")
        .env("RIVERRUN_LOG", "info")
        .start();
    let small = PathBuf::from(format!("/proc/{}/root{at}/small", job.id()));
    wait_until(LIMIT, "the job writes", || {
        assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
        std::fs::read_dir(&small).is_ok_and(|mut files| files.next().is_some())
    });
    let filler = small.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    wait_until(LIMIT, "the job tells that the disk is full", || {
        let told = job.stderr();
        assert!(job.is_running(), "the job ended: {told:#?}");
        told.iter().any(|line| line.contains("No space left on device"))
    });
    drop(file);
    std::fs::remove_file(filler).unwrap();
    let ended = job.wait(LIMIT);
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let mut ids: BTreeMap<u64, u64> = BTreeMap::new();
    for file in std::fs::read_dir(folder.path().join("out")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.file_name().unwrap().to_string_lossy().starts_with(".committed.") {
            continue;
        }
        assert!(!file.file_name().unwrap().to_string_lossy().starts_with('.'), "{} is left behind", file.display());
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().for_each(|line| *ids.entry(line.parse().unwrap()).or_insert(0) += 1);
    }
    let doubled: Vec<u64> = ids.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id).collect();
    assert_eq!((ids.len() as u64, doubled), (ROWS, vec![]));
}

#[test]
fn a_full_disk_under_the_checkpoints_loses_nothing() {
    run("small/checkpoints", "out");
}

#[test]
fn a_full_disk_under_the_files_loses_nothing() {
    run("checkpoints", "small/out");
}
