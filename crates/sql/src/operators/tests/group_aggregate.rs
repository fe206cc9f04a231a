use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use proptest::prelude::*;
use riverrun_base::Result;
use riverrun_data::Batch;
use riverrun_runtime::{Operator, Output};
use std::sync::Arc;

use super::changelog::{Table, batches, played, steps};
use super::pipeline::Pipeline;
use super::query::Query;
use crate::operators::{GroupAggregate, Groups, StateOf};
use crate::plan::batch_schema;

const INPUT: &str = "k STRING, v BIGINT, f BOOLEAN";
const CALLS: &str = "COUNT(*), COUNT(v), SUM(v), AVG(v), MIN(v), MAX(v), COUNT(DISTINCT v), SUM(v) FILTER f";

fn row() -> impl Strategy<Value = String> + Clone {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 6 => (-4i64..5).prop_map(|value| value.to_string())];
    let filter = prop::sample::select(vec!["true", "false", "NULL"]);
    (prop::sample::select(vec!["a", "b", "c", "NULL", "''"]), value, filter)
        .prop_map(|(key, value, filter)| format!("{key} {value} {filter}"))
}

/// What [`CALLS`] are of these rows, by key.
fn grouped(rows: &[String], keyed: bool) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<(Option<i64>, bool)>> = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.split(' ').collect();
        let key = if keyed { format!("{} ", cells[0]) } else { String::new() };
        groups.entry(key).or_default().push((cells[1].parse().ok(), cells[2] == "true"));
    }
    let shown = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
    let mut lines: Vec<String> = groups
        .into_iter()
        .map(|(key, rows)| {
            let values: Vec<i64> = rows.iter().filter_map(|(value, _)| *value).collect();
            let filtered: Vec<i64> =
                rows.iter().filter(|(_, passes)| *passes).filter_map(|(value, _)| *value).collect();
            let sum = |values: &[i64]| (!values.is_empty()).then(|| values.iter().sum::<i64>());
            let average = sum(&values).map(|sum| sum / i64::try_from(values.len()).unwrap());
            let (least, greatest) = (values.iter().min().copied(), values.iter().max().copied());
            let distinct = values.iter().collect::<BTreeSet<_>>().len();
            let [sum, average, least, greatest, filtered] =
                [sum(&values), average, least, greatest, sum(&filtered)].map(shown);
            format!("{key}{} {} {sum} {average} {least} {greatest} {distinct} {filtered}", rows.len(), values.len())
        })
        .collect();
    lines.sort();
    lines
}

/// The table that an aggregation of these batches leaves.
fn result(query: &Query, batches: &[Vec<String>]) -> Vec<String> {
    let mut pipeline = Pipeline::of(query);
    let mut table = Table::new(query.keys.len(), query.update_before);
    for batch in batches {
        pipeline.rows(batch).iter().for_each(|line| table.apply(line));
    }
    let mut rows = table.rows();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_streamed_is_what_a_batch_computes_for_any_changelog_and_any_cut(steps in steps(row()), cuts in prop::collection::vec(any::<usize>(), 0..12), by_row in any::<bool>()) {
        let (changes, rows) = played(&steps);
        let batches = if by_row { changes.iter().map(|line| vec![line.clone()]).collect() } else { batches(&changes, &cuts) };
        for keys in ["k", ""] {
            let query = || Query::new(INPUT, &format!("GROUP BY {keys}: {CALLS}"));
            let expected = grouped(&rows, !keys.is_empty());
            prop_assert_eq!(&result(&query(), &batches), &expected);
            prop_assert_eq!(&result(&query().without_update_before(), &batches), &expected);
        }
    }

    #[test]
    fn aggregates_of_rows_that_stay_are_the_same_as_of_rows_that_may_go(rows in prop::collection::vec(row(), 1..60), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let changes: Vec<String> = rows.iter().map(|row| format!("+I {row}")).collect();
        let batches = batches(&changes, &cuts);
        let query = || Query::new(INPUT, &format!("GROUP BY k: {CALLS}"));
        let (mut appending, mut retracting) = (Pipeline::of(&query().append_only()), Pipeline::of(&query()));
        for batch in &batches {
            prop_assert_eq!(appending.rows(batch), retracting.rows(batch));
        }
        prop_assert_eq!(result(&query().append_only().without_update_before(), &batches), grouped(&rows, true));
    }

    #[test]
    fn distinct_rows_are_those_that_are_there(steps in steps(row()), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let (changes, rows) = played(&steps);
        let expected: BTreeSet<String> = rows.into_iter().collect();
        let found = result(&Query::new(INPUT, "GROUP BY k, v, f"), &batches(&changes, &cuts));
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_row_that_is_taken_back_and_never_came_is_left_out() {
    let mut pipeline = Pipeline::of(&Query::new("k STRING, v BIGINT", "GROUP BY k: COUNT(*), SUM(v)"));
    assert!(pipeline.rows(&["-D a 1"]).is_empty());
    assert_eq!(pipeline.rows(&["-D a 5", "+I a 1", "-D a 1", "-D a 1", "+I a 2"]), ["+I a 1 2"]);
    assert_eq!(pipeline.rows(&["-D a 2"]), ["-D a 1 2"]);
}

#[test]
fn the_slot_of_a_group_that_went_serves_another_in_the_same_batch_and_later() {
    let mut pipeline =
        Pipeline::of(&Query::new("k STRING, v BIGINT", "GROUP BY k: COUNT(*), SUM(v), MAX(v), COUNT(DISTINCT v)"));
    pipeline.rows(&["+I a 1", "+I b 2"]);
    assert_eq!(pipeline.rows(&["-D a 1", "+I c 3"]), ["-D a 1 1 1 1", "+I c 1 3 3 1"]);
    assert_eq!(pipeline.rows(&["+I d NULL"]), ["+I d 1 NULL NULL 0"]);
    assert_eq!(
        pipeline.rows(&["-D d NULL", "+I d 7", "+I a 4"]),
        ["-U d 1 NULL NULL 0", "+U d 1 7 7 1", "+I a 1 4 4 1"]
    );
}

#[test]
fn rows_without_columns_are_counted() {
    #[derive(Default)]
    struct Collected(Vec<Batch>);
    impl Output<Batch> for Collected {
        fn emit(&mut self, batch: Batch) -> Result<()> {
            self.0.push(batch);
            Ok(())
        }
    }
    let query = Query::new("", "GROUP BY : COUNT(*)").append_only();
    let groups = Groups::new(&[], &query.calls, false).unwrap();
    let mut operator = GroupAggregate::new(Vec::new(), groups, true, batch_schema(&query.output()), StateOf::default());
    let rows = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(3)),
    )
    .unwrap();
    let mut out = Collected::default();
    operator.process(Batch::insertions(rows), &mut out).unwrap();
    let count: ArrayRef = Arc::new(Int64Array::from(vec![3]));
    assert_eq!(out.0[0].rows().column(0), &count);
}

#[test]
fn a_taken_back_row_in_a_stream_that_was_planned_append_only_is_an_error() {
    let mut pipeline = Pipeline::of(&Query::new("k STRING, v BIGINT", "GROUP BY k: SUM(v)").append_only());
    let error = pipeline.try_rows(&["+I a 1", "-D a 1"]).unwrap_err();
    assert_eq!(error.kind(), riverrun_base::Kind::Internal);
}
