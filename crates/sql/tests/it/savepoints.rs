//! A script goes on from its savepoint: at another parallelism, and after changes that leave its state as it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use riverrun_base::Kind;
use riverrun_connect::Connectors;
use riverrun_runtime::JobHandle;
use riverrun_sql::{Outcome, Session};

use super::numbers::{NUMBERS, ROWS_A_MILLISECOND, release, row, written};

/// How long a window is, in milliseconds.
const WINDOW: i64 = 100;

/// A script over table `t`; `inserts` stand in one statement set.
fn start(name: &str, folder: &Path, parallelism: usize, from: Option<&str>, inserts: &str) -> JobHandle {
    let from = from.map(|from| format!("SET 'execution.state-recovery.path' = '{from}';")).unwrap_or_default();
    let script = format!(
        "SET 'parallelism.default' = '{parallelism}';
         SET 'execution.checkpointing.interval' = '20 ms';
         SET 'execution.checkpointing.dir' = '{}';
         SET 'restart-strategy.type' = 'none';
         {from}
         CREATE TABLE t (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '0.001' SECOND) WITH ('connector' = 'numbers', 'name' = '{name}');
         CREATE TABLE totals (k BIGINT, n BIGINT NOT NULL, v BIGINT, m BIGINT) WITH ('connector' = 'numbers', 'name' = '{name} totals');
         CREATE TABLE windows (w TIMESTAMP(3), k BIGINT, v BIGINT) WITH ('connector' = 'numbers', 'name' = '{name} windows');
         CREATE TABLE more (k BIGINT, n BIGINT NOT NULL) WITH ('connector' = 'numbers', 'name' = '{name} more');
         EXECUTE STATEMENT SET BEGIN {inserts} END;",
        folder.display()
    );
    let mut session = Session::new(Connectors::new(vec![&NUMBERS]));
    for step in session.parse(&script).unwrap().steps {
        if let Outcome::Insert(job) = session.execute(&step).unwrap() {
            return job.start().unwrap();
        }
    }
    panic!("no INSERT");
}

const TOTALS: &str = "INSERT INTO totals SELECT k, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY k;";
const WINDOWS: &str = "INSERT INTO windows SELECT window_start, k, SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0.1' SECOND)) GROUP BY window_start, window_end, k;";

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "still waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The last totals of each key.
fn totals(name: &str) -> BTreeMap<i64, String> {
    let key = |line: &str| line.split(' ').nth(1).unwrap().parse().unwrap();
    written(&format!("{name} totals"))
        .iter()
        .map(|line| (key(line), line.split_once(' ').unwrap().1.to_owned()))
        .collect()
}

/// What the totals of the first rows are.
fn expected_totals(rows: i64) -> BTreeMap<i64, String> {
    let mut totals: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for (key, value) in (0..rows).map(row) {
        let (count, sum, most) = totals.entry(key).or_insert((0, 0, i64::MIN));
        (*count, *sum, *most) = (*count + 1, *sum + value, (*most).max(value));
    }
    totals.into_iter().map(|(key, (count, sum, most))| (key, format!("{key} {count} {sum} {most}"))).collect()
}

/// How many results all windows have that the first rows close, and the sum over them.
fn expected_windows(rows: i64) -> (usize, i64) {
    let closed = (rows - 1) / ROWS_A_MILLISECOND / WINDOW * WINDOW * ROWS_A_MILLISECOND;
    let mut windows: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for number in 0..closed {
        let (key, value) = row(number);
        *windows.entry((number / ROWS_A_MILLISECOND / WINDOW, key)).or_default() += value;
    }
    (windows.len(), windows.values().sum())
}

fn windows(name: &str) -> (usize, i64) {
    let lines = written(&format!("{name} windows"));
    (lines.len(), lines.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()).sum())
}

#[test]
fn a_script_goes_on_at_another_parallelism_as_if_it_had_never_stopped() {
    let name = "rescaled";
    let folder = tempfile::tempdir().unwrap();
    let savepoints = folder.path().join("savepoints");
    let mut from: Option<String> = None;
    for (step, parallelism) in [1usize, 3, 2].into_iter().enumerate() {
        let rows = 2_500 * (i64::try_from(step).unwrap() + 1);
        release(name, rows);
        let job = start(name, folder.path(), parallelism, from.as_deref(), &format!("{TOTALS} {WINDOWS}"));
        wait_until("totals", || totals(name) == expected_totals(rows));
        wait_until("windows", || windows(name) == expected_windows(rows));
        from = Some(job.stop_with_savepoint(Some(&savepoints.display().to_string()), false).unwrap());
        job.wait().unwrap();
        assert_eq!(windows(name), expected_windows(rows));
    }
}

#[test]
fn state_is_found_after_a_filter_an_alias_and_another_insert_and_refused_by_other_keys() {
    let name = "changed";
    let folder = tempfile::tempdir().unwrap();
    release(name, 1_000);
    let job = start(name, folder.path(), 2, None, TOTALS);
    wait_until("totals", || totals(name) == expected_totals(1_000));
    let savepoint = job.stop_with_savepoint(Some(&folder.path().join("s").display().to_string()), false).unwrap();
    job.wait().unwrap();

    release(name, 2_000);
    let changed = "INSERT INTO more SELECT k, COUNT(*) FROM t GROUP BY k;
        INSERT INTO totals SELECT a AS x, COUNT(*) AS y, SUM(b) AS z, MAX(b) AS w FROM (SELECT k AS a, v AS b FROM t WHERE v >= 0) AS renamed GROUP BY a;";
    let job = start(name, folder.path(), 2, Some(&savepoint), changed);
    wait_until("totals", || totals(name) == expected_totals(2_000));
    wait_until("the new operator's rows", || !written("changed more").is_empty());
    job.cancel();
    let _ = job.wait();

    for (other, found) in [
        (
            "INSERT INTO totals SELECT k, COUNT(*), SUM(v), MAX(v) FROM t GROUP BY k, v;",
            "GROUP BY (k BIGINT, v BIGINT)",
        ),
        (
            "INSERT INTO totals SELECT k, COUNT(*), SUM(v), MAX(v) FROM (SELECT v AS k, v FROM t) AS s GROUP BY k;",
            "GROUP BY (v BIGINT)",
        ),
        ("INSERT INTO totals SELECT k, COUNT(*), SUM(v), MIN(v) FROM t GROUP BY k;", "MIN(v BIGINT)"),
    ] {
        let error = start(name, folder.path(), 2, Some(&savepoint), other).wait().unwrap_err();
        assert_eq!(error.kind(), Kind::User, "{error}");
        let message = error.to_string();
        let stored = "stored state is of GROUP BY (k BIGINT) SELECT COUNT(*), SUM(v BIGINT), MAX(v BIGINT)";
        assert!(message.contains(stored) && message.contains(found), "{message}");
        assert!(message.contains("totals/GroupAggregate"), "{message}");
    }
}
