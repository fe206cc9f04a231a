//! Batches as text: a line for each row, with its kind and its cells, as in `+I a 1 NULL`. Times are milliseconds, `''` is the empty string.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use arrow::util::display::array_value_to_string;
use riverrun_data::{Batch, RowKind};

use crate::parser::parse_data_type_text;
use crate::plan::{Field, batch_schema};

/// The columns of `k STRING, v DECIMAL(10,2) NOT NULL`: a comma and a space between two.
pub(super) fn fields(text: &str) -> Vec<Field> {
    let column = |column: &str| {
        let (name, data_type) = column.split_once(' ').unwrap();
        Field::new(name, parse_data_type_text(data_type).unwrap())
    };
    text.split(", ").filter(|column| !column.is_empty()).map(column).collect()
}

/// A batch of these lines.
pub(super) fn batch<S: AsRef<str>>(fields: &[Field], lines: &[S]) -> Batch {
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.as_ref().split_whitespace().collect()).collect();
    cells.iter().for_each(|row| assert_eq!(row.len(), fields.len() + 1, "{row:?}"));
    let schema = batch_schema(fields);
    let column = |index: usize| {
        let texts = cells.iter().map(|row| {
            Some(row[index + 1]).filter(|cell| *cell != "NULL").map(|cell| if cell == "''" { "" } else { cell })
        });
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let data_type = schema.field(index).data_type();
        let column = match data_type {
            ArrowType::Timestamp(..) => {
                compute::cast(&compute::cast(&texts, &ArrowType::Int64).unwrap(), data_type).unwrap()
            }
            _ => compute::cast(&texts, data_type).unwrap(),
        };
        assert_eq!(column.null_count(), texts.null_count(), "a cell of {} cannot be read", schema.field(index));
        column
    };
    let columns = (0..fields.len()).map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(cells.len()));
    let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options).unwrap();
    let kinds: Vec<RowKind> = cells.iter().map(|row| kind(row[0])).collect();
    if kinds.iter().all(|kind| *kind == RowKind::Insert) {
        Batch::insertions(rows)
    } else {
        Batch::with_kinds(rows, kinds).unwrap()
    }
}

/// The lines of a batch.
pub(super) fn lines(batch: &Batch) -> Vec<String> {
    let columns: Vec<ArrayRef> = batch
        .rows()
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            ArrowType::Timestamp(..) => compute::cast(column, &ArrowType::Int64).unwrap(),
            _ => column.clone(),
        })
        .collect();
    let cell = |column: &ArrayRef, row: usize| match column.data_type() {
        _ if column.is_null(row) => "NULL".to_owned(),
        ArrowType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        ArrowType::Utf8 if column.as_string::<i32>().value(row).is_empty() => "''".to_owned(),
        _ => array_value_to_string(column, row).unwrap(),
    };
    let line = |row: usize| {
        let cells = columns.iter().map(|column| cell(column, row));
        [batch.kind(row).short().to_owned()].into_iter().chain(cells).collect::<Vec<_>>().join(" ")
    };
    (0..batch.num_rows()).map(line).collect()
}

fn kind(text: &str) -> RowKind {
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    kinds.into_iter().find(|kind| kind.short() == text).unwrap_or_else(|| panic!("{text} is no row kind"))
}
