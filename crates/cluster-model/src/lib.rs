//! What server and clients say to each other over HTTP: Flink's REST API, under its paths and in its JSON.
//!
//! A field that is not known is left out rather than invented, so that every number that is there is true. What is read tolerates
//! fields it does not know: the other side may be Flink itself, or another version.
//!
//! | call | asks | answers |
//! |---|---|---|
//! | GET `/config` | | [`Configuration`] |
//! | GET `/jobs` | | [`JobIds`] |
//! | GET `/jobs/overview` | | [`JobsOverview`] |
//! | GET `/jobs/:id` | | [`JobDetails`] |
//! | GET `/jobs/:id/status` | | [`JobStatusInfo`] |
//! | PATCH `/jobs/:id?mode=cancel` | | 202, an empty object |
//! | GET `/jobs/:id/checkpoints` | | [`Checkpoints`] |
//! | POST `/jobs/:id/checkpoints` | [`CheckpointRequest`] | 202, [`Triggered`] |
//! | GET `/jobs/:id/checkpoints/:trigger` | | [`Operation`] of a [`CheckpointInfo`] |
//! | POST `/jobs/:id/savepoints` | [`SavepointRequest`] | 202, [`Triggered`] |
//! | POST `/jobs/:id/stop` | [`StopRequest`] | 202, [`Triggered`] |
//! | GET `/jobs/:id/savepoints/:trigger` | | [`Operation`] of a [`SavepointInfo`] |
//!
//! Every path may stand behind `/v1`. Whatever goes wrong is answered by [`Errors`].

mod checkpoints;
mod jobs;
mod operations;

use serde::{Deserialize, Serialize};

pub use checkpoints::{CheckpointCounts, Checkpoints, CompletedCheckpoint, LatestCheckpoints};
pub use jobs::{
    JobDetails, JobId, JobIds, JobOverview, JobStatusInfo, JobsOverview, TaskCounts, Vertex, VertexMetrics,
};
pub use operations::{
    CheckpointInfo, CheckpointRequest, FailureCause, Operation, OperationStatus, Outcome, SavepointInfo,
    SavepointRequest, StopRequest, Triggered,
};

/// The answer to a request that was refused, or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// What is wrong.
    pub errors: Vec<String>,
}

/// What a web page needs to know of its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Configuration {
    /// How often to ask again, in milliseconds.
    pub refresh_interval: u64,
    /// The version of the program that answers.
    pub riverrun_version: String,
    /// What can be done here.
    pub features: Features,
}

/// What can be done through a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Features {
    /// Whether jobs can be handed in.
    pub web_submit: bool,
    /// Whether jobs can be canceled.
    pub web_cancel: bool,
}
