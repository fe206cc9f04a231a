//! What exactly-once needs, and is refused without.

use riverrun_base::Kind;
use riverrun_connect::Commits;
use riverrun_testkit::{Postgres, mariadb, unique};

use super::job::Job;
use crate::database::{Database, Table, table_name};
use crate::write::{COLUMNS, report};

/// Both the writer's and the committer's refusal.
#[track_caller]
fn refused(table: &Table) -> String {
    let error = table.committer().map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
    assert_eq!(table.writer().map(drop).unwrap_err().kind(), Kind::User);
    error.to_string()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

#[test]
fn postgres_without_prepared_transactions() {
    for (most, parallelism) in [(0, 1), (3, 4)] {
        let server = Postgres::start_with(&[&format!("max_prepared_transactions={most}")]);
        server.execute("CREATE TABLE report (account BIGINT, place TEXT, amount BIGINT)");
        let mut table = Table::new(&server.url(), "report", &COLUMNS, &[])
            .with("username", "test")
            .with("password", "test")
            .with("sink.delivery-guarantee", "exactly-once");
        table.task.parallelism = parallelism;
        let text = refused(&table);
        has(&text, &["max_prepared_transactions", &format!("allows {most}"), "ALTER SYSTEM SET", "restart PostgreSQL"]);
        has(&text, &["'at-least-once' with a primary key", "table: spend_report"]);
    }
}

#[test]
fn tables_without_transactions() {
    let database = Database::mariadb();
    for engine in ["MyISAM", "MEMORY"] {
        let name = table_name();
        database
            .execute(&format!("CREATE TABLE {name} (account BIGINT, place VARCHAR(9), amount BIGINT) ENGINE={engine}"));
        let table = database.table(&name, &COLUMNS, &[]).with("sink.delivery-guarantee", "exactly-once");
        has(&refused(&table), &[&format!("a table of {engine}"), &format!("ALTER TABLE `{name}` ENGINE = InnoDB")]);
    }
    let (_, name) = report(&database, &[]);
    database.execute(&format!("CREATE VIEW {name}_view AS SELECT * FROM {name}"));
    let table = database.table(&format!("{name}_view"), &COLUMNS, &[]).with("sink.delivery-guarantee", "exactly-once");
    has(&refused(&table), &["a table of VIEW"]);
}

#[test]
fn a_mysql_user_who_may_not_make_the_table_of_commits_is_told_the_statement() {
    let (database, user) = (unique("db"), unique("user"));
    let server = mariadb();
    server.execute(&format!(
        "CREATE DATABASE {database}; CREATE TABLE {database}.report (account BIGINT, place TEXT, amount BIGINT); \
         CREATE USER {user}@'%' IDENTIFIED BY 'secret'; GRANT SELECT, INSERT, DELETE ON {database}.* TO {user}@'%'"
    ));
    let table = Table::new(&format!("jdbc:mariadb://{}/{database}", server.address()), "report", &COLUMNS, &[])
        .with("username", &user)
        .with("password", "secret")
        .with("sink.delivery-guarantee", "exactly-once");
    let text = refused(&table);
    has(&text, &["CREATE command denied", "CREATE TABLE IF NOT EXISTS", "riverrun_commits"]);
    let statement = text.split("make it: ").nth(1).unwrap().split(" (table").next().unwrap();
    server.execute(statement);
    table.writer().unwrap();
    table.committer().unwrap();
    server.execute(&format!("DROP DATABASE {database}; DROP USER {user}"));
}

#[test]
fn a_job_without_checkpoints_is_refused_by_what_the_sink_says() {
    let database = Database::sqlite();
    let job = Job::new(&database, &[]);
    assert_eq!(job.table.sink().unwrap().commits(), Commits::Always);
    for guarantee in ["at-least-once", "none"] {
        let job = job.clone().with("sink.delivery-guarantee", guarantee);
        assert_eq!(job.table.sink().unwrap().commits(), Commits::Never);
    }
    let text = job.with("sink.delivery-guarantee", "exactly_once").table.sink().map(drop).unwrap_err().to_string();
    has(&text, &["sink.delivery-guarantee", "exactly-once"]);
}

#[test]
fn a_checkpoint_of_another_kind_of_database_is_refused() {
    let (sqlite, server) = (Database::sqlite(), Database::mariadb());
    let (waiting, prepared) = (Job::new(&sqlite, &[]), Job::new(&server, &[]));
    let rows = waiting.insert(waiting.writer(1, 0).as_mut(), 1, 1);
    let transaction = prepared.insert(prepared.writer(1, 0).as_mut(), 1, 1);
    let restored = Some(riverrun_protocol::CheckpointId(1));
    let text = prepared.committer(2).recover(restored, &rows).unwrap_err().to_string();
    has(&text, &["holds no transactions of MySQL", "restore it with the url"]);
    let text = waiting.committer(2).recover(restored, &transaction).unwrap_err().to_string();
    has(&text, &["holds no rows for SQLite", "restore it with the url"]);
    drop(prepared.recovered(2, None, &[]));
}
