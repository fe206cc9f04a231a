//! The properties of sources and sinks of programs, as the known connector's `RocketMQConfig` names them.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_base::options::{OptionReader, OptionSet};
use riverrun_base::{Result, Secret};
use riverrun_rocketmq_client::check_topic;

use crate::client::{Access, Connection, TlsAccess};
use crate::options::{Guarantee, Lost, Reset, TlsVerify};
use crate::scan::{Scan, Start, Stop, filter};
use crate::sink::Sending;

/// Names of properties.
#[derive(Clone, Copy, Debug)]
pub struct RocketMQConfig;

impl RocketMQConfig {
    /// The name servers, `host:port`, separated by semicolons. Required.
    pub const NAME_SERVER_ADDR: &str = "nameserver.address";
    /// How often the client asks for known routes again, in milliseconds; 30000.
    pub const NAME_SERVER_POLL_INTERVAL: &str = "nameserver.poll.interval";
    /// How often brokers are told that we live, in milliseconds; 30000.
    pub const BROKER_HEART_BEAT_INTERVAL: &str = "brokerserver.heartbeat.interval";
    /// The access key, where requests must be signed.
    pub const ACCESS_KEY: &str = "access.key";
    /// The secret key.
    pub const SECRET_KEY: &str = "secret.key";
    /// Whether connections are encrypted; false.
    pub const TLS_ENABLE: &str = "rocketmq.client.tls.enable";
    /// How far servers' certificates are checked: `full`, which is the default, `authority` for whatever address, or `none`.
    pub const TLS_VERIFY: &str = "tls.client.verify";
    /// A PEM file with the authorities that sign servers' certificates; the public ones without it.
    pub const TLS_TRUST_CERT_PATH: &str = "tls.client.trustCertPath";
    /// A PEM file with the certificate that is shown to servers that ask for one.
    pub const TLS_CERT_PATH: &str = "tls.client.certPath";
    /// A PEM file with its key.
    pub const TLS_KEY_PATH: &str = "tls.client.keyPath";
    /// The producer group; a name of its own by default.
    pub const PRODUCER_GROUP: &str = "producer.group";
    /// How often a message is sent again when it could not be stored; 3.
    pub const PRODUCER_RETRY_TIMES: &str = "producer.retry.times";
    /// How long one try may take, in milliseconds; 3000.
    pub const PRODUCER_TIMEOUT: &str = "producer.timeout";
    /// The consumer group. Required by a source.
    pub const CONSUMER_GROUP: &str = "consumer.group";
    /// The topic to read. Required by a source.
    pub const CONSUMER_TOPIC: &str = "consumer.topic";
    /// The tags to read, `a || b`; `*` for all, which is the default.
    pub const CONSUMER_TAG: &str = "consumer.tag";
    /// An expression over properties that messages must fulfil; it excludes the tags.
    pub const CONSUMER_SQL: &str = "consumer.sql";
    /// How often the group is told of offsets in a job without checkpoints, in milliseconds; 5000.
    pub const CONSUMER_OFFSET_PERSIST_INTERVAL: &str = "consumer.offset.persist.interval";
    /// Accepted, and without meaning: pulling takes no threads.
    pub const CONSUMER_PULL_POOL_SIZE: &str = "consumer.pull.thread.pool.size";
    /// How many messages one answer may hold; 32.
    pub const CONSUMER_BATCH_SIZE: &str = "consumer.batch.size";
    /// Accepted, and without meaning: a broker answers a question that finds nothing when something comes.
    pub const CONSUMER_DELAY_WHEN_MESSAGE_NOT_FOUND: &str = "consumer.delay.when.message.not.found";
    /// How often new queues are looked for, in milliseconds; 30000, never with 0.
    pub const PARTITION_DISCOVERY_INTERVAL: &str = "partition.discovery.interval.ms";
}

riverrun_base::options! {
    /// What both sides are told.
    pub(super) struct ClientProperties {
        /// The name servers.
        "nameserver.address" | "nameServerAddress" | "rocketmq.client.endpoints" => name_servers: String,
        /// How often known routes are asked for.
        "nameserver.poll.interval" => route_ms: u64 = "30000",
        /// How often brokers are told that we live.
        "brokerserver.heartbeat.interval" | "rocketmq.client.heartbeat.interval.ms" => heartbeat_ms: u64 = "30000",
        /// The access key.
        "access.key" | "accessKey" | "rocketmq.client.accessKey" => access_key: Option<String>,
        /// The secret key.
        "secret.key" | "secretKey" | "rocketmq.client.secretKey" => secret_key: Option<Secret>,
        /// Whether connections are encrypted.
        "rocketmq.client.tls.enable" | "useTls" => tls: bool = "false",
        /// How far certificates are checked.
        "tls.client.verify" | "tlsVerify" => tls_verify: TlsVerify = "full",
        /// The authorities.
        "tls.client.trustCertPath" | "tlsTrustCertPath" => tls_trust: Option<String>,
        /// What is shown to servers.
        "tls.client.certPath" | "tlsCertPath" => tls_certificate: Option<String>,
        /// Its key.
        "tls.client.keyPath" | "tlsKeyPath" => tls_key: Option<String>,
    }
}

riverrun_base::options! {
    /// What a source is told.
    struct ConsumerProperties {
        /// The group.
        "consumer.group" | "rocketmq.source.group" => group: String,
        /// The topic.
        "consumer.topic" | "rocketmq.source.topic" => topic: String,
        /// The tags.
        "consumer.tag" | "rocketmq.source.filter.tag" => tag: String = "*",
        /// The expression.
        "consumer.sql" | "rocketmq.source.filter.sql" => sql: Option<String>,
        /// How often offsets are stored.
        "consumer.offset.persist.interval" | "rocketmq.source.offset.commit.interval" => persist_ms: u64 = "5000",
        /// Accepted.
        "consumer.pull.thread.pool.size" | "rocketmq.source.pull.threads.num" => threads: usize = "20",
        /// How many messages an answer may hold.
        "consumer.batch.size" | "rocketmq.source.pull.batch.size" => batch: u32 = "32",
        /// Accepted.
        "consumer.delay.when.message.not.found" => delay_ms: u64 = "10",
        /// How often queues are looked for.
        "partition.discovery.interval.ms" | "rocketmq.client.partition.discovery.interval.ms" => discovery_ms: u64 = "30000",
        /// Whether offsets are stored on checkpoints.
        "commit.offsets.on.checkpoint" | "rocketmq.source.offset.commit.checkpoint" => commits: bool = "true",
        /// What to do without messages that were to be read.
        "scan.lost-messages" => lost: Lost = "fail",
    }
}

riverrun_base::options! {
    /// What a sink is told.
    struct ProducerProperties {
        /// The group.
        "producer.group" | "rocketmq.sink.group" => group: Option<String>,
        /// How often a message is sent again.
        "producer.retry.times" | "rocketmq.sink.send.retry.times" => retries: u32 = "3",
        /// How long a try may take.
        "producer.timeout" | "rocketmq.sink.send.timeout" => timeout_ms: u64 = "3000",
        /// How many messages may be under way.
        "rocketmq.sink.send.pending.max" => pending_max: usize = "1000",
        /// How many messages may wait for one checkpoint.
        "sink.transaction-messages-max" => transaction_messages_max: usize = "1000000",
    }
}

/// Properties as a program gives them.
pub(super) type Properties = BTreeMap<String, String>;

/// What a source's properties say.
///
/// # Errors
/// One is missing, unknown or wrong.
pub(super) fn scan(mut properties: Properties) -> Result<(Scan, Connection)> {
    // one set of properties may serve both sides
    properties.retain(|key, _| !key.starts_with("producer.") && !key.starts_with("rocketmq.sink."));
    let (options, connection) = read::<ConsumerProperties>("RocketMqSource", properties)?;
    check_topic(&options.topic).map_err(|error| error.with("property", RocketMQConfig::CONSUMER_TOPIC))?;
    let scan = Scan {
        filter: filter(Some(&options.tag), options.sql.as_deref())?,
        topic: options.topic,
        group: options.group,
        start: Start::Group(Reset::Latest),
        stop: Stop::Never,
        discovery: Some(Duration::from_millis(options.discovery_ms)).filter(|interval| !interval.is_zero()),
        lost: options.lost,
        pull_batch: options.batch,
        pull_suspend: Duration::from_secs(15),
        commit_on_checkpoint: options.commits,
        persist_interval: Duration::from_millis(options.persist_ms),
    };
    Ok((scan, connection))
}

/// What a sink's properties say.
///
/// # Errors
/// One is missing, unknown or wrong.
pub(super) fn sending(mut properties: Properties) -> Result<Sending> {
    properties.retain(|key, _| !key.starts_with("consumer.") && !key.starts_with("rocketmq.source."));
    let (options, connection) = read::<ProducerProperties>("RocketMqSink", properties)?;
    Ok(Sending {
        connection,
        group: options.group.filter(|group| !group.is_empty()),
        retries: options.retries,
        timeout: Duration::from_millis(options.timeout_ms.max(1)),
        pending_max: options.pending_max,
        transaction_messages_max: options.transaction_messages_max,
        is_async: false,
        guarantee: Guarantee::None,
    })
}

fn read<T: OptionSet>(owner: &str, properties: Properties) -> Result<(T, Connection)> {
    let mut reader = OptionReader::new(format!("properties of a {owner}"), properties);
    let client: ClientProperties = reader.read()?;
    let options = reader.read()?;
    reader.finish()?;
    let connection = Connection::new(Access {
        name_servers: client.name_servers,
        access_key: client.access_key,
        secret_key: client.secret_key,
        tls: TlsAccess {
            enabled: client.tls,
            verify: client.tls_verify,
            trust: client.tls_trust,
            identity: (client.tls_certificate, client.tls_key),
        },
        heartbeat_ms: client.heartbeat_ms,
        route_ms: client.route_ms,
        pause_ms: 5000,
    })?;
    Ok((options, connection))
}
