//! What is true of a job, as Flink's API says it.

use std::collections::BTreeMap;

use riverrun_cluster_model::{
    CheckpointCounts, Checkpoints, CompletedCheckpoint, JobDetails, JobOverview, LatestCheckpoints, TaskCounts, Vertex,
    VertexMetrics,
};
use riverrun_runtime::{JobStatus, MetricsSnapshot, OperatorKind, TaskSnapshot};

/// A status under a name that Flink has.
pub(super) fn status(status: JobStatus) -> String {
    match status {
        // Flink's jobs run until their last task has ended.
        JobStatus::Finishing => JobStatus::Running.to_string(),
        status => status.to_string(),
    }
}

/// A job in short.
pub(super) fn overview(id: &str, started_ms: i64, job: &MetricsSnapshot) -> JobOverview {
    let finished = number(job.tasks.iter().filter(|task| task.ended).count());
    let total = number(job.tasks.len());
    JobOverview {
        jid: id.to_owned(),
        name: job.job.clone(),
        state: status(job.status),
        start_time: started_ms,
        end_time: if job.status.is_terminal() { started_ms + uptime(job) } else { -1 },
        duration: uptime(job),
        tasks: TaskCounts { total, running: total - finished, finished },
        pending_operators: 0,
    }
}

/// A job with its chains.
pub(super) fn details(id: &str, started_ms: i64, now_ms: i64, job: &MetricsSnapshot) -> JobDetails {
    let JobOverview { jid, name, state, start_time, end_time, duration, .. } = overview(id, started_ms, job);
    let vertices: Vec<Vertex> = job.tasks.chunk_by(|a, b| a.name == b.name).map(vertex).collect();
    let mut status_counts = BTreeMap::new();
    for vertex in &vertices {
        *status_counts.entry(vertex.status.clone()).or_insert(0) += 1;
    }
    JobDetails {
        jid,
        name,
        state,
        start_time,
        end_time,
        duration,
        now: now_ms,
        restarts: job.restarts,
        vertices,
        status_counts,
    }
}

/// The subtasks of a chain.
fn vertex(subtasks: &[TaskSnapshot]) -> Vertex {
    let mut metrics = VertexMetrics::default();
    for task in subtasks {
        if let (Some(head), Some(last)) = (task.operators.first(), task.operators.last()) {
            metrics.read_bytes += head.bytes_in;
            metrics.read_records += head.records_in;
            metrics.write_bytes += last.bytes_out;
            metrics.write_records += if last.kind == OperatorKind::Sink { last.records_in } else { last.records_out };
        }
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        metrics.accumulated_busy_time += millis(task.busy);
        metrics.accumulated_idle_time += millis(task.idle);
        metrics.accumulated_backpressured_time += millis(task.backpressured);
    }
    let ended = subtasks.iter().all(|task| task.ended);
    Vertex {
        name: subtasks.first().map(|task| task.name.clone()).unwrap_or_default(),
        parallelism: number(subtasks.len()),
        status: if ended { "FINISHED" } else { "RUNNING" }.to_owned(),
        metrics,
    }
}

/// A job's checkpoints.
pub(super) fn checkpoints(job: &MetricsSnapshot) -> Checkpoints {
    let told = &job.checkpoints;
    let completed = told.last.map(|id| CompletedCheckpoint {
        id: id.0,
        status: "COMPLETED".to_owned(),
        state_size: told.last_full_size,
        checkpointed_size: told.last_size,
        end_to_end_duration: u64::try_from(told.last_duration.as_millis()).unwrap_or(u64::MAX),
    });
    Checkpoints {
        counts: CheckpointCounts {
            total: told.completed + told.failed + told.in_progress,
            in_progress: told.in_progress,
            completed: told.completed,
            failed: told.failed,
        },
        latest: LatestCheckpoints { completed },
    }
}

fn uptime(job: &MetricsSnapshot) -> i64 {
    i64::try_from(job.uptime.as_millis()).unwrap_or(i64::MAX)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
