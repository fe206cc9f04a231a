use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType as ArrowType;
use riverrun_base::Result;
use riverrun_data::{Batch, arrow_type};
use riverrun_runtime::{Operator, Output};

use super::text::{fields, lines};
use crate::operators::Unnest;
use crate::parser::parse_data_type_text;
use crate::plan::{self, batch_schema};

/// What is emitted, a text for each batch.
#[derive(Default)]
struct Emitted(Vec<Batch>);

impl Output<Batch> for Emitted {
    fn emit(&mut self, batch: Batch) -> Result<()> {
        self.0.push(batch);
        Ok(())
    }
}

/// Unnests the last of these columns, and keeps some of the others.
fn unnested(columns: Vec<ArrayRef>, keep: &[usize], outer: bool, output: &str) -> Vec<Batch> {
    let array = columns.len() - 1;
    let named = columns.into_iter().enumerate().map(|(n, column)| (format!("c{n}"), column, true));
    let batch = Batch::insertions(RecordBatch::try_from_iter_with_nullable(named).unwrap());
    let plan = plan::Unnest { array, keep: keep.to_vec(), outer, ordinality: output.contains("ORDINALITY") };
    let mut emitted = Emitted::default();
    Unnest::new(plan, batch_schema(&fields(output))).process(batch, &mut emitted).unwrap();
    emitted.0
}

fn ids(count: i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..count))
}

#[test]
fn a_row_becomes_columns_and_a_null_row_nulls() {
    let ArrowType::List(element) = arrow_type(&parse_data_type_text("ARRAY<ROW<a INT, b STRING>>").unwrap().logical)
    else {
        panic!("no list")
    };
    let ArrowType::Struct(columns) = element.data_type() else { panic!("no row") };
    let rows = StructArray::new(
        columns.clone(),
        vec![Arc::new(Int32Array::from(vec![1, 2, 3])), Arc::new(StringArray::from(vec!["x", "y", "z"]))],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let lists = ListArray::new(element, OffsetBuffer::from_lengths([2, 0, 1]), Arc::new(rows), None);
    let columns = vec![ids(3), Arc::new(lists) as ArrayRef];
    let inner = unnested(columns.clone(), &[0], false, "id BIGINT, a INT, b STRING");
    assert_eq!(lines(&inner[0]), ["+I 0 1 x", "+I 0 NULL NULL", "+I 2 3 z"]);
    let outer = unnested(columns, &[], true, "a INT, b STRING, ORDINALITY INT");
    assert_eq!(lines(&outer[0]), ["+I 1 x 1", "+I NULL NULL 2", "+I NULL NULL NULL", "+I 3 z 1"]);
}

#[test]
fn a_map_becomes_keys_and_values() {
    let ArrowType::Map(entries, _) = arrow_type(&parse_data_type_text("MAP<STRING, INT>").unwrap().logical) else {
        panic!("no map")
    };
    let ArrowType::Struct(columns) = entries.data_type() else { panic!("no entries") };
    let values: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["a", "b"])), Arc::new(Int32Array::from(vec![Some(1), None]))];
    let structs = StructArray::new(columns.clone(), values, None);
    let maps = MapArray::new(entries, OffsetBuffer::from_lengths([2]), structs, None, false);
    let emitted = unnested(vec![ids(1), Arc::new(maps)], &[0], false, "id BIGINT, k STRING NOT NULL, v INT");
    assert_eq!(lines(&emitted[0]), ["+I 0 a 1", "+I 0 b NULL"]);
}

#[test]
fn cells_behind_a_null_array_are_not_read_and_long_arrays_make_several_batches() {
    let ArrowType::List(element) = arrow_type(&parse_data_type_text("ARRAY<INT>").unwrap().logical) else {
        panic!("no list")
    };
    let cells = Int32Array::from_iter_values(0..20_000);
    let valid = Some(NullBuffer::from(vec![false, true, true]));
    let lists = ListArray::new(element, OffsetBuffer::from_lengths([5, 19_990, 5]), Arc::new(cells), valid);
    let emitted = unnested(vec![ids(3), Arc::new(lists.clone())], &[0], false, "id BIGINT, x INT");
    assert_eq!(emitted.iter().map(Batch::num_rows).collect::<Vec<_>>(), [8192, 8192, 3611]);
    let all: Vec<String> = emitted.iter().flat_map(lines).collect();
    assert_eq!((all[0].as_str(), all[19_989].as_str(), all[19_990].as_str()), ("+I 1 5", "+I 1 19994", "+I 2 19995"));
    let picked = arrow::compute::take(&lists, &UInt32Array::from(vec![2, 0]), None).unwrap();
    let last = unnested(vec![ids(2), picked], &[0], false, "id BIGINT, x INT");
    assert_eq!(lines(&last[0])[..2], ["+I 0 19995", "+I 0 19996"]);
}
