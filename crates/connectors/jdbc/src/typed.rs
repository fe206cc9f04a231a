//! The sink of a program: records become the parameters of a statement. Names and meaning are those of Flink's `JdbcSink`
//! (<https://nightlies.apache.org/flink/flink-docs-stable/docs/connectors/datastream/jdbc/>); writing, retries and transactions are those of the
//! table connector.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result, Secret, format_duration};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};
use riverrun_formats::BoxError;

use crate::client::{self, Client, Io, TransactionClient};
use crate::exactly_once::{statement_committer, statement_writer};
use crate::held::Held;
use crate::options::Table;
use crate::retry::Outcome;
use crate::sink::{Writer, report_ignored};
use crate::statement::Statement;
use crate::values::{JdbcValue, Parameters};

/// Writes records to MySQL, MariaDB, PostgreSQL or SQLite by a statement with `?` for its parameters.
///
/// ```
/// use riverrun_jdbc::{JdbcConnectionOptions, JdbcExecutionOptions, JdbcSink};
///
/// struct Spend {
///     account: i64,
///     amount: Option<f64>,
/// }
///
/// let sink = JdbcSink::builder()
///     .with_query_statement(
///         "INSERT INTO spend (account, amount) VALUES (?, ?) ON DUPLICATE KEY UPDATE amount = VALUES(amount)",
///         |statement, spend: &Spend| {
///             statement.set(1, spend.account)?;
///             statement.set(2, spend.amount)?;
///             Ok(())
///         },
///     )
///     .with_execution_options(JdbcExecutionOptions::default().with_batch_size(1_000))
///     .build_at_least_once(
///         JdbcConnectionOptions::new("jdbc:mysql://localhost:3306/reports").with_username("me").with_password("secret"),
///     )?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
///
/// The sessions' time zone is UTC. Parameters are sent with the statement, or as literals that are escaped: no value can be taken for SQL.
#[derive(Clone)]
pub struct JdbcSink<T, B> {
    table: Table,
    statement: Statement,
    binder: B,
    exactly_once: bool,
    records: PhantomData<fn(T)>,
}

/// Sets the parameters of the statement for a record: a closure `|statement, record| { statement.set(1, ...)?; Ok(()) }`.
pub trait Bind<T>: Clone + Send + Sync + 'static {
    /// Sets every parameter.
    ///
    /// # Errors
    /// The record cannot be written; the job fails.
    fn bind(&self, statement: &mut JdbcStatement<'_>, record: &T) -> Result<(), BoxError>;
}

impl<T, F> Bind<T> for F
where
    F: Fn(&mut JdbcStatement<'_>, &T) -> Result<(), BoxError> + Clone + Send + Sync + 'static,
{
    #[inline]
    fn bind(&self, statement: &mut JdbcStatement<'_>, record: &T) -> Result<(), BoxError> {
        self(statement, record)
    }
}

/// The statement for one record.
pub struct JdbcStatement<'a>(&'a mut Parameters);

impl JdbcStatement<'_> {
    /// Sets the parameter that is the `index`th `?`, counted from 1.
    ///
    /// # Errors
    /// There are fewer.
    pub fn set<'v>(&mut self, index: usize, value: impl Into<JdbcValue<'v>>) -> Result<()> {
        self.0.set(index, value.into())
    }
}

/// How many records are written at a time. With exactly once, only the retries have a meaning: what is written is what came between two
/// checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JdbcExecutionOptions {
    batch_size: usize,
    batch_interval: Duration,
    max_retries: u32,
}

impl Default for JdbcExecutionOptions {
    /// Flink's: 5000 records, no interval, 3 retries.
    fn default() -> Self {
        Self { batch_size: 5_000, batch_interval: Duration::ZERO, max_retries: 3 }
    }
}

impl JdbcExecutionOptions {
    /// Writes when so many records are there; 0 leaves it to the interval and to checkpoints.
    #[must_use]
    pub fn with_batch_size(mut self, records: usize) -> Self {
        self.batch_size = records;
        self
    }

    /// Writes so long after the oldest record came; 0 leaves it to the number of records and to checkpoints.
    #[must_use]
    pub fn with_batch_interval(mut self, interval: Duration) -> Self {
        self.batch_interval = interval;
        self
    }

    /// Writes again so often after a failure that may pass, such as a deadlock. A lost connection is re-established for as long as
    /// [`JdbcConnectionOptions::with_max_retry_timeout`] says.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }
}

/// Where the database is.
#[derive(Clone, Debug)]
pub struct JdbcConnectionOptions {
    url: String,
    username: Option<String>,
    password: Option<Secret>,
    driver: Option<String>,
    max_retry_timeout: Duration,
}

impl JdbcConnectionOptions {
    /// `jdbc:mysql://host:port/database`, `jdbc:mariadb://...`, `jdbc:postgresql://...` or `jdbc:sqlite:path`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            driver: None,
            max_retry_timeout: Duration::from_secs(60),
        }
    }

    /// The user.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret::new(password.into()));
        self
    }

    /// The class of the JDBC driver; accepted where it fits the url, and not needed.
    #[must_use]
    pub fn with_driver_name(mut self, driver: impl Into<String>) -> Self {
        self.driver = Some(driver.into());
        self
    }

    /// How long a lost connection is re-established before the job fails, and how long one statement may take; a minute unless this says
    /// otherwise.
    #[must_use]
    pub fn with_max_retry_timeout(mut self, timeout: Duration) -> Self {
        self.max_retry_timeout = timeout;
        self
    }
}

/// Makes a [`JdbcSink`].
#[derive(Clone)]
#[must_use = "a builder makes nothing before it is built"]
pub struct JdbcSinkBuilder<T, B> {
    sql: String,
    binder: B,
    execution: JdbcExecutionOptions,
    records: PhantomData<fn(T)>,
}

impl JdbcSink<(), ()> {
    /// What it needs: a statement with its binder, and the connection.
    pub fn builder() -> JdbcSinkBuilder<(), ()> {
        let execution = JdbcExecutionOptions::default();
        JdbcSinkBuilder { sql: String::new(), binder: (), execution, records: PhantomData }
    }
}

impl<T, B> JdbcSinkBuilder<T, B> {
    /// The statement, with `?` for each parameter, and what sets them for a record. An `INSERT ... VALUES (...)` of one row is sent to MySQL and
    /// MariaDB for many rows at once.
    pub fn with_query_statement<U, F>(self, sql: impl Into<String>, binder: F) -> JdbcSinkBuilder<U, F>
    where
        F: Fn(&mut JdbcStatement<'_>, &U) -> Result<(), BoxError> + Clone + Send + Sync + 'static,
    {
        JdbcSinkBuilder { sql: sql.into(), binder, execution: self.execution, records: PhantomData }
    }

    /// How many records are written at a time.
    pub fn with_execution_options(mut self, options: JdbcExecutionOptions) -> Self {
        self.execution = options;
        self
    }
}

impl<T: Send + 'static, B: Bind<T>> JdbcSinkBuilder<T, B> {
    /// Records are written at least once: after a failure some come again, so the statement should change nothing then (an upsert).
    ///
    /// # Errors
    /// The statement or the url is wrong; nothing is connected yet.
    pub fn build_at_least_once(self, connection: JdbcConnectionOptions) -> Result<JdbcSink<T, B>> {
        self.build(connection, false)
    }

    /// Records are written once, and become visible when their checkpoint is complete: by XA on MySQL and MariaDB, by prepared transactions on
    /// PostgreSQL; for SQLite they wait in the checkpoint. The job must take checkpoints.
    ///
    /// # Errors
    /// As [`Self::build_at_least_once`].
    pub fn build_exactly_once(self, connection: JdbcConnectionOptions) -> Result<JdbcSink<T, B>> {
        self.build(connection, true)
    }

    fn build(self, connection: JdbcConnectionOptions, exactly_once: bool) -> Result<JdbcSink<T, B>> {
        let Self { sql, binder, execution, .. } = self;
        let guarantee = if exactly_once { "exactly-once" } else { "at-least-once" };
        let mut options = BTreeMap::from([
            ("url".to_owned(), connection.url),
            ("table-name".to_owned(), "statement".to_owned()),
            ("connection.max-retry-timeout".to_owned(), format_duration(connection.max_retry_timeout)),
            ("sink.delivery-guarantee".to_owned(), guarantee.to_owned()),
            ("sink.buffer-flush.max-rows".to_owned(), execution.batch_size.to_string()),
            ("sink.buffer-flush.interval".to_owned(), format_duration(execution.batch_interval)),
            ("sink.max-retries".to_owned(), execution.max_retries.to_string()),
        ]);
        let password = connection.password.map(|password| password.expose().to_owned());
        let given = [("username", connection.username), ("password", password), ("driver", connection.driver)];
        options.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        let table = Table::of_statement(options)?;
        let statement = Statement::parse(&sql, table.location.system())?;
        Ok(JdbcSink { table, statement, binder, exactly_once, records: PhantomData })
    }
}

impl<T, B: Clone> JdbcSink<T, B> {
    fn rows(&self) -> StatementRows<T, B> {
        StatementRows {
            parameters: Parameters::new(self.statement.parameters()),
            statement: self.statement.clone(),
            binder: self.binder.clone(),
            since: None,
            records: PhantomData,
        }
    }
}

impl<T: Send + 'static, B: Bind<T>> Sink<Records<T>> for JdbcSink<T, B> {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        if self.exactly_once {
            return statement_writer(&self.table, self.rows(), context);
        }
        let io = Io::new(&self.table, context)?;
        report_ignored(&self.table);
        let mut client = client::connect(&self.table, &io).map_err(|failure| failure.error)?;
        client.check_statement(&self.statement).map_err(|failure| failure.error)?;
        Ok(Box::new(Writer::new(self.table.clone(), io, client, self.rows(), context)))
    }

    fn commits(&self) -> Commits {
        // without a checkpoint no row would ever be visible
        if self.exactly_once { Commits::Always } else { Commits::Never }
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        if self.exactly_once {
            statement_committer(&self.table, self.statement.clone(), context)
        } else {
            Err(Error::internal("a jdbc sink without transactions was asked for its committer"))
        }
    }
}

/// The parameters of records.
pub(crate) struct StatementRows<T, B> {
    statement: Statement,
    parameters: Parameters,
    binder: B,
    since: Option<Instant>,
    records: PhantomData<fn(T)>,
}

impl<T, B> StatementRows<T, B> {
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

impl<T: Send, B: Bind<T>> Held for StatementRows<T, B> {
    type Batch = Records<T>;
    type Ready = ();

    fn push(&mut self, batch: Records<T>) -> Result<()> {
        for record in batch.values() {
            self.parameters.begin();
            let bound = self.binder.bind(&mut JdbcStatement(&mut self.parameters), record);
            bound.map_err(|error| match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(error) => Error::data("a record cannot be written").caused_by(error),
            })?;
            self.parameters.end()?;
        }
        if self.parameters.rows() > 0 {
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.parameters.rows()
    }

    fn bytes(&self) -> usize {
        self.parameters.size()
    }

    fn since(&self) -> Option<Instant> {
        self.since
    }

    fn clear(&mut self) {
        self.parameters.clear();
        self.since = None;
    }

    fn ready(&self) -> Result<Option<()>> {
        Ok((self.parameters.rows() > 0).then_some(()))
    }

    fn write(&self, (): &(), client: &mut dyn Client) -> Outcome<()> {
        client.execute(&self.statement, &self.parameters)
    }

    fn write_open(&self, (): &(), client: &mut dyn TransactionClient) -> Outcome<()> {
        client.execute(&self.statement, &self.parameters)
    }

    fn placed(&self, error: Error) -> Error {
        error.with("statement", &self.statement.text)
    }
}
