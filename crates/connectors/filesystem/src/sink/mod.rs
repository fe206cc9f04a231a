//! The sink: each writer appends to part files of its own.
//!
//! **Exactly once** in a job that takes checkpoints. A part is hidden until its checkpoint is complete:
//!
//! | | on disk |
//! |---|---|
//! | rows come | `.part-<uuid>-<subtask>-<n>.inprogress.<job>-<operator>-<attempt>` grows |
//! | barrier | it is closed; its content, then its name are brought to disk |
//! | the checkpoint is complete | renamed to `part-<uuid>-<subtask>-<n>`; the folder is brought to disk; `.committed.<job>-<operator>` says so |
//! | an attempt starts | the renames of the restored checkpoint are finished; other hidden files of earlier attempts of this sink of this job are removed |
//!
//! **At least once** without checkpoints: a part gets its name as soon as it is closed, by the rolling policy or at the end.

mod committable;
mod committer;
mod owner;
mod part;
mod rolling;
mod typed;
mod writer;

use std::path::{Path, PathBuf};

use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::ChangelogMode;
use riverrun_formats::Format;

use crate::FilesystemOptions;
use crate::path::{failed, local_path};
use committer::PartCommitter;
use owner::Owner;
use rolling::RollingPolicy;
pub use typed::{DefaultRollingPolicy, FileSink, FileSinkBuilder};
use writer::{PartWriter, RowEncoder};

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

/// A folder's absolute path; it need not exist.
///
/// # Errors
/// It is a file.
fn absolute(folder: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder).map_err(|error| failed("cannot resolve a path", folder, error))?;
    if absolute.is_file() {
        let error = Error::user("the path of a sink is a folder, and this is a file");
        return Err(error.with("path", absolute.display()).with("option", "path"));
    }
    Ok(absolute)
}

impl Sink for FilesystemSink {
    fn changelog_mode(&self, _query: ChangelogMode) -> ChangelogMode {
        self.format.changelog_mode()
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let encode = RowEncoder::new(self.format.encoder()?);
        let table = Some(self.table.as_str());
        let writer =
            absolute(&self.folder).and_then(|folder| PartWriter::new(table, folder, context, encode, self.policy));
        Ok(Box::new(writer.map_err(|error| error.with("table", &self.table))?))
    }

    fn commits(&self) -> Commits {
        Commits::WithCheckpoints
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let folder = absolute(&self.folder).map_err(|error| error.with("table", &self.table))?;
        Ok(Box::new(PartCommitter::new(Some(&self.table), folder, Owner::of(&context.job))))
    }
}
