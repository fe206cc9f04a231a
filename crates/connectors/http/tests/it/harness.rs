//! A sink without an engine: tables from names and options, rows as texts, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use riverrun_base::Result;
use riverrun_connect::{Counters, Flush, Measure, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{Batch, DataType, LogicalType, RowField, arrow_schema};
use riverrun_http::HTTP;
use riverrun_http::failover::Envelope;
use riverrun_protocol::CheckpointId;
use riverrun_testkit::tcp::HttpServer;
use riverrun_testkit::{TempFolder, temp_folder};

/// How long any expected thing may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A table of strings.
pub(crate) fn table(columns: &[&str], options: &[(&str, &str)]) -> TableContext {
    let column = |name: &&str| RowField { name: (*name).into(), data_type: DataType::nullable(LogicalType::STRING) };
    TableContext {
        name: "calls".into(),
        columns: columns.iter().map(column).collect(),
        metadata: Vec::new(),
        primary_key: Vec::new(),
        options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        connector: "http".into(),
    }
}

/// A batch of strings, by row.
pub(crate) fn rows(table: &TableContext, rows: &[&[&str]]) -> Batch {
    let column = |n: usize| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row[n]))) as ArrayRef;
    let columns = (0..table.columns.len()).map(column).collect();
    Batch::insertions(RecordBatch::try_new(arrow_schema(&table.columns), columns).unwrap())
}

pub(crate) fn sink(table: &TableContext) -> Result<Box<dyn Sink>> {
    HTTP.sink.unwrap()(table)
}

/// The error of a table that is refused.
pub(crate) fn refused(table: &TableContext) -> String {
    match sink(table) {
        Ok(_) => panic!("the table is taken"),
        Err(error) => error.to_string(),
    }
}

/// A writer and what it counts.
pub(crate) struct Writing {
    pub(crate) writer: Box<dyn SinkWriter>,
    pub(crate) table: TableContext,
    pub(crate) context: TaskContext,
}

impl Writing {
    pub(crate) fn open(table: &TableContext) -> Self {
        Self::try_open(table).unwrap()
    }

    pub(crate) fn try_open(table: &TableContext) -> Result<Self> {
        let mut context = TaskContext {
            task: "test".into(),
            parallelism: 1,
            counters: Counters::default(),
            ..TaskContext::default()
        };
        context.job.id = "0123456789abcdef0123456789abcdef".into();
        context.job.operator = "sink".into();
        let writer = sink(table)?.writer(&context)?;
        Ok(Self { writer, table: table.clone(), context })
    }

    pub(crate) fn write(&mut self, all: &[&[&str]]) {
        self.try_write(all).unwrap();
    }

    pub(crate) fn try_write(&mut self, all: &[&[&str]]) -> Result<()> {
        self.writer.write(rows(&self.table, all))
    }

    /// Writes a row for each text of the first column.
    pub(crate) fn write_each(&mut self, texts: impl IntoIterator<Item = String>) {
        let texts: Vec<String> = texts.into_iter().collect();
        let all: Vec<[&str; 1]> = texts.iter().map(|text| [text.as_str()]).collect();
        self.write(&all.iter().map(<[&str; 1]>::as_slice).collect::<Vec<_>>());
    }

    pub(crate) fn end(&mut self) {
        self.writer.flush(Flush::End).unwrap();
    }

    /// A barrier: what the checkpoint holds.
    pub(crate) fn barrier(&mut self, checkpoint: u64) -> Vec<Vec<u8>> {
        assert!(self.writer.prepare(CheckpointId(checkpoint)).unwrap().is_empty());
        self.writer.snapshot().unwrap()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.context.counters.snapshot().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| value)
    }

    pub(crate) fn measure(&self, name: &str) -> Option<Measure> {
        let all = self.context.counters.measures().snapshot();
        all.into_iter().find(|(known, _)| *known == name).map(|(_, measure)| measure)
    }

    pub(crate) fn gauge(&self, name: &str) -> f64 {
        match self.measure(name) {
            Some(Measure::Gauge(value)) => value,
            other => panic!("{name} is {other:?}"),
        }
    }
}

/// A table of one column that has the URL, with short pauses. These servers may be asked.
pub(crate) fn url_table(servers: &[&HttpServer], kept: &Kept, options: &[(&str, &str)]) -> TableContext {
    let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
    let mut table = table(
        &["url"],
        &[
            ("url", "{url}"),
            ("sink.allowed-destinations", urls.join(";").as_str()),
            ("sink.retry.initial-backoff", "5 ms"),
            ("sink.retry.max-backoff", "20 ms"),
        ],
    );
    table.options.extend(kept.options());
    table.options.extend(options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    table
}

/// A failover store in a folder.
pub(crate) struct Kept(TempFolder);

impl Kept {
    pub(crate) fn new() -> Self {
        Self(temp_folder())
    }

    pub(crate) fn path(&self) -> String {
        self.0.path().display().to_string()
    }

    /// The options that name it.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        [("storage", "local"), ("table", "failed"), ("local.path", &self.path())]
            .map(|(key, value)| (format!("sink.failover.{key}"), value.to_owned()))
            .to_vec()
    }

    /// What it holds.
    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        let mut all = Vec::new();
        let folder = self.0.path().join("failed");
        for day in std::fs::read_dir(folder).into_iter().flatten() {
            let Ok(files) = std::fs::read_dir(day.unwrap().path()) else { continue };
            for file in files {
                let file = file.unwrap();
                assert!(!file.file_name().to_string_lossy().starts_with('.'), "an unfinished file");
                let text = std::fs::read_to_string(file.path()).unwrap();
                all.extend(text.lines().map(envelope));
            }
        }
        all
    }
}

/// The envelope of a line `{"values":..., "timestamp":...}`.
pub(crate) fn envelope(line: &str) -> Envelope {
    let row: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
    assert!(row["timestamp"].as_i64().unwrap() > 1_600_000_000_000 && row.len() == 2);
    Envelope::parse(row["values"].as_str().unwrap()).unwrap()
}

/// A table of one column `v` that is sent as raw body to a server, with short pauses, and fails over to a folder.
pub(crate) fn raw_table(server: &HttpServer, kept: Option<&Kept>, options: &[(&str, &str)]) -> TableContext {
    let url = format!("{}/in", server.url());
    let mut table = table(
        &["v"],
        &[
            ("url", url.as_str()),
            ("format", "raw"),
            ("sink.retry.initial-backoff", "5 ms"),
            ("sink.retry.max-backoff", "20 ms"),
        ],
    );
    table.options.extend(kept.into_iter().flat_map(Kept::options));
    table.options.extend(options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    table
}
