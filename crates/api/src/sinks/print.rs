//! Prints records.

use std::any::Any;
use std::fmt::Debug;
use std::io::Write;

use riverrun_base::{Error, Result};
use riverrun_connect::{Flush, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};

use crate::Record;

/// Prints records, a line each: text as it is, anything else as `{:?}` shows it. With more than one subtask, `2> ` stands before the records
/// of the second.
#[derive(Clone, Debug, Default)]
pub struct PrintSink {
    identifier: Option<String>,
    to_error: bool,
}

impl PrintSink {
    /// Writes to standard error.
    #[must_use]
    pub fn to_standard_error(mut self) -> Self {
        self.to_error = true;
        self
    }

    /// Writes this before each record.
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifier = Some(identifier.into());
        self
    }
}

impl<T: Record + Debug> Sink<Records<T>> for PrintSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        let subtask = (context.parallelism > 1).then(|| (context.subtask + 1).to_string());
        let prefix = match (&self.identifier, subtask) {
            (Some(identifier), Some(subtask)) => format!("{identifier}:{subtask}> "),
            (Some(one), None) => format!("{one}> "),
            (None, Some(one)) => format!("{one}> "),
            (None, None) => String::new(),
        };
        Ok(Box::new(Printer { prefix, to_error: self.to_error, text: Vec::new() }))
    }
}

struct Printer {
    prefix: String,
    to_error: bool,
    /// The lines of a batch.
    text: Vec<u8>,
}

impl<T: Record + Debug> SinkWriter<Records<T>> for Printer {
    fn write(&mut self, batch: Records<T>) -> Result<()> {
        self.text.clear();
        for value in batch.values() {
            let line = &mut self.text;
            match (value as &dyn Any).downcast_ref::<String>() {
                Some(text) => writeln!(line, "{}{text}", self.prefix),
                None => writeln!(line, "{}{value:?}", self.prefix),
            }
            .map_err(|error| Error::internal("a record cannot be printed").caused_by(error))?;
        }
        let written = if self.to_error {
            std::io::stderr().lock().write_all(&self.text)
        } else {
            let mut output = std::io::stdout().lock();
            output.write_all(&self.text).and_then(|()| output.flush())
        };
        written.map_err(|error| Error::external("cannot write to standard output").caused_by(error))
    }

    fn flush(&mut self, _: Flush) -> Result<()> {
        Ok(())
    }
}
