//! What stands before a sink: NULL must not reach a column that is NOT NULL.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_runtime::{Operator, Output};

/// Fails on NULL in a column that the table declares NOT NULL (`table.exec.sink.not-null-enforcer` = ERROR), or drops such rows (DROP).
pub(crate) struct SinkGuard {
    table: String,
    not_null: Vec<usize>,
    drops: bool,
    schema: SchemaRef,
}

impl SinkGuard {
    /// Guards the columns `not_null`; the schema is that of the table.
    pub(crate) fn new(table: String, not_null: Vec<usize>, drops: bool, schema: SchemaRef) -> Self {
        Self { table, not_null, drops, schema }
    }
}

impl Operator<Batch> for SinkGuard {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let mut batch = batch;
        for column in &self.not_null {
            if batch.rows().column(*column).logical_null_count() == 0 {
                continue;
            }
            if !self.drops {
                let name = self.schema.field(*column).name();
                return Err(Error::data(format!(
                    "Column '{name}' is NOT NULL, however, a null value is being written into it"
                ))
                .hint("SET 'table.exec.sink.not-null-enforcer' = 'DROP' drops such rows")
                .with("table", &self.table));
            }
            let present = arrow::compute::is_not_null(batch.rows().column(*column))
                .map_err(|error| Error::internal("NULLs cannot be told").caused_by(error))?;
            batch = batch.filter(&present)?;
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let rows = RecordBatch::try_new(self.schema.clone(), batch.rows().columns().to_vec())
            .map_err(|error| Error::internal("rows do not fit the table").caused_by(error))?;
        out.emit(batch.replace_rows(rows)?)
    }
}
