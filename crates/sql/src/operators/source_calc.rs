//! What happens to the rows of a split in the source's own task: metadata is cast, columns are computed, event time is told.

use arrow::array::{Array, AsArray};
use arrow::compute;
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use riverrun_base::{Error, Result};
use riverrun_connect::SplitId;
use riverrun_data::{Batch, RowKind};
use riverrun_runtime::{SplitOperator, Timestamp};

use super::calc::{Environment, Projection};
use crate::eval::Evaluator;
use crate::expr::Expr;

/// Computes a table's columns from what its connector delivers, and the watermark over them.
pub(crate) struct SourceCalc {
    projection: Projection,
    watermark: Option<Watermark>,
    environment: Environment,
}

/// How event time is told: the watermark of each row, and the column it is about.
struct Watermark {
    strategy: Evaluator,
    column: usize,
}

impl SourceCalc {
    /// The table's columns over the connector's; the watermark over the table's columns, with the index of the rowtime column.
    ///
    /// # Errors
    /// An expression cannot be compiled.
    pub(crate) fn new(
        exprs: &[Expr],
        schema: SchemaRef,
        watermark: Option<(&Expr, usize)>,
        environment: Environment,
    ) -> Result<Self> {
        let watermark = watermark
            .map(|(strategy, column)| Ok::<_, Error>(Watermark { strategy: Evaluator::new(strategy)?, column }))
            .transpose()?;
        Ok(Self { projection: Projection::new(exprs, schema)?, watermark, environment })
    }
}

impl SplitOperator<Batch> for SourceCalc {
    fn apply(&mut self, _: &SplitId, batch: Batch) -> Result<(Batch, Option<Timestamp>)> {
        let context = self.environment.context(batch.num_rows(), None);
        let rows = self.projection.apply(batch.rows(), &context)?;
        let watermark = match &self.watermark {
            None => None,
            Some(watermark) => {
                // Of a deletion by key nothing else may be known.
                let times = rows.column(watermark.column);
                let is_missing = |row: usize| times.is_null(row) && batch.kind(row) != RowKind::Delete;
                if times.null_count() > 0 && (0..times.len()).any(is_missing) {
                    return Err(Error::data(
                        "RowTime field should not be null, please convert it to a non-null long value.",
                    )
                    .with("column", rows.schema().field(watermark.column).name()));
                }
                let column = watermark.strategy.eval_column(&rows, &context)?;
                let times = column
                    .as_primitive_opt::<TimestampMillisecondType>()
                    .ok_or_else(|| Error::internal("a watermark is not in milliseconds"))?;
                compute::max(times)
            }
        };
        Ok((batch.replace_rows(rows)?, watermark))
    }
}
