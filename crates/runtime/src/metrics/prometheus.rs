//! Metrics as Prometheus reads them, under the names that Flink's reporter gives them.

use std::fmt::{Display, Write};

use riverrun_connect::Measure;

use super::{MetricsSnapshot, OperatorSnapshot, TaskSnapshot};

/// Where a metric comes from, and its value.
type Sample = (String, String);

/// Before the names of what a job measures as a whole, as Flink's job manager does.
const JOB: &str = "flink_jobmanager_job_";
/// Before the names of what its tasks measure.
const TASK: &str = "flink_taskmanager_job_";

/// The text format (version 0.0.4) of jobs' metrics, for `GET /metrics`. Samples of a name stand together, whichever
/// job they are of.
pub fn prometheus_text(jobs: &[MetricsSnapshot]) -> String {
    let mut text = String::new();
    job_metrics(&mut text, jobs);
    let tasks = || jobs.iter().flat_map(|job| job.tasks.iter().map(move |task| (job, task)));
    let task_gauge = |text: &mut String, name: &str, value: fn(&TaskSnapshot) -> Option<f64>| {
        let samples = tasks().filter_map(|(job, task)| Some((task_labels(job, task), value(task)?.to_string())));
        family(text, &format!("{TASK}task_{name}"), "gauge", samples);
    };
    task_gauge(&mut text, "busyTimeMsPerSecond", |task| Some(task.busy_ms_per_second));
    task_gauge(&mut text, "backPressuredTimeMsPerSecond", |task| Some(task.backpressured_ms_per_second));
    task_gauge(&mut text, "idleTimeMsPerSecond", |task| Some(task.idle_ms_per_second));
    task_gauge(&mut text, "buffers_inPoolUsage", |task| task.in_pool_usage);
    let operators = || tasks().flat_map(|(job, task)| task.operators.iter().map(move |operator| (job, task, operator)));
    let operator_metric = |text: &mut String, name: &str, kind: &str, value: fn(&OperatorSnapshot) -> Option<i128>| {
        let samples = operators().filter_map(|(job, task, operator)| {
            Some((operator_labels(job, task, operator), value(operator)?.to_string()))
        });
        family(text, &format!("{TASK}task_operator_{name}"), kind, samples);
    };
    operator_metric(&mut text, "numRecordsIn", "counter", |operator| Some(operator.records_in.into()));
    operator_metric(&mut text, "numRecordsOut", "counter", |operator| Some(operator.records_out.into()));
    operator_metric(&mut text, "numBytesIn", "counter", |operator| Some(operator.bytes_in.into()));
    operator_metric(&mut text, "numBytesOut", "counter", |operator| Some(operator.bytes_out.into()));
    operator_metric(&mut text, "currentInputWatermark", "gauge", |operator| operator.input_watermark.map(Into::into));
    operator_metric(&mut text, "currentOutputWatermark", "gauge", |operator| operator.output_watermark.map(Into::into));
    operator_metric(&mut text, "watermarkLag", "gauge", |operator| operator.watermark_lag.map(Into::into));
    let mut names: Vec<&str> =
        operators().flat_map(|(_, _, operator)| operator.counters.iter().map(|(name, _)| parts(name).0)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let samples = operators().flat_map(|(job, task, operator)| {
            let values = operator.counters.iter().filter(move |(counter, _)| parts(counter).0 == name);
            values.map(move |(counter, value)| (labels_of(job, task, operator, counter), value.to_string()))
        });
        family(&mut text, &format!("{TASK}task_operator_{}", metric_name(name)), "counter", samples);
    }
    let mut names: Vec<&str> =
        operators().flat_map(|(_, _, operator)| operator.measures.iter().map(|(name, _)| parts(name).0)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let measured = operators().flat_map(|(job, task, operator)| {
            let measures = operator.measures.iter().filter(move |(measure, _)| parts(measure).0 == name);
            measures.map(move |(of, measure)| (labels_of(job, task, operator, of), measure))
        });
        measure_family(&mut text, &format!("{TASK}task_operator_{}", metric_name(name)), measured);
    }
    text
}

/// The quantiles that Flink's reporter tells of a histogram.
const QUANTILES: [f64; 6] = [0.5, 0.75, 0.95, 0.98, 0.99, 0.999];

/// Gauges, meters (their rates, as Flink's reporter has it) and histograms of a name, whose kind is that of the first.
fn measure_family<'a>(text: &mut String, name: &str, measured: impl Iterator<Item = (String, &'a Measure)>) {
    let mut of_gauges = Vec::new();
    let mut of_histograms = String::new();
    for (labels, measure) in measured {
        match measure {
            Measure::Gauge(value) | Measure::Meter { rate: value, .. } => of_gauges.push((labels, value.to_string())),
            Measure::Histogram(known) => {
                for quantile in QUANTILES {
                    let value = known.quantile(quantile);
                    // Writing to a String cannot fail.
                    let _ = writeln!(of_histograms, "{name}{{{labels},quantile=\"{quantile}\"}} {value}");
                }
                let _ = writeln!(of_histograms, "{name}_count{{{labels}}} {}", known.count());
            }
            Measure::Accumulator(_) => {}
        }
    }
    if of_gauges.is_empty() && !of_histograms.is_empty() {
        let _ = writeln!(text, "# TYPE {name} summary");
        text.push_str(&of_histograms);
    }
    family(text, name, "gauge", of_gauges.into_iter());
}

/// Restarts and checkpoints: gauges all, as in Flink. Of the last checkpoint nothing is said while there is none.
fn job_metrics(text: &mut String, jobs: &[MetricsSnapshot]) {
    let mut gauge = |name: &str, value: fn(&MetricsSnapshot) -> Option<u128>| {
        let samples = jobs.iter().filter_map(|job| Some((job_labels(job), value(job)?.to_string())));
        family(text, &format!("{JOB}{name}"), "gauge", samples);
    };
    gauge("numRestarts", |job| Some(job.restarts.into()));
    gauge("numberOfCompletedCheckpoints", |job| Some(job.checkpoints.completed.into()));
    gauge("numberOfFailedCheckpoints", |job| Some(job.checkpoints.failed.into()));
    gauge("numberOfInProgressCheckpoints", |job| Some(job.checkpoints.in_progress.into()));
    gauge("lastCheckpointDuration", |job| job.checkpoints.last.map(|_| job.checkpoints.last_duration.as_millis()));
    gauge("lastCheckpointSize", |job| job.checkpoints.last.map(|_| job.checkpoints.last_size.into()));
    gauge("lastCheckpointFullSize", |job| job.checkpoints.last.map(|_| job.checkpoints.last_full_size.into()));
}

fn family(text: &mut String, name: &str, kind: &str, samples: impl Iterator<Item = Sample>) {
    let mut samples = samples.peekable();
    if samples.peek().is_none() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{{{labels}}} {value}");
    }
}

fn job_labels(job: &MetricsSnapshot) -> String {
    let mut labels = String::new();
    label(&mut labels, "job_name", &job.job);
    labels
}

fn task_labels(job: &MetricsSnapshot, task: &TaskSnapshot) -> String {
    let mut labels = String::new();
    label(&mut labels, "job_name", &job.job);
    label(&mut labels, "task_name", &task.name);
    label(&mut labels, "subtask_index", task.subtask);
    labels
}

fn operator_labels(job: &MetricsSnapshot, task: &TaskSnapshot, operator: &OperatorSnapshot) -> String {
    let mut labels = task_labels(job, task);
    label(&mut labels, "operator_name", &operator.name);
    labels
}

/// The labels of an operator's metric, those that its name has among them.
fn labels_of(job: &MetricsSnapshot, task: &TaskSnapshot, operator: &OperatorSnapshot, name: &str) -> String {
    let mut labels = operator_labels(job, task, operator);
    let own = parts(name).1;
    if !own.is_empty() {
        labels.push(',');
        labels.push_str(own);
    }
    labels
}

/// A metric's name, and the labels that may stand behind it, as Prometheus writes them: `requests{destination="http://a:80"}`.
fn parts(name: &str) -> (&str, &str) {
    name.strip_suffix('}').and_then(|name| name.split_once('{')).unwrap_or((name, ""))
}

fn label(labels: &mut String, key: &str, value: impl Display) {
    let value = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let separator = if labels.is_empty() { "" } else { "," };
    let _ = write!(labels, "{separator}{key}=\"{value}\"");
}

/// A counter's name with what Prometheus does not allow replaced.
fn metric_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use riverrun_protocol::{CheckpointId, JobStatus};

    use super::*;
    use crate::{CheckpointStatistics, OperatorKind};

    #[test]
    fn the_text_has_flinks_names_and_escaped_labels() {
        let measures = riverrun_connect::Measures::default();
        measures.gauge("queue-length").unwrap().set(2.5);
        (1..=9).for_each(|value| measures.histogram("latency").unwrap().update(value));
        measures.accumulator::<u8>("sum").unwrap();
        let operator = OperatorSnapshot {
            name: "Source: \"t\"".into(),
            kind: OperatorKind::Source,
            records_in: 5,
            records_out: 5,
            bytes_in: 40,
            bytes_out: 0,
            input_watermark: None,
            output_watermark: Some(-1),
            watermark_lag: None,
            counters: vec![("numRecordsInErrors", 2), ("sent{to=\"a\"}", 3), ("sent{to=\"b\"}", 4)],
            measures: measures.snapshot(),
        };
        let task = TaskSnapshot {
            name: "Source: \"t\"".into(),
            subtask: 1,
            parallelism: 2,
            ended: false,
            busy: Duration::ZERO,
            backpressured: Duration::ZERO,
            idle: Duration::ZERO,
            busy_ms_per_second: 12.5,
            backpressured_ms_per_second: 0.0,
            idle_ms_per_second: 987.5,
            in_pool_usage: None,
            operators: vec![operator],
        };
        let job = MetricsSnapshot {
            job: "j".into(),
            status: JobStatus::Running,
            uptime: Duration::ZERO,
            restarts: 0,
            checkpoints: CheckpointStatistics::default(),
            tasks: vec![task],
        };
        let text = prometheus_text(&[job]);
        let lines: Vec<&str> = text.lines().collect();
        let labels = r#"job_name="j",task_name="Source: \"t\"",subtask_index="1""#;
        for expected in [
            "# TYPE flink_taskmanager_job_task_busyTimeMsPerSecond gauge".to_owned(),
            format!("flink_taskmanager_job_task_busyTimeMsPerSecond{{{labels}}} 12.5"),
            "# TYPE flink_taskmanager_job_task_operator_numRecordsIn counter".to_owned(),
            format!(
                "flink_taskmanager_job_task_operator_numRecordsIn{{{labels},operator_name=\"Source: \\\"t\\\"\"}} 5"
            ),
            format!(
                "flink_taskmanager_job_task_operator_currentOutputWatermark{{{labels},operator_name=\"Source: \\\"t\\\"\"}} -1"
            ),
            format!(
                "flink_taskmanager_job_task_operator_numRecordsInErrors{{{labels},operator_name=\"Source: \\\"t\\\"\"}} 2"
            ),
            format!(
                "flink_taskmanager_job_task_operator_sent{{{labels},operator_name=\"Source: \\\"t\\\"\",to=\"b\"}} 4"
            ),
            "# TYPE flink_taskmanager_job_task_operator_queue_length gauge".to_owned(),
            format!(
                "flink_taskmanager_job_task_operator_queue_length{{{labels},operator_name=\"Source: \\\"t\\\"\"}} 2.5"
            ),
            "# TYPE flink_taskmanager_job_task_operator_latency summary".to_owned(),
            format!(
                "flink_taskmanager_job_task_operator_latency{{{labels},operator_name=\"Source: \\\"t\\\"\",quantile=\"0.5\"}} 5"
            ),
            format!(
                "flink_taskmanager_job_task_operator_latency_count{{{labels},operator_name=\"Source: \\\"t\\\"\"}} 9"
            ),
        ] {
            assert!(lines.contains(&expected.as_str()), "{expected}\nis not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE flink_taskmanager_job_task_operator_sent counter").count(), 1);
        assert!(!text.contains("operator_sum"), "{text}");
        assert!(!text.contains("currentInputWatermark") && !text.contains("inPoolUsage"), "{text}");
    }

    #[test]
    fn checkpoints_and_restarts_are_the_jobs() {
        let checkpoints = CheckpointStatistics {
            completed: 4,
            failed: 1,
            in_progress: 1,
            last: Some(CheckpointId(6)),
            last_duration: Duration::from_millis(12),
            last_full_size: 700,
            last_size: 70,
        };
        let job = |name: &str, checkpoints| MetricsSnapshot {
            job: name.into(),
            status: JobStatus::Running,
            uptime: Duration::ZERO,
            restarts: 2,
            checkpoints,
            tasks: Vec::new(),
        };
        let text = prometheus_text(&[job("a", checkpoints), job("b", CheckpointStatistics::default())]);
        let expected = "\
# TYPE flink_jobmanager_job_numRestarts gauge
flink_jobmanager_job_numRestarts{job_name=\"a\"} 2
flink_jobmanager_job_numRestarts{job_name=\"b\"} 2
# TYPE flink_jobmanager_job_numberOfCompletedCheckpoints gauge
flink_jobmanager_job_numberOfCompletedCheckpoints{job_name=\"a\"} 4
flink_jobmanager_job_numberOfCompletedCheckpoints{job_name=\"b\"} 0
# TYPE flink_jobmanager_job_numberOfFailedCheckpoints gauge
flink_jobmanager_job_numberOfFailedCheckpoints{job_name=\"a\"} 1
flink_jobmanager_job_numberOfFailedCheckpoints{job_name=\"b\"} 0
# TYPE flink_jobmanager_job_numberOfInProgressCheckpoints gauge
flink_jobmanager_job_numberOfInProgressCheckpoints{job_name=\"a\"} 1
flink_jobmanager_job_numberOfInProgressCheckpoints{job_name=\"b\"} 0
# TYPE flink_jobmanager_job_lastCheckpointDuration gauge
flink_jobmanager_job_lastCheckpointDuration{job_name=\"a\"} 12
# TYPE flink_jobmanager_job_lastCheckpointSize gauge
flink_jobmanager_job_lastCheckpointSize{job_name=\"a\"} 70
# TYPE flink_jobmanager_job_lastCheckpointFullSize gauge
flink_jobmanager_job_lastCheckpointFullSize{job_name=\"a\"} 700
";
        assert_eq!(text, expected);
    }
}
