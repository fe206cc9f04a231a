//! Appending, upserting and deleting.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use riverrun_connect::Flush;
use riverrun_data::RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
use riverrun_data::{Batch, ChangelogMode, LogicalType, RowKind};

use crate::database::{Database, Table, on_every_database, table_name};

on_every_database!(
    rows_are_appended,
    changes_are_upserted_and_deleted_by_key,
    names_and_values_with_quotes_arrive,
    thousands_of_rows_and_deletes_go_in_one_flush,
    a_table_of_key_columns_only_is_written,
);

pub(crate) const COLUMNS: [(&str, LogicalType); 3] =
    [("account", LogicalType::BigInt), ("place", LogicalType::STRING), ("amount", LogicalType::BigInt)];

pub(crate) fn changes(table: &Table, changes: &[(RowKind, i64, &str, i64)]) -> Batch {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.1))),
        Arc::new(StringArray::from_iter_values(changes.iter().map(|change| change.2))),
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.3))),
    ];
    let kinds: Vec<RowKind> = changes.iter().map(|change| change.0).collect();
    Batch::with_kinds(RecordBatch::try_new(table.schema(), arrays).unwrap(), kinds).unwrap()
}

/// A database table (account, place, amount) with this key, and the script's.
pub(crate) fn report(database: &Database, key: &[usize]) -> (Table, String) {
    let name = table_name();
    let names: Vec<&str> = key.iter().map(|index| COLUMNS[*index].0).collect();
    let primary = if key.is_empty() { String::new() } else { format!(", PRIMARY KEY ({})", names.join(", ")) };
    database.execute(&format!(
        "CREATE TABLE {name} (account BIGINT NOT NULL, place VARCHAR(100) NOT NULL, amount BIGINT{primary})"
    ));
    (database.table(&name, &COLUMNS, key), name)
}

fn rows_are_appended(database: &Database) {
    let (table, name) = report(database, &[]);
    assert_eq!(table.sink().unwrap().changelog_mode(ChangelogMode::ALL), ChangelogMode::INSERT_ONLY);
    let mut writer = table.writer().unwrap();
    let rows = changes(&table, &[(Insert, 1, "a", 10), (Insert, 1, "a", 10)]);
    writer.write(Batch::insertions(rows.rows().clone())).unwrap();
    writer.write(rows).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    writer.write(changes(&table, &[(Insert, 2, "b", 20)])).unwrap();
    writer.flush(Flush::End).unwrap();
    writer.flush(Flush::End).unwrap();
    let rows = database.rows(&format!("SELECT account, place, amount FROM {name} ORDER BY account"));
    assert_eq!(rows, "1 a 10, 1 a 10, 1 a 10, 1 a 10, 2 b 20");
    assert_eq!(table.task.counters.snapshot(), [("numRecordsSend", 5), ("numSendRetries", 0)]);
}

fn changes_are_upserted_and_deleted_by_key(database: &Database) {
    let (table, name) = report(database, &[0, 1]);
    let rows = || database.rows(&format!("SELECT account, place, amount FROM {name} ORDER BY account, place"));
    assert_eq!(table.sink().unwrap().changelog_mode(ChangelogMode::ALL), ChangelogMode::UPSERT);
    let mut writer = table.writer().unwrap();
    writer
        .write(changes(
            &table,
            &[(Insert, 1, "a", 1), (Insert, 1, "b", 2), (Insert, 2, "a", 3), (UpdateAfter, 1, "a", 4)],
        ))
        .unwrap();
    writer.flush(Flush::Barrier).unwrap();
    assert_eq!(rows(), "1 a 4, 1 b 2, 2 a 3");
    writer
        .write(changes(
            &table,
            &[(UpdateBefore, 1, "a", 4), (UpdateAfter, 1, "a", 5), (Delete, 1, "b", 2), (Delete, 2, "a", 3)],
        ))
        .unwrap();
    writer
        .write(changes(
            &table,
            &[(Insert, 2, "a", 6), (Insert, 3, "c", 7), (Delete, 3, "c", 7), (Delete, 9, "never", 0)],
        ))
        .unwrap();
    writer.flush(Flush::Barrier).unwrap();
    assert_eq!(rows(), "1 a 5, 2 a 6");
    // as after a restart from a checkpoint
    writer.write(changes(&table, &[(Insert, 1, "a", 5), (Delete, 2, "a", 6)])).unwrap();
    writer.flush(Flush::End).unwrap();
    assert_eq!(rows(), "1 a 5");
}

fn names_and_values_with_quotes_arrive(database: &Database) {
    let (quote, odd) =
        if matches!(database, Database::MariaDb(_)) { ('`', "`or``der s`") } else { ('"', "\"or`der s\"") };
    let name = table_name();
    database.execute(&format!(
        "CREATE TABLE {name} ({odd} BIGINT PRIMARY KEY, {quote}It's{quote} VARCHAR(100), amount BIGINT)"
    ));
    let columns = [("or`der s", LogicalType::BigInt), ("It's", LogicalType::STRING), ("amount", LogicalType::BigInt)];
    let table = database.table(&name, &columns, &[0]);
    let mut writer = table.writer().unwrap();
    let text = "it's \\ \"a\" `test` -- ; ? $1 %s\n\u{1F980}";
    writer.write(changes(&table, &[(Insert, 1, text, 1), (Insert, 2, "", 2)])).unwrap();
    writer.flush(Flush::End).unwrap();
    let rows = database.query(&format!("SELECT {quote}It's{quote} FROM {name} ORDER BY amount"));
    assert_eq!(rows, [[Some(text.to_owned())], [Some(String::new())]]);
}

fn thousands_of_rows_and_deletes_go_in_one_flush(database: &Database) {
    let (table, name) = report(database, &[0, 1]);
    let table = table.with("sink.buffer-flush.max-rows", "0").with("sink.buffer-flush.interval", "0");
    let mut writer = table.writer().unwrap();
    assert!(writer.deadline().is_none());
    let long = "x".repeat(90);
    let rows: Vec<_> = (0..12_000).map(|account| (Insert, account, long.as_str(), account)).collect();
    rows.chunks(4_000).for_each(|rows| writer.write(changes(&table, rows)).unwrap());
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "0", "nothing asks for a flush yet");
    writer.flush(Flush::Barrier).unwrap();
    let deletes: Vec<_> = (0..11_990).map(|account| (Delete, account, long.as_str(), account)).collect();
    writer.write(changes(&table, &deletes)).unwrap();
    let updates: Vec<_> = (11_990..24_000).map(|account| (UpdateAfter, account, long.as_str(), -account)).collect();
    writer.write(changes(&table, &updates)).unwrap();
    writer.flush(Flush::End).unwrap();
    let sums = database.rows(&format!("SELECT COUNT(*), SUM(amount), MIN(account), MAX(account) FROM {name}"));
    let sum: i64 = (11_990..24_000).sum();
    assert_eq!(sums, format!("12010 -{sum} 11990 23999"));
}

fn a_table_of_key_columns_only_is_written(database: &Database) {
    let name = table_name();
    database.execute(&format!("CREATE TABLE {name} (account BIGINT PRIMARY KEY)"));
    let table = database.table(&name, &[("account", LogicalType::BigInt)], &[0]);
    let batch = |kind, accounts: Vec<i64>| {
        let kinds = vec![kind; accounts.len()];
        Batch::with_kinds(
            RecordBatch::try_new(table.schema(), vec![Arc::new(Int64Array::from(accounts))]).unwrap(),
            kinds,
        )
        .unwrap()
    };
    let mut writer = table.writer().unwrap();
    writer.write(batch(Insert, vec![1, 2, 3, 2])).unwrap();
    writer.flush(Flush::Barrier).unwrap();
    writer.write(batch(Insert, vec![2, 3])).unwrap();
    writer.write(batch(Delete, vec![1, 3])).unwrap();
    writer.flush(Flush::End).unwrap();
    assert_eq!(database.rows(&format!("SELECT account FROM {name}")), "2");
}
