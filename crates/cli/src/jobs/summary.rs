//! What is said when an INSERT has ended.

use std::fmt::Write as _;

use riverrun_runtime::{JobStatus, JobSummary, MetricsSnapshot};

use super::flow::{Flow, counted, job_name};
use super::numbers::{count, grouped, length, rows};

/// Counters of rows that did not come through, and what to say of them.
const LOSSES: &[(&str, &str)] = &[
    ("numLateRecordsDropped", "came late and were dropped, as their window had closed"),
    ("numRecordsInErrors", "could not be read and were skipped, as the table asks for"),
];

/// A line on how the job ended and what it read and wrote, and one for each kind of row that was lost.
pub(super) fn text(summary: &JobSummary, stopped: bool) -> String {
    let job = &summary.metrics;
    let ended = match summary.status {
        JobStatus::Canceled => "canceled",
        JobStatus::Suspended => "stopped",
        _ if stopped => "stopped",
        _ => "finished",
    };
    let flows = Flow::all(job);
    let told = |sources: bool| {
        let tables: Vec<String> = flows
            .iter()
            .filter(|flow| flow.is_source == sources)
            .map(|flow| format!("{} {} {}", rows(flow.rows), if sources { "from" } else { "to" }, flow.table))
            .collect();
        tables.join(", ")
    };
    let mut parts = vec![
        format!("{}: {ended} in {}", job_name(job), length(job.uptime)),
        format!("read {}", told(true)),
        format!("wrote {}", told(false)),
    ];
    parts.extend(checkpoints(job));
    parts.extend(restarts(job));
    format!("{}\n{}", parts.join("; "), lost(job))
}

/// How many checkpoints a job has taken, and how long the last took; nothing for a job that takes none.
pub(super) fn checkpoints(job: &MetricsSnapshot) -> Option<String> {
    let told = &job.checkpoints;
    let mut text = count(told.completed, "checkpoint");
    if told.last.is_some() {
        let _ = write!(text, ", the last in {}", length(told.last_duration));
    }
    if told.failed > 0 {
        let _ = write!(text, ", {} given up", grouped(told.failed));
    }
    (told.completed + told.failed > 0).then_some(text)
}

/// How often a job was restarted, if it was.
pub(super) fn restarts(job: &MetricsSnapshot) -> Option<String> {
    (job.restarts > 0).then(|| count(job.restarts, "restart"))
}

/// What a query lost.
pub(super) fn losses(summary: &JobSummary) -> String {
    lost(&summary.metrics)
}

fn lost(job: &MetricsSnapshot) -> String {
    let mut text = String::new();
    for (counter, what) in LOSSES {
        let number = counted(job, counter);
        if number > 0 {
            let _ = writeln!(text, "{}: {} {what}", job_name(job), rows(number));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use riverrun_runtime::{CheckpointId, CheckpointStatistics};

    use super::*;

    #[test]
    fn checkpoints_and_restarts_are_told_in_few_words_where_there_were_any() {
        let mut job = MetricsSnapshot {
            job: "j".into(),
            status: JobStatus::Suspended,
            uptime: Duration::from_secs(1),
            restarts: 0,
            checkpoints: CheckpointStatistics::default(),
            tasks: Vec::new(),
        };
        assert_eq!((checkpoints(&job), restarts(&job)), (None, None));
        job.restarts = 1;
        job.checkpoints = CheckpointStatistics {
            completed: 1_204,
            failed: 2,
            last: Some(CheckpointId(1_210)),
            last_duration: Duration::from_millis(12),
            ..CheckpointStatistics::default()
        };
        let summary = JobSummary { status: JobStatus::Suspended, metrics: job };
        let expected =
            "j: stopped in 1.00 s; read ; wrote ; 1,204 checkpoints, the last in 0.01 s, 2 given up; 1 restart\n";
        assert_eq!(text(&summary, false), expected);
    }
}
