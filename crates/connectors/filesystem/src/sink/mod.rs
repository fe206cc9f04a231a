//! The sink: each writer appends to part files of its own.

mod part;
mod rolling;
mod writer;

use std::path::PathBuf;

use riverrun_base::Result;
use riverrun_connect::{Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::ChangelogMode;
use riverrun_formats::Format;

use crate::FilesystemOptions;
use crate::path::local_path;
use rolling::RollingPolicy;
use writer::PartWriter;

/// A folder of part files.
pub(crate) struct FilesystemSink {
    table: String,
    folder: PathBuf,
    format: Box<dyn Format>,
    policy: RollingPolicy,
    parallelism: Option<usize>,
}

impl FilesystemSink {
    /// Checks the path.
    ///
    /// # Errors
    /// It is not local.
    pub(crate) fn new(options: FilesystemOptions, format: Box<dyn Format>, context: &TableContext) -> Result<Self> {
        let folder = local_path(&options.path).map_err(|error| error.with("table", &context.name))?;
        let policy = RollingPolicy {
            size: options.file_size.0,
            rollover: options.rollover_interval,
            inactivity: options.inactivity_interval,
            check: options.check_interval,
        };
        Ok(Self { table: context.name.clone(), folder, format, policy, parallelism: options.sink_parallelism })
    }
}

impl Sink for FilesystemSink {
    fn changelog_mode(&self, _query: ChangelogMode) -> ChangelogMode {
        self.format.changelog_mode()
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let encoder = self.format.encoder()?;
        let writer = PartWriter::new(&self.folder, context.subtask, encoder, self.policy);
        Ok(Box::new(writer.map_err(|error| error.with("table", &self.table))?))
    }
}
