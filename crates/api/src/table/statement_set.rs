//! Inserts that run as one job.

use riverrun_base::Result;
use riverrun_sql::Insertion;

use super::{Table, TableEnvironment, TableResult};

/// Inserts that run as one job. What a table reads is read once for each insert that reads it.
#[must_use = "call execute() to run the inserts"]
pub struct StatementSet {
    env: TableEnvironment,
    insertions: Vec<Insertion>,
}

impl StatementSet {
    pub(super) fn of(env: &TableEnvironment) -> Self {
        Self { env: env.clone(), insertions: Vec::new() }
    }

    /// Adds an insert of a table's rows into a table.
    ///
    /// # Errors
    /// The table's first mistake, or its rows do not fit.
    pub fn add_insert(mut self, path: &str, table: &Table) -> Result<Self> {
        let insertion = self.env.configured()?.insertion(table.planned()?, path, &[])?;
        self.insertions.push(insertion);
        Ok(self)
    }

    /// Adds an INSERT of SQL.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn add_insert_sql(mut self, statement: &str) -> Result<Self> {
        let insertion = self.env.configured()?.insertion_of(statement)?;
        self.insertions.push(insertion);
        Ok(self)
    }

    /// The plans as text.
    pub fn explain(&self) -> String {
        self.env.session().explain_insertions(&self.insertions)
    }

    /// Starts the job. If a table reads data streams, it is the job of their environment, with everything that was built there.
    ///
    /// # Errors
    /// There is no insert, or the job cannot be started.
    pub fn execute(self) -> Result<TableResult> {
        self.env.run_insertions(self.insertions)
    }

    /// Makes the inserts part of the stream environment's next job.
    ///
    /// # Errors
    /// The environment has no data streams.
    pub fn attach_as_data_stream(self) -> Result<()> {
        self.env.attach(self.insertions).map(|_| ())
    }
}
