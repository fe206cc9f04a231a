//! Changes by key in Kafka, written by a GROUP BY and read back by other queries.

use std::collections::BTreeMap;

use riverrun_testkit::{Record, kafka, temp_folder, wait_until};

use crate::kit::{LIMIT, riverrun, run};

/// Declares a table over a topic that is read up to its end.
fn table(name: &str, columns: &str, topic: &str, more: &str) -> String {
    let bootstrap = kafka().bootstrap();
    format!(
        "CREATE TABLE {name} ({columns}) WITH ('topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}', 'scan.bounded.mode' = 'latest-offset', {more});\n"
    )
}

fn upserts(name: &str, columns: &str, topic: &str) -> String {
    table(name, columns, topic, "'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json'")
}

#[track_caller]
fn succeed(statements: &str) {
    let finished = run(statements);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

/// The last record of each key; those without a value are gone.
fn last(topic: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for record in kafka().read_all(topic) {
        match record.text() {
            text if text == "<null>" => rows.remove(&record.key_text()),
            text => rows.insert(record.key_text(), text),
        };
    }
    rows
}

fn rows(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_a_group_by_writes_by_key_is_read_back_with_its_updates_and_deletions() {
    let [orders, totals] = [kafka().topic("orders", 1), kafka().topic("totals", 2)];
    let declared = upserts("totals", "name STRING, total BIGINT, PRIMARY KEY (name) NOT ENFORCED", &totals);
    let sum = table(
        "orders",
        "name STRING, amount BIGINT",
        &orders,
        "'connector' = 'kafka', 'scan.startup.mode' = 'earliest-offset', 'format' = 'csv'",
    ) + &declared
        + "INSERT INTO totals SELECT name, SUM(amount) FROM orders GROUP BY name;";
    // The reports see every change, and not only the last of a batch.
    let reports = |topics: [&str; 2]| {
        "SET 'table.exec.mini-batch.enabled' = 'false';\n".to_owned()
            + &declared
            + &upserts("copies", "name STRING, total BIGINT, PRIMARY KEY (name) NOT ENFORCED", topics[0])
            + &upserts("numbers", "total BIGINT, n BIGINT, PRIMARY KEY (total) NOT ENFORCED", topics[1])
            + "EXECUTE STATEMENT SET BEGIN
                 INSERT INTO copies SELECT name, total FROM totals;
                 INSERT INTO numbers SELECT total, COUNT(*) FROM totals GROUP BY total;
               END;"
    };
    kafka().produce_lines(&orders, ["ann,10", "bob,20", "cy,10", "dan,5"]);
    succeed(&sum);
    kafka().produce_lines(&orders, ["ann,10"]);
    // The job begins anew, so that totals are written again that stay the same.
    succeed(&sum);
    // A deletion belongs behind the row, in its partition.
    let dan = kafka().read_all(&totals).into_iter().find(|record| record.key_text().contains("dan")).unwrap();
    let deletions = [r#"{"name":"dan"}"#, r#"{"name":"nobody"}"#];
    kafka().produce(&totals, deletions.map(|key| Record::tombstone(key).partition(dan.partition)));
    let [copies, numbers] = [kafka().topic("copies", 1), kafka().topic("numbers", 1)];
    succeed(&reports([&copies, &numbers]));
    assert_eq!(
        last(&copies),
        rows(&[
            (r#"{"name":"ann"}"#, r#"{"name":"ann","total":20}"#),
            (r#"{"name":"bob"}"#, r#"{"name":"bob","total":20}"#),
            (r#"{"name":"cy"}"#, r#"{"name":"cy","total":10}"#),
        ])
    );
    // What is written again and what was never there makes no change: four rows, an update and a deletion.
    assert_eq!(kafka().read_all(&copies).len(), 6);
    assert_eq!(
        last(&numbers),
        rows(&[(r#"{"total":10}"#, r#"{"total":10,"n":1}"#), (r#"{"total":20}"#, r#"{"total":20,"n":2}"#)])
    );
}

#[test]
fn a_job_that_is_killed_still_knows_the_last_rows_and_writes_each_change_once() {
    let [totals, copies] = [kafka().topic("totals", 2), kafka().topic("copies", 1)];
    let (folder, bootstrap) = (temp_folder(), kafka().bootstrap());
    let table = |name: &str, topic: &str, more: &str| {
        format!(
            "CREATE TABLE {name} (name STRING, total BIGINT, PRIMARY KEY (name) NOT ENFORCED) WITH ('connector' = 'upsert-kafka',
                 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}', 'key.format' = 'json', 'value.format' = 'json'{more});"
        )
    };
    let exactly_once =
        format!(", 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = '{copies}'");
    let script = format!(
        "SET 'execution.checkpointing.interval' = '100 ms';
         SET 'execution.checkpointing.dir' = '{folder}';
         {} {} INSERT INTO copies SELECT name, total FROM totals;",
        table("totals", &totals, ""),
        table("copies", &copies, &exactly_once),
        folder = folder.path().display()
    );
    let row = |name: &str, total: i64| {
        Record::value(format!(r#"{{"name":"{name}","total":{total}}}"#)).key(format!(r#"{{"name":"{name}"}}"#))
    };
    let changes = [
        vec![row("ann", 1), row("bob", 2)],
        // The same again, an update, a deletion; and a new row behind them.
        vec![row("ann", 1), row("ann", 3), Record::tombstone(r#"{"name":"bob"}"#), row("cy", 4)],
    ];
    for (written, changes) in [2, 5].into_iter().zip(changes) {
        kafka().produce(&totals, changes);
        let job = riverrun(["run", "-e", &script, "--resume"]).start();
        // What is visible is in a checkpoint.
        wait_until(LIMIT, "the changes to be committed", || kafka().read_all(&copies).len() >= written);
        job.kill9();
        assert_eq!(kafka().read_all(&copies).len(), written);
    }
    assert_eq!(
        last(&copies),
        rows(&[
            (r#"{"name":"ann"}"#, r#"{"name":"ann","total":3}"#),
            (r#"{"name":"cy"}"#, r#"{"name":"cy","total":4}"#),
        ])
    );
}
