//! What is refused, when, and with which words.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use riverrun_base::{Error, Kind};
use riverrun_connect::Flush;
use riverrun_data::RowKind::Insert;
use riverrun_data::{Batch, LogicalType};
use riverrun_testkit::tcp::{Server, nobody};

use crate::database::{Database, Table, on_every_database, table_name};
use crate::write::{changes, report};

on_every_database!(
    a_missing_table_is_named_with_the_nearest_and_the_statement_that_makes_it,
    a_missing_column_is_named_with_the_nearest,
    a_column_that_cannot_hold_the_type_is_refused,
    an_upsert_without_a_unique_key_is_refused,
    a_column_that_needs_a_value_must_get_one,
    a_generated_column_is_not_written,
    a_row_that_breaks_a_constraint_fails_with_the_databases_words,
    names_are_found_without_regard_to_case,
);

const COLUMNS: [(&str, LogicalType); 2] = [("account", LogicalType::BigInt), ("place", LogicalType::STRING)];

#[track_caller]
fn refused(table: &Table) -> String {
    let error = table.writer().map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
    error.to_string()
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

fn a_missing_table_is_named_with_the_nearest_and_the_statement_that_makes_it(database: &Database) {
    let (_, name) = report(database, &[]);
    let wrong = name.replace("report", "reprot");
    let table = database.table(&wrong, &COLUMNS, &[0]);
    let text = refused(&table);
    has(
        &text,
        &[
            "has no table reprot",
            "table: spend_report",
            &format!("did you mean '{name}'?"),
            "CREATE TABLE",
            "PRIMARY KEY",
        ],
    );
    let text = table.splits().unwrap_err().to_string();
    has(&text, &["has no table reprot", &format!("did you mean '{name}'?")]);
}

fn a_missing_column_is_named_with_the_nearest(database: &Database) {
    let (_, name) = report(database, &[]);
    let table = database.table(&name, &[("acount", LogicalType::BigInt)], &[]);
    for text in [refused(&table), table.splits().unwrap_err().to_string()] {
        has(
            &text,
            &[
                &format!("table {name} of"),
                "has no column acount",
                "did you mean 'account'? Its columns: account, place, amount",
            ],
        );
    }
}

fn a_column_that_cannot_hold_the_type_is_refused(database: &Database) {
    let (_, name) = report(database, &[]);
    let types = [
        LogicalType::STRING,
        LogicalType::Date,
        LogicalType::Timestamp(3),
        LogicalType::BYTES,
        LogicalType::Decimal(10, 2),
    ];
    for logical in types {
        let text =
            refused(&database.table(&name, &[("account", logical.clone()), ("place", LogicalType::STRING)], &[]));
        has(&text.to_lowercase(), &["column account of", "does not fit: it is bigint"]);
        has(&text, &[&format!("column account of the script is {logical}")]);
    }
    let text = database.table(&name, &[("place", LogicalType::Int)], &[]).splits().unwrap_err().to_string();
    has(&text, &["column place of", "does not fit: it is", "column place of the script is INT"]);
}

fn an_upsert_without_a_unique_key_is_refused(database: &Database) {
    let (_, name) = report(database, &[0, 1]);
    let text = refused(&database.table(
        &name,
        &[("account", LogicalType::BigInt), ("place", LogicalType::STRING), ("amount", LogicalType::BigInt)],
        &[0, 1, 2],
    ));
    has(&text, &["is no unique key of table", "an upsert needs one: ALTER TABLE / CREATE UNIQUE INDEX"]);
    database.execute(&format!("CREATE TABLE {name}_plain (account BIGINT, place VARCHAR(10))"));
    let table = database.table(&format!("{name}_plain"), &COLUMNS, &[0]);
    has(&refused(&table), &["the primary key (", "is no unique key of table"]);
    database.execute(&format!("CREATE UNIQUE INDEX {name}_index ON {name}_plain (account)"));
    table.writer().unwrap();
}

fn a_column_that_needs_a_value_must_get_one(database: &Database) {
    let name = table_name();
    database.execute(&format!("CREATE TABLE {name} (account BIGINT, place VARCHAR(10), made VARCHAR(10) NOT NULL, state VARCHAR(10) NOT NULL DEFAULT 'new')"));
    has(
        &refused(&database.table(&name, &COLUMNS, &[])),
        &["column made of", "NOT NULL without a default, and gets no value"],
    );
}

fn a_generated_column_is_not_written(database: &Database) {
    let name = table_name();
    database.execute(&format!("CREATE TABLE {name} (account BIGINT, place VARCHAR(10), double BIGINT GENERATED ALWAYS AS (account * 2) STORED)").replace("double", "twice"));
    let columns = [("account", LogicalType::BigInt), ("twice", LogicalType::BigInt)];
    let table = database.table(&name, &columns, &[]);
    has(&refused(&table), &["column twice of", "is generated by the database", "leave it out"]);
    database.execute(&format!("INSERT INTO {name} (account) VALUES (4)"));
    assert_eq!(table.read().unwrap().num_rows(), 1, "it can be read");
    let writing = database.table(&name, &[("account", LogicalType::BigInt)], &[]);
    writing.writer().unwrap();
}

fn a_row_that_breaks_a_constraint_fails_with_the_databases_words(database: &Database) {
    let (_, name) = report(database, &[0]);
    let columns = [("account", LogicalType::BigInt), ("place", LogicalType::STRING), ("amount", LogicalType::BigInt)];
    let table = database.table(&name, &columns, &[]);
    let mut writer = table.writer().unwrap();
    writer.write(changes(&table, &[(Insert, 1, "a", 1), (Insert, 1, "b", 2)])).unwrap();
    let start = Instant::now();
    let error = writer.flush(Flush::Barrier).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (Kind::Data, false), "{error}");
    has(&error.to_string(), &["database table:", &name, "rows: 2", "table: spend_report"]);
    let words = match database {
        Database::MariaDb(_) => ["Duplicate entry '1' for key", "error 1062"],
        Database::Postgres(_) => ["duplicate key value violates unique constraint", "SQLSTATE 23505"],
        Database::Sqlite(_) => ["UNIQUE constraint failed", "result code 1555"],
    };
    has(&error.to_string(), &words);
    assert!(start.elapsed() < Duration::from_millis(900), "it was not tried again");
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "0", "a flush is one transaction");
}

fn names_are_found_without_regard_to_case(database: &Database) {
    let (_, name) = report(database, &[0]);
    let columns = [("Account", LogicalType::BigInt), ("PLACE", LogicalType::STRING), ("amount", LogicalType::BigInt)];
    let mut tables = vec![database.table(&name, &columns, &[0])];
    if !matches!(database, Database::MariaDb(_)) {
        // MariaDB's tables are files here
        tables.push(database.table(&name.to_uppercase(), &columns, &[0]));
    }
    for table in tables {
        let mut writer = table.writer().unwrap();
        writer.write(changes(&table, &[(Insert, 1, "a", 1)])).unwrap();
        writer.flush(Flush::End).unwrap();
        assert_eq!(table.read().unwrap().num_rows(), 1);
    }
}

#[test]
fn a_string_that_is_too_long_is_an_error_and_is_not_cut() {
    for database in [Database::mariadb(), Database::postgres()] {
        let name = table_name();
        database.execute(&format!("CREATE TABLE {name} (account BIGINT, place VARCHAR(3))"));
        let table = database.table(&name, &COLUMNS, &[]);
        let mut writer = table.writer().unwrap();
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["long"]))];
        writer.write(Batch::insertions(RecordBatch::try_new(table.schema(), arrays).unwrap())).unwrap();
        let error = writer.flush(Flush::End).unwrap_err();
        assert_eq!(error.kind(), Kind::Data, "{error}");
        assert!(error.to_string().contains("too long"), "{error}");
        assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "0");
    }
}

#[test]
fn wrong_credentials_and_databases_are_told_within_seconds() {
    for database in [Database::mariadb(), Database::postgres()] {
        let (table, _) = report(&database, &[]);
        let start = Instant::now();
        let wrong = table.clone().with("password", "wrong-pa55");
        for error in [wrong.writer().map(drop).unwrap_err(), wrong.splits().unwrap_err()] {
            assert_eq!((error.kind(), error.is_retryable()), (Kind::User, false), "{error}");
            has(&error.to_string(), &["cannot connect to", "check 'username' and 'password'", "table: spend_report"]);
            assert!(!error.to_string().contains("wrong-pa55"));
        }
        let nowhere = table.with("url", &database.url().replace("/test", "/nowhere"));
        has(&refused(&nowhere), &["/nowhere", "nowhere"]);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_server_that_does_not_answer_is_told_within_seconds() {
    let silent = Server::silent();
    for scheme in ["mysql", "mariadb", "postgresql"] {
        let table = |address: &str| Table::new(&format!("jdbc:{scheme}://{address}/test"), "t", &COLUMNS, &[]);
        let failed = |table: Table, within: u64| -> Error {
            let start = Instant::now();
            let error = table.writer().map(drop).unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(within), "{:?}: {error}", start.elapsed());
            assert_eq!((error.kind(), error.is_retryable()), (Kind::External, true), "{error}");
            error
        };
        let refused = nobody();
        has(
            &failed(table(&refused.to_string()), 3).to_string(),
            &["cannot connect to", &refused.to_string(), "refused"],
        );
        let brief = if scheme == "postgresql" { "?connectTimeout=1" } else { "?connectTimeout=1000" };
        let silent = Table::new(&format!("jdbc:{scheme}://{}/test{brief}", silent.address()), "t", &COLUMNS, &[]);
        has(&failed(silent, 4).to_string(), &["cannot connect to", "no answer within 1 s"]);
        has(&failed(table("no-such-host.invalid"), 10).to_string(), &["cannot connect to", "no-such-host.invalid"]);
    }
}

#[test]
fn a_missing_sqlite_file_is_told_or_made() {
    let folder = riverrun_testkit::temp_folder();
    let url = format!("jdbc:sqlite:{}", folder.path().join("new.db").display());
    has(&refused(&Table::new(&url, "report", &COLUMNS, &[0])), &["there is no file", "?create=true"]);
    let table = Table::new(&format!("{url}?create=true"), "report", &COLUMNS, &[0]);
    for _ in 0..2 {
        let mut writer = table.writer().unwrap();
        let arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec!["a"]))];
        writer.write(Batch::insertions(RecordBatch::try_new(table.schema(), arrays).unwrap())).unwrap();
        writer.flush(Flush::End).unwrap();
    }
    assert_eq!(Table::new(&url, "report", &COLUMNS, &[0]).read().unwrap().num_rows(), 1);
}
