//! The configuration keys of every job, under Flink's names, whoever wrote it: a script or a program.

mod fault_tolerance;
mod file;

use std::sync::Arc;
use std::time::Duration;

use riverrun_base::Result;
use riverrun_base::options::{OptionReader, OptionSet, OptionSpec};
use riverrun_checkpoints::{StoreOptions, Stores};

use crate::JobSettings;
use fault_tolerance::FaultTolerance;

pub use file::{is_of_flinks_processes, read_configuration_file};

riverrun_base::options! {
    /// How a job's tasks are made.
    struct PipelineOptions {
        /// Parallelism of operators that name none.
        "parallelism.default" | "table.exec.resource.default-parallelism" => parallelism: usize = "1",
        /// Number of key groups, and so the largest parallelism.
        "pipeline.max-parallelism" => max_parallelism: usize = "128",
        /// Name of the next jobs; `insert-into_...` without it.
        "pipeline.name" => name: Option<String>,
        /// Whether operators are fused into one thread where they can be.
        "pipeline.operator-chaining.enabled" | "pipeline.operator-chaining" => operator_chaining: bool = "true",
        /// How long records wait for others to travel with. They never do, so only 0 makes a difference: each record travels alone, and a
        /// barrier waits behind one at most, where a function is slow.
        "execution.buffer-timeout.interval" | "execution.buffer-timeout" => buffer_timeout: Duration = "100 ms",
        /// How long a task may take to react to the end of its job.
        "task.cancellation.timeout" => cancellation_timeout: Duration = "180 s",
    }
}

/// What configuration keys say about a job.
///
/// ```
/// use std::collections::BTreeMap;
/// use riverrun_base::options::OptionReader;
/// use riverrun_runtime::JobConfiguration;
///
/// let written = BTreeMap::from([("parallelism.default".to_owned(), "2".to_owned())]);
/// let mut reader = OptionReader::new("the job", written);
/// let configuration = JobConfiguration::read(&mut reader)?;
/// reader.finish()?;
/// assert_eq!(configuration.settings().parallelism, 2);
/// # Ok::<(), riverrun_base::Error>(())
/// ```
#[derive(Debug)]
pub struct JobConfiguration {
    pipeline: PipelineOptions,
    fault_tolerance: FaultTolerance,
    stores: Arc<Stores>,
}

impl JobConfiguration {
    /// The keys there are.
    pub fn specs() -> impl Iterator<Item = &'static OptionSpec> {
        PipelineOptions::specs().iter().chain(FaultTolerance::specs()).chain(StoreOptions::specs())
    }

    /// Whether a key says how stored files are reached. One of these may need another, which is set later.
    pub fn is_of_stores(key: &str) -> bool {
        StoreOptions::specs().iter().any(|spec| spec.key == key)
    }

    /// Reads the values of these keys; others are left to whom they belong.
    ///
    /// # Errors
    /// A value has the wrong type, or asks for what is not supported.
    pub fn read(reader: &mut OptionReader) -> Result<Self> {
        let pipeline = reader.read()?;
        let fault_tolerance: FaultTolerance = reader.read()?;
        let stores = Arc::new(Stores::new(reader.read()?)?);
        fault_tolerance.check(&stores)?;
        Ok(Self { pipeline, fault_tolerance, stores })
    }

    /// The job's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.pipeline.name.as_deref()
    }

    /// A job's settings.
    pub fn settings(&self) -> JobSettings {
        self.fault_tolerance.job(&self.stores, self.pipeline())
    }

    /// The settings of a job that takes no checkpoints and is not restarted.
    pub fn pipeline(&self) -> JobSettings {
        JobSettings {
            parallelism: self.pipeline.parallelism,
            max_parallelism: self.pipeline.max_parallelism,
            operator_chaining: self.pipeline.operator_chaining,
            cancellation_timeout: self.pipeline.cancellation_timeout,
            source_batch_rows: if self.pipeline.buffer_timeout.is_zero() { 1 } else { usize::MAX },
            ..JobSettings::default()
        }
    }
}
