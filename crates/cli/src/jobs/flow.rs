//! What flows through the sources and sinks of a job, over all their subtasks.

use riverrun_runtime::{MAX_WATERMARK, MetricsSnapshot, OperatorKind, OperatorSnapshot, TaskSnapshot, Timestamp};

/// A source or a sink.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flow {
    /// Whether it reads; it writes otherwise.
    pub(super) is_source: bool,
    /// The name of its table.
    pub(super) table: String,
    /// Rows so far.
    pub(super) rows: u64,
    /// The smallest watermark: what a source sent, what came to a sink.
    pub(super) watermark: Option<Timestamp>,
    /// How far a source's watermark is behind the time of day, in milliseconds.
    pub(super) lag: Option<i64>,
    /// The share of the last second that its busiest subtask worked, 0 to 1.
    pub(super) busy: f64,
    /// The share of it that a subtask waited for room behind it.
    pub(super) backpressured: f64,
}

impl Flow {
    /// The sources, then the sinks, of a job; each once, in the order of the job's tasks.
    pub(super) fn all(job: &MetricsSnapshot) -> Vec<Self> {
        let mut flows: Vec<Self> = Vec::new();
        for task in &job.tasks {
            for operator in task.operators.iter().filter(|operator| operator.kind != OperatorKind::Operator) {
                let flow = Self::of(task, operator);
                match flows.iter_mut().find(|known| known.is_source == flow.is_source && known.table == flow.table) {
                    Some(known) => known.add(&flow),
                    None => flows.push(flow),
                }
            }
        }
        flows.sort_by_key(|flow| !flow.is_source);
        flows
    }

    fn of(task: &TaskSnapshot, operator: &OperatorSnapshot) -> Self {
        let is_source = operator.kind == OperatorKind::Source;
        let table = operator.name.strip_prefix(if is_source { "Source: " } else { "Sink: " }).unwrap_or(&operator.name);
        let watermark = if is_source { operator.output_watermark } else { operator.input_watermark };
        let share = |per_second: f64| if task.ended { 0.0 } else { per_second / 1000.0 };
        Self {
            is_source,
            table: table.to_owned(),
            rows: operator.records_in,
            watermark: watermark.filter(|watermark| *watermark != MAX_WATERMARK),
            lag: operator.watermark_lag.filter(|_| is_source),
            busy: share(task.busy_ms_per_second),
            backpressured: share(task.backpressured_ms_per_second),
        }
    }

    /// Takes in another subtask.
    fn add(&mut self, other: &Self) {
        let smaller = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
        self.rows += other.rows;
        self.watermark = smaller(self.watermark, other.watermark);
        self.lag = self.lag.max(other.lag);
        self.busy = self.busy.max(other.busy);
        self.backpressured = self.backpressured.max(other.backpressured);
    }
}

/// The sum of a counter over all operators of a job.
pub(super) fn counted(job: &MetricsSnapshot, counter: &str) -> u64 {
    let operators = job.tasks.iter().flat_map(|task| &task.operators);
    operators.flat_map(|operator| &operator.counters).filter(|(name, _)| *name == counter).map(|(_, value)| value).sum()
}

/// A job's name, without the catalog and database that every table is in.
pub(super) fn job_name(job: &MetricsSnapshot) -> String {
    job.job.replace("default_catalog.default_database.", "")
}
