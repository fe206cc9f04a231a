//! Part files of typed records, for programs in Rust.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TaskContext};
use riverrun_data::{ChangelogMode, Records};
use riverrun_formats::SerializationSchema;

use super::absolute;
use super::committer::PartCommitter;
use super::owner::Owner;
use super::rolling::RollingPolicy;
use super::writer::{Encode, PartWriter};
use crate::path::local_path;

/// Writes values to part files of a folder, a line each. In a job that takes checkpoints a part shows its name when its checkpoint is complete:
/// exactly once; in another when it is closed, at least once. All parts are in the folder itself, as with Flink's `BasePathBucketAssigner`.
///
/// ```
/// use riverrun_filesystem::{DefaultRollingPolicy, FileSink};
/// use riverrun_formats::JsonSerializationSchema;
///
/// let sink = FileSink::<(String, u64), _>::for_row_format("/data/counts", JsonSerializationSchema)
///     .with_rolling_policy(DefaultRollingPolicy::default().with_max_part_size(16 << 20))
///     .build()?;
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Clone)]
pub struct FileSink<T, S> {
    folder: PathBuf,
    encoder: S,
    policy: RollingPolicy,
    values: PhantomData<fn(T)>,
}

/// When a part file is closed and the next begins; with checkpoints, at each of them too.
#[derive(Clone, Copy, Debug)]
pub struct DefaultRollingPolicy(RollingPolicy);

impl Default for DefaultRollingPolicy {
    /// Flink's: 128 MB, a minute after it was begun, a minute after its last line.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self(RollingPolicy { size: 128 << 20, rollover: minute, inactivity: minute, check: minute })
    }
}

impl DefaultRollingPolicy {
    /// A file with more bytes takes no further line.
    #[must_use]
    pub fn with_max_part_size(mut self, bytes: u64) -> Self {
        self.0.size = bytes;
        self
    }

    /// It is closed so long after it was begun.
    #[must_use]
    pub fn with_rollover_interval(mut self, interval: Duration) -> Self {
        self.0.rollover = interval;
        self
    }

    /// It is closed so long after its last line.
    #[must_use]
    pub fn with_inactivity_interval(mut self, interval: Duration) -> Self {
        self.0.inactivity = interval;
        self
    }
}

/// Makes a [`FileSink`].
#[derive(Clone)]
#[must_use = "a builder makes nothing before build()"]
pub struct FileSinkBuilder<T, S> {
    path: String,
    encoder: S,
    policy: RollingPolicy,
    values: PhantomData<fn(T)>,
}

impl<T: Send + 'static, S: SerializationSchema<T>> FileSink<T, S> {
    /// Writes each value by a schema, or a closure whose result holds bytes; a line end is put behind it.
    pub fn for_row_format(path: impl Into<String>, encoder: S) -> FileSinkBuilder<T, S> {
        FileSinkBuilder { path: path.into(), encoder, policy: DefaultRollingPolicy::default().0, values: PhantomData }
    }
}

impl<T: Send + 'static, S: SerializationSchema<T>> FileSinkBuilder<T, S> {
    /// When a part file is closed and the next begins.
    pub fn with_rolling_policy(mut self, policy: DefaultRollingPolicy) -> Self {
        self.policy = policy.0;
        self
    }

    /// How often the intervals of the policy are looked at; every minute unless this says otherwise.
    pub fn with_bucket_check_interval(mut self, interval: Duration) -> Self {
        self.policy.check = interval;
        self
    }

    /// The sink; nothing is written yet.
    ///
    /// # Errors
    /// The path is not local, or the check interval is zero.
    pub fn build(self) -> Result<FileSink<T, S>> {
        let Self { path, encoder, policy, .. } = self;
        if policy.check.is_zero() {
            return Err(Error::user("the interval of with_bucket_check_interval() must be greater than 0"));
        }
        Ok(FileSink { folder: local_path(&path)?, encoder, policy, values: PhantomData })
    }
}

impl<T: Send + 'static, S: SerializationSchema<T>> Sink<Records<T>> for FileSink<T, S> {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        query
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter<Records<T>>>> {
        let lines = Lines { encoder: self.encoder.clone(), line: Vec::new(), values: PhantomData };
        Ok(Box::new(PartWriter::new(None, absolute(&self.folder)?, context, lines, self.policy)?))
    }

    fn commits(&self) -> Commits {
        Commits::WithCheckpoints
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        Ok(Box::new(PartCommitter::new(None, absolute(&self.folder)?, Owner::of(&context.job))))
    }
}

/// Values as lines.
struct Lines<T, S> {
    encoder: S,
    line: Vec<u8>,
    values: PhantomData<fn(T)>,
}

impl<T: Send, S: SerializationSchema<T>> Encode for Lines<T, S> {
    type Batch = Records<T>;

    fn encode(&mut self, batch: Records<T>, mut append: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for value in batch.values() {
            self.line.clear();
            self.encoder.serialize(value, &mut self.line).map_err(|error| match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(error) => Error::data("a record cannot be written").caused_by(error),
            })?;
            append(&self.line)?;
        }
        Ok(())
    }
}
