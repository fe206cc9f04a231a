//! Filter and projection in one step.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_runtime::{MAX_WATERMARK, Operator, Output, Restored, Snapshot, SnapshotRequest, Timestamp};

use crate::eval::{EvalContext, Evaluator};
use crate::expr::{Expr, ExprKind};

/// What every operator of a job knows of its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Environment {
    /// `table.local-time-zone`.
    pub(crate) zone: Tz,
}

impl Environment {
    /// The context of an evaluation now.
    pub(crate) fn context(&self, rows: usize, watermark: Option<Timestamp>) -> EvalContext {
        EvalContext { rows, zone: self.zone, now: now_millis(), watermark }
    }
}

/// Processing time, in epoch milliseconds.
pub(crate) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Keeps the rows for which the condition is true, and computes columns of them. Row kinds stay.
pub(crate) struct Calc {
    condition: Option<Evaluator>,
    /// The columns; the input's own without.
    projection: Option<Projection>,
    /// With both, the columns that the projection reads: only they go through the filter.
    read: Option<Vec<usize>>,
    environment: Environment,
    watermark: Option<Timestamp>,
    /// Whether the watermark is read, so that it is state.
    reads_watermark: bool,
}

/// Columns to compute, and their schema.
pub(crate) struct Projection {
    exprs: Vec<Evaluator>,
    schema: SchemaRef,
}

impl Projection {
    /// Makes expressions ready to run.
    ///
    /// # Errors
    /// An expression cannot be compiled.
    pub(crate) fn new(exprs: &[Expr], schema: SchemaRef) -> Result<Self> {
        Ok(Self { exprs: exprs.iter().map(Evaluator::new).collect::<Result<_>>()?, schema })
    }

    /// Computes the columns for the rows of a batch.
    ///
    /// # Errors
    /// A value makes an expression fail.
    pub(crate) fn apply(&self, rows: &RecordBatch, context: &EvalContext) -> Result<RecordBatch> {
        let columns = self.exprs.iter().map(|expr| expr.eval_column(rows, context)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| Error::internal("a projection does not fit its schema").caused_by(error))
    }
}

impl Calc {
    /// An operator with a condition, a projection, or both.
    ///
    /// # Errors
    /// An expression cannot be compiled.
    pub(crate) fn new(
        condition: Option<&Expr>,
        projection: Option<(&[Expr], SchemaRef)>,
        environment: Environment,
    ) -> Result<Self> {
        let mut calc = Self {
            condition: condition.map(Evaluator::new).transpose()?,
            projection: None,
            read: None,
            environment,
            watermark: None,
            reads_watermark: condition
                .into_iter()
                .chain(projection.iter().flat_map(|(exprs, _)| *exprs))
                .any(Self::reads_watermark),
        };
        if let Some((exprs, schema)) = projection {
            let mut exprs = exprs.to_vec();
            if condition.is_some() {
                calc.read = Some(narrow(&mut exprs));
            }
            calc.projection = Some(Projection::new(&exprs, schema)?);
        }
        Ok(calc)
    }

    /// Whether an expression reads the watermark (`CURRENT_WATERMARK`).
    pub(crate) fn reads_watermark(expr: &Expr) -> bool {
        matches!(&expr.kind, ExprKind::Call(call) if call.name == "CURRENT_WATERMARK")
            || expr.children().into_iter().any(Self::reads_watermark)
    }
}

/// The columns that expressions read, in order; the expressions are rewritten to read a batch of only these.
fn narrow(exprs: &mut Vec<Expr>) -> Vec<usize> {
    fn collect(expr: &Expr, read: &mut BTreeSet<usize>) {
        if let ExprKind::Column(index) = expr.kind {
            read.insert(index);
        }
        expr.children().into_iter().for_each(|child| collect(child, read));
    }
    fn rewritten(mut expr: Expr, read: &[usize]) -> Expr {
        if let ExprKind::Column(index) = &mut expr.kind {
            *index = read.partition_point(|other| other < index);
        }
        expr.map_children(&mut |child| rewritten(child, read))
    }
    let mut read = BTreeSet::new();
    exprs.iter().for_each(|expr| collect(expr, &mut read));
    let read: Vec<usize> = read.into_iter().collect();
    *exprs = exprs.drain(..).map(|expr| rewritten(expr, &read)).collect();
    read
}

impl Operator<Batch> for Calc {
    fn process(&mut self, batch: Batch, out: &mut dyn Output<Batch>) -> Result<()> {
        let mut context = self.environment.context(batch.num_rows(), self.watermark);
        let mut batch = batch;
        if let Some(condition) = &self.condition {
            let mask = condition.eval_mask(batch.rows(), &context)?;
            let passing = mask.true_count();
            if passing == 0 {
                return Ok(());
            }
            if let Some(read) = &self.read {
                let rows = batch
                    .rows()
                    .project(read)
                    .map_err(|error| Error::internal("a projection reads a column that is missing").caused_by(error))?;
                batch = batch.replace_rows(rows)?;
            }
            if passing < mask.len() {
                batch = batch.filter(&mask)?;
            }
            context.rows = passing;
        }
        match &self.projection {
            None => out.emit(batch),
            Some(projection) => out.emit(batch.replace_rows(projection.apply(batch.rows(), &context)?)?),
        }
    }

    fn watermark(&mut self, watermark: Timestamp, _: &mut dyn Output<Batch>) -> Result<()> {
        self.watermark = self.watermark.max(Some(watermark).filter(|watermark| *watermark != MAX_WATERMARK));
        Ok(())
    }

    fn snapshot(&mut self, _: SnapshotRequest) -> Result<Option<Snapshot>> {
        Ok(self.reads_watermark.then(|| Snapshot { watermark: self.watermark, ..Snapshot::default() }))
    }

    fn restore(&mut self, state: Restored) -> Result<()> {
        self.watermark = state.watermark;
        Ok(())
    }
}
