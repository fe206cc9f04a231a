//! What the core is told, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use super::{RecordId, SendId, Slot};
use crate::request::Request;

/// A request to send.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// What its answer is given with.
    pub(crate) id: SendId,
    /// Where its destination is counted.
    pub(crate) slot: Slot,
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
