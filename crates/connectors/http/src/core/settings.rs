//! What the core goes by.

use std::time::Duration;

use crate::codes::Codes;

/// Limits, lists and times.
#[derive(Clone, Debug)]
pub(crate) struct CoreSettings {
    /// How many records there may be.
    pub(crate) queue_rows: usize,
    /// And how many bytes of them.
    pub(crate) queue_bytes: usize,
    /// How many requests may be under way.
    pub(crate) requests: usize,
    /// Whether that number adapts to each destination.
    pub(crate) is_adaptive: bool,
    /// How often a request is sent again.
    pub(crate) retries: u32,
    /// How long after it was taken a record may be sent again.
    pub(crate) retry_timeout: Duration,
    /// The bound of the first pause.
    pub(crate) initial_backoff: Duration,
    /// The largest bound.
    pub(crate) max_backoff: Duration,
    /// Codes of success.
    pub(crate) success_codes: Codes,
    /// Codes after which a request is sent again.
    pub(crate) retry_codes: Codes,
    /// Codes after which it is not.
    pub(crate) fatal_codes: Codes,
    /// Codes after which a batch is cut in two.
    pub(crate) bisect_codes: Codes,
    /// How records are batched.
    pub(crate) batching: Option<Batching>,
    /// Requests a second to one destination.
    pub(crate) rate: Option<f64>,
    /// Failures without an answer after which a destination counts as down; 0 never.
    pub(crate) breaker_failures: u32,
    /// How long it does, at first.
    pub(crate) breaker_pause: Duration,
    /// What becomes of a record whose tries are spent.
    pub(crate) exhaustion: Exhaustion,
}

/// When a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batching {
    /// When it has so many records,
    pub(crate) rows: usize,
    /// or so many bytes,
    pub(crate) bytes: usize,
    /// or when its first record has waited so long.
    pub(crate) age: Duration,
}

/// What becomes of a record whose tries are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhaustion {
    /// The job fails.
    Fail,
    /// The failover store takes it.
    Failover,
    /// It is dropped.
    Drop,
}
