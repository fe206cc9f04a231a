//! Failover stores on a disk that is full, or read only: a small file system in a mount namespace of another process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use riverrun_http::failover::{Failover, Filter};
use riverrun_testkit::tcp::{HttpServer, Reply};
use riverrun_testkit::{TempFolder, temp_folder, wait_until};

use crate::harness::{LIMIT, Writing, raw_table};

/// Mounts 4 MB at `small`, and then does what it reads.
const SHELL: &str =
    "mount -t tmpfs -o size=4m none small && echo yes || exit 1; while read -r line; do $line; echo yes; done";

struct SmallDisk {
    shell: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    root: PathBuf,
    _folder: TempFolder,
}

impl SmallDisk {
    /// None, with a word about it, where this system lets nobody mount.
    fn mounted() -> Option<Self> {
        let folder = temp_folder();
        std::fs::create_dir(folder.path().join("small")).unwrap();
        let shell = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", SHELL])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut shell) = shell else {
            eprintln!("skipped: there is no program 'unshare' to mount a small disk with");
            return None;
        };
        let root = PathBuf::from(format!("/proc/{}/root{}/small", shell.id(), folder.path().display()));
        let (input, output) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
        let mut disk = Self { shell, input, output, root, _folder: folder };
        if !disk.has_answered() {
            eprintln!("skipped: this system lets nobody mount a small disk in a namespace of their own");
            return None;
        }
        Some(disk)
    }

    fn has_answered(&mut self) -> bool {
        let mut line = String::new();
        self.output.read_line(&mut line).is_ok() && line == "yes\n"
    }

    fn run(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
        assert!(self.has_answered(), "{command}");
    }

    fn fill(&self) {
        let mut file = File::create(self.root.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.root.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Lets records fail while the disk is `bad`, and looks that all are kept, each once, when it is `good` again.
fn lives_through(bad: impl Fn(&mut SmallDisk), good: impl Fn(&mut SmallDisk), told: &str) {
    let Some(mut disk) = SmallDisk::mounted() else { return };
    let server = HttpServer::start(|_| Reply::status(400));
    let root = disk.root.display().to_string();
    let table = raw_table(
        &server,
        None,
        &[("sink.failover.storage", "local"), ("sink.failover.table", "failed"), ("sink.failover.local.path", &root)],
    );
    let mut writing = Writing::open(&table);
    let texts = |from: usize| (from..from + 20).map(|n| format!("{n}-{}", "x".repeat(20_000)));
    writing.write_each(texts(0));
    writing.end();
    bad(&mut disk);
    writing.write_each(texts(20));
    wait_until(LIMIT, "the store has failed", || writing.count("failoverFailures") > 1);
    assert_eq!(writing.barrier(1).len(), 20, "they are in the checkpoint meanwhile");
    let mut probed = table.clone();
    probed.options.insert("sink.failover.probe".into(), "fail".into());
    if let Err(error) = Writing::try_open(&probed) {
        let error = error.to_string();
        assert!(error.contains("failover store") && error.contains(told), "{error}");
    }
    good(&mut disk);
    writing.end();
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for found in Failover::open(&table.options, false).unwrap().list(&Filter::default(), 1000).unwrap() {
        *kept.entry(found.envelope.body).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> = texts(0).chain(texts(20)).map(|text| (text, 1)).collect();
    assert!(kept == expected, "{:?}", kept.values());
    assert_eq!(writing.count("numRecordsFailedOver"), 40);
    // Nothing half-written is left.
    for day in std::fs::read_dir(disk.root.join("failed")).unwrap() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            assert!(!file.unwrap().file_name().to_string_lossy().starts_with('.'));
        }
    }
}

#[test]
fn a_full_disk_under_the_store_loses_nothing_and_the_job_goes_on_when_there_is_room() {
    lives_through(|disk| disk.fill(), |disk| disk.empty(), "");
}

#[test]
fn a_disk_that_turns_read_only_under_the_store_loses_nothing() {
    lives_through(|disk| disk.run("mount -o remount,ro small"), |disk| disk.run("mount -o remount,rw small"), "ead");
}
