//! A database that a test has a table in, and how it is written and read through the connector.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use riverrun_base::Result;
use riverrun_connect::{
    Cancellation, Committer, Counters, Polled, Sink, SinkWriter, Source, SourceReader, Split, TableContext, TaskContext,
};
use riverrun_data::{DataType, LogicalType, RowField, arrow_schema};
use riverrun_jdbc::JDBC;
use riverrun_testkit::{MariaDb, Postgres, TempFolder, mariadb, postgres, temp_folder, unique};

/// Where a test has its table.
pub(crate) enum Database {
    MariaDb(&'static MariaDb),
    Postgres(&'static Postgres),
    Sqlite(TempFolder),
}

impl Database {
    pub(crate) fn mariadb() -> Self {
        Self::MariaDb(mariadb())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(postgres())
    }

    pub(crate) fn sqlite() -> Self {
        let database = Self::Sqlite(temp_folder());
        database.execute("PRAGMA user_version = 1");
        database
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::MariaDb(server) => server.url(),
            Self::Postgres(server) => server.url(),
            Self::Sqlite(folder) => format!("jdbc:sqlite:{}", folder.path().join("test.db").display()),
        }
    }

    pub(crate) fn execute(&self, sql: &str) {
        match self {
            Self::MariaDb(server) => server.execute(sql),
            Self::Postgres(server) => server.execute(sql),
            Self::Sqlite(folder) => {
                rusqlite::Connection::open(folder.path().join("test.db")).unwrap().execute_batch(sql).unwrap()
            }
        }
    }

    /// Rows, each value as text.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match self {
            Self::MariaDb(server) => server.query(sql),
            Self::Postgres(server) => server.query(sql),
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("test.db")).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let columns = statement.column_count();
                let text = |value: rusqlite::types::Value| match value {
                    rusqlite::types::Value::Null => None,
                    rusqlite::types::Value::Integer(value) => Some(value.to_string()),
                    rusqlite::types::Value::Real(value) => Some(value.to_string()),
                    rusqlite::types::Value::Text(value) => Some(value),
                    rusqlite::types::Value::Blob(value) => Some(format!("{value:?}")),
                };
                let rows = statement.query_map([], |row| (0..columns).map(|index| row.get(index).map(text)).collect());
                rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
            }
        }
    }

    /// Rows as one text: values between blanks, rows between commas.
    pub(crate) fn rows(&self, sql: &str) -> String {
        let row = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or("NULL".to_owned())).collect::<Vec<_>>().join(" ")
        };
        self.query(sql).into_iter().map(row).collect::<Vec<_>>().join(", ")
    }

    /// The script's table over a database table, with the credentials of the test's server.
    pub(crate) fn table(&self, name: &str, columns: &[(&str, LogicalType)], key: &[usize]) -> Table {
        let mut table = Table::new(&self.url(), name, columns, key);
        if !matches!(self, Self::Sqlite(_)) {
            table = table.with("username", "test").with("password", "test");
        }
        table
    }
}

/// Defines each test for every database.
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {
        mod mariadb { $(#[test] fn $test() { super::$test(&crate::database::Database::mariadb()); })* }
        mod postgres { $(#[test] fn $test() { super::$test(&crate::database::Database::postgres()); })* }
        mod sqlite { $(#[test] fn $test() { super::$test(&crate::database::Database::sqlite()); })* }
    };
}
pub(crate) use on_every_database;

/// A table as a script declares it, in a task of its own.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) context: TableContext,
    pub(crate) task: TaskContext,
}

impl Table {
    pub(crate) fn new(url: &str, name: &str, columns: &[(&str, LogicalType)], key: &[usize]) -> Self {
        let columns = columns
            .iter()
            .enumerate()
            .map(|(index, (name, logical))| RowField {
                name: (*name).to_owned(),
                data_type: DataType { logical: logical.clone(), nullable: !key.contains(&index) },
            })
            .collect();
        let context = TableContext {
            name: "spend_report".to_owned(),
            columns,
            metadata: Vec::new(),
            primary_key: key.to_vec(),
            options: BTreeMap::from([("url".to_owned(), url.to_owned()), ("table-name".to_owned(), name.to_owned())]),
            connector: "jdbc".to_owned(),
        };
        let task = TaskContext {
            task: "test".to_owned(),
            subtask: 0,
            parallelism: 1,
            cancellation: Cancellation::new(),
            counters: Counters::default(),
            ..TaskContext::default()
        };
        Self { context, task }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.options.insert(key.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn schema(&self) -> arrow::datatypes::SchemaRef {
        arrow_schema(&self.context.columns)
    }

    pub(crate) fn sink(&self) -> Result<Box<dyn Sink>> {
        (JDBC.sink.unwrap())(&self.context)
    }

    pub(crate) fn committer(&self) -> Result<Box<dyn Committer>> {
        self.sink()?.committer(&self.task)
    }

    pub(crate) fn writer(&self) -> Result<Box<dyn SinkWriter>> {
        self.sink()?.writer(&self.task)
    }

    pub(crate) fn source(&self) -> Result<Box<dyn Source>> {
        (JDBC.source.unwrap())(&self.context)
    }

    pub(crate) fn splits(&self) -> Result<Vec<Split>> {
        Ok(self.source()?.enumerator(&self.task)?.discover()?.splits)
    }

    pub(crate) fn reader(&self, splits: Vec<Split>) -> Box<dyn SourceReader> {
        let mut reader = self.source().unwrap().reader(&self.task).unwrap();
        reader.add_splits(splits).unwrap();
        reader
    }

    /// All rows of a scan.
    pub(crate) fn read(&self) -> Result<RecordBatch> {
        let splits = self.splits()?;
        let count = splits.len();
        let mut batches = Vec::new();
        let mut reader = self.reader(splits);
        let mut finished = 0;
        while finished < count {
            match poll(reader.as_mut())? {
                Polled::Rows { batch, .. } => batches.push(batch.rows().clone()),
                Polled::Finished(_) => finished += 1,
                Polled::Nothing => {}
            }
        }
        Ok(concat_batches(&self.schema(), &batches).unwrap())
    }
}

/// What a reader brings within a minute.
pub(crate) fn poll(reader: &mut dyn SourceReader) -> Result<Polled> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match reader.poll(Duration::from_millis(100))? {
            Polled::Nothing if Instant::now() < end => {}
            other => return Ok(other),
        }
    }
}

/// A name for a table of one test.
pub(crate) fn table_name() -> String {
    unique("report")
}
