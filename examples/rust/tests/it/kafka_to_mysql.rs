//! JSON into MariaDB by a two-phase commit sink of the program's own.

use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{KafkaServer, MariaDb, Record, temp_folder, wait_until};

const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn nothing_of_the_failed_interval_is_visible_and_after_the_repair_nothing_is_missing_or_twice() {
    let (kafka, mariadb) = (KafkaServer::start(), MariaDb::start());
    kafka.create_topic("test", 1);
    mariadb.execute(
        "CREATE TABLE test.t_test (id BIGINT NOT NULL, value VARCHAR(20) NOT NULL, insert_time DATETIME(3) NOT NULL)",
    );
    let folder = temp_folder();
    let url = format!("mysql://{}:{}@{}/test", mariadb.user(), mariadb.password(), mariadb.address());
    let start = |more: &[&str]| {
        Riverrun::builder_at(env!("CARGO_BIN_EXE_kafka_to_mysql"))
            .args([
                "--bootstrap.servers",
                &kafka.bootstrap(),
                "--mysql",
                &url,
                "--checkpoint-interval",
                "1",
                "--checkpoint-dir",
            ])
            .arg(folder.path())
            .args(more)
            .start()
    };
    let produce = |ids: std::ops::RangeInclusive<i64>| {
        let record = |id: i64| Record::value(format!("{{\"value\":\"{id}\"}}")).key(id.to_string());
        kafka.produce("test", ids.map(record));
    };
    let ids = || -> Vec<i64> {
        let rows = mariadb.query("SELECT id FROM test.t_test ORDER BY id");
        rows.iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
    };

    let failing = start(&[]);
    produce(1..=10);
    wait_until(LIMIT, "the first rows are visible", || ids().len() == 10);
    produce(11..=20);
    let failed = failing.wait(LIMIT);
    assert_eq!(failed.code(), Some(1), "{}", failed.stderr);
    assert!(failed.stderr.contains("the value 15 is a bug"), "{}", failed.stderr);
    assert!(ids().into_iter().all(|id| id <= 14), "a row behind the bug is visible");

    let mut repaired = start(&["--resume", "--repaired"]);
    wait_until(LIMIT, "all rows are visible", || {
        assert!(repaired.is_running(), "{:#?}", repaired.stderr());
        ids().len() >= 20
    });
    repaired.kill9();
    assert_eq!(ids(), (1..=20).collect::<Vec<_>>());
    assert!(mariadb.query("XA RECOVER").is_empty());
}
