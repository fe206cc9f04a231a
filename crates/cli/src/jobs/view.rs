//! How running jobs are shown: on a terminal a block of live lines, elsewhere a log line now and then.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use riverrun_formats::text::{Moment, write_timestamp};
use riverrun_runtime::{MetricsSnapshot, Timestamp};

use super::flow::{Flow, job_name};
use super::numbers::{grouped, length, rows};
use super::summary::{checkpoints, restarts};
use crate::screen::Screen;

/// The live lines are drawn so often.
const LIVE: Duration = Duration::from_secs(1);
/// A log line comes so often.
const LOG: Duration = Duration::from_secs(10);

/// Shows running jobs on the screen, at its own pace.
pub(super) struct View {
    screen: Screen,
    /// Jobs may print to the terminal themselves.
    prints: bool,
    /// A query prints to the terminal now.
    query_prints: bool,
    last: Instant,
    /// How many rows had passed at the last look, by job, kind and table.
    passed: HashMap<(usize, bool, String), u64>,
}

/// A flow, and how fast it has been since the last look.
struct Rated {
    flow: Flow,
    per_second: u64,
}

impl View {
    pub(super) fn new(screen: Screen, prints: bool) -> Self {
        let prints = prints && std::io::stdout().is_terminal();
        Self { screen, prints, query_prints: false, last: Instant::now(), passed: HashMap::new() }
    }

    /// A query begins or ends to print its rows. Where they go to the terminal, live lines would get in their way.
    pub(super) fn query_prints(&mut self, prints: bool) {
        self.query_prints = prints && std::io::stdout().is_terminal();
        if self.query_prints {
            self.screen.draw(Vec::new());
        }
    }

    /// When [`Self::update`] is due.
    pub(super) fn next_in(&self) -> Duration {
        (if self.is_live() { LIVE } else { LOG }).saturating_sub(self.last.elapsed())
    }

    /// Shows the jobs as they are now.
    pub(super) fn update(&mut self, jobs: &[MetricsSnapshot]) {
        let since = self.last.elapsed();
        self.last = Instant::now();
        let mut block = Vec::new();
        for (number, job) in jobs.iter().enumerate().filter(|(_, job)| !job.status.is_terminal()) {
            let flows: Vec<Rated> = Flow::all(job).into_iter().map(|flow| self.rated(number, flow, since)).collect();
            if self.is_live() {
                block.extend(live_lines(job, &flows));
            } else if !self.screen.is_terminal() {
                tracing::info!("{}", log_line(job, &flows));
            }
        }
        self.screen.draw(block);
    }

    fn is_live(&self) -> bool {
        self.screen.is_terminal() && !self.prints && !self.query_prints
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is shown, not counted with"
    )]
    fn rated(&mut self, job: usize, flow: Flow, since: Duration) -> Rated {
        let before = self.passed.insert((job, flow.is_source, flow.table.clone()), flow.rows).unwrap_or_default();
        let per_second = flow.rows.saturating_sub(before) as f64 / since.as_secs_f64().max(0.001);
        Rated { flow, per_second: per_second.round() as u64 }
    }
}

/// A line for the job and one for each source and sink, in columns.
fn live_lines(job: &MetricsSnapshot, flows: &[Rated]) -> Vec<String> {
    let mut first = vec![job_name(job), job.status.to_string().to_lowercase(), length(job.uptime)];
    first.extend(checkpoints(job));
    first.extend(restarts(job));
    let mut lines = vec![first.join("  ")];
    let cells: Vec<[String; 3]> = flows
        .iter()
        .map(|rated| [rated.flow.table.clone(), grouped(rated.flow.rows), grouped(rated.per_second)])
        .collect();
    let widest = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let (table_width, rows_width, rate_width) = (widest(0), widest(1), widest(2));
    for (Rated { flow, .. }, [table, rows, rate]) in flows.iter().zip(&cells) {
        let kind = if flow.is_source { "source" } else { "sink  " };
        let time = watermark(flow).filter(|_| flow.is_source).map(|text| format!("  {text}")).unwrap_or_default();
        let (busy, waiting) = (percent(flow.busy), percent(flow.backpressured));
        lines.push(format!(
            "  {kind} {table:table_width$}  {rows:>rows_width$} rows  {rate:>rate_width$}/s  busy {busy:>3} %  backpressured {waiting:>3} %{time}"
        ));
    }
    lines
}

/// The same in one line.
fn log_line(job: &MetricsSnapshot, flows: &[Rated]) -> String {
    let mut parts = Vec::new();
    for Rated { flow, per_second } in flows {
        let kind = if flow.is_source { "source" } else { "sink" };
        let mut part = format!("{kind} {} {} ({}/s", flow.table, rows(flow.rows), grouped(*per_second));
        if flow.backpressured >= 0.005 {
            part += &format!(", {} % backpressured", percent(flow.backpressured));
        }
        if flow.is_source
            && let Some(text) = watermark(flow)
        {
            part += ", ";
            part += &text;
        }
        parts.push(part + ")");
    }
    parts.extend(checkpoints(job));
    parts.extend(restarts(job));
    format!(
        "{}: {} for {}: {}",
        job_name(job),
        job.status.to_string().to_lowercase(),
        length(job.uptime),
        parts.join(", ")
    )
}

/// The watermark and how far it is behind the time of day.
fn watermark(flow: &Flow) -> Option<String> {
    let text = format!("watermark {}", moment(flow.watermark?));
    let behind = flow.lag.and_then(|lag| u64::try_from(lag).ok());
    Some(behind.map_or(text.clone(), |lag| format!("{text}, {} behind", length(Duration::from_millis(lag)))))
}

fn moment(watermark: Timestamp) -> String {
    let mut text = Vec::new();
    // To the second: a person reads it.
    write_timestamp(&mut text, Moment::of_value(watermark.div_euclid(1000) * 1000, 3), b' ');
    String::from_utf8_lossy(&text).into_owned()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn percent(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u64
}

#[cfg(test)]
mod tests {
    use riverrun_runtime::{
        CheckpointId, CheckpointStatistics, JobStatus, OperatorKind, OperatorSnapshot, TaskSnapshot,
    };

    use super::*;

    fn job(subtasks: usize) -> MetricsSnapshot {
        let operator = |name: &str, kind, rows| OperatorSnapshot {
            name: name.into(),
            kind,
            records_in: rows,
            records_out: rows,
            bytes_in: 0,
            bytes_out: 0,
            input_watermark: Some(5_000),
            output_watermark: Some(5_000),
            watermark_lag: Some(90_000),
            counters: Vec::new(),
            measures: Vec::new(),
        };
        let task = |subtask| TaskSnapshot {
            name: "Source: orders -> Sink: report".into(),
            subtask,
            parallelism: subtasks,
            ended: false,
            busy: Duration::ZERO,
            backpressured: Duration::ZERO,
            idle: Duration::ZERO,
            busy_ms_per_second: 500.0,
            backpressured_ms_per_second: 120.0,
            idle_ms_per_second: 380.0,
            in_pool_usage: None,
            operators: vec![
                operator("Source: orders", OperatorKind::Source, 600_000),
                operator("Sink: report", OperatorKind::Sink, 7),
            ],
        };
        MetricsSnapshot {
            job: "insert-into_default_catalog.default_database.report".into(),
            status: JobStatus::Running,
            uptime: Duration::from_secs(12),
            restarts: 0,
            checkpoints: CheckpointStatistics::default(),
            tasks: (0..subtasks).map(task).collect(),
        }
    }

    fn rated(job: &MetricsSnapshot) -> Vec<Rated> {
        Flow::all(job).into_iter().map(|flow| Rated { per_second: flow.rows / 2, flow }).collect()
    }

    #[test]
    fn live_lines_sum_subtasks_and_stand_in_columns() {
        let job = job(2);
        let lines = live_lines(&job, &rated(&job));
        assert_eq!(
            lines,
            [
                "insert-into_report  running  12.0 s",
                "  source orders  1,200,000 rows  600,000/s  busy  50 %  backpressured  12 %  watermark 1970-01-01 00:00:05, 1 min 30 s behind",
                "  sink   report         14 rows        7/s  busy  50 %  backpressured  12 %",
            ]
        );
    }

    #[test]
    fn a_log_line_says_the_same() {
        let job = job(1);
        let expected = "insert-into_report: running for 12.0 s: \
            source orders 600,000 rows (300,000/s, 12 % backpressured, watermark 1970-01-01 00:00:05, 1 min 30 s behind), \
            sink report 7 rows (3/s, 12 % backpressured)";
        assert_eq!(log_line(&job, &rated(&job)), expected);
    }

    #[test]
    fn checkpoints_and_restarts_stand_with_the_job() {
        let mut job = job(1);
        job.restarts = 2;
        job.checkpoints = CheckpointStatistics {
            completed: 11,
            last: Some(CheckpointId(12)),
            last_duration: Duration::from_millis(30),
            ..CheckpointStatistics::default()
        };
        let told = "11 checkpoints, the last in 0.03 s";
        assert_eq!(live_lines(&job, &[])[0], format!("insert-into_report  running  12.0 s  {told}  2 restarts"));
        assert_eq!(log_line(&job, &[]), format!("insert-into_report: running for 12.0 s: {told}, 2 restarts"));
    }
}
