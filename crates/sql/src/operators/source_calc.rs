//! What happens to the rows of a split in the source's own task: metadata is cast, columns are computed, event time is told.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, make_array, new_null_array};
use arrow::compute;
use arrow::datatypes::{Field, SchemaRef, TimestampMillisecondType};
use arrow::error::ArrowError;
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
    schema: SchemaRef,
    /// Where deletions have their key only: the columns that are not computed.
    given: Option<Vec<Option<Evaluator>>>,
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
        let projection = Projection::new(exprs, schema.clone())?;
        Ok(Self { projection, schema, given: None, watermark, environment })
    }

    /// Leaves out of deletions what is computed: they have nothing to compute it from. `computed` says which columns that are.
    ///
    /// # Errors
    /// An expression cannot be compiled.
    pub(crate) fn deleting_by_key(mut self, exprs: &[Expr], computed: &[bool]) -> Result<Self> {
        if computed.contains(&true) {
            let given = exprs.iter().zip(computed).map(|(expr, computed)| (!computed).then(|| Evaluator::new(expr)));
            self.given = Some(given.map(Option::transpose).collect::<Result<_>>()?);
        }
        Ok(self)
    }

    /// The columns of rows of which some are deletions by key.
    fn around_deletions(
        &self,
        given: &[Option<Evaluator>],
        rows: &RecordBatch,
        kinds: &[RowKind],
    ) -> Result<RecordBatch> {
        let stays = |kind: &RowKind| *kind != RowKind::Delete;
        let mask: BooleanArray = kinds.iter().map(|kind| Some(stays(kind))).collect();
        let others = compute::filter_record_batch(rows, &mask).map_err(failed)?;
        let others = self.projection.apply(&others, &self.environment.context(others.num_rows(), None))?;
        let mut places = Vec::with_capacity(kinds.len());
        let mut next = 0;
        for kind in kinds {
            places.push(if stays(kind) { (0, next) } else { (1, 0) });
            next += usize::from(stays(kind));
        }
        let context = self.environment.context(rows.num_rows(), None);
        let column = |(n, given): (usize, &Option<Evaluator>)| match given {
            Some(given) => given.eval_column(rows, &context),
            None => {
                let nothing = nothing(self.schema.field(n)).map_err(failed)?;
                compute::interleave(&[others.column(n), &nothing], &places).map_err(failed)
            }
        };
        let columns = given.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)
    }
}

/// NULL, or the zero of a type that takes none.
fn nothing(field: &Field) -> Result<ArrayRef, ArrowError> {
    let null = new_null_array(field.data_type(), 1);
    if field.is_nullable() { Ok(null) } else { null.to_data().into_builder().nulls(None).build().map(make_array) }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("deletions by key do not fit their table").caused_by(error)
}

impl SplitOperator<Batch> for SourceCalc {
    fn apply(&mut self, _: &SplitId, batch: Batch) -> Result<(Batch, Option<Timestamp>)> {
        let context = self.environment.context(batch.num_rows(), None);
        let rows = match (&self.given, batch.kinds()) {
            (Some(given), Some(kinds)) if kinds.contains(&RowKind::Delete) => {
                self.around_deletions(given, batch.rows(), kinds)?
            }
            _ => self.projection.apply(batch.rows(), &context)?,
        };
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
