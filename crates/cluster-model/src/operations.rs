//! What takes longer than an HTTP request: it is triggered, and then asked for.

use serde::{Deserialize, Serialize};

/// The answer to a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggered {
    /// By which to ask for the outcome: 32 hexadecimal digits.
    #[serde(rename = "request-id")]
    pub request_id: String,
}

/// Asks for a savepoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavepointRequest {
    /// The folder of savepoints; the job's own without it.
    #[serde(rename = "target-directory")]
    pub target_directory: Option<String>,
    /// Whether to cancel the job when the savepoint is complete.
    #[serde(rename = "cancel-job")]
    pub cancel_job: bool,
    /// What the client wants to ask by; a second request of the same id triggers nothing.
    #[serde(rename = "triggerId")]
    pub trigger_id: Option<String>,
}

/// Asks for a savepoint with which the job ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StopRequest {
    /// The folder of savepoints; the job's own without it.
    pub target_directory: Option<String>,
    /// Whether event time comes to its end before, so that open windows fire.
    pub drain: bool,
    /// As in [`SavepointRequest`].
    pub trigger_id: Option<String>,
}

/// Asks for a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CheckpointRequest {
    /// `CONFIGURED`, which is also meant without it, `INCREMENTAL` or `FULL`.
    pub checkpoint_type: Option<String>,
    /// As in [`SavepointRequest`].
    pub trigger_id: Option<String>,
}

/// What has become of a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation<T> {
    /// Whether it is still under way.
    pub status: OperationStatus,
    /// What came out, once it is not.
    #[serde(default = "none")]
    pub operation: Option<Outcome<T>>,
}

fn none<T>() -> Option<T> {
    None
}

/// Whether an operation is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// `IN_PROGRESS` or `COMPLETED`.
    pub id: String,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome<T> {
    /// It failed.
    Failed {
        /// Why.
        #[serde(rename = "failure-cause")]
        failure_cause: FailureCause,
    },
    /// It went well.
    Done(T),
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCause {
    /// The kind of the error.
    #[serde(default)]
    pub class: String,
    /// What is wrong, in words. Flink writes its stack trace here.
    #[serde(rename = "stack-trace", default)]
    pub stack_trace: String,
}

/// A complete savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointInfo {
    /// Its folder.
    pub location: String,
}

/// A complete checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Its number.
    #[serde(rename = "checkpointId")]
    pub checkpoint_id: u64,
}

impl<T> Operation<T> {
    /// One that is under way.
    pub fn in_progress() -> Self {
        Self { status: OperationStatus { id: "IN_PROGRESS".to_owned() }, operation: None }
    }

    /// One that has ended.
    pub fn completed(outcome: Outcome<T>) -> Self {
        Self { status: OperationStatus { id: "COMPLETED".to_owned() }, operation: Some(outcome) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_written_and_read_as_flink_does() {
        let text = |operation: &Operation<SavepointInfo>| serde_json::to_string(operation).unwrap();
        assert_eq!(text(&Operation::in_progress()), r#"{"status":{"id":"IN_PROGRESS"},"operation":null}"#);
        let done = Operation::completed(Outcome::Done(SavepointInfo { location: "file:/s".into() }));
        assert_eq!(text(&done), r#"{"status":{"id":"COMPLETED"},"operation":{"location":"file:/s"}}"#);
        assert_eq!(serde_json::from_str::<Operation<SavepointInfo>>(&text(&done)).unwrap(), done);
        // With what Flink says besides.
        let failed = r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"c","stack-trace":"why","serialized-throwable":"x"}}}"#;
        let failed: Operation<SavepointInfo> = serde_json::from_str(failed).unwrap();
        let cause = FailureCause { class: "c".into(), stack_trace: "why".into() };
        assert_eq!(failed.operation, Some(Outcome::Failed { failure_cause: cause }));
        let checkpoint: Operation<CheckpointInfo> =
            serde_json::from_str(r#"{"status":{"id":"COMPLETED"},"operation":{"checkpointId":2}}"#).unwrap();
        assert_eq!(checkpoint.operation, Some(Outcome::Done(CheckpointInfo { checkpoint_id: 2 })));
    }

    #[test]
    fn requests_are_read_with_and_without_what_flinks_clients_send() {
        let request = r#"{"target-directory":"/s","cancel-job":false,"formatType":"CANONICAL","triggerId":null}"#;
        let request: SavepointRequest = serde_json::from_str(request).unwrap();
        assert_eq!(request.target_directory.as_deref(), Some("/s"));
        let request: StopRequest = serde_json::from_str(r#"{"drain": true}"#).unwrap();
        assert_eq!((request.drain, request.target_directory), (true, None));
        let request: StopRequest = serde_json::from_str(r#"{"targetDirectory":"/s"}"#).unwrap();
        assert_eq!((request.drain, request.target_directory.as_deref()), (false, Some("/s")));
    }
}
