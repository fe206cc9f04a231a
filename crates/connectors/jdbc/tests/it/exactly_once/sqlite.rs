//! SQLite: rows that wait in the checkpoint.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use riverrun_base::Kind;
use riverrun_connect::Committable;
use riverrun_data::RowKind::{Insert, UpdateAfter};
use riverrun_protocol::CheckpointId;

use super::job::{Job, commit, prepare};
use crate::database::{Database, Table};
use crate::write::{COLUMNS, changes};

/// Whatever statement of the commit fails, all of it is undone, and done later.
#[test]
fn a_commit_that_fails_at_any_statement_is_undone_and_repeated() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    job.write(writer.as_mut(), &[(Insert, 1, "a", 1), (Insert, 2, "a", 2), (Insert, 3, "a", 3)]);
    let committables = prepare(writer.as_mut(), 1);
    let name = &job.name;
    let points = [
        format!("BEFORE INSERT ON {name}"),
        format!("AFTER INSERT ON {name} WHEN NEW.account = 2"),
        format!("AFTER INSERT ON {name} WHEN NEW.account = 3"),
        "BEFORE INSERT ON riverrun_commits".to_owned(),
        "AFTER INSERT ON riverrun_commits".to_owned(),
    ];
    for point in points {
        database.execute(&format!("CREATE TRIGGER stop {point} BEGIN SELECT RAISE(ABORT, 'stop'); END"));
        let error = committer.commit(CheckpointId(1), &committables).unwrap_err();
        assert!(error.to_string().contains("stop"), "{error}");
        assert_eq!((job.rows(&database).as_str(), error.kind()), ("", Kind::Data));
        assert_eq!(database.rows("SELECT COUNT(*) FROM riverrun_commits"), "0");
        database.execute("DROP TRIGGER stop");
    }
    commit(committer.as_mut(), 1, &committables);
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(job.rows(&database), "1 1, 2 2, 3 3");
}

/// A child process commits checkpoints, and is killed again and again.
#[test]
fn a_process_that_is_killed_at_any_moment_loses_and_repeats_nothing() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    let Database::Sqlite(folder) = &database else { unreachable!() };
    let mut writer = job.writer(1, 0);
    for checkpoint in 1..=CHECKPOINTS {
        let first = i64::try_from(checkpoint * 100).unwrap();
        let rows: Vec<_> = (first..first + 50).map(|account| (Insert, account, "a", account)).collect();
        job.write(writer.as_mut(), &rows);
        let [committable] = prepare(writer.as_mut(), checkpoint).try_into().unwrap();
        std::fs::write(folder.path().join(format!("chk-{checkpoint}")), committable.0).unwrap();
    }
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "exactly_once::sqlite::commit_all_checkpoints", "--ignored", "--nocapture"])
            .env("JDBC_COMMITS", folder.path())
            .env("JDBC_TABLE", &job.name)
            .env("JDBC_JOB", &job.id)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(fastrand::u64(20..120)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        kills += 1;
        assert!(kills < 500, "it never comes to an end");
    }
    let sums = database.rows(&format!("SELECT COUNT(*), COUNT(DISTINCT account) FROM {}", job.name));
    assert_eq!(sums, format!("{0} {0}", CHECKPOINTS * 50), "after {kills} kills");
    assert!(kills > 0);
}

const CHECKPOINTS: u64 = 200;

/// The process that is killed: restores the last checkpoint that it had begun to commit, and goes on.
#[test]
#[ignore = "run by the test above, as a process"]
fn commit_all_checkpoints() {
    let Ok(folder) = std::env::var("JDBC_COMMITS") else { return };
    let folder = Path::new(&folder);
    let url = format!("jdbc:sqlite:{}", folder.join("test.db").display());
    let name = std::env::var("JDBC_TABLE").unwrap();
    let table = Table::new(&url, &name, &COLUMNS, &[]).with("sink.delivery-guarantee", "exactly-once");
    let job = Job { table, name, id: std::env::var("JDBC_JOB").unwrap(), operator: "sink".to_owned() };
    let load = |checkpoint: u64| vec![Committable(std::fs::read(folder.join(format!("chk-{checkpoint}"))).unwrap())];
    let slot = folder.join("slot");
    let restored: u64 = std::fs::read_to_string(&slot).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut committer =
        if restored == 0 { job.recovered(1, None, &[]) } else { job.recovered(2, Some(restored), &load(restored)) };
    for checkpoint in restored + 1..=CHECKPOINTS {
        // the slot is written, then it is committed
        std::fs::write(folder.join("slot.new"), checkpoint.to_string()).unwrap();
        std::fs::rename(folder.join("slot.new"), &slot).unwrap();
        commit(committer.as_mut(), checkpoint, &load(checkpoint));
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn too_many_rows_between_two_checkpoints_are_refused_with_the_remedy() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    let mut writer = job.writer(1, 0);
    let long = "x".repeat(100_000);
    let rows = |from: i64| (from..from + 100).map(|account| (Insert, account, long.as_str(), 1)).collect::<Vec<_>>();
    let error = (0..10).find_map(|batch| writer.write(changes(&job.table, &rows(batch * 100))).err()).unwrap();
    let text = error.to_string();
    assert!(text.contains("more than 64 MiB of rows") && text.contains("checkpointing.interval"), "{text}");
    assert_eq!(error.kind(), Kind::User);
}

/// What counts is what is left of the keys.
#[test]
fn changes_of_few_keys_never_are_too_many() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[0]);
    let mut committer = job.recovered(1, None, &[]);
    let mut writer = job.writer(1, 0);
    let long = "x".repeat(100_000);
    for batch in 0..30 {
        let rows: Vec<_> = (0..100).map(|account| (UpdateAfter, account, long.as_str(), batch)).collect();
        job.write(writer.as_mut(), &rows);
    }
    let committables = prepare(writer.as_mut(), 1);
    assert!(committables[0].0.len() < 12_000_000);
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(database.rows(&format!("SELECT COUNT(*), MIN(amount), MAX(amount) FROM {}", job.name)), "100 29 29");
}

#[test]
fn checkpoints_that_count_from_one_again_without_a_new_beginning_are_noticed() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    let savepoint = job.insert(job.writer(1, 0).as_mut(), 57, 1);
    let mut committer = job.recovered(1, Some(57), &savepoint);
    let mut writer = job.writer(1, 0);
    let committables = job.insert(writer.as_mut(), 1, 2);
    let error = committer.commit(CheckpointId(1), &committables).unwrap_err().to_string();
    assert!(error.contains("checkpoint 57 of this job, and now checkpoint 1 comes"), "{error}");
    database.execute("DELETE FROM riverrun_commits");
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(job.rows(&database), "1 1, 2 2");
}

#[test]
fn what_is_damaged_or_of_another_table_is_refused() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    let committables = job.insert(job.writer(1, 0).as_mut(), 1, 1);
    let recover = |job: &Job, bytes: &[u8]| {
        let committable = Committable(bytes.to_vec());
        job.committer(2).recover(Some(CheckpointId(1)), &[committable]).unwrap_err().to_string()
    };
    let bytes = &committables[0].0;
    for cut in [22, 60, 200, bytes.len() / 2] {
        let text = recover(&job, &bytes[..cut]);
        assert!(text.contains("damaged"), "{cut}: {text}");
    }
    let narrow = Job { table: database.table(&job.name, &COLUMNS[..2], &[]), ..job.clone() };
    let text = recover(&narrow.with("sink.delivery-guarantee", "exactly-once"), bytes);
    assert!(text.contains("other columns than the table of the script"), "{text}");
    drop(job.recovered(2, Some(1), &committables));
    assert_eq!(job.rows(&database), "1 1");
}
