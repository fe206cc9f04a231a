//! What a MySQL or MariaDB server does that must not cost a row.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use riverrun_connect::{Commit, Committable};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::{mariadb, wait_until};

use super::job::{Job, commit};
use crate::database::Database;

/// A transaction of this job that another connection has prepared, as its writer would; the connection stays.
struct Foreign {
    committable: Committable,
    xid: String,
    connection: Conn,
}

fn options() -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(mariadb().port())
        .prefer_socket(false)
        .user(Some("test"))
        .pass(Some("test"))
        .db_name(Some("test"))
}

async fn foreign(job: &Job, template: &Committable) -> Foreign {
    let text = String::from_utf8(template.0.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [form, id, operator, _, checkpoint, rows] = lines[..] else { panic!("{text}") };
    let number = fastrand::u64(..);
    let branch = format!("1-7-{number}");
    let mut connection = Conn::new(options()).await.unwrap();
    let xid = format!("'riverrun-{id}-{operator}','{branch}',{}", 0x5252_5841);
    for sql in [
        format!("DO GET_LOCK('riverrun-{number}', 0)"),
        format!("XA START {xid}"),
        format!("INSERT INTO {} VALUES (7, 'a', 7)", job.name),
        format!(
            "INSERT INTO riverrun_commits (job, operator, checkpoint, branch) VALUES ('{id}', '{operator}', {checkpoint}, '{branch}')"
        ),
        format!("XA END {xid}"),
        format!("XA PREPARE {xid}"),
    ] {
        connection.query_drop(sql).await.unwrap();
    }
    let committable = Committable([form, id, operator, &branch, checkpoint, rows].join("\n").into_bytes());
    Foreign { committable, xid, connection }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// After COM_RESET_CONNECTION, which pools send, and COM_CHANGE_USER, a server answers OK to XA COMMIT and shows no row.
#[test]
fn a_commit_that_answers_ok_and_shows_no_rows_is_noticed() {
    let database = Database::mariadb();
    let runtime = runtime();
    for (reset, by_itself) in [(true, true), (true, false), (false, true), (false, false)] {
        let job = Job::new(&database, &[]);
        let mut committer = job.recovered(1, None, &[]);
        let template = job.insert(job.writer(1, 0).as_mut(), 1, 1);
        commit(committer.as_mut(), 1, &template);
        let mut foreign = runtime.block_on(foreign(&job, &template[0]));
        runtime.block_on(async {
            let connection = &mut foreign.connection;
            if reset {
                assert!(connection.reset().await.unwrap());
            } else {
                connection.change_user(mysql_async::ChangeUserOpts::default()).await.unwrap();
            }
            if by_itself {
                connection.query_drop(format!("XA COMMIT {}", foreign.xid)).await.unwrap();
            }
        });
        // whichever way the server goes, what is said is true
        let said = committer.commit(CheckpointId(1), std::slice::from_ref(&foreign.committable)).unwrap();
        match said {
            Commit::Done => assert_eq!(job.rows(&database), "1 1, 7 7"),
            Commit::Lost { visible, error } => {
                assert!(!visible, "{error}");
                assert_eq!(job.rows(&database), "1 1");
            }
        }
        runtime.block_on(foreign.connection.disconnect()).unwrap();
        assert_eq!(job.prepared(&database), 0);
    }
}

/// Our own writers are not pooled, and their transactions do not pass through a reset.
#[test]
fn a_reset_of_other_connections_takes_nothing_from_what_a_writer_prepared() {
    let database = Database::mariadb();
    let job = Job::new(&database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let committables = job.insert(job.writer(1, 0).as_mut(), 1, 1);
    runtime().block_on(async {
        let mut connection = Conn::new(options()).await.unwrap();
        connection.query_drop("XA RECOVER").await.unwrap();
        assert!(connection.reset().await.unwrap());
        connection.change_user(mysql_async::ChangeUserOpts::default()).await.unwrap();
        connection.disconnect().await.unwrap();
    });
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(job.rows(&database), "1 1");
}

/// MariaDB says "unknown transaction" to everyone else as long as the connection lives that has prepared it: that of a
/// machine that is gone, for hours.
#[test]
fn a_transaction_that_a_dead_machine_still_holds_is_committed() {
    let database = Database::mariadb();
    let job = Job::new(&database, &[]);
    let mut committer = job.recovered(1, None, &[]);
    let template = job.insert(job.writer(1, 0).as_mut(), 1, 1);
    let runtime = runtime();
    let held = runtime.block_on(foreign(&job, &template[0]));
    commit(committer.as_mut(), 1, &[template[0].clone(), held.committable.clone()]);
    assert_eq!(job.rows(&database), "1 1, 7 7");
    let left = runtime.block_on(foreign(&job, &template[0]));
    drop(job.recovered(2, Some(1), &[template[0].clone(), held.committable.clone()]));
    assert_eq!((job.rows(&database).as_str(), job.prepared(&database)), ("1 1, 7 7", 0));
    drop((held, left));
}

/// A process that was frozen in the middle of its transaction holds locks, but not for long (MySQL has no such limit).
#[test]
fn the_server_ends_a_transaction_whose_writer_stands_still() {
    let database = Database::mariadb();
    if !database.rows("SELECT VERSION()").contains("MariaDB") {
        return;
    }
    let job = Job::new(&database, &[0]);
    let runtime = runtime();
    let ended = runtime.block_on(async {
        let mut connection = Conn::new(options()).await.unwrap();
        for sql in [
            "SET SESSION idle_transaction_timeout = 1",
            "XA START 'frozen','1',1",
            &format!("INSERT INTO {} VALUES (1, 'a', 1)", job.name),
        ] {
            connection.query_drop(sql).await.unwrap();
        }
        let living = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {}", connection.id());
        wait_until(Duration::from_secs(20), "the server to end the connection", || database.rows(&living) == "0");
        connection.query_drop("XA END 'frozen','1',1").await.is_err()
    });
    assert!(ended);
    let mut committer = job.recovered(1, None, &[]);
    let committables = job.insert(job.writer(1, 0).as_mut(), 1, 1);
    commit(committer.as_mut(), 1, &committables);
    assert_eq!(job.rows(&database), "1 1");
}
