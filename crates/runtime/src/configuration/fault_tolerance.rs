//! The configuration keys of checkpoints, recovery and restarts, under Flink's names.

use std::sync::Arc;
use std::time::Duration;

use riverrun_base::{Error, Result};
use riverrun_checkpoints::Stores;
use riverrun_protocol::restart::RestartStrategy;

use crate::job::{Checkpointing, Recovery};
use crate::{JobSettings, job};

riverrun_base::option_enum! {
    /// What a checkpoint promises.
    pub(crate) enum CheckpointingMode {
        /// Each row counts once.
        "EXACTLY_ONCE" => ExactlyOnce,
        /// Tasks do not wait for the barriers of all inputs, so rows may count twice after a failure.
        "AT_LEAST_ONCE" => AtLeastOnce,
    }
}

riverrun_base::option_enum! {
    /// Which checkpoints stay when a job ends.
    pub(crate) enum Retention {
        /// None.
        "NO_EXTERNALIZED_CHECKPOINTS" => None,
        /// Those of a job that failed.
        "DELETE_ON_CANCELLATION" => DeleteOnCancellation,
        /// Those of a job that failed or was canceled.
        "RETAIN_ON_CANCELLATION" => RetainOnCancellation,
    }
}

riverrun_base::option_enum! {
    /// Whose the files of a checkpoint or savepoint are after a job was started from it.
    pub(crate) enum ClaimMode {
        /// The job's: its checkpoints refer to them, so nobody else may remove them.
        "CLAIM" => Claim,
        /// The user's: the job's first checkpoint refers to none of them.
        "NO_CLAIM" => NoClaim,
    }
}

riverrun_base::option_enum! {
    /// What happens when a job fails.
    pub(crate) enum RestartType {
        /// It ends.
        "none" | "off" | "disable" => None,
        /// It restarts after a fixed time, so many times.
        "fixed-delay" | "fixeddelay" => FixedDelay,
        /// It restarts unless it fails too often within an interval.
        "failure-rate" | "failurerate" => FailureRate,
        /// It restarts after a time that grows with each failure.
        "exponential-delay" | "exponentialdelay" => ExponentialDelay,
    }
}

riverrun_base::options! {
    /// The settings of checkpoints, recovery and restarts.
    pub(crate) struct FaultTolerance {
        /// How often a checkpoint is taken; without it, or with 0, none is.
        "execution.checkpointing.interval" => interval: Option<Duration>,
        /// What a checkpoint promises.
        "execution.checkpointing.mode" => mode: CheckpointingMode = "EXACTLY_ONCE",
        /// How long a checkpoint may take until it is given up.
        "execution.checkpointing.timeout" => timeout: Duration = "10 min",
        /// How long no checkpoint begins after one has ended.
        "execution.checkpointing.min-pause" => min_pause: Duration = "0 s",
        /// How many checkpoints may be under way at a time.
        "execution.checkpointing.max-concurrent-checkpoints" => max_concurrent: u32 = "1",
        /// How many checkpoints in a row may fail before the job does; -1 for any number.
        "execution.checkpointing.tolerable-failed-checkpoints" => tolerable_failures: i32 = "0",
        /// Which checkpoints stay when the job ends. One that finishes leaves none, one whose process is killed leaves all.
        "execution.checkpointing.externalized-checkpoint-retention" | "execution.checkpointing.externalized-checkpoint.retention" => retention: Retention = "NO_EXTERNALIZED_CHECKPOINTS",
        /// The folder of checkpoints: a path, or a URI with the scheme `file`, `hdfs`, `s3` or `s3a`. Without it they are in a
        /// temporary folder, and the job survives failures, but not the end of its process.
        "execution.checkpointing.dir" | "state.checkpoints.dir" => directory: Option<String>,
        /// The folder of savepoints where none is named.
        "execution.checkpointing.savepoint-dir" | "state.savepoints.dir" => savepoint_directory: Option<String>,
        /// How many completed checkpoints are kept; the last two always are until the last is committed.
        "execution.checkpointing.num-retained" | "state.checkpoints.num-retained" => num_retained: u32 = "1",
        /// Accepted for Flink's scripts: checkpoints always hold only what has changed.
        "execution.checkpointing.incremental" | "state.backend.incremental" => incremental: bool = "true",
        /// Only `false` is supported.
        "execution.checkpointing.unaligned.enabled" | "execution.checkpointing.unaligned" => unaligned: bool = "false",
        /// Only 0 is supported: barriers are always aligned.
        "execution.checkpointing.aligned-checkpoint-timeout" | "execution.checkpointing.alignment-timeout" => alignment_timeout: Duration = "0 s",
        /// Only `hashmap` is supported: state is in memory, and in checkpoints.
        "state.backend.type" | "state.backend" => state_backend: String = "hashmap",
        /// Accepted for Flink's scripts: checkpoints are always files.
        "execution.checkpointing.storage" | "state.checkpoint-storage" => storage: String = "filesystem",
        /// The checkpoint or savepoint that the job starts from.
        "execution.state-recovery.path" | "execution.savepoint.path" => recovery_path: Option<String>,
        /// Whether the job goes on from the last checkpoint that a job of its name has left; it begins anew if there is none.
        "execution.state-recovery.resume" => resume: bool = "false",
        /// Whose its files are then.
        "execution.state-recovery.claim-mode" | "execution.savepoint-restore-mode" => claim_mode: ClaimMode = "NO_CLAIM",
        /// Whether state of operators that the job does not have is left out; otherwise it is an error.
        "execution.state-recovery.ignore-unclaimed-state" | "execution.savepoint.ignore-unclaimed-state" => ignore_unclaimed: bool = "false",
        /// What happens when a job fails; `exponential-delay` with checkpoints and `none` without.
        "restart-strategy.type" | "restart-strategy" => restart: Option<RestartType>,
        /// How often the job restarts.
        "restart-strategy.fixed-delay.attempts" => fixed_attempts: u32 = "1",
        /// The time before a restart.
        "restart-strategy.fixed-delay.delay" => fixed_delay: Duration = "1 s",
        /// How many failures within the interval the job survives.
        "restart-strategy.failure-rate.max-failures-per-interval" => rate_failures: u32 = "1",
        /// The interval in which failures are counted.
        "restart-strategy.failure-rate.failure-rate-interval" => rate_interval: Duration = "1 min",
        /// The time before a restart.
        "restart-strategy.failure-rate.delay" => rate_delay: Duration = "1 s",
        /// The time before the first restart.
        "restart-strategy.exponential-delay.initial-backoff" => initial_backoff: Duration = "1 s",
        /// The longest time before a restart.
        "restart-strategy.exponential-delay.max-backoff" => max_backoff: Duration = "1 min",
        /// What the time grows by with each failure.
        "restart-strategy.exponential-delay.backoff-multiplier" => multiplier: f64 = "1.5",
        /// How long the job must run until the time begins anew.
        "restart-strategy.exponential-delay.reset-backoff-threshold" => reset_threshold: Duration = "1 h",
        /// The part of the time that is random.
        "restart-strategy.exponential-delay.jitter-factor" => jitter: f64 = "0.1",
        /// How often the job restarts before the time begins anew; any number without it.
        "restart-strategy.exponential-delay.attempts-before-reset-backoff" => exponential_attempts: Option<u32>,
    }
}

impl FaultTolerance {
    /// Refuses what cannot be had.
    ///
    /// # Errors
    /// A value asks for what is not supported.
    pub(crate) fn check(&self, stores: &Arc<Stores>) -> Result<()> {
        if self.unaligned || !self.alignment_timeout.is_zero() {
            return Err(Error::not_supported("an unaligned checkpoint")
                .with("option", "execution.checkpointing.unaligned.enabled")
                .hint("leave it false: barriers wait behind at most a few batches, as queues are short"));
        }
        if self.state_backend != "hashmap" && self.state_backend != "filesystem" {
            return Err(Error::not_supported(format!("the state backend '{}'", self.state_backend))
                .with("option", "state.backend.type")
                .hint("use 'hashmap': state is in memory, and checkpoints hold what has changed"));
        }
        if self.tolerable_failures < -1 {
            return Err(Error::user("'execution.checkpointing.tolerable-failed-checkpoints' is -1 or more"));
        }
        self.restart_strategy(true).validate()?;
        match self.job(stores, JobSettings::default()).checkpointing {
            Some(checkpointing) => checkpointing.validate(),
            None => Ok(()),
        }
    }

    /// The settings of a job, with these.
    pub(crate) fn job(&self, stores: &Arc<Stores>, settings: JobSettings) -> JobSettings {
        let interval = self.interval.filter(|interval| !interval.is_zero());
        let checkpointing = interval.map(|interval| Checkpointing {
            interval: Some(interval),
            timeout: self.timeout,
            min_pause: self.min_pause,
            max_concurrent: self.max_concurrent as usize,
            tolerable_failures: u32::try_from(self.tolerable_failures).ok(),
            aligned: self.mode == CheckpointingMode::ExactlyOnce,
            directory: self.directory.clone(),
            savepoint_directory: self.savepoint_directory.clone(),
            num_retained: self.num_retained as usize,
            retention: match self.retention {
                Retention::None => job::Retention::None,
                Retention::DeleteOnCancellation => job::Retention::DeleteOnCancellation,
                Retention::RetainOnCancellation => job::Retention::RetainOnCancellation,
            },
        });
        let recovery = match &self.recovery_path {
            Some(path) => Recovery::From {
                path: path.clone(),
                claim: self.claim_mode == ClaimMode::Claim,
                allow_non_restored_state: self.ignore_unclaimed,
            },
            None if self.resume => Recovery::Resume,
            None => Recovery::Fresh,
        };
        JobSettings {
            restart: self.restart_strategy(checkpointing.is_some()),
            checkpointing,
            stores: Some(Arc::clone(stores)),
            recovery,
            ..settings
        }
    }

    fn restart_strategy(&self, checkpoints: bool) -> RestartStrategy {
        match self.restart {
            None if checkpoints => RestartStrategy::exponential_delay(),
            None | Some(RestartType::None) => RestartStrategy::None,
            Some(RestartType::FixedDelay) => {
                RestartStrategy::FixedDelay { attempts: self.fixed_attempts, delay_ms: millis(self.fixed_delay) }
            }
            Some(RestartType::FailureRate) => RestartStrategy::FailureRate {
                max_failures: self.rate_failures,
                interval_ms: millis(self.rate_interval),
                delay_ms: millis(self.rate_delay),
            },
            Some(RestartType::ExponentialDelay) => RestartStrategy::ExponentialDelay {
                initial_ms: millis(self.initial_backoff),
                max_ms: millis(self.max_backoff),
                multiplier: self.multiplier,
                reset_ms: millis(self.reset_threshold),
                jitter: self.jitter,
                attempts: self.exponential_attempts,
            },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
