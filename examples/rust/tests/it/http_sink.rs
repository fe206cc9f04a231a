//! The example with HTTP.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_testkit::process::{Builder, Riverrun};
use riverrun_testkit::tcp::{HttpServer, Reply, Request};
use riverrun_testkit::{TempFolder, mariadb, temp_folder, unique, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

/// The configuration that comes with the example, with this table of the test's MariaDB and short pauses.
fn configuration(table: &str) -> (TempFolder, String) {
    let known = include_str!("../../http_sink.yaml");
    let text = known
        .replace("table: record", &format!("table: {table}"))
        .replace("jdbc:mysql://localhost:3306/test", &mariadb().url())
        .replace("username: root", &format!("username: {}", mariadb().user()))
        .replace("password: 123456", &format!("password: {}", mariadb().password()))
        + "\nhttp.sink.retry.initial-backoff: 5 ms\nhttp.sink.retry.max-backoff: 20 ms\n";
    let folder = temp_folder();
    let file = folder.path().join("http_sink.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, file.display().to_string())
}

fn program(server: &HttpServer, configuration: &str, orders: usize) -> Builder {
    let orders = orders.to_string();
    Riverrun::builder_at(env!("CARGO_BIN_EXE_http_sink")).args([
        "--url",
        &server.url(),
        "--conf",
        configuration,
        "--orders",
        &orders,
    ])
}

/// What order `n` sends.
fn body(n: usize) -> String {
    format!("{{\"userId\":\"({n}\",\"siteId\":\"{})\"}}", n % 10)
}

/// Orders of site 3 are not taken.
fn refuses_a_site(request: &Request) -> Reply {
    Reply::status(if request.text().contains("\"siteId\":\"3)\"") { 500 } else { 200 })
}

/// The bodies that the table keeps, in order of their orders.
fn kept(table: &str) -> Vec<String> {
    let rows = mariadb().query(&format!("SELECT `values`, `timestamp` FROM {table}"));
    let body = |row: &Vec<Option<String>>| {
        let envelope: serde_json::Value = serde_json::from_str(row[0].as_ref().unwrap()).unwrap();
        assert_eq!(envelope["method"], "POST");
        assert!(envelope["error"].as_str().unwrap().contains("500"), "{envelope}");
        assert!(row[1].as_ref().unwrap().parse::<i64>().unwrap() > 1_600_000_000_000);
        envelope["body"].as_str().unwrap().to_owned()
    };
    let mut bodies: Vec<String> = rows.iter().map(body).collect();
    bodies.sort_by_key(|body| (body.len(), body.clone()));
    bodies
}

#[test]
fn every_order_is_a_post_of_json_and_what_is_refused_is_in_mariadb_after_four_sends() {
    let (server, table) = (HttpServer::start(refuses_a_site), unique("record"));
    let (_folder, file) = configuration(&table);
    let finished = program(&server, &file, 40).args(["--rate", "1000"]).run(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let journal = server.journal();
    for n in 0..40 {
        let of_order: Vec<&Request> = journal.iter().filter(|request| request.text() == body(n)).collect();
        assert_eq!(of_order.len(), if n % 10 == 3 { 4 } else { 1 }, "order {n}");
    }
    for request in &journal {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("x-requested-by"), Some("riverrun"));
    }
    assert_eq!(kept(&table), [3, 13, 23, 33].map(body));
    assert!(server.most_open() <= 3, "numWriters is 3");
}

#[test]
fn no_order_is_lost_over_kills_whether_it_is_answered_or_kept() {
    const ORDERS: usize = 3_000;
    // Answers take a while, so that requests are under way whenever the program is killed.
    let (server, table) =
        (HttpServer::start(|request| refuses_a_site(request).after(Duration::from_millis(2))), unique("record"));
    let (folder, file) = configuration(&table);
    let start = || {
        program(&server, &file, ORDERS)
            .args(["--rate", "600", "--resume", "--checkpoint-dir"])
            .arg(folder.path().join("checkpoints"))
            .start()
    };
    for stage in [500, 1_500] {
        let mut job = start();
        wait_until(LIMIT, "requests", || {
            assert!(job.is_running(), "{:#?}", job.stderr());
            server.count() >= stage
        });
        job.kill9();
    }
    let finished = start().wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let answered = server.journal().into_iter().filter(|request| request.answered == 200).map(|request| request.text());
    let mut done: BTreeSet<String> = answered.collect();
    assert!(done.iter().all(|body| !body.contains("\"siteId\":\"3)\"")));
    let kept: BTreeSet<String> = kept(&table).into_iter().collect();
    assert_eq!(kept.len(), ORDERS / 10);
    done.extend(kept);
    let missing: Vec<usize> = (0..ORDERS).filter(|n| !done.contains(&body(*n))).collect();
    assert!(missing.is_empty(), "{missing:?} are lost");
}

#[test]
fn a_mistake_in_the_configuration_is_told_before_anything_runs() {
    let server = HttpServer::start(|_| Reply::status(200));
    let (_folder, file) = configuration("record");
    let text = std::fs::read_to_string(&file).unwrap().replace("queueCapacity", "queueCapacitty");
    std::fs::write(&file, text).unwrap();
    let finished = program(&server, &file, 10).run(LIMIT);
    assert_eq!(finished.code(), Some(1));
    for part in ["sink.threshold.queueCapacitty", "did you mean 'sink.threshold.queue-capacity'?", &file] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert_eq!(server.count(), 0);
}
