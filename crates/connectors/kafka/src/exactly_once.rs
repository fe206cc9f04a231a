//! What `'sink.delivery-guarantee' = 'exactly-once'` is set up with, and what is checked before the first row.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use riverrun_base::{Error, Result, Secret};
use riverrun_connect::TaskContext;

use crate::broker::{Cluster, Coordinators, Login};
use crate::client::ANSWER_LIMIT;

/// How long a transaction may be open unless the user says otherwise: Flink's own default, so far as the broker allows it. (Flink fails where
/// the broker does not, which by default is so.)
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// What a broker allows by default, for users who may not see its settings.
const BROKER_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// An outage that is survived without a word.
const ENOUGH: Duration = Duration::from_secs(5 * 60);

/// A prefix is no longer, so that an id fits into what Kafka's older encodings hold.
const PREFIX_BYTES: usize = 30_000;

/// The options of exactly-once, checked.
#[derive(Clone, Debug)]
pub(crate) struct ExactlyOnce {
    /// `sink.transactional-id-prefix`.
    pub(crate) prefix: String,
    /// `transaction.timeout.ms`, where the user gives it.
    timeout: Option<Duration>,
    /// `delivery.timeout.ms`: how long a row, and how long a commit may take.
    pub(crate) delivery: Duration,
    /// `socket.timeout.ms`, where the user gives it.
    socket: Option<Duration>,
    cluster: Cluster,
}

impl ExactlyOnce {
    /// Checks what the user has set: `properties` in librdkafka's names.
    ///
    /// # Errors
    /// The user's mistakes, and a login that coordinators cannot be asked with.
    pub(crate) fn new(
        prefix: Option<String>,
        bootstrap: &str,
        client_id: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let option = "sink.transactional-id-prefix";
        let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) else {
            return Err(Error::user(format!("'sink.delivery-guarantee' = 'exactly-once' needs '{option}'"))
                .hint("give it a name that no other job of the cluster has"));
        };
        if prefix.len() > PREFIX_BYTES {
            return Err(Error::user(format!("the prefix is longer than {PREFIX_BYTES} bytes")).with("option", option));
        }
        let cluster =
            Cluster { bootstrap: bootstrap.to_owned(), login: login(properties)?, client_id: client_id.to_owned() };
        let time = |key: &str| Ok(number(properties, key)?.map(Duration::from_millis));
        let (timeout, socket) = (time("transaction.timeout.ms")?, time("socket.timeout.ms")?);
        let delivery = time("delivery.timeout.ms")?.unwrap_or(Duration::from_secs(120));
        Ok(Self { prefix, timeout, delivery, socket, cluster })
    }

    /// Connects to the coordinators, and sees how long transactions may be open.
    ///
    /// # Errors
    /// The brokers cannot be reached, or the time-out cannot work with them or with the job's checkpoints.
    pub(crate) fn connect(&self, context: &TaskContext) -> Result<(Coordinators, Duration)> {
        let mut coordinators = Coordinators::new(self.cluster.clone(), context.cancellation.clone())?;
        let longest = coordinators.longest_timeout(ANSWER_LIMIT)?;
        let timeout = chosen_timeout(self.timeout, longest)?;
        if let Some(interval) = context.job.checkpoint_interval {
            survived(timeout, interval)?;
        }
        Ok((coordinators, timeout))
    }

    /// Says how long an outage the job survives, when that is short.
    pub(crate) fn warn(&self, timeout: Duration, context: &TaskContext) {
        let Some(interval) = context.job.checkpoint_interval else { return };
        let Ok(survived) = survived(timeout, interval) else { return };
        let text = format!(
            "transactions time out after {timeout:?} and checkpoints come every {interval:?}: rows that are not committed yet survive an outage \
             of {survived:?} at most"
        );
        if survived < ENOUGH {
            tracing::warn!(
                target: "riverrun_kafka",
                "{text}; 'properties.transaction.timeout.ms' and the broker's transaction.max.timeout.ms make it longer"
            );
        } else {
            tracing::info!(target: "riverrun_kafka", "{text}");
        }
    }

    /// The configuration of a producer with transactions. librdkafka refuses times that are longer than the transaction's.
    pub(crate) fn producer(&self, config: &ClientConfig, timeout: Duration) -> ClientConfig {
        let mut config = config.clone();
        let millis = |time: Duration| time.as_millis().to_string();
        config.set("transaction.timeout.ms", millis(timeout));
        config.set("delivery.timeout.ms", millis(self.delivery.min(timeout)));
        if let Some(socket) = self.socket {
            config.set("socket.timeout.ms", millis(socket.min(timeout.saturating_sub(Duration::from_millis(100)))));
        }
        config
    }
}

/// How long transactions may be open: what the user says, or else as long as the broker allows, up to an hour.
fn chosen_timeout(user: Option<Duration>, longest: Option<Duration>) -> Result<Duration> {
    match (user, longest) {
        (Some(user), Some(longest)) if user > longest => Err(Error::user(format!(
            "transactions of {user:?} are longer than the {longest:?} that the broker allows (transaction.max.timeout.ms)"
        ))
        .with("option", "properties.transaction.timeout.ms")
        .hint("set it lower, or the broker's higher")),
        (Some(user), _) => Ok(user),
        (None, longest) => Ok(DEFAULT_TIMEOUT.min(longest.unwrap_or(BROKER_TIMEOUT))),
    }
}

/// The longest outage after which the rows before it can still be committed: a transaction is as old as the interval when it is prepared.
fn survived(timeout: Duration, interval: Duration) -> Result<Duration> {
    timeout.checked_sub(interval).filter(|survived| !survived.is_zero()).ok_or_else(|| {
        Error::user(format!(
            "transactions time out after {timeout:?}, before a checkpoint can commit them: one comes every {interval:?}"
        ))
        .with("option", "properties.transaction.timeout.ms")
        .hint("it must be longer than the checkpoint interval and the longest outage together; or take checkpoints more often")
    })
}

/// Who logs in, as librdkafka does.
fn login(properties: &BTreeMap<String, String>) -> Result<Option<Login>> {
    let text = |key: &str| properties.get(key).map(|value| value.trim());
    let refused = |what: String| Error::not_supported(format!("exactly once with {what}"));
    match text("security.protocol").unwrap_or("plaintext").to_lowercase().as_str() {
        "plaintext" => Ok(None),
        "sasl_plaintext" => {
            let mechanism = text("sasl.mechanism").unwrap_or("GSSAPI");
            if !mechanism.eq_ignore_ascii_case("PLAIN") {
                return Err(refused(format!("the login '{mechanism}'"))
                    .with("option", "properties.sasl.mechanism")
                    .hint("it can log in with PLAIN"));
            }
            let value = |key: &'static str| {
                text(key).map(str::to_owned).ok_or_else(|| {
                    Error::user("a login needs a name and a password").with("option", format!("properties.{key}"))
                })
            };
            Ok(Some(Login { username: value("sasl.username")?, password: Secret::new(value("sasl.password")?) }))
        }
        protocol => {
            Err(refused(format!("the security protocol '{protocol}'")).with("option", "properties.security.protocol"))
        }
    }
}

fn number(properties: &BTreeMap<String, String>, key: &str) -> Result<Option<u64>> {
    let Some(value) = properties.get(key) else { return Ok(None) };
    let wrong = || {
        Error::user(format!("'{value}' is not a number of milliseconds")).with("option", format!("properties.{key}"))
    };
    value.trim().parse().map(Some).map_err(|_| wrong())
}

/// What connects to the brokers as the user's properties say, and reads.
pub(crate) fn reader(bootstrap: &str, properties: &BTreeMap<String, String>) -> ClientConfig {
    const OF_CONNECTIONS: [&str; 7] =
        ["security.", "sasl.", "ssl.", "socket.", "broker.address.", "client.", "reconnect."];
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("enable.metrics.push", "false");
    for (key, value) in properties {
        if OF_CONNECTIONS.iter().any(|start| key.starts_with(start)) {
            config.set(key, value);
        }
    }
    config
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_timeout_is_flinks_as_far_as_the_broker_allows() {
        assert_eq!(chosen_timeout(None, Some(15 * MINUTE)).unwrap(), 15 * MINUTE);
        assert_eq!(chosen_timeout(None, Some(120 * MINUTE)).unwrap(), 60 * MINUTE);
        assert_eq!(chosen_timeout(None, None).unwrap(), 15 * MINUTE);
        assert_eq!(chosen_timeout(Some(MINUTE), None).unwrap(), MINUTE);
        assert_eq!(chosen_timeout(Some(MINUTE), Some(MINUTE)).unwrap(), MINUTE);
        let error = chosen_timeout(Some(16 * MINUTE), Some(15 * MINUTE)).unwrap_err().to_string();
        assert!(
            error.contains("960s") && error.contains("900s") && error.contains("transaction.max.timeout.ms"),
            "{error}"
        );
    }

    #[test]
    fn the_longest_outage_is_what_the_interval_leaves() {
        assert_eq!(survived(15 * MINUTE, MINUTE).unwrap(), 14 * MINUTE);
        for interval in [MINUTE, 2 * MINUTE] {
            let error = survived(MINUTE, interval).unwrap_err().to_string();
            assert!(error.contains("properties.transaction.timeout.ms"), "{error}");
        }
    }

    #[test]
    fn times_of_a_producer_are_not_longer_than_its_transaction() {
        let user = properties(&[("socket.timeout.ms", "60000"), ("transaction.timeout.ms", "5000")]);
        let exactly = ExactlyOnce::new(Some("p".into()), "b:1", "c", &user).unwrap();
        let config = exactly.producer(&ClientConfig::new(), 5 * Duration::from_secs(1));
        let value = |key: &str| config.get(key).unwrap();
        assert_eq!((value("delivery.timeout.ms"), value("socket.timeout.ms")), ("5000", "4900"));
        assert_eq!(value("transaction.timeout.ms"), "5000");
    }

    #[test]
    fn what_is_missing_or_cannot_be_is_refused() {
        for prefix in [None, Some(String::new())] {
            let error = ExactlyOnce::new(prefix, "b:1", "c", &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains("needs 'sink.transactional-id-prefix'"), "{error}");
        }
        let refused = |pairs: &[(&str, &str)]| {
            ExactlyOnce::new(Some("p".into()), "b:1", "c", &properties(pairs)).unwrap_err().to_string()
        };
        assert!(refused(&[("transaction.timeout.ms", "5 s")]).contains("properties.transaction.timeout.ms"));
        assert!(refused(&[("security.protocol", "SSL")]).contains("properties.security.protocol"));
        let scram = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "SCRAM-SHA-256")];
        assert!(refused(&scram).contains("'SCRAM-SHA-256'"));
        assert!(
            refused(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")]).contains("sasl.username")
        );
    }
}
