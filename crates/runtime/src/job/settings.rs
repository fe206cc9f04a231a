//! Settings of what joins the attempts of a job.

use std::time::Duration;

use riverrun_base::Result;
use riverrun_protocol::checkpoint::CheckpointSettings;

/// How checkpoints are taken; see `execution.checkpointing.*`.
#[derive(Clone, Debug)]
pub struct Checkpointing {
    /// How often one begins; `None` takes one only where the job ends in order, or where somebody asks for it.
    pub interval: Option<Duration>,
    /// How long one may take until it is given up.
    pub timeout: Duration,
    /// How long none begins after one has ended.
    pub min_pause: Duration,
    /// How many may be under way at a time.
    pub max_concurrent: usize,
    /// How many may fail in a row before the job does; `None` for any number.
    pub tolerable_failures: Option<u32>,
    /// Whether tasks wait for the barriers of all inputs (`EXACTLY_ONCE`) or not (`AT_LEAST_ONCE`).
    pub aligned: bool,
    /// The folder of all jobs' checkpoints: a path or URI. Without it they are in a temporary folder, which ends with the job.
    pub directory: Option<String>,
    /// The folder of savepoints where none is named.
    pub savepoint_directory: Option<String>,
    /// How many completed checkpoints are kept, at least 1.
    pub num_retained: usize,
    /// Which stay when the job ends.
    pub retention: Retention,
}

impl Default for Checkpointing {
    fn default() -> Self {
        Self {
            interval: None,
            timeout: Duration::from_secs(600),
            min_pause: Duration::ZERO,
            max_concurrent: 1,
            tolerable_failures: Some(0),
            aligned: true,
            directory: None,
            savepoint_directory: None,
            num_retained: 1,
            retention: Retention::None,
        }
    }
}

impl Checkpointing {
    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// The user's mistake, naming Flink's key.
    pub fn validate(&self) -> Result<()> {
        self.coordinator().validate()
    }

    /// The part that the coordinator decides by.
    pub(crate) fn coordinator(&self) -> CheckpointSettings {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        CheckpointSettings {
            interval_ms: self.interval.map(millis),
            timeout_ms: millis(self.timeout),
            min_pause_ms: millis(self.min_pause),
            max_concurrent: self.max_concurrent,
            tolerable_failures: self.tolerable_failures,
            num_retained: self.num_retained,
        }
    }
}

/// Which checkpoints stay when a job ends (`execution.checkpointing.externalized-checkpoint-retention`). Those of a process that is
/// killed stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// None.
    None,
    /// Those of a job that failed.
    DeleteOnCancellation,
    /// Those of a job that failed, or was canceled or stopped.
    RetainOnCancellation,
}

/// What a job begins with.
#[derive(Clone, Debug, Default)]
pub enum Recovery {
    /// Nothing.
    #[default]
    Fresh,
    /// The last checkpoint of a job of this name, with whose log it goes on; nothing, if there is none.
    Resume,
    /// A checkpoint or savepoint.
    From {
        /// Its folder, or its `_metadata`.
        path: String,
        /// Whether the job's checkpoints may refer to its files, which must stay then. Otherwise the first is written whole.
        claim: bool,
        /// Whether state of operators that the job does not have is left out.
        allow_non_restored_state: bool,
    },
}
