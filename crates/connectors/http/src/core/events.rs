//! What the core is told, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use super::{RecordId, SendId};
use crate::request::Request;

/// A request to send.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// What its answer is given with.
    pub(crate) id: SendId,
    /// The records: one, unless they are batched.
    pub(crate) requests: Vec<Arc<Request>>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The destination has answered.
    Status {
        /// The status code.
        code: u16,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
        /// The status codes of a batch's records, if it tells them.
        results: Option<Vec<u16>>,
        /// The beginning of its answer.
        text: String,
    },
    /// It has not.
    Nothing(String),
    /// The request was not made, as it may not be.
    Refused(String),
}

/// A record for the failover store.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// Its name, for [`Core::stored`].
    pub(crate) id: RecordId,
    /// The request.
    pub(crate) request: Arc<Request>,
    /// How often it was sent.
    pub(crate) tries: u32,
    /// When it was taken, in milliseconds since 1970.
    pub(crate) first_ms: i64,
    /// Why.
    pub(crate) why: String,
}

/// What has been counted. All numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Requests sent.
    pub(crate) sends: u64,
    /// Of these, such as were sent before.
    pub(crate) retries: u64,
    /// Records answered with success.
    pub(crate) delivered: u64,
    /// Answers by class, from 1XX on.
    pub(crate) classes: [u64; 5],
    /// Requests without an answer.
    pub(crate) unanswered: u64,
    /// Records given up.
    pub(crate) given_up: u64,
    /// Of these, such as the failover store has.
    pub(crate) failed_over: u64,
    /// And such as were dropped.
    pub(crate) dropped: u64,
    /// Batches cut in two.
    pub(crate) bisected: u64,
    /// How often a destination was found to be down.
    pub(crate) breaks: u64,
}
