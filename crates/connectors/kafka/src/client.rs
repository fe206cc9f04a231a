//! The clients of librdkafka: what they tell about their connection, and calls that end in bounded time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, TopicPartitionList};
use riverrun_base::{Error, Result};
use riverrun_connect::Cancellation;

/// How long a question to the brokers may take in all.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long brokers that refuse connections are asked again, in case they are just starting.
const REFUSED_LIMIT: Duration = Duration::from_secs(1);

/// One attempt of a question.
const ATTEMPT: Duration = Duration::from_millis(500);

/// What a client has told about its connection.
#[derive(Debug, Default)]
pub(crate) struct Connection(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all_down: bool,
    failure: Option<String>,
    refused: Option<String>,
}

impl Connection {
    /// Takes note of an error that concerns the whole client.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::warn!(target: "riverrun_kafka", "Kafka client: {reason}");
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => state.all_down = true,
            // Asking again does not help against a wrong password or certificate.
            Some(
                RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL | RDKafkaErrorCode::SaslAuthenticationFailed,
            ) => {
                state.refused = Some(reason.to_owned());
            }
            _ => state.failure = Some(reason.to_owned()),
        }
    }

    /// Forgets a refused login: a new question shows whether it still is.
    fn renew(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused = None;
    }

    /// Why there is no point in waiting longer, after `waited`.
    fn hopeless(&self, waited: Duration, bootstrap: &str) -> Option<Error> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &state.refused {
            return Some(
                Error::external(format!("Kafka at {bootstrap} refuses the login: {reason}"))
                    .hint("check 'properties.security.protocol', 'properties.sasl.mechanism' and the login"),
            );
        }
        if waited >= ANSWER_LIMIT || state.all_down && waited >= REFUSED_LIMIT {
            let reason = state.failure.clone().unwrap_or_else(|| format!("no answer within {} s", waited.as_secs()));
            return Some(unreachable(bootstrap, &reason));
        }
        None
    }
}

fn unreachable(bootstrap: &str, reason: &str) -> Error {
    Error::external(format!("cannot reach Kafka at {bootstrap}: {reason}"))
        .hint("is the broker running, and is 'properties.bootstrap.servers' right?")
        .retryable()
}

/// Writes a line of librdkafka's log. It names the clients' threads and brokers, never a secret.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", "{facility}: {line}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", "{facility}: {line}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{facility}: {line}"),
    }
}

/// What a consumer calls back.
#[derive(Debug, Default)]
pub(crate) struct ConsumerEvents {
    /// What it told about its connection.
    pub(crate) connection: Connection,
    /// Set when something is wrong with a partition that librdkafka tells in its log only: a topic that was deleted.
    pub(crate) suspicion: AtomicBool,
}

impl ClientContext for ConsumerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Errors that wait among the records of a partition come here, since they are taken from a queue that has no callback for them.
        if facility == "ERROR" {
            self.suspicion.store(true, Ordering::Relaxed);
        }
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Errors of one partition reach the reader with its records.
        if !matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::PartitionEOF | RDKafkaErrorCode::AutoOffsetReset)
        ) {
            self.connection.note(&error, reason);
        }
    }
}

impl ConsumerContext for ConsumerEvents {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if let Err(error) = result {
            // The job's own checkpoints hold the positions; the group's offsets only show them to others.
            tracing::warn!(target: "riverrun_kafka", "cannot commit the offsets of {} partitions to the consumer group: {error}", offsets.count());
        }
    }
}

/// A consumer as the connector makes it.
pub(crate) type Consumer = BaseConsumer<ConsumerEvents>;

/// Makes a consumer; nothing is asked of the brokers yet.
///
/// # Errors
/// librdkafka refuses the properties together.
pub(crate) fn consumer(config: &ClientConfig) -> Result<Consumer> {
    config.create_with_context(ConsumerEvents::default()).map_err(refused_configuration)
}

/// The error of a client that cannot be made.
pub(crate) fn refused_configuration(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientCreation(text) => {
            Error::user(format!("the Kafka client refuses its properties: {text}")).hint("check 'properties.*'")
        }
        other => Error::internal(format!("cannot make a Kafka client: {other}")),
    }
}

/// A client whose questions to the brokers end in bounded time.
pub(crate) struct Asker<'a, C: ClientContext> {
    /// The client.
    pub(crate) client: &'a Client<C>,
    /// What it told about its connection.
    pub(crate) connection: &'a Connection,
    /// The brokers, for errors.
    pub(crate) bootstrap: &'a str,
    /// Ends the wait when the job stops.
    pub(crate) cancellation: &'a Cancellation,
    /// Lets the client call back.
    pub(crate) serve: &'a dyn Fn(),
}

impl<C: ClientContext> Asker<'_, C> {
    /// The metadata of a topic, or of all.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) fn metadata(&self, topic: Option<&str>) -> Result<Metadata> {
        self.ask("list topics", |timeout| self.client.fetch_metadata(topic, timeout))
    }

    /// Puts a question until it is answered.
    ///
    /// # Errors
    /// Nobody answers within [`ANSWER_LIMIT`], every broker refuses, the answer is an error that does not pass, or the job stops.
    pub(crate) fn ask<T>(&self, what: &str, mut question: impl FnMut(Duration) -> KafkaResult<T>) -> Result<T> {
        let begin = Instant::now();
        self.connection.renew();
        loop {
            let attempt = Instant::now();
            let error = match question(ATTEMPT) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            (self.serve)();
            if let Some(error) = self.connection.hopeless(begin.elapsed(), self.bootstrap) {
                return Err(error);
            }
            let code = error.rdkafka_error_code();
            if !code.is_some_and(passes) {
                return Err(Error::external(format!(
                    "Kafka at {} refuses to {what}: {}",
                    self.bootstrap,
                    reason(&error)
                )));
            }
            self.cancellation.sleep(Duration::from_millis(100).saturating_sub(attempt.elapsed()))?;
        }
    }
}

/// A consumer that puts questions.
pub(crate) fn asker<'a>(
    consumer: &'a Consumer,
    bootstrap: &'a str,
    cancellation: &'a Cancellation,
    serve: &'a dyn Fn(),
) -> Asker<'a, ConsumerEvents> {
    Asker {
        client: consumer.client(),
        connection: &consumer.client().context().connection,
        bootstrap,
        cancellation,
        serve,
    }
}

/// Lets a consumer deliver its log, errors and the results of commits.
pub(crate) fn serve(consumer: &Consumer) {
    // One event a call; what is left comes with the next.
    for _ in 0..16 {
        if consumer.poll(Duration::ZERO).is_none() {
            break;
        }
    }
}

/// What a broker or librdkafka says, without the name of the call.
pub(crate) fn reason(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}

/// Whether the same question may be answered a moment later.
pub(crate) fn passes(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::TimedOutQueue
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::WaitingForCoordinator
            | RDKafkaErrorCode::WaitCache
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::Retry
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::NetworkException
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::OffsetNotAvailable
            | RDKafkaErrorCode::UnknownLeaderEpoch
            | RDKafkaErrorCode::FencedLeaderEpoch
            | RDKafkaErrorCode::PreferredLeaderNotAvailable
            | RDKafkaErrorCode::KafkaStorageError
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn note(connection: &Connection, code: RDKafkaErrorCode, reason: &str) {
        connection.note(&KafkaError::Global(code), reason);
    }

    #[test]
    fn refused_connections_end_the_wait_early_and_tell_why() {
        let connection = Connection::default();
        assert!(connection.hopeless(Duration::from_secs(2), "b:1").is_none());
        note(&connection, RDKafkaErrorCode::BrokerTransportFailure, "b:1: Connection refused");
        note(&connection, RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
        assert!(connection.hopeless(Duration::from_millis(900), "b:1").is_none());
        let error = connection.hopeless(Duration::from_millis(1100), "b:1").unwrap();
        assert!(error.is_retryable());
        assert!(error.to_string().contains("cannot reach Kafka at b:1: b:1: Connection refused"), "{error}");
    }

    #[test]
    fn silence_ends_the_wait_at_the_limit() {
        let error = Connection::default().hopeless(ANSWER_LIMIT, "b:1").unwrap();
        assert!(error.to_string().contains("no answer within 10 s"), "{error}");
    }

    #[test]
    fn a_refused_login_is_told_at_once_and_not_retried() {
        let connection = Connection::default();
        note(&connection, RDKafkaErrorCode::Authentication, "SASL authentication error: bad password");
        let error = connection.hopeless(Duration::ZERO, "b:1").unwrap();
        assert!(!error.is_retryable());
        assert!(error.to_string().contains("bad password"), "{error}");
    }
}
