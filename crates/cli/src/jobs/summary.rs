//! What is said when an INSERT has ended.

use std::fmt::Write as _;

use riverrun_runtime::{JobStatus, JobSummary, MetricsSnapshot};

use super::flow::{Flow, counted, job_name};
use super::numbers::{length, rows};

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
    format!(
        "{}: {ended} in {}; read {}; wrote {}\n{}",
        job_name(job),
        length(job.uptime),
        told(true),
        told(false),
        lost(job)
    )
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
