use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;
use riverrun_data::LogicalType;
use rusqlite::Connection;

use super::*;
use crate::client::{Changes, Client, Sqlite};
use crate::dialect;
use crate::remote::Class;
use crate::test_table::target;
use crate::url::System;
use crate::values;

/// A change of the row (key, second key): its kind and its content.
type Change = (RowKind, i64, String, i64);
/// What a table holds.
type Rows = BTreeMap<(i64, String), i64>;

fn batch(changes: &[Change]) -> Batch {
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.1)))),
        ("l", Arc::new(StringArray::from_iter_values(changes.iter().map(|change| change.2.as_str())))),
        ("v", Arc::new(Int64Array::from_iter_values(changes.iter().map(|change| change.3)))),
    ];
    let kinds: Vec<RowKind> = changes.iter().map(|change| change.0).collect();
    Batch::with_kinds(RecordBatch::try_from_iter(columns).unwrap(), kinds).unwrap()
}

fn apply(rows: &mut Rows, (kind, k, l, v): Change) {
    match kind {
        RowKind::Insert | RowKind::UpdateAfter => drop(rows.insert((k, l), v)),
        RowKind::Delete => drop(rows.remove(&(k, l))),
        RowKind::UpdateBefore => {}
    }
}

fn apply_reduced(rows: &mut Rows, reduced: &Reduced) {
    let (k, l, v) = (reduced.rows.column(0), reduced.rows.column(1), reduced.rows.column(2));
    let change = |kind, row: &u32| {
        let row = *row as usize;
        (
            kind,
            k.as_primitive::<Int64Type>().value(row),
            l.as_string::<i32>().value(row).to_owned(),
            v.as_primitive::<Int64Type>().value(row),
        )
    };
    reduced.deletes.iter().for_each(|row| apply(rows, change(RowKind::Delete, row)));
    reduced.upserts.iter().for_each(|row| apply(rows, change(RowKind::Insert, row)));
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let kind = prop_oneof![
        Just(RowKind::Insert),
        Just(RowKind::UpdateBefore),
        Just(RowKind::UpdateAfter),
        Just(RowKind::Delete)
    ];
    let change = (kind, 0..4i64, "[ab]?", any::<i64>());
    prop::collection::vec(prop::collection::vec(change, 0..12), 0..8)
}

struct Database(Sqlite);

impl Database {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE report (k INTEGER, l TEXT, v INTEGER, PRIMARY KEY (k, l))").unwrap();
        Self(Sqlite::of(connection))
    }

    fn write(&mut self, reduced: &Reduced) {
        let columns = [
            ("k", LogicalType::BigInt, Class::Integer, "INTEGER"),
            ("l", LogicalType::STRING, Class::Text, "TEXT"),
            ("v", LogicalType::BigInt, Class::Integer, "INTEGER"),
        ];
        let target = target(System::Sqlite, &columns, &[0, 1]);
        let columns = values::columns(&reduced.rows).unwrap();
        let changes = Changes { columns: &columns, upserts: &reduced.upserts, deletes: &reduced.deletes };
        self.0.write(&target, &dialect::write_sql(&target), &changes).unwrap();
    }

    fn rows(&self) -> Rows {
        let mut statement = self.0.connection().prepare("SELECT k, l, v FROM report").unwrap();
        statement
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }
}

proptest! {
    /// Flush by flush, however the changes are cut into batches and flushes.
    #[test]
    fn reduced_changes_do_what_all_changes_in_order_do(flushes in prop::collection::vec(changes(), 1..4)) {
        let (mut expected, mut model, mut database) = (Rows::new(), Rows::new(), Database::new());
        let mut buffer = Buffer::default();
        for flush in flushes {
            for batch_of in &flush {
                buffer.push(batch(batch_of));
                batch_of.iter().cloned().for_each(|change| apply(&mut expected, change));
            }
            if let Some(reduced) = buffer.reduce(&[0, 1]).unwrap() {
                apply_reduced(&mut model, &reduced);
                database.write(&reduced);
            }
            buffer.clear();
            prop_assert_eq!(&model, &expected);
            prop_assert_eq!(&database.rows(), &expected);
        }
    }
}

#[test]
fn the_order_of_last_changes_is_kept_and_no_key_is_written_twice() {
    let change = |kind, key, value| (kind, key, String::new(), value);
    let mut buffer = Buffer::default();
    buffer.push(batch(&[
        change(RowKind::Insert, 1, 10),
        change(RowKind::Insert, 2, 20),
        change(RowKind::UpdateAfter, 1, 11),
    ]));
    buffer.push(batch(&[
        change(RowKind::Delete, 3, 0),
        change(RowKind::Insert, 4, 40),
        change(RowKind::Delete, 4, 40),
    ]));
    let reduced = buffer.reduce(&[0, 1]).unwrap().unwrap();
    assert_eq!((reduced.upserts, reduced.deletes), (vec![1, 2], vec![3, 5]));
    assert_eq!(buffer.rows(), 6);
}

#[test]
fn without_a_key_every_row_is_kept_and_only_insertions_are_taken() {
    let mut buffer = Buffer::default();
    assert!(buffer.reduce(&[]).unwrap().is_none());
    let insertion = (RowKind::Insert, 1, "a".to_owned(), 1);
    buffer.push(batch(&[insertion.clone(), insertion]));
    let reduced = buffer.reduce(&[]).unwrap().unwrap();
    assert_eq!((reduced.upserts, reduced.deletes), (vec![0, 1], vec![]));
    buffer.push(batch(&[(RowKind::Delete, 1, "a".to_owned(), 1)]));
    assert!(buffer.reduce(&[]).is_err());
}

#[test]
fn a_slice_counts_with_its_own_bytes() {
    let changes: Vec<Change> = (0..1000).map(|k| (RowKind::Insert, k, "x".repeat(100), k)).collect();
    let whole = batch(&changes);
    let (mut slice, mut all) = (Buffer::default(), Buffer::default());
    slice.push(whole.slice(10, 10));
    all.push(whole);
    assert!((1_000..3_000).contains(&slice.bytes()), "{}", slice.bytes());
    assert!(all.bytes() > 100_000);
}
