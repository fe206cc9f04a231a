//! Files as a stream of typed records, for programs in Rust.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Boundedness, Counter, Source, SourceReader, SplitEnumerator, TaskContext};
use riverrun_data::Records;
use riverrun_formats::{BoxError, DecodeError, DeserializationSchema, split_lines};

use super::file::FileInfo;
use super::reader::{Decode, FileReader};
use super::{Files, enumerator};
use crate::path::local_path;

/// Reads the lines of files as values of a type: a file, every file below a folder, or what a pattern with `*`, `**`, `?` and `[...]` names.
/// Hidden files, whose names begin with `.` or `_`, are left out; `.gz` and `.deflate` are decompressed. Records have no event time of their own.
///
/// ```
/// use riverrun_filesystem::{FileSource, TextLineInputFormat};
///
/// let lines = FileSource::for_record_stream_format(TextLineInputFormat, "/var/log/app").build()?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct FileSource<T, F> {
    files: Files,
    monitor: Option<Duration>,
    format: F,
    skips: bool,
    values: PhantomData<fn() -> T>,
}

/// Makes a [`FileSource`].
#[derive(Clone)]
#[must_use = "a builder makes nothing before build()"]
pub struct FileSourceBuilder<T, F> {
    path: String,
    monitor: Option<Duration>,
    format: F,
    skips: bool,
    values: PhantomData<fn() -> T>,
}

impl<T: Send + 'static, F: DeserializationSchema<T>> FileSource<T, F> {
    /// Reads each line by a schema, or a closure of its bytes; the line end (`\n` or `\r\n`) is left out.
    pub fn for_record_stream_format(format: F, path: impl Into<String>) -> FileSourceBuilder<T, F> {
        FileSourceBuilder { path: path.into(), monitor: None, format, skips: false, values: PhantomData }
    }
}

impl<T: Send + 'static, F: DeserializationSchema<T>> FileSourceBuilder<T, F> {
    /// Looks for new files so often, and never ends. Each file is read once: what is appended to it later is not read.
    pub fn monitor_continuously(mut self, interval: Duration) -> Self {
        self.monitor = Some(interval);
        self
    }

    /// Leaves out lines that cannot be read, and counts them (`numRecordsInErrors`). Otherwise the first fails the job, with path and line.
    pub fn set_ignore_parse_errors(mut self, ignore: bool) -> Self {
        self.skips = ignore;
        self
    }

    /// The source; nothing is read yet.
    ///
    /// # Errors
    /// The path is not local, or the interval is zero.
    pub fn build(self) -> Result<FileSource<T, F>> {
        let Self { path, monitor, format, skips, .. } = self;
        if monitor == Some(Duration::ZERO) {
            return Err(Error::user("the interval of monitor_continuously() must be greater than 0"));
        }
        let files = Files { path: local_path(&path)?, pattern: None };
        Ok(FileSource { files, monitor, format, skips, values: PhantomData })
    }
}

impl<T: Send + 'static, F: DeserializationSchema<T>> Source<Records<T>> for FileSource<T, F> {
    fn boundedness(&self) -> Boundedness {
        if self.monitor.is_some() { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn enumerator(&self, _: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        enumerator(&self.files, self.monitor)
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader<Records<T>>>> {
        let lines = Lines {
            format: self.format.clone(),
            skips: self.skips,
            errors: context.counters.counter("numRecordsInErrors"),
            values: PhantomData,
        };
        Ok(Box::new(FileReader::new(lines, context)))
    }
}

/// Text, a record for each line. A line that is not UTF-8 is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextLineInputFormat;

impl DeserializationSchema<String> for TextLineInputFormat {
    fn deserialize(&mut self, message: &[u8]) -> Result<Option<String>, BoxError> {
        Ok(Some(std::str::from_utf8(message)?.to_owned()))
    }
}

/// Turns lines into values.
struct Lines<T, F> {
    format: F,
    skips: bool,
    errors: Counter,
    values: PhantomData<fn() -> T>,
}

impl<T: Send, F: DeserializationSchema<T>> Decode for Lines<T, F> {
    type Batch = Records<T>;

    fn split(&self, bytes: &[u8], end: bool, messages: &mut Vec<Range<usize>>) -> Result<usize> {
        Ok(split_lines(bytes, end, messages))
    }

    fn decode(&mut self, messages: &[&[u8]], _: &FileInfo) -> Result<Option<Records<T>>, DecodeError> {
        let mut values = Vec::with_capacity(messages.len());
        for (message, bytes) in messages.iter().enumerate() {
            match self.format.deserialize(bytes) {
                Ok(value) => values.extend(value),
                Err(_) if self.skips => self.errors.add(1),
                Err(error) => {
                    let error = match error.downcast::<Error>() {
                        Ok(error) => *error,
                        Err(error) => Error::data("a line cannot be read").caused_by(error),
                    };
                    return Err(DecodeError { message, error });
                }
            }
        }
        Ok(if values.is_empty() { None } else { Some(values.into()) })
    }
}
