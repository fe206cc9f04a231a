//! The bounded scan: parts, order, and going on from the middle.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use riverrun_connect::{Boundedness, Polled, SourceReader};
use riverrun_data::LogicalType;
use riverrun_data::RowKind::Insert;

use crate::database::{Database, Table, on_every_database, poll};
use crate::write::{changes, report};

on_every_database!(
    an_empty_table_ends_at_once,
    a_partitioned_scan_reads_every_row_between_the_bounds_once,
    a_restored_reader_goes_on_where_the_checkpoint_was,
    batches_have_the_size_that_is_asked_for,
    a_large_table_is_streamed,
);

/// A database table with the accounts 0..rows.
fn filled(database: &Database, key: &[usize], rows: i64) -> Table {
    let (table, _) = report(database, key);
    let mut writer = table.writer().unwrap();
    let rows: Vec<_> = (0..rows).map(|account| (Insert, account, "place", account * 2)).collect();
    rows.chunks(5_000).for_each(|rows| writer.write(changes(&table, rows)).unwrap());
    writer.flush(riverrun_connect::Flush::End).unwrap();
    table
}

/// The next accounts; `None` when the part has ended.
fn accounts(reader: &mut dyn SourceReader) -> Option<Vec<i64>> {
    match poll(reader).unwrap() {
        Polled::Rows { batch, .. } => Some(batch.rows().column(0).as_primitive::<Int64Type>().values().to_vec()),
        Polled::Finished(_) => None,
        Polled::Nothing => panic!("the scan stands still"),
    }
}

fn an_empty_table_ends_at_once(database: &Database) {
    let (table, _) = report(database, &[]);
    assert_eq!(table.source().unwrap().boundedness(), Boundedness::Bounded);
    let splits = table.splits().unwrap();
    assert_eq!(splits.len(), 1);
    let mut reader = table.reader(splits.clone());
    assert_eq!(reader.splits(), splits);
    assert_eq!(accounts(reader.as_mut()), None);
    assert!(reader.splits().is_empty());
}

fn a_partitioned_scan_reads_every_row_between_the_bounds_once(database: &Database) {
    let table = filled(database, &[0], 1_000)
        .with("scan.partition.column", "account")
        .with("scan.partition.num", "7")
        .with("scan.partition.lower-bound", "100")
        .with("scan.partition.upper-bound", "899");
    let splits = table.splits().unwrap();
    assert_eq!(splits.len(), 7);
    let mut read: Vec<Vec<i64>> = Vec::new();
    for split in splits.clone() {
        let mut reader = table.reader(vec![split]);
        let mut part = Vec::new();
        while let Some(accounts) = accounts(reader.as_mut()) {
            part.extend(accounts);
        }
        read.push(part);
    }
    assert!(
        read.iter().all(|part| (114..=115).contains(&part.len())),
        "{:?}",
        read.iter().map(Vec::len).collect::<Vec<_>>()
    );
    assert_eq!(read.concat(), (100..900).collect::<Vec<i64>>());
    let mut enumerator = table.source().unwrap().enumerator(&table.task).unwrap();
    enumerator.restore(&[splits[0].id.clone(), splits[3].id.clone()]);
    assert_eq!(enumerator.discover().unwrap().splits.len(), 5);
}

fn a_restored_reader_goes_on_where_the_checkpoint_was(database: &Database) {
    for key in [&[0][..], &[]] {
        let table = filled(database, key, 1_000).with("scan.fetch-size", "300");
        let mut reader = table.reader(table.splits().unwrap());
        let first = accounts(reader.as_mut()).unwrap();
        let checkpoint = reader.splits();
        accounts(reader.as_mut()).unwrap();
        drop(reader);

        let mut restored = table.reader(checkpoint);
        let mut rest = Vec::new();
        while let Some(accounts) = accounts(restored.as_mut()) {
            rest.extend(accounts);
        }
        let repeats = key.is_empty() && !matches!(database, Database::Sqlite(_));
        if repeats {
            rest.sort_unstable();
            assert_eq!(rest, (0..1_000).collect::<Vec<i64>>(), "without a key the part is read again");
        } else {
            assert_eq!([first, rest].concat(), (0..1_000).collect::<Vec<i64>>());
        }
    }
}

fn batches_have_the_size_that_is_asked_for(database: &Database) {
    let table = filled(database, &[0], 1_000).with("scan.fetch-size", "400");
    let mut reader = table.reader(table.splits().unwrap());
    let mut sizes = Vec::new();
    while let Some(accounts) = accounts(reader.as_mut()) {
        sizes.push(accounts.len());
    }
    assert_eq!(sizes, [400, 400, 200]);
}

fn a_large_table_is_streamed(database: &Database) {
    let table = filled(database, &[0], 50_000);
    let mut reader = table.reader(table.splits().unwrap());
    assert_eq!(accounts(reader.as_mut()).unwrap().len(), 4096);
    // dropped in the middle, it must not read the rest first
    let start = std::time::Instant::now();
    drop(reader);
    assert!(start.elapsed() < std::time::Duration::from_millis(500));
    let all = table.read().unwrap();
    assert_eq!(all.num_rows(), 50_000);
    let sum: i64 = all.column(2).as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(sum, (0..50_000).map(|account| account * 2).sum::<i64>());
}

#[test]
fn one_sqlite_file_is_read_and_written_at_the_same_time() {
    let database = Database::sqlite();
    let from = filled(&database, &[0], 20_000);
    let (to, name) = report(&database, &[0]);
    let (mut reader, mut writer) = (from.reader(from.splits().unwrap()), to.writer().unwrap());
    while let Polled::Rows { batch, .. } = poll(reader.as_mut()).unwrap() {
        writer.write(batch).unwrap();
    }
    writer.flush(riverrun_connect::Flush::End).unwrap();
    assert_eq!(database.rows(&format!("SELECT COUNT(*) FROM {name}")), "20000");
}

#[test]
fn a_script_may_read_by_another_partition_column_type() {
    let database = Database::postgres();
    let (_, name) = report(&database, &[]);
    let columns = [("account", LogicalType::Decimal(19, 0))];
    let table = database.table(&name, &columns, &[]);
    database.execute(&format!("INSERT INTO {name} SELECT i, 'a', i FROM generate_series(1, 10) AS g (i)"));
    let table = table
        .with("scan.partition.column", "account")
        .with("scan.partition.num", "3")
        .with("scan.partition.lower-bound", "1")
        .with("scan.partition.upper-bound", "10");
    assert_eq!(table.read().unwrap().num_rows(), 10);
}
