//! Results on standard output: as Flink's client draws them, as JSON lines, or as CSV.
//!
//! Rows are written as they come and flushed batch by batch.

mod encoded;

use std::io::{self, BufWriter, Stdout, Write};
use std::time::Duration;

use clap::ValueEnum;
use riverrun_base::{Error, Result};
use riverrun_data::Batch;
use riverrun_sql::{Column, QueryRows, ResultTable, Tableau};

use encoded::Encoded;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table, as Flink's client draws it, with a column 'op'
    Table,
    /// A JSON object a line, as the format 'json' writes it; with "op" where the query updates its result
    Json,
    /// A line with the columns' names, then the rows as the format 'csv' writes them; with a column 'op' where the query updates its result
    Csv,
}

/// Why results cannot be written.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Nobody reads any more (`riverrun ... | head`): the wish to end, and no failure.
    ReaderGone,
    /// Anything else.
    Failed(Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Failed(Error::external("cannot write to standard output").caused_by(error)),
        }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Prints the rows of one query.
pub(crate) struct QueryPrinter {
    out: BufWriter<Stdout>,
    form: Form,
    rows: u64,
}

enum Form {
    Tableau(Tableau),
    Encoded(Encoded),
}

impl QueryPrinter {
    /// A printer for rows of these columns; `updating` says that they are changes, `max_width` how wide a column of text is drawn.
    ///
    /// # Errors
    /// A column has a type that the form cannot hold.
    pub(crate) fn new(output: Output, columns: &[Column], updating: bool, max_width: usize) -> Result<Self> {
        let form = match output {
            Output::Table => Form::Tableau(Tableau::of_query(columns, max_width)),
            Output::Json => Form::Encoded(Encoded::json(columns, updating)?),
            Output::Csv => Form::Encoded(Encoded::csv(columns, updating)?),
        };
        Ok(Self { out: BufWriter::with_capacity(64 << 10, io::stdout()), form, rows: 0 })
    }

    /// Writes what stands before the rows.
    pub(crate) fn begin(&mut self) -> Result<(), Broken> {
        match &mut self.form {
            Form::Tableau(tableau) => tableau.head(&mut self.out)?,
            Form::Encoded(encoded) => encoded.head(&mut self.out)?,
        }
        Ok(self.out.flush()?)
    }

    /// Writes rows that have come.
    pub(crate) fn rows(&mut self, rows: &QueryRows, batch: &Batch) -> Result<(), Broken> {
        match &mut self.form {
            Form::Tableau(tableau) => {
                for row in rows.texts(batch)? {
                    tableau.changed(row.kind, &row.values, &mut self.out)?;
                }
            }
            Form::Encoded(encoded) => encoded.rows(batch, &mut self.out)?,
        }
        self.rows += batch.num_rows() as u64;
        Ok(self.out.flush()?)
    }

    /// Writes what stands behind the rows: how many there were, and whether the user ended the query.
    pub(crate) fn end(&mut self, elapsed: Duration, terminated: bool) -> Result<(), Broken> {
        if let Form::Tableau(tableau) = &self.form {
            tableau.foot(self.rows, elapsed, terminated, &mut self.out)?;
        }
        Ok(self.out.flush()?)
    }
}

/// Prints the answer of a statement.
pub(crate) fn print_table(output: Output, table: &ResultTable) -> Result<(), Broken> {
    let mut out = BufWriter::new(io::stdout());
    match output {
        Output::Table => table.draw(&mut out)?,
        Output::Json => Encoded::json(&table.columns, false)?.answer(table, &mut out)?,
        Output::Csv => Encoded::csv(&table.columns, false)?.answer(table, &mut out)?,
    }
    Ok(out.flush()?)
}
