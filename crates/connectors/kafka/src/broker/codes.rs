//! Kafka's error codes, as far as they decide something here (<https://kafka.apache.org/protocol#protocol_error_codes>).

use std::borrow::Cow;

/// The broker met an exception: nothing was done.
pub(super) const UNKNOWN_SERVER_ERROR: i16 = -1;
/// The coordinator is reading its log.
pub(super) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
/// There is no coordinator now.
pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
/// Another broker is the coordinator.
pub(super) const NOT_COORDINATOR: i16 = 16;
/// The epoch is not the producer's latest, before version 2.
pub(super) const INVALID_PRODUCER_EPOCH: i16 = 47;
/// The transaction is not in the state that this needs.
pub(super) const INVALID_TXN_STATE: i16 = 48;
/// The id is not known, or has another producer id.
pub(super) const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
/// The time-out is larger than the broker allows.
pub(super) const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
/// The transaction before is still being ended.
pub(super) const CONCURRENT_TRANSACTIONS: i16 = 51;
/// The user may not use the id.
pub(super) const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
/// The epoch is not the producer's latest.
pub(super) const PRODUCER_FENCED: i16 = 90;
/// The id is not known.
pub(super) const TRANSACTIONAL_ID_NOT_FOUND: i16 = 105;

/// Whether the same question may be answered otherwise a moment later.
pub(super) fn passes(code: i16) -> bool {
    matches!(
        code,
        UNKNOWN_SERVER_ERROR
            | COORDINATOR_LOAD_IN_PROGRESS
            | COORDINATOR_NOT_AVAILABLE
            | NOT_COORDINATOR
            | CONCURRENT_TRANSACTIONS
    )
}

/// Whether the coordinator must be looked up anew: a broker that was just started tells it is the coordinator before it is.
pub(super) fn moved(code: i16) -> bool {
    matches!(code, COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR)
}

/// What a code says.
pub(super) fn text(code: i16) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        UNKNOWN_SERVER_ERROR => "the broker met an error of its own",
        COORDINATOR_LOAD_IN_PROGRESS => "the coordinator is loading",
        COORDINATOR_NOT_AVAILABLE => "no coordinator is available",
        NOT_COORDINATOR => "the coordinator has moved",
        INVALID_PRODUCER_EPOCH | PRODUCER_FENCED => "a newer producer has taken the transactional id over",
        INVALID_TXN_STATE => "the transaction is not open",
        INVALID_PRODUCER_ID_MAPPING | TRANSACTIONAL_ID_NOT_FOUND => "the transactional id is not known",
        INVALID_TRANSACTION_TIMEOUT => "the transaction timeout is larger than the broker's transaction.max.timeout.ms",
        CONCURRENT_TRANSACTIONS => "the transaction before is still being ended",
        29 | 31 => "the user is not allowed to",
        TRANSACTIONAL_ID_AUTHORIZATION_FAILED => "the user is not allowed to use the transactional id",
        other => return Cow::Owned(format!("Kafka's error {other}")),
    })
}
