//! What is visible when, and what recovery makes of what is left.

use riverrun_connect::{Commit, Flush};
use riverrun_data::RowKind::{Delete, Insert, UpdateAfter};
use riverrun_protocol::CheckpointId;

use super::job::{Job, commit, done, on_databases_with_transactions, prepare};
use crate::database::{Database, on_every_database};

on_every_database!(
    rows_become_visible_with_their_commit_and_once,
    changes_are_upserted_and_deleted_by_key,
    a_checkpoint_without_rows_has_nothing_to_commit,
    a_transaction_that_changes_nothing_commits,
    recovery_commits_what_is_restored_and_drops_the_rest,
    a_job_that_begins_anew_counts_from_one_again,
    an_old_savepoint_is_known_to_be_committed,
    a_savepoint_of_another_job_is_committed_once,
    without_a_guarantee_checkpoints_wait_for_nothing,
);

mod two_phase {
    super::on_databases_with_transactions!(
        other_jobs_and_operators_are_not_touched,
        a_transaction_that_was_rolled_back_is_noticed,
    );
    use super::{a_transaction_that_was_rolled_back_is_noticed, other_jobs_and_operators_are_not_touched};
}

fn rows_become_visible_with_their_commit_and_once(database: &Database) {
    let job = Job::new(database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let (mut one, mut two) = (job.writer(1, 0), job.writer(1, 1));
    let mut first = job.insert(one.as_mut(), 1, 1);
    first.extend(job.insert(two.as_mut(), 1, 2));
    job.write(one.as_mut(), &[(Insert, 3, "a", 3), (Insert, 3, "a", 3)]);
    one.flush(Flush::Barrier).unwrap();
    assert_eq!(job.rows(database), "");
    for _ in 0..2 {
        commit(committer.as_mut(), 1, &first);
        assert_eq!(job.rows(database), "1 1, 2 2");
    }
    let second = prepare(one.as_mut(), 2);
    assert_eq!(prepare(two.as_mut(), 2), []);
    assert_eq!(job.rows(database), "1 1, 2 2");
    for _ in 0..2 {
        commit(committer.as_mut(), 2, &second);
        commit(committer.as_mut(), 1, &first);
        assert_eq!(job.rows(database), "1 1, 2 2, 3 3, 3 3");
    }
    // by another process, which does not know whether they were
    for (checkpoint, committables) in [(1, &first), (2, &second)] {
        drop(job.recovered(2, Some(checkpoint), committables));
        assert_eq!(job.rows(database), "1 1, 2 2, 3 3, 3 3");
    }
    assert_eq!((job.prepared(database), job.table.task.counters.counter("numRecordsSend").get()), (0, 4));
}

fn changes_are_upserted_and_deleted_by_key(database: &Database) {
    let job = Job::new(database, &[0]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    job.write(writer.as_mut(), &[(Insert, 1, "a", 1), (Insert, 2, "b", 2), (Insert, 3, "c", 3), (Delete, 9, "", 0)]);
    job.write(writer.as_mut(), &[(UpdateAfter, 1, "a", 10), (Delete, 3, "c", 3)]);
    let first = prepare(writer.as_mut(), 1);
    commit(committer.as_mut(), 1, &first);
    assert_eq!(job.rows(database), "1 10, 2 2");
    job.write(writer.as_mut(), &[(Delete, 1, "a", 10), (UpdateAfter, 2, "b", 20), (Insert, 4, "d", 4)]);
    let second = prepare(writer.as_mut(), 2);
    assert_eq!(job.rows(database), "1 10, 2 2");
    commit(committer.as_mut(), 2, &second);
    assert_eq!(job.rows(database), "2 20, 4 4");
}

fn a_checkpoint_without_rows_has_nothing_to_commit(database: &Database) {
    let job = Job::new(database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    assert_eq!(prepare(writer.as_mut(), 1), []);
    commit(committer.as_mut(), 1, &[]);
    let committables = job.insert(writer.as_mut(), 2, 1);
    commit(committer.as_mut(), 2, &committables);
    assert_eq!(prepare(writer.as_mut(), 3), []);
    commit(committer.as_mut(), 3, &[]);
    done(job.committer(2).recover(Some(CheckpointId(3)), &[]));
    assert_eq!(job.rows(database), "1 1");
}

/// A server may refuse to commit a transaction that only read.
fn a_transaction_that_changes_nothing_commits(database: &Database) {
    let job = Job::new(database, &[0]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    let committables = job.insert(writer.as_mut(), 1, 1);
    commit(committer.as_mut(), 1, &committables);
    job.write(writer.as_mut(), &[(Insert, 1, "a", 1), (Delete, 7, "a", 1)]);
    let committables = prepare(writer.as_mut(), 2);
    commit(committer.as_mut(), 2, &committables);
    commit(committer.as_mut(), 2, &committables);
    assert_eq!(job.rows(database), "1 1");
}

fn recovery_commits_what_is_restored_and_drops_the_rest(database: &Database) {
    let job = Job::new(database, &[0]);
    drop(job.recovered(1, None, &[]));
    let (mut one, mut two) = (job.writer(1, 0), job.writer(1, 1));
    let mut completed = job.insert(one.as_mut(), 1, 1);
    completed.extend(job.insert(two.as_mut(), 1, 2));
    // the process dies after the slot of checkpoint 1, with checkpoint 2 under way
    job.insert(one.as_mut(), 2, 3);
    job.write(two.as_mut(), &[(Insert, 4, "a", 4)]);
    drop((one, two));
    let mut committer = job.recovered(2, Some(1), &completed);
    assert_eq!((job.rows(database).as_str(), job.prepared(database)), ("1 1, 2 2", 0));
    // with another parallelism, and at once: no lock is left
    let mut writer = job.writer(2, 0);
    job.write(writer.as_mut(), &[(Insert, 1, "a", 10), (Insert, 3, "a", 30), (Insert, 4, "a", 40)]);
    let committables = prepare(writer.as_mut(), 3);
    commit(committer.as_mut(), 3, &committables);
    assert_eq!(job.rows(database), "1 10, 2 2, 3 30, 4 40");
}

fn a_job_that_begins_anew_counts_from_one_again(database: &Database) {
    let job = Job::new(database, &[]);
    for life in 1..3 {
        let mut committer = job.recovered(1, None, &[]);
        let mut writer = job.writer(1, 0);
        for checkpoint in 1..4 {
            let committables = job.insert(writer.as_mut(), checkpoint, life);
            commit(committer.as_mut(), checkpoint, &committables);
        }
        job.insert(writer.as_mut(), 4, 99);
    }
    drop(job.recovered(1, None, &[]));
    assert_eq!((job.rows(database).as_str(), job.prepared(database)), ("1 1, 1 1, 1 1, 2 2, 2 2, 2 2", 0));
}

fn an_old_savepoint_is_known_to_be_committed(database: &Database) {
    let job = Job::new(database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    let savepoint = job.insert(writer.as_mut(), 1, 1);
    commit(committer.as_mut(), 1, &savepoint);
    for checkpoint in 2..5 {
        let committables = job.insert(writer.as_mut(), checkpoint, 2);
        commit(committer.as_mut(), checkpoint, &committables);
    }
    drop((writer, committer));
    for attempt in 2..4 {
        drop(job.recovered(attempt, Some(1), &savepoint));
        assert_eq!(job.rows(database), "1 1, 2 2, 2 2, 2 2");
    }
}

fn a_savepoint_of_another_job_is_committed_once(database: &Database) {
    let job = Job::new(database, &[]);
    let mut writer = job.writer(1, 0);
    let savepoint = job.insert(writer.as_mut(), 1, 1);
    drop(writer);
    let other = Job { id: format!("{:032x}", fastrand::u128(..)), ..job.clone() };
    for attempt in 1..3 {
        drop(other.recovered(attempt, Some(1), &savepoint));
        assert_eq!(job.rows(database), "1 1");
    }
    drop(job.recovered(2, Some(1), &savepoint));
    assert_eq!(job.rows(database), "1 1");
}

fn without_a_guarantee_checkpoints_wait_for_nothing(database: &Database) {
    let job = Job::new(database, &[]).with("sink.delivery-guarantee", "none");
    let mut writer = job.writer(1, 0);
    job.write(writer.as_mut(), &[(Insert, 1, "a", 1)]);
    assert_eq!(prepare(writer.as_mut(), 1), []);
    assert_eq!(job.rows(database), "");
    writer.flush(Flush::End).unwrap();
    assert_eq!(job.rows(database), "1 1");
}

fn other_jobs_and_operators_are_not_touched(database: &Database) {
    let job = Job::new(database, &[]);
    let neighbours = [
        Job { id: format!("{:032x}", fastrand::u128(..)), ..job.clone() },
        Job { operator: "other sink".to_owned(), ..job.clone() },
    ];
    let theirs = neighbours.each_ref().map(|neighbour| neighbour.insert(neighbour.writer(1, 0).as_mut(), 1, 1));
    job.insert(job.writer(1, 0).as_mut(), 1, 2);
    drop(job.recovered(2, None, &[]));
    assert_eq!(job.prepared(database) + neighbours[0].prepared(database), 2);
    for (neighbour, committables) in neighbours.iter().zip(&theirs) {
        drop(neighbour.recovered(2, Some(1), committables));
    }
    assert_eq!(job.rows(database), "1 1, 1 1");
}

fn roll_back_prepared(database: &Database, of: &Job, subtask: usize) {
    match database {
        Database::MariaDb(server) => {
            for row in server.query("XA RECOVER") {
                let [format, length, _, data] = row.try_into().unwrap();
                let (format, length, data) = (format.unwrap(), length.unwrap().parse().unwrap(), data.unwrap());
                let (owner, branch) = data.split_at(length);
                if owner.contains(&of.id) && branch.starts_with(&format!("1-{subtask}-")) {
                    server.execute(&format!("XA ROLLBACK '{owner}','{branch}',{format}"));
                }
            }
        }
        Database::Postgres(server) => {
            for row in server.query("SELECT gid FROM pg_prepared_xacts") {
                let gid = row[0].as_deref().unwrap();
                if gid.contains(&of.id) && gid.contains(&format!("-1-{subtask}-")) {
                    server.execute(&format!("ROLLBACK PREPARED '{gid}'"));
                }
            }
        }
        Database::Sqlite(_) => {}
    }
}

fn a_transaction_that_was_rolled_back_is_noticed(database: &Database) {
    let job = Job::new(database, &[]);
    let lost = |commit: riverrun_base::Result<Commit>| match commit.unwrap() {
        Commit::Lost { visible, error } => (visible, error.to_string()),
        Commit::Done => panic!("it was not noticed"),
    };
    let mut committer = job.recovered(1, None, &[]);
    let (mut one, mut two) = (job.writer(1, 0), job.writer(1, 1));
    let first = [job.insert(one.as_mut(), 1, 1), job.insert(two.as_mut(), 1, 2)].concat();
    roll_back_prepared(database, &job, 1);
    let (visible, text) = lost(committer.commit(CheckpointId(1), &first));
    assert!(!visible && text.contains("has given up 1 of 2 prepared transactions of checkpoint 1"), "{text}");
    assert!(text.contains(&job.id) && text.contains("(1 rows)") && text.contains("rolled them back"), "{text}");
    assert_eq!((job.rows(database).as_str(), job.prepared(database)), ("", 1), "nothing is committed by halves");
    // as after the death of the process
    let (visible, _) = lost(job.committer(2).recover(Some(CheckpointId(1)), &first));
    assert!(!visible);
    // what can be is committed where something is visible already
    drop(job.recovered(2, None, &[]));
    let mut committer = job.committer(1);
    let second = [job.insert(one.as_mut(), 2, 3), job.insert(two.as_mut(), 2, 4)].concat();
    commit(committer.as_mut(), 2, &second[..1]);
    roll_back_prepared(database, &job, 1);
    let (visible, _) = lost(committer.commit(CheckpointId(2), &second));
    assert_eq!((visible, job.rows(database).as_str()), (true, "3 3"));
}
