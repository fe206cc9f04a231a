//! What a statement or a table answers when it is run.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_data::{Batch, DataType};
use riverrun_sql::{COLUMN_WIDTH, Column as ResultColumn, QueryRows, ResultTable, Tableau};

use super::rows::{Column, Row, Value};
use crate::stream::JobClient;

/// How long a wait for rows lasts at most before it is looked after the job.
const WAIT: Duration = Duration::from_millis(100);

/// What a statement answers: rows that come as the job makes them, a job without rows, or a text.
///
/// Dropped, it cancels the job.
#[must_use = "dropped, it cancels the job: call wait(), print() or collect()"]
pub struct TableResult {
    content: Content,
}

enum Content {
    Done { warning: Option<String> },
    Answer(ResultTable),
    Job { name: String, job: JobClient },
    Query { job: JobClient, rows: Box<QueryRows> },
}

impl TableResult {
    pub(super) fn done(warning: Option<String>) -> Self {
        Self { content: Content::Done { warning } }
    }

    pub(super) fn answer(table: ResultTable) -> Self {
        Self { content: Content::Answer(table) }
    }

    pub(super) fn job(name: String, job: JobClient) -> Self {
        Self { content: Content::Job { name, job } }
    }

    pub(super) fn query(job: JobClient, rows: QueryRows) -> Self {
        Self { content: Content::Query { job, rows: Box::new(rows) } }
    }

    /// The job, if there is one.
    pub fn job_client(&self) -> Option<&JobClient> {
        match &self.content {
            Content::Job { job, .. } | Content::Query { job, .. } => Some(job),
            Content::Done { .. } | Content::Answer(_) => None,
        }
    }

    /// What the user should know about a statement that is done.
    pub fn warning(&self) -> Option<&str> {
        match &self.content {
            Content::Done { warning } => warning.as_deref(),
            _ => None,
        }
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> Vec<(String, DataType)> {
        let columns: &[ResultColumn] = match &self.content {
            Content::Query { rows, .. } => rows.columns(),
            Content::Answer(table) => &table.columns,
            Content::Done { .. } | Content::Job { .. } => &[],
        };
        columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect()
    }

    /// Waits until an INSERT has ended. The rows of a query are taken and forgotten.
    ///
    /// # Errors
    /// What the job failed with.
    pub fn wait(self) -> Result<()> {
        match self.content {
            Content::Done { .. } | Content::Answer(_) => Ok(()),
            Content::Job { job, .. } => job.wait().map(|_| ()),
            query @ Content::Query { .. } => Self { content: query }.iter().try_for_each(|row| row.map(|_| ())),
        }
    }

    /// The rows as they come; dropped, it cancels the job. After the last row of a job that failed comes its error.
    pub fn iter(self) -> RowIterator {
        let (job, rows, ready) = match self.content {
            Content::Query { job, rows } => (Some(job), Some(rows), VecDeque::new()),
            Content::Answer(table) => {
                let row = |row: Vec<Option<String>>| Row::of(row.into_iter().map(Value::from));
                (None, None, table.rows.into_iter().map(row).collect())
            }
            Content::Job { job, .. } => (Some(job), None, VecDeque::new()),
            Content::Done { .. } => (None, None, VecDeque::new()),
        };
        RowIterator { job, rows, ready }
    }

    /// Every row, when the job has ended. For bounded input whose result fits into memory.
    ///
    /// # Errors
    /// What the job failed with.
    pub fn collect(self) -> Result<Vec<Row>> {
        self.iter().collect()
    }

    /// Prints the rows to standard output as they come, as Flink prints them, until the job has ended.
    ///
    /// # Errors
    /// What the job failed with, or the output cannot be written.
    pub fn print(self) -> Result<()> {
        self.print_to(&mut io::stdout().lock())
    }

    /// As [`Self::print`], to anything.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn print_to(self, out: &mut impl Write) -> Result<()> {
        let failed = |error: io::Error| Error::external("the rows cannot be printed").caused_by(error);
        match self.content {
            Content::Done { .. } => writeln!(out, "OK").map_err(failed),
            Content::Answer(table) => table.draw(out).map_err(failed),
            Content::Job { name, job } => {
                writeln!(out, "{name}: job {}", job.job_id()).map_err(failed)?;
                job.wait().map(|_| ())
            }
            Content::Query { job, mut rows } => {
                let begin = Instant::now();
                let tableau = Tableau::of_query(rows.columns(), COLUMN_WIDTH);
                tableau.head(out).map_err(failed)?;
                let mut count = 0;
                while let Some(batch) = rows.next(WAIT)? {
                    for row in &batch {
                        tableau.changed(row.kind, &row.values, out).map_err(failed)?;
                    }
                    count += batch.len() as u64;
                    out.flush().map_err(failed)?;
                }
                job.wait()?;
                tableau.foot(count, begin.elapsed(), false, out).map_err(failed)
            }
        }
    }
}

/// The rows of a query, as they come.
pub struct RowIterator {
    /// Until its end has been told.
    job: Option<JobClient>,
    rows: Option<Box<QueryRows>>,
    ready: VecDeque<Row>,
}

impl RowIterator {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        let columns = batch.rows().columns().iter().map(Column::of).collect::<Result<Vec<_>>>()?;
        self.ready.extend(
            (0..batch.num_rows())
                .map(|row| Row::of_kind(batch.kind(row), columns.iter().map(|column| column.value(row)))),
        );
        Ok(())
    }
}

impl Iterator for RowIterator {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Some(Ok(row));
            }
            let batch = match &mut self.rows {
                None => {
                    let ended = self.job.take()?.wait();
                    return ended.err().map(Err);
                }
                Some(rows) => rows.next_batch(WAIT),
            };
            match batch {
                Ok(batch) => {
                    if let Err(error) = self.take(&batch) {
                        return Some(Err(error));
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => self.rows = None,
            }
        }
    }
}
