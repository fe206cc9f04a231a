//! Transactions that want the same rows, and those that outgrow the memory.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use riverrun_data::RowKind::{Insert, UpdateAfter};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::tcp::Proxy;
use riverrun_testkit::{mariadb, postgres};

use super::job::{Job, commit, done, on_databases_with_transactions, prepare};
use crate::database::Database;
use crate::write::changes;

on_databases_with_transactions!(
    a_row_of_the_checkpoint_before_waits_for_its_commit,
    two_writers_of_one_key_end_in_an_error_that_a_restart_mends,
    neighbouring_keys_do_not_wait_for_each_other,
    what_a_frozen_attempt_prepares_later_gives_way,
    a_recovery_that_wakes_late_takes_nothing_from_the_next_attempt,
    rows_that_outgrow_the_memory_go_into_the_transaction,
    a_transaction_that_alone_has_rows_fails_with_its_connection,
);

/// The coordinator commits a checkpoint while the writer is at the next.
fn a_row_of_the_checkpoint_before_waits_for_its_commit(database: &Database) {
    // a lock is waited for one second
    let job = Job::new(database, &[0]).with("connection.max-retry-timeout", "4 s");
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    let first = job.insert(writer.as_mut(), 1, 1);
    job.write(writer.as_mut(), &[(UpdateAfter, 1, "a", 2), (Insert, 2, "b", 2)]);
    let second = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(2_200));
            commit(committer.as_mut(), 1, &first);
        });
        let start = Instant::now();
        let second = prepare(writer.as_mut(), 2);
        assert!(start.elapsed() > Duration::from_secs(2), "it waited: {:?}", start.elapsed());
        second
    });
    assert_eq!(job.rows(database), "1 1");
    commit(committer.as_mut(), 2, &second);
    assert_eq!(job.rows(database), "1 2, 2 2");
    assert!(job.table.task.counters.counter("numSendRetries").get() > 0);
}

fn two_writers_of_one_key_end_in_an_error_that_a_restart_mends(database: &Database) {
    let job = Job::new(database, &[0]).with("connection.max-retry-timeout", "4 s").with("sink.max-retries", "1");
    drop(job.recovered(1, None, &[]));
    let (mut one, mut two) = (job.writer(1, 0), job.writer(1, 1));
    job.insert(one.as_mut(), 1, 1);
    job.write(two.as_mut(), &[(Insert, 1, "a", 2)]);
    let error = two.prepare(CheckpointId(1)).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("'sink.max-retries' = 1") && text.contains("with the same key in the same checkpoint"),
        "{text}"
    );
    drop((one, two));
    let mut committer = job.recovered(2, None, &[]);
    let committables = job.insert(job.writer(2, 0).as_mut(), 2, 1);
    commit(committer.as_mut(), 2, &committables);
    assert_eq!(job.rows(database), "1 1");
}

/// No gap between keys is locked, by deletions of what is not there either.
fn neighbouring_keys_do_not_wait_for_each_other(database: &Database) {
    let job = Job::new(database, &[0]);
    database.execute(&format!("INSERT INTO {} VALUES (0, 'a', 0), (100, 'a', 100)", job.name));
    let mut committer = job.recovered(1, None, &[]);
    let mut writers = [job.writer(1, 0), job.writer(1, 1)];
    let mut committables = Vec::new();
    for checkpoint in 1..4 {
        for (subtask, writer) in writers.iter_mut().enumerate() {
            let own = i64::try_from(checkpoint * 10 + subtask as u64).unwrap();
            let missing = own + 50;
            job.write(writer.as_mut(), &[(Insert, own, "a", own), (riverrun_data::RowKind::Delete, missing, "a", 0)]);
            committables.extend(prepare(writer.as_mut(), checkpoint));
        }
    }
    assert_eq!(committables.len(), 6, "all are open at once");
    commit(committer.as_mut(), 3, &committables);
    assert_eq!(job.rows(database), "0 0, 10 10, 11 11, 20 20, 21 21, 30 30, 31 31, 100 100");
}

/// A process that was stopped while it wrote, and woken after the next attempt had recovered.
fn what_a_frozen_attempt_prepares_later_gives_way(database: &Database) {
    let job = Job::new(database, &[0]).with("connection.max-retry-timeout", "4 s");
    let mut frozen = job.writer(1, 0);
    job.write(frozen.as_mut(), &[(Insert, 1, "a", 1)]);
    let mut committer = job.recovered(2, None, &[]);
    let mut writer = job.writer(2, 0);
    prepare(frozen.as_mut(), 1);
    assert_eq!(job.prepared(database), 1);
    let committables = job.insert(writer.as_mut(), 2, 1);
    commit(committer.as_mut(), 2, &committables);
    assert_eq!((job.rows(database).as_str(), job.prepared(database)), ("1 1", 0));
}

fn a_recovery_that_wakes_late_takes_nothing_from_the_next_attempt(database: &Database) {
    let job = Job::new(database, &[0]);
    let first = job.insert(job.writer(1, 0).as_mut(), 1, 1);
    let mut frozen = job.committer(2);
    let mut committer = job.recovered(3, Some(1), &first);
    let second = job.insert(job.writer(3, 0).as_mut(), 2, 2);
    done(frozen.recover(Some(CheckpointId(1)), &first));
    commit(committer.as_mut(), 2, &second);
    assert_eq!(job.rows(database), "1 1, 2 2");
    // at the end of a job, what its own attempt has left goes
    job.insert(job.writer(3, 0).as_mut(), 3, 3);
    done(committer.recover(Some(CheckpointId(2)), &second));
    assert_eq!((job.rows(database).as_str(), job.prepared(database)), ("1 1, 2 2", 0));
}

fn long_rows(job: &Job, from: i64) -> riverrun_data::Batch {
    let rows: Vec<_> = (from..from + 10_000).map(|account| (Insert, account, LONG, account)).collect();
    changes(&job.table, &rows)
}

/// 10,000 of them are about a megabyte.
const LONG: &str =
    "----------------------------------------------------------------------------------------------------";

fn rows_that_outgrow_the_memory_go_into_the_transaction(database: &Database) {
    let job = Job::new(database, &[0]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    for batch in 0..40 {
        writer.write(long_rows(&job, batch * 10_000)).unwrap();
    }
    assert_ne!(open_transactions(database, &job), "0", "one is open before the barrier");
    job.write(writer.as_mut(), &[(UpdateAfter, 0, "b", -1)]);
    let committables = prepare(writer.as_mut(), 1);
    let count = || database.rows(&format!("SELECT COUNT(*), MIN(amount) FROM {}", job.name));
    assert_eq!(count(), "0 NULL");
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(count(), "400000 -1");
}

/// Transactions that have written many rows of the job's table (of any table, on MariaDB).
fn open_transactions(database: &Database, job: &Job) -> String {
    database.rows(&match database {
        Database::Postgres(_) => format!(
            "SELECT COUNT(*) FROM pg_locks WHERE relation = '{}'::regclass AND mode = 'RowExclusiveLock'",
            job.name
        ),
        _ => "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 100000".to_owned(),
    })
}

fn a_transaction_that_alone_has_rows_fails_with_its_connection(database: &Database) {
    let (proxy, url) = match database {
        Database::MariaDb(_) => (Proxy::to(mariadb().address()), "mariadb"),
        _ => (Proxy::to(postgres().address()), "postgresql"),
    };
    let job = Job::new(database, &[0]).with("url", &format!("jdbc:{url}://{}/test", proxy.address()));
    drop(job.recovered(1, None, &[]));
    let mut writer = job.writer(1, 0);
    for batch in 0..40 {
        writer.write(long_rows(&job, batch * 10_000)).unwrap();
    }
    proxy.cut();
    proxy.heal();
    let error = writer.prepare(CheckpointId(1)).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("come again from the last checkpoint"), "{error}");
    drop(writer);
    // they come again
    let mut committer = job.recovered(2, None, &[]);
    let (mut one, mut two) = (job.writer(2, 0), job.writer(2, 1));
    let both = Barrier::new(2);
    let committables = thread::scope(|scope| {
        let other = scope.spawn(|| {
            two.write(long_rows(&job, 0)).unwrap();
            both.wait();
            prepare(two.as_mut(), 2)
        });
        one.write(long_rows(&job, 10_000)).unwrap();
        both.wait();
        let mut committables = prepare(one.as_mut(), 2);
        committables.extend(other.join().unwrap());
        committables
    });
    commit(committer.as_mut(), 2, &committables);
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {}", job.name)), "20000");
}
