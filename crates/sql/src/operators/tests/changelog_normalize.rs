use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType as ArrowType;
use proptest::prelude::*;
use riverrun_base::Result;
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{Operator, Output};

use super::changelog::{Table, batches, upserts};
use super::pipeline::Pipeline;
use super::query::Query;
use crate::operators::{ChangelogNormalize, StateOf};
use crate::parser::parse_data_type_text;
use crate::plan::{Field, batch_schema};

/// The key is not in front, so that it is seen to stay in its place.
const INPUT: &str = "v BIGINT, k STRING, w STRING";

/// Rows `k v w`, of few keys with few values.
fn row() -> impl Strategy<Value = String> + Clone {
    let value = prop::sample::select(vec!["1", "2", "NULL"]);
    let text = prop::sample::select(vec!["x", "''", "NULL", "a-text-that-is-longer-than-the-others"]);
    (prop::sample::select(vec!["a", "b", "c", "a-longer-key", "''"]), value, text)
        .prop_map(|(key, value, text)| format!("{key} {value} {text}"))
}

/// A line with key and value exchanged: from `k v w` to the order of the input, and back.
fn turned(line: &str) -> String {
    let cells: Vec<&str> = line.split(' ').collect();
    format!("{} {} {} {}", cells[0], cells[2], cells[1], cells[3])
}

/// The change as the operator gets it: of a deletion only the key is known.
fn given(change: &str) -> String {
    match change.strip_prefix("-D ") {
        None => turned(change),
        Some(row) => format!("-D NULL {} NULL", row.split(' ').next().unwrap()),
    }
}

/// What Flink's operator emits, change by change, and the rows that are there in the end.
fn normalized(changes: &[String], update_before: bool) -> (Vec<Vec<String>>, Vec<String>) {
    let mut rows: BTreeMap<&str, &str> = BTreeMap::new();
    let mut emitted = Vec::new();
    for change in changes {
        let (kind, row) = change.split_once(' ').unwrap();
        let (key, _) = row.split_once(' ').unwrap();
        emitted.push(match (kind, rows.get(key).copied()) {
            ("-D", None) => Vec::new(),
            ("-D", Some(former)) => vec![format!("-D {former}")],
            (_, None) => vec![format!("+I {row}")],
            (_, Some(former)) if former == row => Vec::new(),
            (_, Some(former)) if update_before => vec![format!("-U {former}"), format!("+U {row}")],
            (_, Some(_)) => vec![format!("+U {row}")],
        });
        match kind {
            "-D" => rows.remove(key),
            _ => rows.insert(key, row),
        };
    }
    (emitted, rows.into_values().map(str::to_owned).collect())
}

fn pipeline(update_before: bool) -> Pipeline {
    Pipeline::of(&Query { update_before, ..Query::new(INPUT, "LAST BY k") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_streamed_is_the_last_row_of_each_key_for_any_cut(changes in upserts(row()), cuts in prop::collection::vec(any::<usize>(), 0..12), update_before in any::<bool>()) {
        let (mut pipeline, mut table) = (pipeline(update_before), Table::new(1, update_before));
        for batch in batches(&changes.iter().map(|change| given(change)).collect::<Vec<_>>(), &cuts) {
            pipeline.rows(&batch).iter().for_each(|line| table.apply(&turned(line)));
        }
        let (_, mut expected) = normalized(&changes, update_before);
        expected.sort();
        let mut rows = table.rows();
        rows.sort();
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn row_by_row_it_emits_what_flink_does(changes in upserts(row()), update_before in any::<bool>()) {
        let mut pipeline = pipeline(update_before);
        for (change, expected) in changes.iter().zip(normalized(&changes, update_before).0) {
            let emitted: Vec<String> = pipeline.rows(&[given(change)]).iter().map(|line| turned(line)).collect();
            prop_assert_eq!(emitted, expected);
        }
    }
}

#[test]
fn what_changes_nothing_is_not_stored() {
    let mut pipeline = Pipeline::of(&Query::new("k BIGINT, v BIGINT", "LAST BY k"));
    let unknown: Vec<String> = (0..100).map(|key| format!("-D {key} NULL")).collect();
    assert!(pipeline.rows(&unknown).is_empty());
    assert!(pipeline.rows(&["+U 1 1", "-D 1 NULL"]).is_empty());
    assert!(pipeline.snapshot(false).0.is_none());
    pipeline.rows(&["+U 1 1"]);
    assert_eq!(pipeline.snapshot(false).0.unwrap().rows, 1);
    assert!(pipeline.rows(&["+U 1 1"]).is_empty());
    assert!(pipeline.snapshot(false).0.is_none());
    assert_eq!(pipeline.rows(&["-D 1 NULL"]), ["-D 1 1"]);
    assert_eq!(pipeline.snapshot(false).0.unwrap().rows, 1);
    assert_eq!(pipeline.snapshot(true).0.unwrap().rows, 0);
}

#[test]
fn a_column_that_takes_no_null_has_its_former_content_in_a_deletion() {
    let mut pipeline = Pipeline::of(&Query::new("k BIGINT NOT NULL, v BIGINT NOT NULL", "LAST BY k"));
    pipeline.rows(&["+U 1 5", "+U 2 6"]);
    assert_eq!(pipeline.rows(&["-D 1 0"]), ["-D 1 5"]);
}

#[test]
fn maps_and_lists_are_kept_as_they_are() {
    #[derive(Default)]
    struct Collected(Vec<Batch>);
    impl Output<Batch> for Collected {
        fn emit(&mut self, batch: Batch) -> Result<()> {
            self.0.push(batch);
            Ok(())
        }
    }
    let fields = ["BIGINT NOT NULL", "MAP<STRING, INT>", "ARRAY<INT NOT NULL>"]
        .map(|data_type| Field::new(data_type, parse_data_type_text(data_type).unwrap()));
    let schema = batch_schema(&fields);
    let ArrowType::Map(entries, _) = schema.field(1).data_type() else { panic!("no map") };
    let ArrowType::Struct(columns) = entries.data_type() else { panic!("no entries") };
    let ArrowType::List(element) = schema.field(2).data_type() else { panic!("no list") };
    let pairs: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["b", "a"])), Arc::new(Int32Array::from(vec![Some(1), None]))];
    let pairs = StructArray::new(columns.clone(), pairs, None);
    let valid = Some(NullBuffer::from(vec![true, false]));
    let numbers = Arc::new(Int32Array::from(vec![7, 8]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(MapArray::new(entries.clone(), OffsetBuffer::from_lengths([2, 0]), pairs, valid, false)),
        Arc::new(ListArray::new(element.clone(), OffsetBuffer::from_lengths([0, 2]), numbers, None)),
    ];
    let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut operator = ChangelogNormalize::new(vec![0], true, schema, StateOf::default()).unwrap();
    let mut out = Collected::default();
    operator.process(Batch::insertions(rows.clone()), &mut out).unwrap();
    operator.process(Batch::with_kinds(rows.clone(), [RowKind::Delete; 2]).unwrap(), &mut out).unwrap();
    assert_eq!(out.0[0], Batch::insertions(rows.clone()));
    assert_eq!(out.0[1], Batch::with_kinds(rows, [RowKind::Delete; 2]).unwrap());
}
