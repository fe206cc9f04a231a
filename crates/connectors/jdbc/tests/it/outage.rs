//! A database that goes away and comes back, or does not.

use std::thread;
use std::time::{Duration, Instant};

use riverrun_base::Kind;
use riverrun_connect::{Flush, SinkWriter};
use riverrun_data::LogicalType;
use riverrun_data::RowKind::{Insert, UpdateAfter};
use riverrun_testkit::tcp::Proxy;
use riverrun_testkit::{MariaDb, Postgres, mariadb, postgres, wait_until};

use crate::database::{Database, Table, table_name};
use crate::write::{changes, report};

const COLUMNS: [(&str, LogicalType); 3] =
    [("account", LogicalType::BigInt), ("place", LogicalType::STRING), ("amount", LogicalType::BigInt)];
const CREATE: &str = "CREATE TABLE report (account BIGINT PRIMARY KEY, place VARCHAR(100), amount BIGINT)";

/// A busy machine may take long to start a server again.
fn server_table(url: &str) -> Table {
    Table::new(url, "report", &COLUMNS, &[0])
        .with("username", "test")
        .with("password", "test")
        .with("connection.max-retry-timeout", "3 min")
}

/// Writes 10 rows before the outage and 10 while it lasts.
fn write_through(table: &Table, writer: &mut dyn SinkWriter, outage: impl FnOnce() + Send) {
    let rows = |from: i64| (from..from + 10).map(|account| (Insert, account, "a", account)).collect::<Vec<_>>();
    writer.write(changes(table, &rows(0))).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    thread::scope(|scope| {
        scope.spawn(outage);
        writer.write(changes(table, &rows(10))).unwrap();
        // the server is away or about to go
        for _ in 0..50 {
            writer.write(changes(table, &[(UpdateAfter, 0, "b", 1)])).unwrap();
            writer.flush(Flush::Barrier).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
    });
    writer.flush(Flush::End).unwrap();
}

#[test]
fn mariadb_may_be_away_for_ten_seconds() {
    let mut server = MariaDb::start();
    server.execute(CREATE);
    let table = server_table(&server.url());
    let mut writer = table.writer().unwrap();
    write_through(&table, writer.as_mut(), || {
        server.kill9();
        thread::sleep(Duration::from_secs(10));
        server.restart();
    });
    assert_eq!(
        server.query("SELECT COUNT(*), SUM(account) FROM report"),
        [[Some("20".to_owned()), Some("190".to_owned())]]
    );
    assert!(table.task.counters.counter("numSendRetries").get() > 2);
}

#[test]
fn postgres_may_be_away_for_ten_seconds() {
    let mut server = Postgres::start();
    server.execute(CREATE);
    let table = server_table(&server.url());
    let mut writer = table.writer().unwrap();
    write_through(&table, writer.as_mut(), || {
        server.stop();
        thread::sleep(Duration::from_secs(10));
        server.restart();
    });
    assert_eq!(
        server.query("SELECT COUNT(*), SUM(account) FROM report"),
        [[Some("20".to_owned()), Some("190".to_owned())]]
    );
    assert!(table.task.counters.counter("numSendRetries").get() > 2);
}

/// The two servers behind a proxy.
fn proxied() -> [(Proxy, Database, String); 2] {
    let (maria, post) = (Proxy::to(mariadb().address()), Proxy::to(postgres().address()));
    let (maria_url, post_url) =
        (format!("jdbc:mariadb://{}/test", maria.address()), format!("jdbc:postgresql://{}/test", post.address()));
    [(maria, Database::mariadb(), maria_url), (post, Database::postgres(), post_url)]
}

fn proxied_report(database: &Database, url: &str) -> (Table, String) {
    let (table, name) = report(database, &[0]);
    (table.with("url", url), name)
}

#[test]
fn a_cut_or_silent_network_loses_nothing() {
    for (proxy, database, url) in proxied() {
        let (table, name) = proxied_report(&database, &url);
        let mut writer = table.writer().unwrap();
        for (round, silent) in [(1, false), (2, true), (3, false)] {
            if silent {
                proxy.hold()
            } else {
                proxy.cut()
            }
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(700));
                    proxy.heal();
                });
                writer.write(changes(&table, &[(Insert, round, "a", round)])).unwrap();
                writer.flush(Flush::Barrier).unwrap();
            });
            assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), round.to_string());
        }
    }
}

#[test]
fn a_database_that_stays_away_ends_the_job_when_the_time_is_up() {
    for (proxy, database, url) in proxied() {
        let (table, _) = proxied_report(&database, &url);
        let table = table.with("connection.max-retry-timeout", "1 s");
        let mut writer = table.writer().unwrap();
        proxy.cut();
        writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
        let start = Instant::now();
        let error = writer.flush(Flush::Barrier).unwrap_err();
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(4)).contains(&start.elapsed()),
            "{:?}",
            start.elapsed()
        );
        let text = error.to_string();
        assert!(error.is_retryable() && error.kind() == Kind::External, "{error:?}");
        assert!(text.contains("cannot connect to") && text.contains("'connection.max-retry-timeout' = 1 s"), "{text}");
        assert!(text.contains("table: spend_report") && text.contains("rows: 1"), "{text}");
    }
}

#[test]
fn a_job_that_stops_does_not_wait_for_a_database_that_is_away() {
    for (proxy, database, url) in proxied() {
        for silent in [false, true] {
            let (table, _) = proxied_report(&database, &url);
            let mut writer = table.writer().unwrap();
            if silent {
                proxy.hold()
            } else {
                proxy.cut()
            }
            writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(300));
                    table.task.cancellation.cancel();
                });
                assert!(writer.flush(Flush::Barrier).unwrap_err().is_canceled());
            });
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
            drop(writer);
            proxy.heal();
        }
    }
}

#[test]
fn a_lock_that_is_not_given_is_asked_for_again() {
    let server = MariaDb::start();
    server.execute(CREATE);
    server.execute("INSERT INTO report VALUES (1, 'a', 1); SET GLOBAL innodb_lock_wait_timeout = 1");
    let locked = |seconds: &str, write: &mut (dyn FnMut() + Send)| {
        let sql = format!("BEGIN; UPDATE report SET place = 'mine' WHERE account = 1; SELECT SLEEP({seconds}); COMMIT");
        thread::scope(|scope| {
            scope.spawn(|| server.execute(&sql));
            wait_until(Duration::from_secs(10), "the lock to be taken", || {
                server.query("SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep'")[0][0]
                    .as_deref()
                    == Some("1")
            });
            write();
        });
    };
    let table = server_table(&server.url());
    let mut writer = table.writer().unwrap();
    locked("2.5", &mut || {
        writer.write(changes(&table, &[(UpdateAfter, 1, "ours", 2)])).unwrap();
        writer.flush(Flush::Barrier).unwrap();
    });
    assert_eq!(server.query("SELECT place, amount FROM report"), [[Some("ours".to_owned()), Some("2".to_owned())]]);
    assert!(table.task.counters.counter("numSendRetries").get() > 0);

    let table = server_table(&server.url()).with("sink.max-retries", "0");
    let mut writer = table.writer().unwrap();
    locked("2.5", &mut || {
        writer.write(changes(&table, &[(UpdateAfter, 1, "ours", 3)])).unwrap();
        let text = writer.flush(Flush::Barrier).unwrap_err().to_string();
        assert!(
            text.contains("Lock wait timeout exceeded")
                && text.contains("1205")
                && text.contains("'sink.max-retries' = 0"),
            "{text}"
        );
    });
}

#[test]
fn a_locked_sqlite_file_is_waited_for() {
    let database = Database::sqlite();
    let (table, name) = report(&database, &[0]);
    let Database::Sqlite(folder) = &database else { unreachable!() };
    let table = table.with("url", &format!("{}?busy_timeout=50", database.url()));
    let mut writer = table.writer().unwrap();
    let other = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(400));
            other.execute_batch("COMMIT").unwrap();
        });
        writer.flush(Flush::Barrier).unwrap();
    });
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "1");
    assert!(table.task.counters.counter("numSendRetries").get() > 0);
}

#[test]
fn a_scan_goes_on_after_a_lost_connection() {
    for (proxy, database, url) in proxied() {
        let name = table_name();
        database
            .execute(&format!("CREATE TABLE {name} (account BIGINT PRIMARY KEY, place VARCHAR(1000), amount BIGINT)"));
        let (writing, _) = (database.table(&name, &COLUMNS, &[0]), ());
        let mut writer = writing.writer().unwrap();
        let place = "x".repeat(1000);
        let rows: Vec<_> = (0..40_000).map(|account| (Insert, account, place.as_str(), account)).collect();
        rows.chunks(4_000).for_each(|rows| writer.write(changes(&writing, rows)).unwrap());
        writer.flush(Flush::End).unwrap();

        let reading = database.table(&name, &COLUMNS, &[0]).with("url", &url);
        let mut reader = reading.reader(reading.splits().unwrap());
        let mut accounts = Vec::new();
        loop {
            match crate::database::poll(reader.as_mut()).unwrap() {
                riverrun_connect::Polled::Rows { batch, .. } => {
                    let column = batch.rows().column(0).clone();
                    accounts.extend(
                        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&column)
                            .values()
                            .iter()
                            .copied(),
                    );
                    if accounts.len() == 4096 {
                        proxy.cut();
                        proxy.heal();
                    }
                }
                riverrun_connect::Polled::Finished(_) => break,
                riverrun_connect::Polled::Nothing => panic!("the scan stands still"),
            }
        }
        assert_eq!(accounts, (0..40_000).collect::<Vec<i64>>());
    }
}
