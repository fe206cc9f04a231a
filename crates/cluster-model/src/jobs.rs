//! Jobs, and what they consist of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The jobs there are, those that have ended among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobIds {
    /// In the order of their start.
    pub jobs: Vec<JobId>,
}

/// A job's id and status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobId {
    /// 32 hexadecimal digits.
    pub id: String,
    /// As Flink names it: `RUNNING`.
    pub status: String,
}

/// A job's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatusInfo {
    /// As Flink names it: `RUNNING`.
    pub status: String,
}

/// The jobs there are, each in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsOverview {
    /// In the order of their start.
    pub jobs: Vec<JobOverview>,
}

/// A job in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobOverview {
    /// 32 hexadecimal digits.
    pub jid: String,
    /// Its name.
    pub name: String,
    /// As Flink names it: `RUNNING`.
    pub state: String,
    /// When it was started, in milliseconds since 1970.
    pub start_time: i64,
    /// When it ended, in milliseconds since 1970; -1 while it runs.
    pub end_time: i64,
    /// How long it has run, or ran, in milliseconds.
    pub duration: i64,
    /// Its tasks.
    #[serde(default)]
    pub tasks: TaskCounts,
    /// Operators that are not deployed yet: none. Flink's own client does not read an answer without it.
    #[serde(default)]
    pub pending_operators: u32,
}

/// How many tasks there are, and in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskCounts {
    /// All.
    pub total: u32,
    /// Those that run.
    pub running: u32,
    /// Those that have ended.
    pub finished: u32,
}

/// A job, its life and its tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct JobDetails {
    /// 32 hexadecimal digits.
    pub jid: String,
    /// Its name.
    pub name: String,
    /// As Flink names it: `RUNNING`.
    pub state: String,
    /// When it was started, in milliseconds since 1970.
    pub start_time: i64,
    /// When it ended, in milliseconds since 1970; -1 while it runs.
    pub end_time: i64,
    /// How long it has run, or ran, in milliseconds.
    pub duration: i64,
    /// The time of the answer, in milliseconds since 1970.
    pub now: i64,
    /// How often it was restarted after a failure.
    pub restarts: u64,
    /// Its chains of operators, from the sources on.
    pub vertices: Vec<Vertex>,
    /// How many chains there are of each status.
    pub status_counts: BTreeMap<String, u32>,
}

/// A chain of operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vertex {
    /// The names of its operators: `Source: t -> Calc`.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: u32,
    /// `RUNNING`, or `FINISHED` when all its subtasks have ended.
    pub status: String,
    /// What its subtasks have done.
    pub metrics: VertexMetrics,
}

/// What the subtasks of a chain have done, in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct VertexMetrics {
    /// Bytes that came in.
    pub read_bytes: u64,
    /// Bytes that went out.
    pub write_bytes: u64,
    /// Rows that came in; of a source, those it has read.
    pub read_records: u64,
    /// Rows that went out; of a sink, those it has written.
    pub write_records: u64,
    /// Time spent waiting for room behind it, in milliseconds.
    pub accumulated_backpressured_time: u64,
    /// Time spent waiting for rows, in milliseconds.
    pub accumulated_idle_time: u64,
    /// Time spent working, in milliseconds.
    pub accumulated_busy_time: u64,
}
