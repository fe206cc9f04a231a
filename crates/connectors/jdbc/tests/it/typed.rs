//! A program's statement on every database.

use std::sync::Arc;
use std::time::Duration;

use riverrun_base::Result;
use riverrun_connect::{Commit, Committer, Flush, JobContext, Sink, SinkWriter, TaskContext};
use riverrun_data::Records;
use riverrun_jdbc::{
    BoxError, JdbcConnectionOptions, JdbcExecutionOptions, JdbcSink, JdbcSinkBuilder, JdbcStatement, JdbcValue,
};
use riverrun_protocol::CheckpointId;
use riverrun_testkit::unique;

use crate::database::{Database, on_every_database};

on_every_database!(
    every_kind_of_value_arrives,
    an_upsert_holds_the_last_of_each_key,
    a_statement_that_the_database_refuses_is_refused_at_the_start,
    what_is_prepared_is_visible_when_it_is_committed_and_once,
);

type Row = (i64, String, Option<f64>);

fn connection(database: &Database) -> JdbcConnectionOptions {
    let options = JdbcConnectionOptions::new(database.url());
    if matches!(database, Database::Sqlite(_)) { options } else { options.with_username("test").with_password("test") }
}

/// A table `(id, name, amount)`, and its name.
fn table(database: &Database) -> String {
    let name = unique("typed");
    let double = if matches!(database, Database::Postgres(_)) { "DOUBLE PRECISION" } else { "DOUBLE" };
    database
        .execute(&format!("CREATE TABLE {name} (id BIGINT PRIMARY KEY, name VARCHAR(40) NOT NULL, amount {double})"));
    name
}

fn bind(statement: &mut JdbcStatement<'_>, (id, name, amount): &Row) -> std::result::Result<(), BoxError> {
    statement.set(1, *id)?;
    statement.set(2, name)?;
    statement.set(3, *amount)?;
    Ok(())
}

type Bound = fn(&mut JdbcStatement<'_>, &Row) -> std::result::Result<(), BoxError>;

fn insert(name: &str) -> JdbcSinkBuilder<Row, Bound> {
    JdbcSink::builder()
        .with_query_statement(format!("INSERT INTO {name} (id, name, amount) VALUES (?, ?, ?)"), bind as Bound)
}

fn rows(range: std::ops::Range<i64>) -> Records<Row> {
    range.map(|n| (n, format!("it's \\ \"{n}\"?"), (n % 2 == 0).then_some(0.5))).collect::<Vec<_>>().into()
}

fn write<T>(sink: &impl Sink<Records<T>>, records: Records<T>) -> Result<()> {
    let mut writer = sink.writer(&TaskContext::default())?;
    writer.write(records)?;
    writer.flush(Flush::End)
}

fn every_kind_of_value_arrives(database: &Database) {
    let name = unique("kinds");
    let (double, bytes, time) = match database {
        Database::Postgres(_) => ("DOUBLE PRECISION", "BYTEA", "TIMESTAMP(3)"),
        Database::MariaDb(_) => ("DOUBLE", "VARBINARY(9)", "DATETIME(3)"),
        Database::Sqlite(_) => ("DOUBLE", "BLOB", "TEXT"),
    };
    database.execute(&format!(
        "CREATE TABLE {name} (i INT, s SMALLINT, n NUMERIC(12, 2), d {double}, t VARCHAR(20), x {bytes}, day DATE, at {time})"
    ));
    let sink = JdbcSink::builder()
        .with_query_statement(
            format!("INSERT INTO {name} VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
            |statement, values: &Vec<JdbcValue<'static>>| {
                for (index, value) in values.iter().enumerate() {
                    statement.set(index + 1, *value)?;
                }
                Ok(())
            },
        )
        .build_at_least_once(connection(database))
        .unwrap();
    let values = vec![
        JdbcValue::from(-7),
        JdbcValue::from(3u8),
        JdbcValue::Decimal(1_234_567, 2),
        JdbcValue::from(1.25),
        JdbcValue::from("ü'\\"),
        JdbcValue::from(&b"\0\xff"[..]),
        JdbcValue::Date(19_000),
        JdbcValue::TimestampMillis(1_700_000_000_123),
    ];
    write(&sink, vec![values, vec![JdbcValue::Null; 8]].into()).unwrap();
    let found = database.query(&format!("SELECT i, s, n, d, t, day, at FROM {name} WHERE i IS NOT NULL"));
    let found: Vec<String> = found[0].iter().map(|value| value.clone().unwrap()).collect();
    assert_eq!(found[..2], ["-7", "3"]);
    assert_eq!((found[2].as_str(), found[3].as_str(), found[4].as_str()), ("12345.67", "1.25", "ü'\\"));
    assert!(found[5].starts_with("2022-01-08") && found[6].starts_with("2023-11-14"), "{found:?}");
    assert!(found[6].contains("22:13:20.123"), "{found:?}");
    let nulls =
        format!("SELECT COUNT(*) FROM {name} WHERE i IS NULL AND s IS NULL AND t IS NULL AND x IS NULL AND at IS NULL");
    assert_eq!(database.rows(&nulls), "1");
}

fn an_upsert_holds_the_last_of_each_key(database: &Database) {
    let name = table(database);
    let update = match database {
        Database::MariaDb(_) => "ON DUPLICATE KEY UPDATE name = VALUES(name), amount = VALUES(amount)",
        _ => "ON CONFLICT (id) DO UPDATE SET name = excluded.name, amount = excluded.amount",
    };
    let statement = format!("INSERT INTO {name} (id, name, amount) VALUES (?, ?, ?) {update}");
    let sink = JdbcSink::builder()
        .with_query_statement(statement, bind as Bound)
        .with_execution_options(JdbcExecutionOptions::default().with_batch_size(100))
        .build_at_least_once(connection(database))
        .unwrap();
    let mut writer = sink.writer(&TaskContext::default()).unwrap();
    for round in 0..3 {
        let batch: Vec<Row> = (0..700).map(|n| (n % 350, format!("{round}-{n}"), None)).collect();
        writer.write(batch.into()).unwrap();
    }
    assert_eq!(writer.deadline(), None);
    writer.flush(Flush::Barrier).unwrap();
    let count = format!("SELECT COUNT(*), COUNT(DISTINCT name), MIN(name) FROM {name} WHERE amount IS NULL");
    assert_eq!(database.rows(&count), "350 350 2-350");
}

fn a_statement_that_the_database_refuses_is_refused_at_the_start(database: &Database) {
    let sink = insert("no_such_table").build_at_least_once(connection(database)).unwrap();
    let error = write(&sink, rows(0..1)).unwrap_err().to_string();
    assert!(error.contains("no_such_table"), "{error}");
    let name = table(database);
    let sink = JdbcSink::builder()
        .with_query_statement(format!("INSERT INTO {name} (id, name) VALUES (?, ?)"), |statement, id: &i64| {
            statement.set(1, *id)?;
            Ok(())
        })
        .build_at_least_once(connection(database))
        .unwrap();
    let error = write(&sink, vec![1].into()).unwrap_err().to_string();
    assert!(error.contains("parameter 2 of the statement is not set"), "{error}");
    let unknown = insert(&name).build_at_least_once(JdbcConnectionOptions::new("jdbc:oracle:x"));
    assert!(unknown.is_err_and(|error| error.to_string().contains("oracle")));
}

fn what_is_prepared_is_visible_when_it_is_committed_and_once(database: &Database) {
    let name = table(database);
    let sink = insert(&name).build_exactly_once(connection(database)).unwrap();
    let id: Arc<str> = format!("{:032x}", fastrand::u128(..)).into();
    let task = |attempt: u64, restored: Option<u64>| TaskContext {
        parallelism: 1,
        job: JobContext {
            id: Arc::clone(&id),
            operator: "sink".into(),
            attempt,
            restored: restored.map(CheckpointId),
            checkpoint_interval: Some(Duration::from_secs(1)),
        },
        ..TaskContext::default()
    };
    let done = |commit: Result<Commit>| assert!(matches!(commit.unwrap(), Commit::Done));
    let count = format!("SELECT COUNT(*), COALESCE(SUM(id), 0) FROM {name}");
    let mut committer: Box<dyn Committer> = sink.committer(&task(1, None)).unwrap();
    done(committer.recover(None, &[]));
    let mut writer: Box<dyn SinkWriter<Records<Row>>> = sink.writer(&task(1, None)).unwrap();
    writer.write(rows(0..100)).unwrap();
    let first = writer.prepare(CheckpointId(1)).unwrap();
    writer.write(rows(100..200)).unwrap();
    let second = writer.prepare(CheckpointId(2)).unwrap();
    assert!(writer.prepare(CheckpointId(3)).unwrap().is_empty());
    assert_eq!(database.rows(&count), "0 0");
    done(committer.commit(CheckpointId(1), &first));
    done(committer.commit(CheckpointId(1), &first));
    assert_eq!(database.rows(&count), "100 4950");
    // The second checkpoint was completed, but not committed, when the process ended; what came after it was never prepared.
    writer.write(rows(200..300)).unwrap();
    drop((writer, committer));
    let mut committer: Box<dyn Committer> = sink.committer(&task(2, Some(2))).unwrap();
    done(committer.recover(Some(CheckpointId(2)), &second));
    assert_eq!(database.rows(&count), "200 19900");
    let mut writer = sink.writer(&task(2, Some(2))).unwrap();
    writer.write(rows(200..300)).unwrap();
    let third = writer.prepare(CheckpointId(3)).unwrap();
    done(committer.commit(CheckpointId(3), &third));
    assert_eq!(database.rows(&count), "300 44850");
}
