//! A job that is killed again and again, at random moments and at named points, and the oracle that counts what came out.
//!
//! Kafka -> a copy in Kafka (transactions), rows in PostgreSQL (prepared transactions), counts by key in MariaDB (XA), windows in files.
//! Every process goes on from the checkpoints of the one before it (`--resume` as a setting). At the end all that was ever produced must
//! be there once, and the counts and windows must be those of a batch computation.
//!
//! 30 kills; `RIVERRUN_CHAOS_KILLS=1000` for more. A run prints its seed; `RIVERRUN_CHAOS_SEED` takes one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod full_disk;
mod rocketmq;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{KafkaServer, MariaDb, Postgres, Record, TempFolder, temp_folder, wait_until};

const KEYS: u64 = 20;
/// Event time between two rows.
const STEP_MS: u64 = 20;
const WINDOW_MS: u64 = 1_000;
const LONG: Duration = Duration::from_secs(180);

/// Where the process can be made to end.
const POINTS: &[&str] =
    &["before-prepare", "before-slot", "before-commit", "behind-commit", "before-recovery", "behind-recovery"];

/// The servers and the folder of one test, and what it has produced.
struct World {
    kafka: KafkaServer,
    mariadb: MariaDb,
    postgres: Postgres,
    from: String,
    copy: String,
    folder: TempFolder,
    produced: u64,
    /// One after another: each has three servers, and is to be killed in the middle of something.
    _turn: MutexGuard<'static, ()>,
}

/// One test after another: each is to be killed in the middle of something, and not by its neighbours' load.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn new() -> Self {
        let turn = turn();
        let (kafka, mariadb, postgres) = (KafkaServer::start(), MariaDb::start(), Postgres::start());
        mariadb.execute("CREATE TABLE test.chaos (k VARCHAR(20) PRIMARY KEY, n BIGINT, total BIGINT) ENGINE=InnoDB");
        postgres.execute("CREATE TABLE chaos (id BIGINT, k VARCHAR(20))");
        let (from, copy) = (kafka.topic("chaos_in", 3), kafka.topic("chaos_out", 2));
        let world = Self { _turn: turn, kafka, mariadb, postgres, from, copy, folder: temp_folder(), produced: 0 };
        std::fs::write(world.folder.path().join("job.sql"), world.script()).unwrap();
        world
    }

    fn script(&self) -> String {
        let Self { from, copy, mariadb, postgres, .. } = self;
        let (bootstrap, folder, name) = (self.kafka.bootstrap(), self.folder.path().display(), "chaos");
        format!(
            "SET 'pipeline.name' = '{name}';
SET 'parallelism.default' = '2';
SET 'execution.checkpointing.interval' = '100 ms';
SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
SET 'execution.checkpointing.tolerable-failed-checkpoints' = '3';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
SET 'execution.state-recovery.resume' = 'true';
SET 'restart-strategy.type' = 'fixed-delay';
SET 'restart-strategy.fixed-delay.attempts' = '1000';
SET 'restart-strategy.fixed-delay.delay' = '100 ms';
CREATE TABLE numbers (id BIGINT, k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (
  'connector' = 'kafka', 'topic' = '{from}', 'properties.bootstrap.servers' = '{bootstrap}', 'properties.group.id' = '{name}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'csv');
CREATE TABLE copy (id BIGINT, k STRING) WITH (
  'connector' = 'kafka', 'topic' = '{copy}', 'properties.bootstrap.servers' = '{bootstrap}', 'format' = 'csv',
  'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '{name}',
  'properties.transaction.timeout.ms' = '300000');
CREATE TABLE counts (k STRING, n BIGINT, total BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH (
  'connector' = 'jdbc', 'url' = '{}', 'username' = '{}', 'password' = '{}', 'table-name' = '{name}',
  'sink.delivery-guarantee' = 'exactly-once');
CREATE TABLE stored (id BIGINT, k STRING) WITH (
  'connector' = 'jdbc', 'url' = '{}', 'username' = '{}', 'password' = '{}', 'table-name' = '{name}',
  'sink.delivery-guarantee' = 'exactly-once');
CREATE TABLE windows (starts TIMESTAMP(3), k STRING, n BIGINT, total BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{folder}/windows', 'format' = 'csv');
EXECUTE STATEMENT SET BEGIN
INSERT INTO copy SELECT id, k FROM numbers;
INSERT INTO counts SELECT k, COUNT(*), SUM(v) FROM numbers GROUP BY k;
INSERT INTO stored SELECT id, k FROM numbers;
INSERT INTO windows SELECT window_start, k, COUNT(*), SUM(v)
  FROM TABLE(TUMBLE(TABLE numbers, DESCRIPTOR(ts), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, k;
END;
",
            mariadb.url(),
            mariadb.user(),
            mariadb.password(),
            postgres.url(),
            postgres.user(),
            postgres.password(),
        )
    }

    fn start(&self, crash_at: Option<String>) -> Riverrun {
        let builder = Riverrun::builder_at(
            std::env::var_os("RIVERRUN_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_riverrun").into()),
        )
        .args(["run", "job.sql"])
        .current_dir(self.folder.path())
        .env("TERM", "dumb")
        .env("RIVERRUN_LOG", "info");
        match crash_at {
            Some(point) => builder.env("RIVERRUN_CRASH_AT", point).start(),
            None => builder.start(),
        }
    }

    /// Writes so many more rows.
    fn produce(&mut self, more: u64) {
        self.write(self.produced..self.produced + more);
        self.produced += more;
    }

    fn write(&self, ids: std::ops::Range<u64>) {
        let record = |id| Record::value(row(id)).partition(i32::try_from(id % 3).unwrap());
        self.kafka.produce(&self.from, ids.map(record));
    }

    /// Ids that are visible in the copy, with how often.
    fn copied(&self) -> BTreeMap<u64, u64> {
        let mut ids = BTreeMap::new();
        for record in self.kafka.read_all(&self.copy) {
            let id = record.text().split(',').next().unwrap().parse().unwrap();
            *ids.entry(id).or_insert(0) += 1;
        }
        ids
    }

    fn stored(&self) -> BTreeMap<u64, u64> {
        let rows = self.postgres.query("SELECT id, count(*) FROM chaos GROUP BY id");
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
    }

    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let rows = self.mariadb.query("SELECT k, n, total FROM test.chaos");
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        rows.iter().map(|row| (row[0].clone().unwrap(), (number(&row[1]), number(&row[2])))).collect()
    }

    /// The lines of all visible part files.
    fn windows(&self) -> Vec<String> {
        let folder = self.folder.path().join("windows");
        let visible = |path: &Path| !path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']);
        let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut lines: Vec<String> = files
            .filter(|path| visible(path))
            .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        lines.sort();
        lines
    }
}

fn key(id: u64) -> String {
    format!("k{}", id * 7 % KEYS)
}

fn time(id: u64) -> String {
    let ms = id * STEP_MS;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("2026-01-01 {hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn row(id: u64) -> String {
    format!("{id},{},{},{}", key(id), id % 10, time(id))
}

/// Lets the job come to its end, and compares all that is visible with a batch computation over all that was produced.
fn assert_exactly_once(world: &World, mut job: Riverrun, told: &str) {
    let rows = world.produced;
    // Rows long after the others close their windows.
    let late = rows + 100_000..rows + 100_003;
    world.write(late.clone());
    let all = rows + 3;
    wait_until(LONG, "all rows are visible in PostgreSQL", || {
        assert!(job.is_running(), "{told}: the job ended:\n{:#?}", job.stderr());
        world.stored().len() as u64 >= all
    });
    wait_until(LONG, "all rows are visible in Kafka", || world.copied().len() as u64 >= all);
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut windows: BTreeMap<(u64, String), (u64, u64)> = BTreeMap::new();
    for id in (0..rows).chain(late) {
        let count = counts.entry(key(id)).or_default();
        *count = (count.0 + 1, count.1 + id % 10);
        if id < rows {
            let window = windows.entry((id * STEP_MS / WINDOW_MS, key(id))).or_default();
            *window = (window.0 + 1, window.1 + id % 10);
        }
    }
    let start = |window: u64| {
        let text = time(window * WINDOW_MS / STEP_MS);
        text.strip_suffix(".000").unwrap_or(&text).to_owned()
    };
    let mut expected: Vec<String> =
        windows.iter().map(|((window, key), (n, total))| format!("\"{}\",{key},{n},{total}", start(*window))).collect();
    expected.sort();
    wait_until(LONG, "all counts are visible in MariaDB", || world.counts() == counts);
    wait_until(LONG, "all windows are visible in files", || world.windows().len() >= expected.len());
    job.interrupt();
    let ended = job.wait(LONG);
    assert_eq!(ended.code(), Some(0), "{told}: {}", ended.stderr);

    let doubled =
        |ids: BTreeMap<u64, u64>| ids.into_iter().filter(|(_, times)| *times != 1).take(5).collect::<Vec<_>>();
    assert_eq!((world.copied().len() as u64, doubled(world.copied())), (all, Vec::new()), "{told}");
    assert_eq!((world.stored().len() as u64, doubled(world.stored())), (all, Vec::new()), "{told}");
    assert_eq!(world.counts(), counts, "{told}");
    assert_eq!(world.windows(), expected, "{told}");
}

/// Lets a job run for a while.
fn run_for(job: &mut Riverrun, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until && job.is_running() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nothing_is_lost_or_doubled_however_often_the_process_is_killed() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (kills, seed) = (number("RIVERRUN_CHAOS_KILLS", 30), number("RIVERRUN_CHAOS_SEED", fastrand::u64(..)));
    println!("RIVERRUN_CHAOS_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new();
    let begin = Instant::now();
    for kill in 0..kills {
        world.produce(rng.u64(50..400));
        let point = (kill % 2 == 1).then(|| format!("{}:{}", rng.choice(POINTS).unwrap(), rng.u32(1..6)));
        let mut job = world.start(point.clone());
        // A named point that is not reached in time gives way to a kill.
        run_for(&mut job, Duration::from_millis(if point.is_some() { 3000 } else { rng.u64(100..2500) }));
        if !job.is_running() {
            assert!(point.is_some(), "seed {seed}, kill {kill}: the job ended by itself:\n{:#?}", job.stderr());
        }
        job.kill9();
    }
    let last = world.start(None);
    assert_exactly_once(&world, last, &format!("seed {seed}"));
    println!("{kills} kills, {} rows, {:?}", world.produced, begin.elapsed());
}

#[test]
fn a_process_that_wakes_after_another_took_over_commits_nothing_more() {
    let mut world = World::new();
    for round in 0..3 {
        let before = world.produced;
        world.produce(300);
        let mut zombie = world.start(None);
        // of this round: one that is stopped before it has the job takes it from the second later, as it should
        wait_until(LONG, "the first process has written", || world.stored().len() as u64 > before);
        signal(&zombie, rustix::process::Signal::STOP);
        world.produce(300);
        let mut heir = world.start(None);
        wait_until(LONG, "the second process has written", || world.stored().len() as u64 >= world.produced);
        signal(&zombie, rustix::process::Signal::CONT);
        world.produce(300);
        wait_until(LONG, "the first process sees that it is over", || !zombie.is_running());
        let ended = zombie.wait(LONG);
        assert_eq!(ended.code(), Some(1), "round {round}: {}", ended.stderr);
        assert!(ended.stderr.contains("taken"), "round {round}: {}", ended.stderr);
        run_for(&mut heir, Duration::from_millis(300));
        assert!(heir.is_running(), "round {round}: {:#?}", heir.stderr());
        heir.kill9();
    }
    let last = world.start(None);
    assert_exactly_once(&world, last, "zombies");
}

#[test]
fn brokers_and_databases_that_are_killed_and_come_back_lose_nothing() {
    let mut world = World::new();
    let mut job = world.start(None);
    for server in 0..6 {
        world.produce(300);
        run_for(&mut job, Duration::from_millis(fastrand::u64(200..700)));
        match server % 3 {
            0 => {
                world.kafka.kill9();
                run_for(&mut job, Duration::from_millis(500));
                world.kafka.restart();
            }
            1 => {
                world.mariadb.kill9();
                run_for(&mut job, Duration::from_millis(500));
                world.mariadb.restart();
            }
            _ => {
                world.postgres.kill9();
                run_for(&mut job, Duration::from_millis(500));
                world.postgres.restart();
            }
        }
        assert!(job.is_running(), "{:#?}", job.stderr());
    }
    assert_exactly_once(&world, job, "outages");
}

fn signal(job: &Riverrun, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(job.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
