//! Processes that are killed while they write to a failover store, or send again what is in it.
//!
//! A process of these tests is this program with the name of an ignored test: a writer that takes a checkpoint after each few rows, as an
//! engine would, or a replay.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use riverrun_http::failover::{Failover, Filter, Replay};
use riverrun_testkit::tcp::{HttpServer, Reply, Request};
use riverrun_testkit::{hbase, hdfs, kafka, mariadb, temp_folder, unique, wait_until};
use serde::{Deserialize, Serialize};

use crate::harness::{LIMIT, Writing, raw_table};

const FOLDER: &str = "RIVERRUN_TEST_KILLS";
const ROWS: usize = 300;
const AT_ONCE: usize = 10;
const KILLS: usize = 8;

/// What a process is to do, and where it is.
#[derive(Serialize, Deserialize)]
struct Work {
    options: BTreeMap<String, String>,
    /// The next row.
    next: usize,
    /// What the last checkpoint holds.
    entries: Vec<Vec<u8>>,
}

impl Work {
    fn file(folder: &Path) -> PathBuf {
        folder.join("work.json")
    }

    fn read(folder: &Path) -> Self {
        serde_json::from_slice(&std::fs::read(Self::file(folder)).unwrap()).unwrap()
    }

    fn write(&self, folder: &Path) {
        let temporary = folder.join("work.part");
        std::fs::write(&temporary, serde_json::to_vec(self).unwrap()).unwrap();
        std::fs::rename(temporary, Self::file(folder)).unwrap();
    }
}

fn text(n: usize) -> String {
    format!("{n}-{}", "x".repeat(5_000))
}

#[test]
#[ignore = "the process that others kill"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut work = Work::read(&folder);
    let mut table = crate::harness::table(&["v"], &[]);
    table.options = work.options.clone();
    let mut writing = Writing::open(&table);
    writing.writer.restore(std::mem::take(&mut work.entries)).unwrap();
    while work.next < ROWS {
        writing.write_each((work.next..work.next + AT_ONCE).map(text));
        work.next += AT_ONCE;
        work.entries = writing.barrier(work.next as u64);
        work.write(&folder);
    }
    writing.end();
    work.entries = writing.barrier(work.next as u64 + 1);
    work.write(&folder);
}

#[test]
#[ignore = "the process that others kill"]
fn replay() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut failover = Failover::open(&Work::read(&folder).options, false).unwrap();
    let outcome = failover.replay(&Filter::default(), &Replay::default(), |_| {}).unwrap();
    assert_eq!(outcome.failed, 0);
}

fn start(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("kills::{name}"), "--ignored"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a process again and again, each time when something has come of it, and a moment later; then lets it end.
fn kill_and_finish(name: &str, folder: &Path, server: &HttpServer, rng: &mut fastrand::Rng) {
    for _ in 0..KILLS {
        let before = server.count();
        let mut child = start(name, folder);
        wait_until(LIMIT, "something is sent", || server.count() > before || child.try_wait().unwrap().is_some());
        std::thread::sleep(Duration::from_micros(rng.u64(0..30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(start(name, folder).wait().unwrap().success());
}

/// Every second row is refused and goes to the store. Whatever is killed when: each row is answered or kept; and when the store is sent
/// again, and that is killed, too, each is answered in the end.
fn survives(options: &[(&str, &str)]) {
    let (folder, mut rng) = (temp_folder(), fastrand::Rng::with_seed(7));
    let number = |text: &str| text.split('-').next().unwrap().parse::<usize>().unwrap();
    let server = HttpServer::start(move |request: &Request| {
        let is_refused = number(&request.text()) % 2 == 1 && request.header("x-again").is_none();
        Reply::status(if is_refused { 400 } else { 200 }).after(Duration::from_micros(request.number as u64 % 7 * 300))
    });
    let mut table = raw_table(&server, None, &[("sink.threshold.num-writers", "4")]);
    table.options.extend(options.iter().map(|(key, value)| (format!("sink.failover.{key}"), (*value).to_owned())));
    Work { options: table.options.clone(), next: 0, entries: Vec::new() }.write(folder.path());
    kill_and_finish("writer", folder.path(), &server, &mut rng);
    let work = Work::read(folder.path());
    assert_eq!((work.next, work.entries.len()), (ROWS, 0));
    let answered = || -> BTreeSet<usize> {
        let journal = server.journal();
        journal.iter().filter(|request| request.answered == 200).map(|request| number(&request.text())).collect()
    };
    let mut kept: BTreeMap<usize, usize> = BTreeMap::new();
    for found in Failover::open(&work.options, false).unwrap().list(&Filter::default(), usize::MAX).unwrap() {
        assert_eq!(found.envelope.body, text(number(&found.envelope.body)), "nothing is half-written");
        *kept.entry(number(&found.envelope.body)).or_default() += 1;
    }
    assert_eq!(answered(), (0..ROWS).step_by(2).collect());
    assert_eq!(kept.keys().copied().collect::<BTreeSet<_>>(), (1..ROWS).step_by(2).collect());
    let twice: usize = kept.values().map(|times| times - 1).sum();
    assert!(twice <= KILLS * 2 * AT_ONCE, "{twice} rows more than once after {KILLS} kills");

    let mut again = work;
    again.options.insert("headers.X-Again".into(), "1".into());
    again.write(folder.path());
    kill_and_finish("replay", folder.path(), &server, &mut rng);
    assert_eq!(answered(), (0..ROWS).collect());
    let sent = server.count();
    assert!(start("replay", folder.path()).wait().unwrap().success());
    assert_eq!(server.count(), sent, "nothing is left to be sent again");
}

#[test]
fn whoever_is_killed_a_folder_has_what_was_not_delivered() {
    let folder = temp_folder();
    let path = folder.path().display().to_string();
    survives(&[("storage", "local"), ("table", "failed"), ("local.path", &path)]);
}

#[test]
fn whoever_is_killed_sqlite_has_what_was_not_delivered() {
    let folder = temp_folder();
    let url = format!("jdbc:sqlite:{}/failed.db", folder.path().display());
    survives(&[("storage", "sqlite"), ("table", "failed"), ("jdbc.url", &url)]);
}

#[test]
fn whoever_is_killed_mysql_has_what_was_not_delivered() {
    let (table, url) = (unique("failed"), format!("jdbc:mysql://{}/test", mariadb().address()));
    survives(&[
        ("storage", "mysql"),
        ("table", &table),
        ("jdbc.url", &url),
        ("jdbc.username", mariadb().user()),
        ("jdbc.password", mariadb().password()),
    ]);
}

#[test]
fn whoever_is_killed_kafka_has_what_was_not_delivered() {
    let topic = unique("failed");
    survives(&[("storage", "kafka"), ("kafka.topic", &topic), ("kafka.bootstrap.servers", &kafka().bootstrap())]);
}

#[test]
fn whoever_is_killed_hbase_has_what_was_not_delivered() {
    let (table, quorum) = (unique("failed"), hbase().quorum());
    let (host, port) = quorum.rsplit_once(':').unwrap();
    survives(&[
        ("storage", "hbase"),
        ("table", &table),
        ("hbase.zookeeper.quorum", host),
        ("hbase.zookeeper.property.clientPort", port),
    ]);
}

#[test]
fn whoever_is_killed_hdfs_has_what_was_not_delivered() {
    let (table, namenode) = (unique("failed"), hdfs().url());
    survives(&[
        ("storage", "hdfs"),
        ("table", &table),
        ("hdfs.namenode", &namenode),
        ("hdfs.user", "root"),
        ("hdfs.path", "/riverrun/http"),
    ]);
}
