//! How checkpoints are taken.

use riverrun_base::{Error, Result};

/// The settings of a job's checkpoints, with Flink's meaning and defaults. Times are milliseconds.
///
/// ```
/// use riverrun_protocol::checkpoint::CheckpointSettings;
///
/// let settings = CheckpointSettings { interval_ms: Some(1000), min_pause_ms: 500, ..CheckpointSettings::default() };
/// assert!(settings.validate().is_ok());
/// assert_eq!(settings.timeout_ms, 600_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSettings {
    /// `execution.checkpointing.interval`: how often one is begun; `None` only where somebody asks for one.
    pub interval_ms: Option<u64>,
    /// `execution.checkpointing.timeout`: how long all tasks may take before it is given up.
    pub timeout_ms: u64,
    /// `execution.checkpointing.min-pause`: from the completion of one to the beginning of the next periodic one. Where it is not 0,
    /// [`Self::max_concurrent`] counts as 1, and an interval below it as it.
    pub min_pause_ms: u64,
    /// `execution.checkpointing.max-concurrent-checkpoints`: how many may be in flight when a periodic one begins. At least 1.
    pub max_concurrent: usize,
    /// `execution.checkpointing.tolerable-failed-checkpoints`: how many in a row may fail before the job does; `None` any number.
    pub tolerable_failures: Option<u32>,
    /// `execution.checkpointing.num-retained`: how many complete ones are kept. At least 1.
    pub num_retained: usize,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self {
            interval_ms: None,
            timeout_ms: 600_000,
            min_pause_ms: 0,
            max_concurrent: 1,
            tolerable_failures: Some(0),
            num_retained: 1,
        }
    }
}

impl CheckpointSettings {
    /// Whether the numbers make sense, within Flink's limits.
    ///
    /// # Errors
    /// The user's mistake, naming Flink's key.
    pub fn validate(&self) -> Result<()> {
        let refused = |key: &str, needs: &str| Err(Error::user(format!("{key} {needs}")));
        if self.interval_ms.is_some_and(|interval| interval < 10) {
            return refused("execution.checkpointing.interval", "must be at least 10 ms");
        }
        if self.timeout_ms < 10 {
            return refused("execution.checkpointing.timeout", "must be at least 10 ms");
        }
        if self.max_concurrent == 0 {
            return refused("execution.checkpointing.max-concurrent-checkpoints", "must be at least 1");
        }
        if self.num_retained == 0 {
            return refused("execution.checkpointing.num-retained", "must be at least 1");
        }
        Ok(())
    }

    /// The interval that counts.
    pub(super) fn effective_interval_ms(&self) -> Option<u64> {
        self.interval_ms.map(|interval| interval.max(self.min_pause_ms).max(1))
    }

    /// The concurrency that counts.
    pub(super) fn effective_max_concurrent(&self) -> usize {
        if self.min_pause_ms > 0 { 1 } else { self.max_concurrent.max(1) }
    }
}
