//! The sink that prints.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::time::{Duration, Instant};

use riverrun_base::{Error, Result};
use riverrun_connect::{Cancellation, Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{Batch, ChangelogMode, LogicalType, RowField};

use crate::options::PrintOptions;
use crate::text::write_rows;

/// Rows are shown at most so long after they were written.
const INTERVAL: Duration = Duration::from_millis(100);
/// So many bytes are shown at once.
const BUFFER: usize = 64 << 10;

/// Prints every row, whatever its kind.
pub(crate) struct PrintSink {
    options: PrintOptions,
}

impl PrintSink {
    /// Checks the table.
    ///
    /// # Errors
    /// A column whose values have no text.
    pub(crate) fn new(options: PrintOptions, columns: &[RowField]) -> Result<Self> {
        if options.sink_parallelism == Some(0) {
            return Err(Error::user("'sink.parallelism' must be at least 1"));
        }
        if let Some(column) = columns.iter().find(|column| column.data_type.logical.is_interval()) {
            let what = format!("printing a column of type {}", column.data_type.logical);
            return Err(Error::not_supported(what).with("column", &column.name).hint("cast it to STRING"));
        }
        if let Some(column) = columns.iter().find(|column| column.data_type.logical == LogicalType::Null) {
            return Err(Error::user("a column has the type NULL").with("column", &column.name).hint("cast it"));
        }
        Ok(Self { options })
    }
}

impl Sink for PrintSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn parallelism(&self) -> Option<usize> {
        self.options.sink_parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let prefix = prefix(self.options.print_identifier.as_deref().unwrap_or_default(), context);
        let cancellation = context.cancellation.clone();
        Ok(if self.options.standard_error {
            Box::new(PrintWriter::new(stderr(), prefix, cancellation))
        } else {
            Box::new(PrintWriter::new(stdout(), prefix, cancellation))
        })
    }
}

/// What stands before each row: the identifier, and the subtask counted from 1 where there are several.
pub(crate) fn prefix(identifier: &str, context: &TaskContext) -> String {
    let subtask = context.subtask + 1;
    match (identifier, context.parallelism > 1) {
        ("", false) => String::new(),
        ("", true) => format!("{subtask}> "),
        (_, false) => format!("{identifier}> "),
        (_, true) => format!("{identifier}:{subtask}> "),
    }
}

/// Writes whole lines, so that those of several subtasks do not mix: the first at once, those that follow within [`INTERVAL`] together.
pub(crate) struct PrintWriter<W> {
    to: W,
    prefix: String,
    cancellation: Cancellation,
    lines: Vec<u8>,
    shown: Option<Instant>,
}

impl<W: Write + Send> PrintWriter<W> {
    pub(crate) fn new(to: W, prefix: String, cancellation: Cancellation) -> Self {
        Self { to, prefix, cancellation, lines: Vec::new(), shown: None }
    }

    fn show(&mut self) -> Result<()> {
        self.shown = Some(Instant::now());
        let written = self.to.write_all(&self.lines).and_then(|()| self.to.flush());
        self.lines.clear();
        match written {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                // Nobody reads on (`riverrun run ... | head`): the wish that the job stops, and no failure.
                self.cancellation.cancel();
                Err(Error::canceled())
            }
            Err(error) => Err(Error::external("cannot print").caused_by(error)),
        }
    }
}

impl<W: Write + Send> SinkWriter for PrintWriter<W> {
    fn write(&mut self, batch: Batch) -> Result<()> {
        write_rows(&mut self.lines, &self.prefix, &batch)?;
        let waited = self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL);
        if waited || self.lines.len() >= BUFFER { self.show() } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        if self.lines.is_empty() { None } else { self.shown.map(|shown| shown + INTERVAL) }
    }

    fn tick(&mut self) -> Result<()> {
        if self.lines.is_empty() { Ok(()) } else { self.show() }
    }

    fn flush(&mut self, _reason: Flush) -> Result<()> {
        self.tick()
    }
}
