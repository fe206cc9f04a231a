//! A job that is killed again and again, at random moments and at named points, and the oracle that counts what came out.
//!
//! Kafka -> a copy in Kafka (transactions), rows in PostgreSQL (prepared transactions), counts by key in MariaDB (XA), windows in files.
//! Every process goes on from the checkpoints of the one before it (`--resume` as a setting). At the end all that was ever produced must
//! be there once, and the counts and windows must be those of a batch computation.
//!
//! 30 kills; `RIVERRUN_CHAOS_KILLS=1000` for more. A run prints its seed; `RIVERRUN_CHAOS_SEED` takes one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{Record, TempFolder, kafka, mariadb, postgres, temp_folder, unique, wait_until};

const KEYS: u64 = 20;
/// Event time between two rows.
const STEP_MS: u64 = 20;
const WINDOW_MS: u64 = 1_000;
const LONG: Duration = Duration::from_secs(180);

/// Where the process can be made to end.
const POINTS: &[&str] =
    &["before-prepare", "before-slot", "before-commit", "behind-commit", "before-recovery", "behind-recovery"];

/// The places of one test: topics, tables, folders.
struct World {
    from: String,
    copy: String,
    name: String,
    folder: TempFolder,
}

impl World {
    fn new() -> Self {
        let name = unique("chaos");
        let world =
            Self { from: kafka().topic("chaos_in", 3), copy: kafka().topic("chaos_out", 2), name, folder: temp_folder() };
        mariadb().execute(&format!(
            "CREATE TABLE test.{} (k VARCHAR(20) PRIMARY KEY, n BIGINT, total BIGINT) ENGINE=InnoDB",
            world.name
        ));
        postgres().execute(&format!("CREATE TABLE {} (id BIGINT, k VARCHAR(20))", world.name));
        std::fs::write(world.folder.path().join("job.sql"), world.script()).unwrap();
        world
    }

    fn script(&self) -> String {
        let Self { from, copy, name, folder } = self;
        let (bootstrap, folder) = (kafka().bootstrap(), folder.path().display());
        let (mysql, postgres) = (mariadb(), postgres());
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
            mysql.url(),
            mysql.user(),
            mysql.password(),
            postgres.url(),
            postgres.user(),
            postgres.password(),
        )
    }

    fn start(&self, crash_at: Option<String>) -> Riverrun {
        let builder = Riverrun::builder_at(env!("CARGO_BIN_EXE_riverrun"))
            .args(["run", "job.sql"])
            .current_dir(self.folder.path())
            .env("TERM", "dumb")
            .env("RIVERRUN_LOG", "info");
        match crash_at {
            Some(point) => builder.env("RIVERRUN_CRASH_AT", point).start(),
            None => builder.start(),
        }
    }

    fn produce(&self, ids: std::ops::Range<u64>) {
        kafka().produce(&self.from, ids.map(|id| Record::value(row(id)).partition(i32::try_from(id % 3).unwrap())));
    }

    /// Ids that are visible in the copy, with how often.
    fn copied(&self) -> BTreeMap<u64, u64> {
        let mut ids = BTreeMap::new();
        for record in kafka().read_all(&self.copy) {
            let id = record.text().split(',').next().unwrap().parse().unwrap();
            *ids.entry(id).or_insert(0) += 1;
        }
        ids
    }

    fn stored(&self) -> BTreeMap<u64, u64> {
        let rows = postgres().query(&format!("SELECT id, count(*) FROM {} GROUP BY id", self.name));
        let number = |value: &Option<String>| value.as_ref().unwrap().parse().unwrap();
        rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
    }

    fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let rows = mariadb().query(&format!("SELECT k, n, total FROM test.{}", self.name));
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

impl Drop for World {
    fn drop(&mut self) {
        let _ = mariadb().try_query(&format!("DROP TABLE test.{}", self.name));
        let _ = postgres().try_query(&format!("DROP TABLE {}", self.name));
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

#[test]
fn nothing_is_lost_or_doubled_however_often_the_process_is_killed() {
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (kills, seed) = (number("RIVERRUN_CHAOS_KILLS", 30), number("RIVERRUN_CHAOS_SEED", fastrand::u64(..)));
    println!("RIVERRUN_CHAOS_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new();
    let mut produced = 0;
    let begin = Instant::now();
    for kill in 0..kills {
        let more = rng.u64(50..400);
        world.produce(produced..produced + more);
        produced += more;
        let point = (kill % 2 == 1).then(|| format!("{}:{}", rng.choice(POINTS).unwrap(), rng.u32(1..6)));
        let mut job = world.start(point.clone());
        // A named point that is not reached in time gives way to a kill.
        let until = Instant::now() + Duration::from_millis(if point.is_some() { 3000 } else { rng.u64(100..2500) });
        while Instant::now() < until && job.is_running() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !job.is_running() {
            assert!(point.is_some(), "kill {kill}: the job ended by itself:\n{:#?}", job.stderr());
        }
        job.kill9();
    }
    let rows = produced;
    // A row long after the others closes their windows; it has an id of its own.
    world.produce(rows + 100_000..rows + 100_003);
    let mut job = world.start(None);
    let all = rows + 3;
    wait_until(LONG, "all rows are visible in PostgreSQL", || {
        assert!(job.is_running(), "the job ended:\n{:#?}", job.stderr());
        world.stored().len() as u64 >= all
    });
    wait_until(LONG, "all rows are visible in Kafka", || world.copied().len() as u64 >= all);
    let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut windows: BTreeMap<(u64, String), (u64, u64)> = BTreeMap::new();
    for id in (0..rows).chain(rows + 100_000..rows + 100_003) {
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
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);

    let doubled = |ids: BTreeMap<u64, u64>| ids.into_iter().filter(|(_, times)| *times != 1).take(5).collect::<Vec<_>>();
    assert_eq!((world.copied().len() as u64, doubled(world.copied())), (all, Vec::new()), "seed {seed}");
    assert_eq!((world.stored().len() as u64, doubled(world.stored())), (all, Vec::new()), "seed {seed}");
    assert_eq!(world.counts(), counts, "seed {seed}");
    assert_eq!(world.windows(), expected, "seed {seed}");
    println!("{kills} kills, {all} rows, {:?}", begin.elapsed());
}
