//! The scripts of Flink's playground against a real Kafka and a real MariaDB, and what happens to them when these go away.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{
    KafkaServer, MariaDb, Record, TempFolder, kafka, mariadb, tcp, temp_folder, unique, wait_until,
};

use crate::kit::{LIMIT, riverrun, root};

/// What a broker or a database that comes back may take.
const LONG: Duration = Duration::from_secs(120);

/// Account and `yyyy-MM-dd HH:mm:ss`, and the sum.
type Report = BTreeMap<(i64, String), i64>;

/// A topic and a database of a test's own, and the example's scripts with their addresses.
struct Playground {
    topic: String,
    database: String,
    replaced: Vec<(&'static str, String)>,
    folder: TempFolder,
}

impl Playground {
    /// On the servers that all tests share.
    fn shared(partitions: i32) -> Self {
        Self::on(kafka(), partitions, mariadb(), mariadb().address())
    }

    /// `mysql` is where the script finds the database.
    fn on(broker: &KafkaServer, partitions: i32, server: &MariaDb, mysql: SocketAddr) -> Self {
        let (topic, database) = (broker.topic("transactions", partitions), unique("spend"));
        server.execute(&format!("CREATE DATABASE {database}"));
        server.execute("CREATE USER IF NOT EXISTS 'sql-demo'@'%' IDENTIFIED BY 'demo-sql'");
        server.execute(&format!("GRANT ALL ON {database}.* TO 'sql-demo'@'%'"));
        let schema = std::fs::read_to_string(root().join("examples/spend-report/mysql-schema.sql")).unwrap();
        let schema = schema.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        server.execute(&schema.replace("TABLE spend_report", &format!("TABLE {database}.spend_report")));
        let replaced = vec![
            ("kafka:9092", broker.bootstrap()),
            ("mysql:3306/sql-demo", format!("{mysql}/{database}")),
            ("'topic'     = 'transactions'", format!("'topic'     = '{topic}'")),
        ];
        Self { topic, database, replaced, folder: temp_folder() }
    }

    /// With something else in the script too.
    fn replacing(mut self, from: &'static str, to: impl Into<String>) -> Self {
        self.replaced.push((from, to.into()));
        self
    }

    /// Starts a script of the example, which is unchanged but for where its servers are and what topic and database are called.
    fn start(&self, script: &str) -> Riverrun {
        let mut text = std::fs::read_to_string(root().join("examples/spend-report").join(script)).unwrap();
        for (from, to) in &self.replaced {
            text = text.replace(from, to);
        }
        std::fs::write(self.folder.path().join(script), text).unwrap();
        riverrun(["run", script]).current_dir(self.folder.path()).start()
    }

    fn produce(&self, broker: &KafkaServer, transactions: impl IntoIterator<Item = Transaction>) {
        broker.produce(&self.topic, transactions.into_iter().map(Transaction::record));
    }

    /// What the database holds; nothing while it is away.
    fn report(&self, server: &MariaDb) -> Report {
        let rows = server.try_query(&format!(
            "SELECT account_id, CAST(log_ts AS CHAR(19)), amount FROM {}.spend_report",
            self.database
        ));
        let value = |value: &Option<String>| value.clone().unwrap();
        rows.unwrap_or_default()
            .iter()
            .map(|row| ((value(&row[0]).parse().unwrap(), value(&row[1])), value(&row[2]).parse().unwrap()))
            .collect()
    }

    #[track_caller]
    fn wait_for_report(&self, server: &MariaDb, expected: &Report, job: &mut Riverrun) {
        let begin = Instant::now();
        loop {
            let report = self.report(server);
            if report == *expected {
                return;
            }
            if begin.elapsed() > LONG || !job.is_running() {
                let mut text = String::new();
                for (key, expected) in
                    expected.iter().filter(|(key, expected)| report.get(key) != Some(expected)).take(20)
                {
                    let _ = writeln!(text, "{key:?}: {:?} for {expected}", report.get(key));
                }
                panic!(
                    "after {:?} {} rows differ from {}:\n{text}{:#?}",
                    begin.elapsed(),
                    report.len(),
                    expected.len(),
                    job.stderr()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes a test's database from the server that outlives it.
impl Drop for Playground {
    fn drop(&mut self) {
        if self.replaced[1].1.starts_with(&mariadb().address().to_string()) {
            let _ = mariadb().try_query(&format!("DROP DATABASE {}", self.database));
        }
    }
}

/// A transaction: so many seconds after 2026-01-01 00:00:00.
#[derive(Clone, Copy)]
struct Transaction {
    account: i64,
    amount: i64,
    second: i64,
    partition: i32,
}

impl Transaction {
    fn time(second: i64) -> String {
        let (day, of_day) = (second / 86_400 + 1, second % 86_400);
        format!("2026-01-{day:02} {:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
    }

    fn record(self) -> Record {
        Record::value(format!("{},{},{}", self.account, self.amount, Self::time(self.second))).partition(self.partition)
    }
}

/// Transactions of five accounts, a minute apart, dealt to partitions by account.
fn transactions(numbers: std::ops::Range<i64>, partitions: i32) -> impl Iterator<Item = Transaction> + Clone {
    numbers.map(move |n| {
        let account = n * 7 % 5 + 1;
        Transaction {
            account,
            amount: n * 31 % 997 + 1,
            second: n * 60,
            partition: i32::try_from(account).unwrap() % partitions,
        }
    })
}

/// The sums by account and window of so many seconds.
fn sums(transactions: impl Iterator<Item = Transaction>, window: i64) -> Report {
    let mut report = Report::new();
    for transaction in transactions {
        let start = transaction.second / window * window;
        *report.entry((transaction.account, Transaction::time(start))).or_default() += transaction.amount;
    }
    report
}

#[track_caller]
fn stop(job: Riverrun) -> String {
    job.interrupt();
    let finished = job.wait(LIMIT);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("insert-into_spend_report: stopped in "), "{}", finished.stderr);
    finished.stderr
}

#[test]
fn the_playgrounds_script_keeps_the_report_of_every_account_and_hour() {
    let playground = Playground::shared(3);
    playground.produce(kafka(), transactions(0..3000, 3));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(mariadb(), &sums(transactions(0..3000, 3), 3600), &mut job);
    // Hours that have a row already get another sum.
    playground.produce(kafka(), transactions(2900..3500, 3));
    playground.wait_for_report(
        mariadb(),
        &sums(transactions(0..3000, 3).chain(transactions(2900..3500, 3)), 3600),
        &mut job,
    );
    let said = stop(job);
    assert!(said.contains("read 3,600 rows from transactions"), "{said}");
}

#[test]
fn its_variant_with_tumble_writes_every_window_once_when_it_is_complete() {
    let playground = Playground::shared(3);
    let rows = transactions(0..1500, 3);
    playground.produce(kafka(), rows.clone());
    // A transaction in every partition, a day later, lets the watermark pass all windows before it.
    playground.produce(
        kafka(),
        (0..3).map(|partition| Transaction { account: 9, amount: 1, second: 1500 * 60 + 86_400, partition }),
    );
    let mut job = playground.start("tumble.sql");
    playground.wait_for_report(mariadb(), &sums(rows, 600), &mut job);
    let said = stop(job);
    assert!(!said.contains("late"), "partitions that are read at different speeds make nothing late: {said}");
    assert!(
        !playground.report(mariadb()).keys().any(|(account, _)| *account == 9),
        "an open window does not fire at a stop"
    );
}

#[test]
fn the_producer_writes_a_hundred_transactions_a_second_that_the_other_scripts_read() {
    let playground = Playground::shared(1);
    let begin = Instant::now();
    let producer = playground.start("producer.sql");
    let rows = kafka().read(&playground.topic, 200, LIMIT);
    assert!(begin.elapsed() >= Duration::from_millis(1900), "200 rows came after {:?}", begin.elapsed());
    let mut report = playground.start("kafka-to-mysql.sql");
    wait_until(LONG, "a report", || playground.report(mariadb()).len() >= 5);
    for (n, row) in rows.iter().enumerate() {
        let (account, amount, time) = fields(&row.text());
        assert!((1..=5).contains(&account) && (1..=1000).contains(&amount), "{}", row.text());
        assert_eq!(time, Transaction::time(i64::try_from(n).unwrap() * 30));
    }
    producer.interrupt();
    let produced = producer.wait(LIMIT);
    assert_eq!(produced.code(), Some(0), "{}", produced.stderr);
    let all = kafka().read_all(&playground.topic);
    assert!(
        produced.stderr.replace(',', "").contains(&format!("wrote {} rows to transactions", all.len())),
        "{} rows: {}",
        all.len(),
        produced.stderr
    );
    let mut expected = Report::new();
    for row in &all {
        let (account, amount, time) = fields(&row.text());
        *expected.entry((account, format!("{}:00:00", &time[..13]))).or_default() += amount;
    }
    playground.wait_for_report(mariadb(), &expected, &mut report);
    stop(report);
}

/// Account, amount and time of a record.
fn fields(record: &str) -> (i64, i64, String) {
    let fields: Vec<&str> = record.split(',').map(|field| field.trim_matches('"')).collect();
    (fields[0].parse().unwrap(), fields[1].parse().unwrap(), fields[2][..19].to_owned())
}

#[test]
fn a_job_goes_on_when_its_broker_was_killed_and_came_back() {
    let mut broker = KafkaServer::start();
    let playground = Playground::on(&broker, 2, mariadb(), mariadb().address());
    playground.produce(&broker, transactions(0..1000, 2));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(mariadb(), &sums(transactions(0..1000, 2), 3600), &mut job);
    broker.kill9();
    job.wait_for_line("riverrun_kafka", LIMIT);
    assert!(job.is_running(), "{:#?}", job.stderr());
    broker.restart();
    playground.produce(&broker, transactions(1000..2000, 2));
    playground.wait_for_report(mariadb(), &sums(transactions(0..2000, 2), 3600), &mut job);
    stop(job);
}

#[test]
fn a_job_goes_on_when_its_database_was_away_for_ten_seconds() {
    let proxy = tcp::Proxy::to(mariadb().address());
    let playground = Playground::on(kafka(), 2, mariadb(), proxy.address());
    playground.produce(kafka(), transactions(0..1000, 2));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(mariadb(), &sums(transactions(0..1000, 2), 3600), &mut job);
    proxy.cut();
    let away = Instant::now();
    playground.produce(kafka(), transactions(1000..2000, 2));
    job.wait_for_line("WARN", LIMIT);
    wait_until(LIMIT, "the database to be away for ten seconds", || away.elapsed() > Duration::from_secs(10));
    assert!(job.is_running(), "{:#?}", job.stderr());
    proxy.heal();
    playground.wait_for_report(mariadb(), &sums(transactions(0..2000, 2), 3600), &mut job);
    stop(job);
}

#[test]
fn a_database_that_is_killed_and_comes_back_has_the_whole_report() {
    let mut server = MariaDb::start();
    let playground = Playground::on(kafka(), 2, &server, server.address());
    playground.produce(kafka(), transactions(0..1000, 2));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(&server, &sums(transactions(0..1000, 2), 3600), &mut job);
    server.kill9();
    playground.produce(kafka(), transactions(1000..2000, 2));
    job.wait_for_line("WARN", LIMIT);
    server.restart();
    playground.wait_for_report(&server, &sums(transactions(0..2000, 2), 3600), &mut job);
    stop(job);
}

#[test]
fn a_second_signal_cancels_a_job_that_cannot_end_in_order() {
    let proxy = tcp::Proxy::to(mariadb().address());
    let playground = Playground::on(kafka(), 2, mariadb(), proxy.address());
    playground.produce(kafka(), transactions(0..1000, 2));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(mariadb(), &sums(transactions(0..1000, 2), 3600), &mut job);
    // The database answers no more: the sink cannot write what it holds.
    proxy.hold();
    playground.produce(kafka(), transactions(1000..2000, 2));
    job.wait_for_line("source transactions 2,000 rows", LIMIT);
    job.interrupt();
    job.wait_for_line("stopping in order", LIMIT);
    assert!(job.is_running());
    job.interrupt();
    let finished = job.wait(LIMIT);
    assert_eq!(finished.code(), Some(130), "{}", finished.stderr);
    assert!(finished.stderr.contains("insert-into_spend_report: canceled in "), "{}", finished.stderr);
}

#[test]
fn a_partition_that_is_added_is_read() {
    let discovery = "'scan.startup.mode' = 'earliest-offset', 'scan.topic-partition-discovery.interval' = '200 ms'";
    let playground = Playground::shared(1).replacing("'scan.startup.mode' = 'earliest-offset'", discovery);
    playground.produce(kafka(), transactions(0..100, 1));
    let mut job = playground.start("kafka-to-mysql.sql");
    playground.wait_for_report(mariadb(), &sums(transactions(0..100, 1), 3600), &mut job);
    kafka().add_partitions(&playground.topic, 3);
    playground.produce(kafka(), transactions(100..400, 3));
    playground.wait_for_report(mariadb(), &sums(transactions(0..400, 3), 3600), &mut job);
    stop(job);
}

#[test]
fn a_topic_that_is_not_there_fails_the_run_within_seconds() {
    let playground = Playground::shared(1);
    kafka().delete_topic(&playground.topic);
    wait_until(LIMIT, "the topic to be gone", || kafka().partitions(&playground.topic).is_none());
    let finished = playground.start("kafka-to-mysql.sql").wait(LIMIT);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    let place = "--> kafka-to-mysql.sql:30:1";
    assert!(finished.stderr.contains("error: ") && finished.stderr.contains(place), "{}", finished.stderr);
}

#[test]
fn a_broker_that_is_not_there_fails_the_run_within_seconds() {
    let mut playground = Playground::shared(1);
    let nobody = tcp::nobody().to_string();
    playground.replaced[0].1.clone_from(&nobody);
    let finished = playground.start("kafka-to-mysql.sql").wait(LIMIT);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("error: ") && finished.stderr.contains(&nobody), "{}", finished.stderr);
}

#[test]
fn a_database_that_refuses_the_password_fails_the_run_and_keeps_the_secret() {
    let playground = Playground::shared(1).replacing("'demo-sql'", "'wrong-secret'");
    playground.produce(kafka(), transactions(0..10, 1));
    let finished = playground.start("kafka-to-mysql.sql").wait(LIMIT);
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("sql-demo") && !finished.stderr.contains("wrong-secret"), "{}", finished.stderr);
}
