//! The source: an enumerator that finds files, and readers that read one after the other.

mod file;
mod listing;
mod messages;
mod metadata;
mod reader;
mod typed;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};
use regex::Regex;
use riverrun_base::{Error, Result};
use riverrun_connect::{
    Boundedness, Discovery, Polled, Source, SourceReader, Split, SplitEnumerator, SplitId, TableContext, TaskContext,
};
use riverrun_data::{ChangelogMode, field};
use riverrun_formats::Format;

use crate::FilesystemOptions;
use crate::path::local_path;
pub(crate) use metadata::Metadata;
use reader::{FileReader, Position, RowDecoder};
pub use typed::{FileSource, FileSourceBuilder, TextLineInputFormat};

/// The files of a table.
pub(crate) struct FilesystemSource {
    table: String,
    files: Files,
    monitor: Option<Duration>,
    format: Box<dyn Format>,
    metadata: Vec<Metadata>,
    /// The physical columns, then the metadata columns.
    schema: SchemaRef,
}

/// Which files.
#[derive(Clone)]
struct Files {
    path: PathBuf,
    pattern: Option<Regex>,
}

impl FilesystemSource {
    /// Checks path, pattern and metadata columns.
    ///
    /// # Errors
    /// A path that is not local, a pattern that is none, or an unknown metadata column.
    pub(crate) fn new(options: FilesystemOptions, format: Box<dyn Format>, context: &TableContext) -> Result<Self> {
        let table = |error: Error| error.with("table", &context.name);
        let path = local_path(&options.path).map_err(table)?;
        let pattern = options.regex_pattern.as_deref().map(whole).transpose().map_err(table)?;
        let find = |key: &str| {
            let error = || Error::user(format!("connector 'filesystem' has no metadata '{key}'"));
            Metadata::of(key).ok_or_else(error).map_err(table)
        };
        let metadata = context.metadata.iter().map(|column| find(&column.key)).collect::<Result<Vec<_>>>()?;
        let physical = context.physical_schema();
        let names = context.metadata.iter().map(|column| column.name.as_str());
        let added = names.zip(&metadata).map(|(name, metadata)| Arc::new(field(name, &metadata.key().data_type)));
        let schema = Arc::new(Schema::new(physical.fields().iter().cloned().chain(added).collect::<Vec<_>>()));
        let files = Files { path, pattern };
        let (table, monitor) = (context.name.clone(), options.monitor_interval);
        Ok(Self { table, files, monitor, format, metadata, schema })
    }
}

/// An expression that must match as a whole, as Java's `matches`.
fn whole(pattern: &str) -> Result<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        let hint = "it cannot look around or refer back, as expressions of Java can";
        Error::user(format!("'{pattern}' is no regular expression that can be used"))
            .caused_by(error)
            .hint(hint)
            .with("option", "source.path.regex-pattern")
    })
}

impl Source for FilesystemSource {
    fn boundedness(&self) -> Boundedness {
        if self.monitor.is_some() { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    fn enumerator(&self, _context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        enumerator(&self.files, self.monitor).map_err(|error| error.with("table", &self.table))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader>> {
        let decode = RowDecoder {
            decoder: self.format.decoder()?,
            schema: Arc::clone(&self.schema),
            metadata: self.metadata.clone(),
            skipped: context.counters.counter("numRecordsInErrors"),
        };
        Ok(Box::new(OfTable { table: self.table.clone(), reader: FileReader::new(decode, context) }))
    }
}

/// Names the table in errors.
struct OfTable {
    table: String,
    reader: FileReader<RowDecoder>,
}

impl SourceReader for OfTable {
    fn add_splits(&mut self, splits: Vec<Split>) -> Result<()> {
        self.reader.add_splits(splits)
    }

    fn poll(&mut self, wait: Duration) -> Result<Polled> {
        self.reader
            .poll(wait)
            .map_err(|error| if error.is_canceled() { error } else { error.with("table", &self.table) })
    }

    fn splits(&self) -> Vec<Split> {
        self.reader.splits()
    }
}

/// What finds the files, once or every so often.
///
/// # Errors
/// The path does not exist: it is found now, within the time that a start may take.
fn enumerator(files: &Files, monitor: Option<Duration>) -> Result<Box<dyn SplitEnumerator>> {
    listing::check(files)?;
    Ok(Box::new(Enumerator { files: files.clone(), monitor, known: HashSet::new(), done: false }))
}

/// Lists the files, once or again and again. Each path is reported once: what is appended to a file later is not read.
struct Enumerator {
    files: Files,
    monitor: Option<Duration>,
    known: HashSet<SplitId>,
    /// Whether everything was reported and nothing is watched.
    done: bool,
}

impl SplitEnumerator for Enumerator {
    fn discover(&mut self) -> Result<Discovery> {
        let mut splits = Vec::new();
        if !self.done {
            for path in listing::list(&self.files)? {
                let id: SplitId = path.into();
                if self.known.insert(Arc::clone(&id)) {
                    splits.push(Split { id, position: Position::START.encode() });
                }
            }
            self.done = self.monitor.is_none();
        }
        Ok(Discovery { splits, again: self.monitor })
    }

    fn restore(&mut self, known: &[SplitId]) {
        self.done = self.monitor.is_none() && !known.is_empty();
        self.known.extend(known.iter().cloned());
    }
}
