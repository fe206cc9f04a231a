//! Settings of a job and of a node.

use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::Stores;
use riverrun_protocol::restart::RestartStrategy;

use crate::job::{Checkpointing, Recovery};

/// Flink's limit of `pipeline.max-parallelism`.
const MAX_PARALLELISM_LIMIT: usize = 32_768;

/// How a job runs.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// The parallelism of operators that name none (`parallelism.default`).
    pub parallelism: usize,
    /// The number of key groups, and so the largest parallelism (`pipeline.max-parallelism`).
    pub max_parallelism: usize,
    /// Whether operators are fused into one thread where they can be (`pipeline.operator-chaining.enabled`).
    pub operator_chaining: bool,
    /// How many batches and other elements wait between a producer and a consumer at most.
    pub queue_capacity: usize,
    /// How many rows a batch has at most when it leaves its source's reader; larger ones are cut. With 1, time and changes go on row by
    /// row. A barrier still comes between two of the reader's own batches, so that its positions hold.
    pub source_batch_rows: usize,
    /// How long a task may take to react to the end of the job (`task.cancellation.timeout`).
    pub cancellation_timeout: Duration,
    /// How many times in a row the discovery of splits may fail, after it worked once, before the job fails; only
    /// errors that a retry may mend.
    pub discovery_retries: u32,
    /// The pause before the first retry; it doubles up to thirty times that.
    pub discovery_backoff: Duration,
    /// How checkpoints are taken; `None` where none are.
    pub checkpointing: Option<Checkpointing>,
    /// How the stores of checkpoints are reached; `None` where the environment tells.
    pub stores: Option<Arc<Stores>>,
    /// What the job begins with.
    pub recovery: Recovery,
    /// What happens when it fails.
    pub restart: RestartStrategy,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            parallelism: 1,
            max_parallelism: 128,
            operator_chaining: true,
            queue_capacity: 8,
            source_batch_rows: usize::MAX,
            cancellation_timeout: Duration::from_secs(180),
            discovery_retries: 10,
            discovery_backoff: Duration::from_secs(1),
            checkpointing: None,
            stores: None,
            recovery: Recovery::Fresh,
            restart: RestartStrategy::None,
        }
    }
}

impl JobSettings {
    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=MAX_PARALLELISM_LIMIT).contains(&self.max_parallelism) {
            return Err(Error::user(format!(
                "the maximum parallelism is {}, not between 1 and {MAX_PARALLELISM_LIMIT}",
                self.max_parallelism
            )));
        }
        self.restart.validate()?;
        if let Some(checkpointing) = &self.checkpointing {
            checkpointing.validate()?;
        }
        self.check_parallelism("the job", self.parallelism)
    }

    pub(crate) fn check_parallelism(&self, whose: &str, parallelism: usize) -> Result<()> {
        if (1..=self.max_parallelism).contains(&parallelism) {
            return Ok(());
        }
        Err(Error::user(format!(
            "the parallelism of {whose} is {parallelism}, not between 1 and the maximum parallelism, {}",
            self.max_parallelism
        ))
        .hint("lower it, or raise 'pipeline.max-parallelism'"))
    }
}

/// How a node of the graph is called and run.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    pub(crate) parallelism: Option<usize>,
    pub(crate) chaining: bool,
    pub(crate) ends_chain: bool,
}

impl NodeSettings {
    /// A node of this name, for metrics, logs, errors and threads.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), uid: None, parallelism: None, chaining: true, ends_chain: false }
    }

    /// The name under which its state is stored, unique in the job.
    #[must_use]
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.uid = Some(uid.into());
        self
    }

    /// How many subtasks it has. Otherwise: what a source or sink asks for itself; that of its input where all its
    /// inputs are forwarded to it and agree; the job's.
    #[must_use]
    pub fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = Some(parallelism);
        self
    }

    /// Gives it a thread of its own, away from what is before it.
    #[must_use]
    pub fn new_chain(mut self) -> Self {
        self.chaining = false;
        self
    }

    /// Gives what follows it a thread of its own.
    #[must_use]
    pub fn end_chain(mut self) -> Self {
        self.ends_chain = true;
        self
    }
}
