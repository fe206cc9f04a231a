//! The metrics of a job at one moment.

use std::fmt;
use std::time::Duration;

use riverrun_connect::Measure;
use riverrun_protocol::{CheckpointId, JobStatus, Timestamp};

/// Everything a job measures, at one moment.
#[derive(Clone, Debug)]
pub struct MetricsSnapshot {
    /// The job's name.
    pub job: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// How long it has run, or ran.
    pub uptime: Duration,
    /// How often it was restarted after a failure (`numRestarts`).
    pub restarts: u64,
    /// Its checkpoints.
    pub checkpoints: CheckpointStatistics,
    /// Its tasks: chain by chain from the sources on, then by subtask.
    pub tasks: Vec<TaskSnapshot>,
}

/// What a job's checkpoints cost, over all attempts of this process.
#[derive(Clone, Debug, Default)]
pub struct CheckpointStatistics {
    /// How many were completed (`numberOfCompletedCheckpoints`).
    pub completed: u64,
    /// How many were given up (`numberOfFailedCheckpoints`).
    pub failed: u64,
    /// How many are under way (`numberOfInProgressCheckpoints`).
    pub in_progress: u64,
    /// The last that is complete.
    pub last: Option<CheckpointId>,
    /// From its trigger until its slot was written (`lastCheckpointDuration`).
    pub last_duration: Duration,
    /// The bytes of all state that it refers to (`lastCheckpointFullSize`).
    pub last_full_size: u64,
    /// Of these, what was written for it (`lastCheckpointSize`).
    pub last_size: u64,
}

/// A subtask of a chain.
#[derive(Clone, Debug)]
pub struct TaskSnapshot {
    /// The names of the chain's operators: `Source: t -> Calc`.
    pub name: String,
    /// The index of the subtask, from 0.
    pub subtask: usize,
    /// How many subtasks there are.
    pub parallelism: usize,
    /// Whether it has ended.
    pub ended: bool,
    /// Time spent working.
    pub busy: Duration,
    /// Time spent waiting for room in a consumer's queue.
    pub backpressured: Duration,
    /// Time spent waiting for rows.
    pub idle: Duration,
    /// Of the last second or more, how many milliseconds of each it was busy (`busyTimeMsPerSecond`).
    pub busy_ms_per_second: f64,
    /// The same for `backPressuredTimeMsPerSecond`.
    pub backpressured_ms_per_second: f64,
    /// The same for `idleTimeMsPerSecond`.
    pub idle_ms_per_second: f64,
    /// How full the queues of its gate are, 0 to 1 (`inPoolUsage`); `None` for sources.
    pub in_pool_usage: Option<f64>,
    /// Its operators, from the head of the chain on.
    pub operators: Vec<OperatorSnapshot>,
}

/// An operator of a subtask.
#[derive(Clone, Debug)]
pub struct OperatorSnapshot {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: OperatorKind,
    /// Rows in.
    pub records_in: u64,
    /// Rows out.
    pub records_out: u64,
    /// Bytes in: at sources, at sinks and where rows come from another task.
    pub bytes_in: u64,
    /// Bytes out: at sources and where rows go to another task.
    pub bytes_out: u64,
    /// The last watermark that came in.
    pub input_watermark: Option<Timestamp>,
    /// The last watermark that went out.
    pub output_watermark: Option<Timestamp>,
    /// How far the output watermark is behind the time of day, in milliseconds; `None` without one and after the end of
    /// event time.
    pub watermark_lag: Option<i64>,
    /// The counters of operator and connector, by name.
    pub counters: Vec<(&'static str, u64)>,
    /// What else they measure, by name.
    pub measures: Vec<(&'static str, Measure)>,
}

/// What an operator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorKind {
    /// It reads.
    Source,
    /// It computes.
    Operator,
    /// It writes.
    Sink,
}

impl fmt::Display for OperatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        })
    }
}

impl MetricsSnapshot {
    /// The operators of a name, one for each subtask.
    pub fn operators<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OperatorSnapshot> {
        self.tasks.iter().flat_map(|task| &task.operators).filter(move |operator| operator.name == name)
    }

    /// Rows that went into all operators of a kind: of sources, what the job has read; of sinks, what it has written.
    pub fn records_in(&self, kind: OperatorKind) -> u64 {
        self.tasks
            .iter()
            .flat_map(|task| &task.operators)
            .filter(|operator| operator.kind == kind)
            .map(|operator| operator.records_in)
            .sum()
    }
}
