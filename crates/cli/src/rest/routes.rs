//! The paths that are served, and what each does.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use riverrun_base::Result;
use riverrun_cluster_model::{
    CheckpointInfo, CheckpointRequest, Configuration, Errors, Features, JobId, JobIds, JobStatusInfo, JobsOverview,
    Operation, Outcome, SavepointInfo, SavepointRequest, StopRequest, Triggered,
};
use riverrun_runtime::{JobControl, JobStatus, prometheus_text};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers;
use super::operations::{Ended, Key, OperationKind, Operations};
use crate::jobs::{Signals, StartedJob, now_ms};

/// What the handlers work on.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) jobs: Signals,
    pub(super) operations: Arc<Operations>,
}

/// All paths, each also behind `/v1`.
pub(super) fn router(served: Served) -> Router {
    let api = Router::new()
        .route("/config", get(config))
        .route("/jobs", get(jobs))
        .route("/jobs/overview", get(overview))
        .route("/jobs/{job}", get(job).patch(terminate))
        .route("/jobs/{job}/status", get(status))
        .route("/jobs/{job}/checkpoints", get(checkpoints).post(checkpoint))
        .route("/jobs/{job}/checkpoints/{trigger}", get(checkpoint_outcome))
        .route("/jobs/{job}/savepoints", post(savepoint))
        .route("/jobs/{job}/savepoints/{trigger}", get(savepoint_outcome))
        .route("/jobs/{job}/stop", post(stop));
    Router::new()
        .merge(api.clone())
        .nest("/v1", api)
        .route("/metrics", get(metrics))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            refused(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .with_state(served)
}

/// An answer, or the refusal that is answered instead.
type Answer<T = Response> = std::result::Result<T, Refusal>;

/// Why a request is not carried out.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json(self.status, &Errors { errors: vec![self.message] })
    }
}

async fn config() -> Response {
    json(
        StatusCode::OK,
        &Configuration {
            refresh_interval: 3000,
            riverrun_version: env!("CARGO_PKG_VERSION").to_owned(),
            features: Features { web_submit: false, web_cancel: true },
        },
    )
}

async fn metrics(State(served): State<Served>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, prometheus_text(&served.jobs.snapshots())).into_response()
}

async fn jobs(State(served): State<Served>) -> Response {
    let id =
        |job: &StartedJob| JobId { id: job.control.id().to_owned(), status: answers::status(job.control.status()) };
    json(StatusCode::OK, &JobIds { jobs: served.jobs.jobs().iter().map(id).collect() })
}

async fn overview(State(served): State<Served>) -> Response {
    let short = |job: &StartedJob| answers::overview(job.control.id(), job.started_ms, &job.control.metrics());
    json(StatusCode::OK, &JobsOverview { jobs: served.jobs.jobs().iter().map(short).collect() })
}

async fn job(State(served): State<Served>, Path(job): Path<String>) -> Answer {
    let job = served.job(&job)?;
    let details = answers::details(job.control.id(), job.started_ms, now_ms(), &job.control.metrics());
    Ok(json(StatusCode::OK, &details))
}

async fn status(State(served): State<Served>, Path(job): Path<String>) -> Answer {
    let status = answers::status(served.job(&job)?.control.status());
    Ok(json(StatusCode::OK, &JobStatusInfo { status }))
}

async fn checkpoints(State(served): State<Served>, Path(job): Path<String>) -> Answer {
    Ok(json(StatusCode::OK, &answers::checkpoints(&served.job(&job)?.control.metrics())))
}

/// Cancels a job; `mode` may say so.
async fn terminate(State(served): State<Served>, Path(job): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let mode = query.split('&').find_map(|pair| pair.strip_prefix("mode=")).unwrap_or("cancel");
    if mode != "cancel" {
        let message =
            format!("the mode '{mode}' is not supported: use 'cancel', or POST /jobs/:id/stop to stop in order");
        return Err(refused(StatusCode::BAD_REQUEST, message));
    }
    let job = served.job(&job)?;
    let status = job.control.status();
    if status.is_terminal() && status != JobStatus::Canceled {
        let message = format!("job {} cannot be canceled: it has ended ({status})", job.control.id());
        return Err(refused(StatusCode::CONFLICT, message));
    }
    job.control.cancel();
    Ok(json(StatusCode::ACCEPTED, &serde_json::Map::new()))
}

async fn checkpoint(State(served): State<Served>, Path(job): Path<String>, body: Bytes) -> Answer {
    let request: CheckpointRequest = parsed(&body)?;
    if !matches!(request.checkpoint_type.as_deref(), None | Some("CONFIGURED" | "INCREMENTAL")) {
        let message =
            "only the checkpoint types CONFIGURED and INCREMENTAL are supported; take a savepoint for a full one";
        return Err(refused(StatusCode::BAD_REQUEST, message));
    }
    served.trigger(OperationKind::Checkpoint, &job, request.trigger_id, |job| Ok(job.checkpoint()?.0.to_string()))
}

async fn savepoint(State(served): State<Served>, Path(job): Path<String>, body: Bytes) -> Answer {
    let request: SavepointRequest = parsed(&body)?;
    served.trigger(OperationKind::Savepoint, &job, request.trigger_id, move |job| {
        let location = job.savepoint(request.target_directory.as_deref())?;
        if request.cancel_job {
            job.cancel();
        }
        Ok(location)
    })
}

async fn stop(State(served): State<Served>, Path(job): Path<String>, body: Bytes) -> Answer {
    let request: StopRequest = parsed(&body)?;
    served.trigger(OperationKind::Savepoint, &job, request.trigger_id, move |job| {
        job.stop_with_savepoint(request.target_directory.as_deref(), request.drain)
    })
}

async fn savepoint_outcome(State(served): State<Served>, Path((job, trigger)): Path<(String, String)>) -> Answer {
    let outcome = served.outcome(OperationKind::Savepoint, &job, &trigger)?;
    answer(outcome, |location| SavepointInfo { location })
}

async fn checkpoint_outcome(State(served): State<Served>, Path((job, trigger)): Path<(String, String)>) -> Answer {
    let outcome = served.outcome(OperationKind::Checkpoint, &job, &trigger)?;
    answer(outcome, |number| CheckpointInfo { checkpoint_id: number.parse().unwrap_or_default() })
}

impl Served {
    /// The job of this id.
    fn job(&self, id: &str) -> Answer<StartedJob> {
        if !is_id(id) {
            return Err(unparsed("jobid", id));
        }
        let found = self.jobs.jobs().into_iter().find(|job| job.control.id() == id);
        found.ok_or_else(|| refused(StatusCode::NOT_FOUND, format!("Job {id} not found")))
    }

    fn trigger(
        &self,
        kind: OperationKind,
        job: &str,
        wanted: Option<String>,
        work: impl FnOnce(&JobControl) -> Result<String> + Send + 'static,
    ) -> Answer {
        let job = self.job(job)?;
        let trigger = match wanted {
            Some(wanted) if is_id(&wanted) => wanted,
            Some(wanted) => return Err(unparsed("triggerId", &wanted)),
            None => format!("{:032x}", fastrand::u128(..)),
        };
        let key = Key { kind, job: job.control.id().to_owned(), trigger: trigger.clone() };
        match self.operations.start(key, move || work(&job.control)) {
            Ok(()) => Ok(json(StatusCode::ACCEPTED, &Triggered { request_id: trigger })),
            Err(error) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, error)),
        }
    }

    fn outcome(&self, kind: OperationKind, job: &str, trigger: &str) -> Answer<Option<Ended>> {
        for (name, id) in [("jobid", job), ("triggerid", trigger)] {
            if !is_id(id) {
                return Err(unparsed(name, id));
            }
        }
        let key = Key { kind, job: job.to_owned(), trigger: trigger.to_owned() };
        self.operations.outcome(&key).ok_or_else(|| {
            let what = match kind {
                OperationKind::Savepoint => "savepoint",
                OperationKind::Checkpoint => "checkpoint",
            };
            refused(
                StatusCode::NOT_FOUND,
                format!("There is no {what} operation with triggerId={trigger} for job {job}."),
            )
        })
    }
}

fn answer<T: Serialize>(outcome: Option<Ended>, done: impl FnOnce(String) -> T) -> Answer {
    let operation = match outcome {
        None => Operation::in_progress(),
        Some(Ok(product)) => Operation::completed(Outcome::Done(done(product))),
        Some(Err(failure_cause)) => Operation::completed(Outcome::Failed { failure_cause }),
    };
    Ok(json(StatusCode::OK, &operation))
}

/// The body of a request, whatever its content type says; none is as good as an empty one.
fn parsed<T: DeserializeOwned + Default>(body: &[u8]) -> Answer<T> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| refused(StatusCode::BAD_REQUEST, format!("the request cannot be read: {error}")))
}

/// Whether a text is an id as Flink writes it.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn unparsed(parameter: &str, value: &str) -> Refusal {
    let message = format!(
        "Bad request, could not parse parameters: Cannot resolve path parameter ({parameter}) from value \"{value}\"."
    );
    refused(StatusCode::BAD_REQUEST, message)
}

fn refused(status: StatusCode, message: impl ToString) -> Refusal {
    Refusal { status, message: message.to_string() }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
