//! A row for every element of an array, or every entry of a map. Row kinds stay, so a change of a row is a change of all its elements.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, SchemaRef};
use riverrun_base::{Error, Result};
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{Operator, Output};

use crate::eval::arrow_error;
use crate::plan;

/// How many rows a batch has at most where arrays multiply rows.
const UNNESTED_ROWS: usize = 8192;

/// Puts the elements of an array behind some of the row's own columns. A row without elements gives no row, or one of NULLs (`outer`).
pub(crate) struct Unnest {
    plan: plan::Unnest,
    schema: SchemaRef,
}

impl Unnest {
    /// The schema is that of the columns kept, the element's, and the ordinal where it is wanted.
    pub(crate) fn new(plan: plan::Unnest, schema: SchemaRef) -> Self {
        Self { plan, schema }
    }

    fn emit(&self, batch: &Batch, values: &ArrayRef, picked: &mut Picked, out: &mut dyn Output<Batch>) -> Result<()> {
        if picked.rows.is_empty() {
            return Ok(());
        }
        let Picked { rows, cells, ordinals } = std::mem::take(picked);
        let kinds: Option<Vec<RowKind>> =
            batch.kinds().map(|kinds| rows.iter().map(|row| kinds[*row as usize]).collect());
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let rows = UInt32Array::from(rows);
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for column in &self.plan.keep {
            columns.push(compute::take(batch.rows().column(*column), &rows, None).map_err(arrow_error)?);
        }
        let elements = elements(values, cells)?;
        match elements.data_type() {
            DataType::Struct(_) => columns.extend(fields_of(&elements)?),
            _ => columns.push(elements),
        }
        if self.plan.ordinality {
            columns.push(std::sync::Arc::new(Int32Array::from(ordinals)));
        }
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| Error::internal("the elements of an array do not fit their schema").caused_by(error))?;
        out.emit(match kinds {
            None => Batch::insertions(rows),
            Some(kinds) => Batch::with_kinds(rows, kinds)?,
        })
    }
}

impl Operator<Batch> for Unnest {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let column = batch.rows().column(self.plan.array);
        let (offsets, values): (&[i32], ArrayRef) = match column.data_type() {
            DataType::List(_) => (column.as_list::<i32>().value_offsets(), column.as_list::<i32>().values().clone()),
            DataType::Map(..) => {
                (column.as_map().value_offsets(), std::sync::Arc::new(column.as_map().entries().clone()))
            }
            other => return Err(Error::internal(format!("{other} is no array"))),
        };
        let mut picked = Picked::default();
        for ((row, bounds), place) in (0u32..).zip(offsets.windows(2)).zip(0usize..) {
            let (start, end) =
                (index(bounds[0]), if column.is_null(place) { index(bounds[0]) } else { index(bounds[1]) });
            if start == end && self.plan.outer {
                picked.push(row, None, None);
            }
            for (ordinal, cell) in (1i32..).zip(start..end) {
                picked.push(row, Some(cell), self.plan.ordinality.then_some(ordinal));
                if picked.rows.len() >= UNNESTED_ROWS {
                    self.emit(&batch, &values, &mut picked, out)?;
                }
            }
        }
        self.emit(&batch, &values, &mut picked, out)
    }
}

/// Rows of a batch, each with a cell of its array and the cell's number.
#[derive(Default)]
struct Picked {
    rows: Vec<u32>,
    cells: Vec<Option<u32>>,
    ordinals: Vec<Option<i32>>,
}

impl Picked {
    fn push(&mut self, row: u32, cell: Option<u32>, ordinal: Option<i32>) {
        self.rows.push(row);
        self.cells.push(cell);
        self.ordinals.push(ordinal);
    }
}

/// Arrow's offsets are never negative.
fn index(offset: i32) -> u32 {
    u32::try_from(offset).unwrap_or_default()
}

/// The cells in this order; without copying where they follow one another.
fn elements(values: &ArrayRef, cells: Vec<Option<u32>>) -> Result<ArrayRef> {
    if let Some(Some(first)) = cells.first().copied()
        && cells.iter().zip(first..).all(|(cell, expected)| *cell == Some(expected))
    {
        return Ok(values.slice(first as usize, cells.len()));
    }
    compute::take(values, &UInt32Array::from(cells), None).map_err(arrow_error)
}

/// The fields of rows; a NULL row has NULL fields, whatever its columns hold.
fn fields_of(rows: &ArrayRef) -> Result<Vec<ArrayRef>> {
    let rows = rows.as_struct();
    match rows.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Ok(rows.columns().to_vec()),
        Some(nulls) => {
            let missing = BooleanArray::new(!nulls.inner(), None);
            rows.columns().iter().map(|column| compute::nullif(column, &missing).map_err(arrow_error)).collect()
        }
    }
}
