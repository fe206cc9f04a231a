//! The numbers of requests and answers (`RequestCode`, `ResponseCode` in Apache's sources), and what an answer's number
//! means to who asked.

use riverrun_base::Error;

pub(crate) const PULL_MESSAGE: i16 = 11;
pub(crate) const QUERY_CONSUMER_OFFSET: i16 = 14;
pub(crate) const UPDATE_CONSUMER_OFFSET: i16 = 15;
pub(crate) const UPDATE_AND_CREATE_TOPIC: i16 = 17;
pub(crate) const GET_BROKER_RUNTIME_INFO: i16 = 28;
pub(crate) const SEARCH_OFFSET_BY_TIMESTAMP: i16 = 29;
pub(crate) const GET_MAX_OFFSET: i16 = 30;
pub(crate) const GET_MIN_OFFSET: i16 = 31;
pub(crate) const VIEW_MESSAGE_BY_ID: i16 = 33;
pub(crate) const HEART_BEAT: i16 = 34;
pub(crate) const END_TRANSACTION: i16 = 37;
pub(crate) const CHECK_TRANSACTION_STATE: i16 = 39;
pub(crate) const NOTIFY_CONSUMER_IDS_CHANGED: i16 = 40;
pub(crate) const CHECK_CLIENT_CONFIG: i16 = 46;
pub(crate) const GET_ROUTEINFO_BY_TOPIC: i16 = 105;
pub(crate) const GET_BROKER_CLUSTER_INFO: i16 = 106;
pub(crate) const DELETE_TOPIC_IN_BROKER: i16 = 215;
pub(crate) const DELETE_TOPIC_IN_NAMESRV: i16 = 216;
pub(crate) const SEND_MESSAGE_V2: i16 = 310;
pub(crate) const SEND_BATCH_MESSAGE: i16 = 320;

pub(crate) const SUCCESS: i16 = 0;
pub(crate) const SYSTEM_ERROR: i16 = 1;
pub(crate) const SYSTEM_BUSY: i16 = 2;
pub(crate) const REQUEST_CODE_NOT_SUPPORTED: i16 = 3;
pub(crate) const FLUSH_DISK_TIMEOUT: i16 = 10;
pub(crate) const SLAVE_NOT_AVAILABLE: i16 = 11;
pub(crate) const FLUSH_SLAVE_TIMEOUT: i16 = 12;
pub(crate) const MESSAGE_ILLEGAL: i16 = 13;
pub(crate) const SERVICE_NOT_AVAILABLE: i16 = 14;
pub(crate) const NO_PERMISSION: i16 = 16;
pub(crate) const TOPIC_NOT_EXIST: i16 = 17;
pub(crate) const PULL_NOT_FOUND: i16 = 19;
pub(crate) const PULL_RETRY_IMMEDIATELY: i16 = 20;
pub(crate) const PULL_OFFSET_MOVED: i16 = 21;
pub(crate) const QUERY_NOT_FOUND: i16 = 22;
pub(crate) const SUBSCRIPTION_PARSE_FAILED: i16 = 23;
pub(crate) const SUBSCRIPTION_GROUP_NOT_EXIST: i16 = 26;
pub(crate) const ILLEGAL_OPERATION: i16 = 604;
pub(crate) const GO_AWAY: i16 = 1500;

/// The error that an answer's code and remark stand for. `what` completes "RocketMQ refuses to ...".
pub(crate) fn refusal(code: i16, remark: &str, what: &str, address: &str) -> Error {
    // of a Java exception the first line; what follows is its stack
    let remark = remark.lines().next().unwrap_or_default().trim();
    let message = format!("RocketMQ refuses to {what}: {remark}");
    let error = match code {
        NO_PERMISSION => Error::external(message)
            .hint("check the access key and the secret key, and that the user may use this topic and group"),
        TOPIC_NOT_EXIST => Error::user(message).hint("create the topic, or correct its name"),
        SUBSCRIPTION_PARSE_FAILED => Error::user(message).hint("correct the filter expression"),
        SUBSCRIPTION_GROUP_NOT_EXIST => {
            Error::user(message).hint("create the consumer group, or set autoCreateSubscriptionGroup on the brokers")
        }
        MESSAGE_ILLEGAL => Error::user(message),
        SYSTEM_ERROR if remark.contains("does not support consumer to filter") => {
            Error::user(message).hint("set enablePropertyFilter on the brokers")
        }
        SYSTEM_ERROR | SYSTEM_BUSY | SERVICE_NOT_AVAILABLE | GO_AWAY => Error::external(message).retryable(),
        _ => Error::external(message),
    };
    error.with("code", code).with("server", address)
}

#[cfg(test)]
mod tests {
    use riverrun_base::Kind;

    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_is_retried() {
        let of = |code, remark| refusal(code, remark, "send", "h:1");
        assert!(of(SYSTEM_BUSY, "[OVERLOAD]").is_retryable());
        assert!(of(SERVICE_NOT_AVAILABLE, "disk full").is_retryable());
        assert!(!of(NO_PERMISSION, "denied").is_retryable());
        assert_eq!(of(TOPIC_NOT_EXIST, "no").kind(), Kind::User);
        let filter = of(SYSTEM_ERROR, "The broker does not support consumer to filter message by SQL92");
        assert_eq!((filter.kind(), filter.is_retryable()), (Kind::User, false));
    }

    #[test]
    fn of_a_java_exception_only_the_first_line_is_shown() {
        let error = refusal(NO_PERMISSION, "user not found.\n\tat a.b.C(D.java:1)", "pull", "h:1");
        assert!(
            error.to_string().starts_with("RocketMQ refuses to pull: user not found. (code: 16, server: h:1); check")
        );
    }
}
