//! A job that was started.

use std::time::Duration;

use riverrun_base::Result;
use riverrun_runtime::{JobHandle, JobStatus, JobSummary, MetricsSnapshot};

use super::signals::Watched;
use crate::accumulators::{Accumulator, merged};

/// A job that was started. Dropped, it cancels the job and waits for its end.
pub struct JobClient {
    job: JobHandle,
    /// While it is there, signals go to the job.
    _signals: Option<Watched>,
}

impl JobClient {
    pub(super) fn new(job: JobHandle, signals: Option<Watched>) -> Self {
        Self { job, _signals: signals }
    }

    /// A job to which no signals go.
    #[cfg(feature = "sql")]
    pub(crate) fn unwatched(job: JobHandle) -> Self {
        Self::new(job, None)
    }

    /// The job's id, 32 hexadecimal digits.
    pub fn job_id(&self) -> &str {
        self.job.id()
    }

    /// Where the job is in its life.
    pub fn job_status(&self) -> JobStatus {
        self.job.status()
    }

    /// The job's metrics now.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.job.metrics()
    }

    /// What the accumulators of a name, of all operators and subtasks, have added up until now.
    ///
    /// # Errors
    /// There is none of this name, or it is of another type.
    pub fn accumulator_result<A: Accumulator>(&self, name: &str) -> Result<A::Result> {
        merged::<A>(&self.job.metrics(), name)
    }

    /// Ends the job at once: records on their way are dropped.
    pub fn cancel(&self) {
        self.job.cancel();
    }

    /// Takes a savepoint, and answers where it is; into the configured folder, if none is named.
    ///
    /// # Errors
    /// The job takes no checkpoints, does not run, or the savepoint was given up.
    pub fn trigger_savepoint(&self, directory: Option<&str>) -> Result<String> {
        self.job.savepoint(directory)
    }

    /// As [`Self::trigger_savepoint`], and ends the job with it. With `advance_to_end_of_event_time` windows that are open fire before.
    ///
    /// # Errors
    /// As [`Self::trigger_savepoint`].
    pub fn stop_with_savepoint(&self, advance_to_end_of_event_time: bool, directory: Option<&str>) -> Result<String> {
        self.job.stop_with_savepoint(directory, advance_to_end_of_event_time)
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// What the job failed with.
    pub fn wait(self) -> Result<JobExecutionResult> {
        let Self { job, _signals } = self;
        job.wait().map(JobExecutionResult)
    }
}

/// How a job ended that did not fail.
#[derive(Debug)]
pub struct JobExecutionResult(JobSummary);

impl JobExecutionResult {
    /// Finished, or canceled.
    pub fn status(&self) -> JobStatus {
        self.0.status
    }

    /// How long it ran.
    pub fn net_runtime(&self) -> Duration {
        self.0.metrics.uptime
    }

    /// What the [accumulators](crate::accumulators) of a name, of all operators and subtasks, have added up, since the job was restarted last.
    ///
    /// # Errors
    /// There is none of this name, or it is of another type.
    pub fn accumulator_result<A: Accumulator>(&self, name: &str) -> Result<A::Result> {
        merged::<A>(&self.0.metrics, name)
    }

    /// Its metrics at the end.
    pub fn metrics(&self) -> &MetricsSnapshot {
        &self.0.metrics
    }
}
