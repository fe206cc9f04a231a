//! Servers and networks that fail between any two steps.

use std::thread;
use std::time::Duration;

use riverrun_connect::{Commit, Committable};
use riverrun_data::RowKind::Insert;
use riverrun_protocol::CheckpointId;
use riverrun_testkit::tcp::Proxy;
use riverrun_testkit::{MariaDb, Postgres, mariadb, postgres, wait_for};

use super::job::{Job, commit, done, on_databases_with_transactions, prepare};
use crate::database::{Database, Table};
use crate::write::COLUMNS;

on_databases_with_transactions!(
    a_network_that_breaks_at_any_moment_loses_and_repeats_nothing,
    a_network_that_falls_silent_at_any_moment_loses_and_repeats_nothing,
);

const CREATE: &str = "CREATE TABLE report (account BIGINT NOT NULL, place VARCHAR(100) NOT NULL, amount BIGINT)";

/// A job on a server of its own, which may be away for long on a busy machine.
fn job_on(url: &str) -> Job {
    let table = Table::new(url, "report", &COLUMNS, &[])
        .with("username", "test")
        .with("password", "test")
        .with("connection.max-retry-timeout", "3 min")
        .with("sink.delivery-guarantee", "exactly-once");
    Job { table, name: "report".to_owned(), id: format!("{:032x}", fastrand::u128(..)), operator: "sink".to_owned() }
}

/// Kills the server at each step of two checkpoints; `rows` shows what is visible.
fn survives_kills(job: &Job, mut kill_and_restart: impl FnMut(), mut rows: impl FnMut() -> String) {
    let mut committer = job.recovered(1, None, &[]);
    let (mut one, mut two) = (job.writer(1, 0), job.writer(1, 1));
    // before the rows are written: they are in memory
    job.write(one.as_mut(), &[(Insert, 1, "a", 1)]);
    kill_and_restart();
    let mut first = prepare(one.as_mut(), 1);
    // between the preparations of two subtasks
    kill_and_restart();
    first.extend(job.insert(two.as_mut(), 1, 2));
    // between prepare and commit
    kill_and_restart();
    assert_eq!(rows(), "");
    commit(committer.as_mut(), 1, &first[..1]);
    // in the middle of the commits
    kill_and_restart();
    commit(committer.as_mut(), 1, &first);
    kill_and_restart();
    commit(committer.as_mut(), 1, &first);
    assert_eq!(rows(), "1 1, 2 2");
    // and with another process afterwards
    job.insert(one.as_mut(), 2, 3);
    drop((one, two, committer));
    kill_and_restart();
    drop(job.recovered(2, Some(1), &first));
    assert_eq!(rows(), "1 1, 2 2");
}

const SHOW: &str = "SELECT account, amount FROM report ORDER BY account, amount";

fn text(rows: Vec<Vec<Option<String>>>) -> String {
    let row = |row: Vec<Option<String>>| row.into_iter().flatten().collect::<Vec<_>>().join(" ");
    rows.into_iter().map(row).collect::<Vec<_>>().join(", ")
}

#[test]
fn mariadb_may_be_killed_at_every_step() {
    let server = std::cell::RefCell::new(MariaDb::start());
    server.borrow().execute(CREATE);
    let job = job_on(&server.borrow().url());
    let kill_and_restart = || {
        server.borrow_mut().kill9();
        server.borrow_mut().restart();
    };
    survives_kills(&job, kill_and_restart, || text(server.borrow().query(SHOW)));
    assert_eq!(server.borrow().query("XA RECOVER"), Vec::<Vec<Option<String>>>::new());
}

#[test]
fn postgres_may_be_killed_at_every_step() {
    let server = std::cell::RefCell::new(Postgres::start());
    server.borrow().execute(CREATE);
    let job = job_on(&server.borrow().url());
    let kill_and_restart = || {
        server.borrow_mut().kill9();
        server.borrow_mut().restart();
    };
    survives_kills(&job, kill_and_restart, || text(server.borrow().query(SHOW)));
    assert_eq!(server.borrow().query("SELECT gid FROM pg_prepared_xacts"), Vec::<Vec<Option<String>>>::new());
}

fn a_network_that_breaks_at_any_moment_loses_and_repeats_nothing(database: &Database) {
    faults(database, |proxy| {
        proxy.cut();
        thread::sleep(Duration::from_millis(fastrand::u64(0..20)));
        proxy.heal();
    });
}

/// Answers are lost: what was asked may have been done.
fn a_network_that_falls_silent_at_any_moment_loses_and_repeats_nothing(database: &Database) {
    faults(database, |proxy| {
        proxy.hold();
        thread::sleep(Duration::from_millis(fastrand::u64(0..20)));
        // requests on their way arrive, or not; answers do not
        proxy.cut();
        proxy.heal();
    });
}

/// Checkpoints of two writers through a network that fails at a random moment of each; now and then a new attempt.
fn faults(database: &Database, fault: impl Fn(&Proxy) + Sync) {
    // logging in to PostgreSQL takes long in a build without optimization
    let (proxy, scheme, rounds) = match database {
        Database::MariaDb(_) => (Proxy::to(mariadb().address()), "mariadb", 60),
        _ => (Proxy::to(postgres().address()), "postgresql", 20),
    };
    let job = Job::new(database, &[]).with("url", &format!("jdbc:{scheme}://{}/test", proxy.address()));
    let mut attempt = 1;
    let mut committer = job.recovered(attempt, None, &[]);
    let mut writers = [job.writer(attempt, 0), job.writer(attempt, 1)];
    let mut completed: Vec<Committable> = Vec::new();
    for round in 1..=rounds {
        let account = i64::try_from(round).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(fastrand::u64(0..15_000)));
                fault(&proxy);
            });
            completed.clear();
            for writer in &mut writers {
                completed.extend(job.insert(writer.as_mut(), round, account));
            }
            match fastrand::u8(0..4) {
                // the process dies before the commit
                0 => {
                    let restarted = wait_for(Duration::from_secs(60), "an attempt that can start", || {
                        attempt += 1;
                        let table = |subtask| job.task(attempt, subtask);
                        let mut committer = table(0).committer().ok()?;
                        done(committer.recover(Some(CheckpointId(round)), &completed));
                        Some((committer, [table(0).writer().ok()?, table(1).writer().ok()?]))
                    });
                    (committer, writers) = restarted;
                }
                _ => match committer.commit(CheckpointId(round), &completed).unwrap() {
                    Commit::Done => {}
                    Commit::Lost { error, .. } => panic!("{error}"),
                },
            }
        });
    }
    let count = database.rows(&format!("SELECT COUNT(*), COUNT(DISTINCT account) FROM {}", job.name));
    assert_eq!(count, format!("{} {rounds}", 2 * rounds));
    drop(job.recovered(attempt + 1, Some(rounds), &completed));
    assert_eq!(job.prepared(database), 0);
    assert!(job.table.task.counters.counter("numSendRetries").get() > 0, "the network failed");
}
