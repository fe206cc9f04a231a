//! Jobs that send rows by HTTP, killed at random: each row is answered with success or in the failover store.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::tcp::{HttpServer, Reply};
use riverrun_testkit::{mariadb, temp_folder, unique, wait_until};

use crate::kit::{LIMIT, riverrun};

const ROWS: u64 = 3_000;

/// Row 7 and each tenth after it is refused for good, every ninth request fails, and answers take a while.
fn server() -> HttpServer {
    HttpServer::start(|request| {
        let code = match (request.text().ends_with('7'), request.number % 9) {
            (_, 0) => 503,
            (true, _) => 422,
            _ => 200,
        };
        Reply::status(code).after(Duration::from_millis(request.number as u64 % 5))
    })
}

fn script(folder: &Path, server: &HttpServer, table: &str, rate: u64) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '50 ms';
         SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
         SET 'execution.checkpointing.savepoint-dir' = '{folder}/savepoints';
         CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '{rate}',
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{ROWS}');
         CREATE TABLE calls (id STRING) WITH ('connector' = 'http', 'url' = '{url}/in', 'format' = 'raw',
             'http.sink.threshold.retries' = '20', 'sink.retry.initial-backoff' = '20 ms',
             'http.sink.failover.storage' = 'mysql', 'http.sink.failover.table' = '{table}',
             'http.sink.failover.jdbc.jdbcUrl' = 'jdbc:mysql://{mysql}/test',
             'http.sink.failover.jdbc.username' = '{user}', 'http.sink.failover.jdbc.password' = '{password}');
         INSERT INTO calls SELECT CAST(id AS STRING) FROM numbers;",
        folder = folder.display(),
        url = server.url(),
        mysql = mariadb().address(),
        user = mariadb().user(),
        password = mariadb().password(),
    )
}

fn start(folder: &Path, server: &HttpServer, table: &str, rate: u64) -> Riverrun {
    riverrun(["run", "-e", &script(folder, server, table, rate), "--resume"]).start()
}

/// Every row is in the journal with success or in the store, and only those are in the store that are refused. Answers how often rows were
/// answered with success.
fn assert_nothing_is_lost(server: &HttpServer, table: &str) -> BTreeMap<u64, usize> {
    let mut answered: BTreeMap<u64, usize> = BTreeMap::new();
    for request in server.journal().iter().filter(|request| request.answered == 200) {
        *answered.entry(request.text().parse().unwrap()).or_default() += 1;
    }
    let rows = mariadb().query(&format!(
        "SELECT JSON_UNQUOTE(JSON_EXTRACT(`values`, '$.body')), JSON_EXTRACT(`values`, '$.tries') FROM {table}"
    ));
    let mut kept: BTreeMap<u64, usize> = BTreeMap::new();
    for row in rows {
        *kept.entry(row[0].as_ref().unwrap().parse().unwrap()).or_default() += 1;
    }
    for id in 1..=ROWS {
        assert_eq!(answered.contains_key(&id), id % 10 != 7, "row {id}");
        assert_eq!(kept.contains_key(&id), id % 10 == 7, "row {id}");
    }
    answered
}

#[test]
fn a_job_that_is_killed_at_random_delivers_every_row_or_keeps_it() {
    let (folder, server, table) = (temp_folder(), server(), unique("calls"));
    let mut kills = 0;
    for seed in 0..8 {
        let before = server.count();
        let job = start(folder.path(), &server, &table, 300);
        wait_until(LIMIT, "rows to be sent", || server.count() > before + 20);
        std::thread::sleep(Duration::from_millis(60 + seed * 37));
        job.kill9();
        kills += 1;
    }
    let finished = start(folder.path(), &server, &table, 100_000).wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let answered = assert_nothing_is_lost(&server, &table);
    // What is sent again was taken within a checkpoint's interval, or was on its way.
    let again: usize = answered.values().map(|times| times - 1).sum();
    assert!(again <= kills * 300, "{again} rows more than once after {kills} kills");
}

#[test]
fn a_job_that_is_stopped_with_a_savepoint_while_it_retries_goes_on_from_there() {
    let (folder, table) = (temp_folder(), unique("calls"));
    let failing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = std::sync::Arc::clone(&failing);
    let server = HttpServer::start(move |request| {
        let fails = flag.load(std::sync::atomic::Ordering::SeqCst);
        Reply::status(if fails {
            503
        } else if request.text().ends_with('7') {
            422
        } else {
            200
        })
    });
    let job = start(folder.path(), &server, &table, 2_000);
    wait_until(LIMIT, "rows to be tried again", || server.count() > 200);
    job.interrupt();
    // It takes its last checkpoint at once, and then delivers what it holds.
    std::thread::sleep(Duration::from_millis(500));
    failing.store(false, std::sync::atomic::Ordering::SeqCst);
    let stopped = job.wait(LIMIT);
    let finished = start(folder.path(), &server, &table, 100_000).wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}\n{}", stopped.stderr, finished.stderr);
    assert_nothing_is_lost(&server, &table);
}

#[test]
fn a_million_rows_before_a_server_that_stalls_wait_in_their_source() {
    let (folder, server) = (temp_folder(), HttpServer::start(|_| Reply::Silence));
    let script = format!(
        "SET 'execution.checkpointing.interval' = '200 ms';
         SET 'execution.checkpointing.dir' = '{folder}/checkpoints';
         CREATE TABLE numbers (id BIGINT, text STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '1000000', 'rows-per-second' = '10000000',
             'fields.text.length' = '500');
         CREATE TABLE calls (id BIGINT, text STRING) WITH ('connector' = 'http', 'url' = '{url}/in', 'format' = 'json',
             'http.sink.threshold.timeout' = '10 min', 'http.sink.threshold.numWriters' = '16');
         INSERT INTO calls SELECT id, text FROM numbers;",
        folder = folder.path().display(),
        url = server.url(),
    );
    let mut job = riverrun(["run", "-e", &script]).start();
    wait_until(LIMIT, "requests to be under way", || server.count() >= 16);
    let mut most = 0;
    for _ in 0..30 {
        std::thread::sleep(Duration::from_millis(100));
        most = most.max(job.resident_bytes());
    }
    assert!(job.is_running());
    assert!(most < 200 << 20, "{} MB", most >> 20);
    let connections = server.most_open();
    assert!(connections <= 16 * std::thread::available_parallelism().map_or(64, usize::from), "{connections}");
    job.kill9();
}

#[test]
fn a_replay_that_is_killed_goes_on_where_it_was_and_delivers_everything() {
    let folder = temp_folder();
    let refusing = HttpServer::start(|_| Reply::status(400));
    let path = folder.path().display().to_string();
    let store = format!(
        "'sink.failover.storage' = 'local', 'sink.failover.table' = 'failed', 'sink.failover.local.path' = '{path}'"
    );
    let statements = format!(
        "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000',
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '2000');
         CREATE TABLE calls (id STRING) WITH ('connector' = 'http', 'url' = '{}/in', 'format' = 'raw', {store});
         INSERT INTO calls SELECT CAST(id AS STRING) FROM numbers;",
        refusing.url()
    );
    let finished = riverrun(["run", "-e", &statements]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    drop(refusing);

    // It is there again, as far as the proxy says.
    let healthy =
        HttpServer::start(|request| Reply::status(200).after(Duration::from_millis(request.number as u64 % 3)));
    std::fs::write(
        folder.path().join("sink.yaml"),
        format!(
            "sink.failover:\n  storage: local\n  table: failed\n  local.path: {path}\nsink.proxy.url: {}\nsink.allowed-destinations: 127.0.0.1\n",
            healthy.url()
        ),
    )
    .unwrap();
    let failover = |arguments: &[&str]| {
        let config = folder.path().join("sink.yaml").display().to_string();
        let mut all = vec!["failover".to_owned(), arguments[0].to_owned(), "--config".to_owned(), config];
        all.extend(arguments[1..].iter().map(|argument| (*argument).to_owned()));
        riverrun(all)
    };
    let listed = failover(&["list", "--error", "400", "--limit", "5000"]).run(LIMIT);
    assert_eq!(listed.stdout.lines().count(), 2000, "{}", listed.stderr);
    assert!(listed.stdout.contains("POST http://127.0.0.1:") && listed.stdout.contains("the answer was 400"));
    let shown = failover(&["show", "--limit", "1"]).run(LIMIT);
    assert!(shown.stdout.starts_with("{\"version\":1,\"method\":\"POST\""), "{}", shown.stdout);
    let dry = failover(&["replay", "--dry-run", "--since", "1 h"]).run(LIMIT);
    assert!(dry.stdout.starts_with("2000 would be sent again"), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(healthy.count(), 0);
    for kill in 0..5 {
        let before = healthy.count();
        let job = failover(&["replay", "--rate", "1500"]).start();
        wait_until(LIMIT, "records to be sent", || healthy.count() > before + 50 + kill * 40);
        job.kill9();
    }
    let last = failover(&["replay"]).run(LIMIT);
    assert_eq!(last.code(), Some(0), "{}", last.stderr);
    let sent: std::collections::BTreeSet<u64> = healthy
        .journal()
        .iter()
        .filter(|request| request.answered == 200)
        .map(|request| request.text().parse().unwrap())
        .collect();
    assert_eq!(sent, (1..=2000).collect());
    assert!(healthy.count() <= 2000 + 6 * 500, "{}", healthy.count());
    assert_eq!(failover(&["list"]).run(LIMIT).stdout, "");
}
