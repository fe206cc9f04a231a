//! The job of `examples/kafka-to-mysql`: exactly once by XA, with a failure, and after its repair.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{Record, TempFolder, kafka, mariadb, temp_folder, unique, wait_until};

use crate::kit::{LIMIT, riverrun, root};

/// The example with a topic, a database and a folder of a test's own.
struct Example {
    topic: String,
    database: String,
    replaced: Vec<(&'static str, String)>,
    folder: TempFolder,
}

impl Example {
    fn new() -> Self {
        let (topic, database, folder) = (kafka().topic("numbers", 1), unique("numbers"), temp_folder());
        mariadb().execute(&format!("CREATE DATABASE {database}"));
        mariadb().execute("CREATE USER IF NOT EXISTS 'sql-demo'@'%' IDENTIFIED BY 'demo-sql'");
        mariadb().execute(&format!("GRANT ALL ON {database}.* TO 'sql-demo'@'%'"));
        let schema = std::fs::read_to_string(root().join("examples/kafka-to-mysql/mysql-schema.sql")).unwrap();
        let schema = schema.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        mariadb().execute(&schema.replace("TABLE t_test", &format!("TABLE {database}.t_test")));
        let replaced = vec![
            ("kafka:9092", kafka().bootstrap()),
            ("'numbers'", format!("'{topic}'")),
            ("mysql:3306/sql-demo", format!("{}/{database}", mariadb().address())),
            ("file:///var/lib/riverrun/kafka-to-mysql", format!("file://{}/checkpoints", folder.path().display())),
            ("'execution.checkpointing.interval' = '10 s'", "'execution.checkpointing.interval' = '1 s'".to_owned()),
            ("'rows-per-second' = '1'", "'rows-per-second' = '1000'".to_owned()),
        ];
        Self { topic, database, replaced, folder }
    }

    fn start(&self, arguments: &[&str]) -> Riverrun {
        for script in arguments.iter().filter(|argument| argument.ends_with(".sql")) {
            let mut text = std::fs::read_to_string(root().join("examples/kafka-to-mysql").join(script)).unwrap();
            for (from, to) in &self.replaced {
                text = text.replace(from, to);
            }
            std::fs::write(self.folder.path().join(script), text).unwrap();
        }
        riverrun(["run"].iter().chain(arguments)).current_dir(self.folder.path()).start()
    }

    fn produce(&self, numbers: std::ops::RangeInclusive<u64>) {
        let record = |n: u64| Record::value(format!("{{\"value\":\"{n}\"}}")).key(n.to_string());
        kafka().produce(&self.topic, numbers.map(record));
    }

    /// How often each row is visible.
    fn visible(&self) -> BTreeMap<(u64, String), usize> {
        let query = format!("SELECT id, value FROM {}.t_test WHERE insert_time IS NOT NULL", self.database);
        let mut rows = BTreeMap::new();
        for row in mariadb().query(&query) {
            let row: Vec<String> = row.into_iter().map(Option::unwrap).collect();
            *rows.entry((row[0].parse().unwrap(), row[1].clone())).or_insert(0) += 1;
        }
        rows
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = mariadb().try_query(&format!("DROP DATABASE {}", self.database));
    }
}

/// Every number once.
fn once(numbers: std::ops::RangeInclusive<u64>) -> BTreeMap<(u64, String), usize> {
    numbers.map(|n| ((n, n.to_string()), 1)).collect()
}

#[test]
fn nothing_of_the_failed_interval_is_visible_and_after_the_repair_every_row_is_there_once() {
    let example = Example::new();
    example.produce(1..=10);
    let mut job = example.start(&["tables.sql", "failing.sql"]);
    wait_until(LIMIT, "the first ten rows", || {
        assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
        example.visible().len() >= 10
    });
    // A checkpoint has just been committed. These come long before the next one, so 11 to 14 fail together with 15.
    example.produce(11..=20);
    let failed = job.wait(LIMIT);
    assert_eq!(failed.code(), Some(1), "{}", failed.stderr);
    let bug = "Cannot cast 'bug: value 15 at partition 0, offset 14' from STRING to INT";
    assert!(failed.stderr.contains(bug) && failed.stderr.contains("3 restarts are spent"), "{}", failed.stderr);
    assert_eq!(example.visible(), once(1..=10));

    let mut job = example.start(&["--resume", "tables.sql", "repaired.sql"]);
    job.wait_for_line("goes on from its last checkpoint", LIMIT);
    wait_until(LIMIT, "the other rows", || {
        assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
        example.visible().len() >= 20
    });
    example.produce(21..=25);
    wait_until(LIMIT, "rows that come later", || example.visible().len() >= 25);
    job.interrupt();
    let stopped = job.wait(LIMIT);
    assert_eq!(stopped.code(), Some(0), "{}", stopped.stderr);
    assert_eq!(example.visible(), once(1..=25));
}

#[test]
fn the_producer_writes_twenty_records_with_keys_that_the_job_reads() {
    let example = Example::new();
    let produced = example.start(&["producer.sql"]).wait(LIMIT);
    assert_eq!(produced.code(), Some(0), "{}", produced.stderr);
    let records = kafka().read(&example.topic, 20, LIMIT);
    let records: Vec<(String, String)> = records.iter().map(|record| (record.key_text(), record.text())).collect();
    let expected: Vec<(String, String)> = (1..=20).map(|n| (n.to_string(), format!("{{\"value\":\"{n}\"}}"))).collect();
    assert_eq!(records, expected);
    let mut job = example.start(&["tables.sql", "repaired.sql"]);
    wait_until(Duration::from_secs(60), "all rows", || {
        assert!(job.is_running(), "the job ended: {:#?}", job.stderr());
        example.visible().len() >= 20
    });
    job.interrupt();
    assert_eq!(job.wait(LIMIT).code(), Some(0));
    assert_eq!(example.visible(), once(1..=20));
}
