//! The sink of `kafka` and `upsert-kafka`: at least once, by counting what the brokers acknowledge; exactly once, by transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result, Secret};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, RowKind};

use crate::committer::KafkaCommitter;
use crate::exactly_once::{self, ExactlyOnce};
use crate::metadata::Written;
use crate::options::{Guarantee, KafkaOptions, UpsertKafkaOptions, check_parallelism};
use crate::partitioner::Partitioner;
use crate::properties::{self, Role};
use crate::scan::Topics;
use crate::table::Table;
use crate::transaction::Ids;
use crate::transactional::TransactionalWriter;
use crate::writer::{self, KafkaWriter};

/// A sink, checked.
pub(crate) struct KafkaSink {
    /// Columns and formats.
    pub(crate) table: Table,
    /// Where rows go.
    pub(crate) target: Arc<Target>,
    /// How many writers the user wants.
    parallelism: Option<usize>,
    config: ClientConfig,
    client_id: Option<String>,
    /// Set with `exactly-once`.
    transactions: Option<Transactions>,
}

/// How rows are written in transactions.
struct Transactions {
    settings: ExactlyOnce,
    /// What looks a row up.
    reader: ClientConfig,
}

/// What a user says about the guarantee.
struct Promise<'a> {
    guarantee: Guarantee,
    prefix: Option<String>,
    properties: &'a BTreeMap<String, Secret>,
}

/// Where and how rows are written.
pub(crate) struct Target {
    /// The brokers, for errors.
    pub(crate) bootstrap: String,
    /// The topics that rows may go to.
    pub(crate) topics: Topics,
    /// The columns that hold topic, headers and time.
    pub(crate) written: Written,
    /// How rows are spread over partitions.
    pub(crate) partitioner: Partitioner,
    /// Whether a checkpoint waits for acknowledgements.
    pub(crate) waits: bool,
    /// How many keys `upsert-kafka` holds back, and for how long.
    pub(crate) buffer: Option<(usize, Duration)>,
}

/// Checks a table of `kafka`.
///
/// # Errors
/// The user's mistakes, and what is not supported.
pub(crate) fn kafka(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let options: KafkaOptions = reader.read()?;
    let table = Table::kafka(context, &options, &mut reader)?;
    let target = Target {
        bootstrap: options.bootstrap_servers,
        topics: Topics::new(options.topic, options.topic_pattern)?,
        written: Written::of(context)?,
        partitioner: Partitioner::parse(&options.partitioner, table.key.is_some())?,
        waits: options.guarantee != Guarantee::None,
        buffer: None,
    };
    let (guarantee, prefix) = (options.guarantee, options.transactional_id_prefix);
    let promise = Promise { guarantee, prefix, properties: &options.properties };
    sink(reader, table, target, options.sink_parallelism, promise)
}

/// Checks a table of `upsert-kafka`.
///
/// # Errors
/// The user's mistakes, and what is not supported.
pub(crate) fn upsert_kafka(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let options: UpsertKafkaOptions = reader.read()?;
    let table = Table::upsert_kafka(context, &options, &mut reader)?;
    let buffer = match (options.flush_max_rows, options.flush_interval) {
        (0, interval) if interval.is_zero() => None,
        (rows, interval) if rows > 0 && !interval.is_zero() => Some((rows, interval)),
        _ => {
            return Err(Error::user("'sink.buffer-flush.max-rows' and 'sink.buffer-flush.interval' go together")
                .hint("set both to more than zero, or neither"));
        }
    };
    let target = Target {
        bootstrap: options.bootstrap_servers,
        topics: Topics::new(options.topic, options.topic_pattern)?,
        written: Written::of(context)?,
        partitioner: Partitioner::Default,
        waits: options.guarantee != Guarantee::None,
        buffer,
    };
    let (guarantee, prefix) = (options.guarantee, options.transactional_id_prefix);
    let promise = Promise { guarantee, prefix, properties: &options.properties };
    sink(reader, table, target, options.sink_parallelism, promise)
}

fn sink(
    reader: OptionReader,
    table: Table,
    target: Target,
    parallelism: Option<usize>,
    promise: Promise<'_>,
) -> Result<Box<dyn Sink>> {
    reader.finish()?;
    let Promise { guarantee, prefix, properties: user } = promise;
    if guarantee != Guarantee::ExactlyOnce && prefix.is_some() {
        return Err(Error::user("'sink.transactional-id-prefix' is for 'sink.delivery-guarantee' = 'exactly-once'")
            .hint("remove it"));
    }
    check_parallelism("sink.parallelism", parallelism)?;
    match (target.topics.single(), target.written.topic) {
        (Some(topic), Some(_)) => {
            return Err(Error::user(format!("the metadata 'topic' cannot be written: every row goes to '{topic}'"))
                .hint("declare the column VIRTUAL"));
        }
        (None, None) => {
            return Err(Error::user("a table of several topics does not say which one a row goes to")
                .with("option", "topic")
                .hint("name one topic, or declare a column 'topic STRING METADATA' and write it"));
        }
        _ => {}
    }
    let properties = properties::translate(Role::Producer, user)?;
    let client_id = match properties.get("client.id") {
        Some(_) => None,
        None => Some(
            user.get("client.id.prefix")
                .map_or_else(|| format!("riverrun-{}", table.name), |prefix| prefix.expose().trim().to_owned()),
        ),
    };
    if properties.get("delivery.timeout.ms").is_some_and(|timeout| timeout.trim() == "0") {
        return Err(
            Error::user("a delivery timeout of 0 would wait for ever").with("option", "properties.delivery.timeout.ms")
        );
    }
    let mut defaults: Vec<(&str, String)> = DEFAULTS.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    if target.waits && allows_idempotence(&properties) {
        defaults.push(("enable.idempotence", "true".into()));
    }
    let config = properties::client_config(
        &target.bootstrap,
        &defaults,
        &properties,
        &[("partitioner", "murmur2_random".into())],
    )?;
    let transactions = if guarantee == Guarantee::ExactlyOnce {
        if !allows_idempotence(&properties) {
            return Err(Error::user(
                "'exactly-once' goes with 'acks' = 'all', retries, and at most five requests in flight",
            )
            .hint(
                "remove 'properties.acks', 'properties.retries' and 'properties.max.in.flight.requests.per.connection'",
            ));
        }
        let name = client_id.clone().or_else(|| properties.get("client.id").cloned()).unwrap_or_default();
        let settings = ExactlyOnce::new(prefix, &target.bootstrap, &name, &properties)?;
        Some(Transactions { settings, reader: exactly_once::reader(&target.bootstrap, &properties) })
    } else {
        None
    };
    Ok(Box::new(KafkaSink { table, target: Arc::new(target), parallelism, config, client_id, transactions }))
}

/// What librdkafka is told unless the user says otherwise. Sizes and times are the Java client's: 32 MB of rows on their way, two minutes for a
/// row to arrive.
const DEFAULTS: &[(&str, &str)] = &[
    ("acks", "all"),
    ("linger.ms", "5"),
    ("delivery.timeout.ms", "120000"),
    ("queue.buffering.max.kbytes", "32768"),
    ("message.max.bytes", "1048576"),
    ("reconnect.backoff.max.ms", "1000"),
    ("enable.metrics.push", "false"),
];

/// Whether the user's settings leave room for an idempotent producer, which keeps the order and writes no row twice on a retry.
fn allows_idempotence(properties: &BTreeMap<String, String>) -> bool {
    let number = |key: &str| properties.get(key).and_then(|value| value.trim().parse::<i64>().ok());
    properties.get("acks").is_none_or(|acks| matches!(acks.trim(), "all" | "-1"))
        && number("retries").is_none_or(|retries| retries > 0)
        && number("max.in.flight.requests.per.connection")
            .or_else(|| number("max.in.flight"))
            .is_none_or(|requests| requests <= 5)
}

impl Sink for KafkaSink {
    fn changelog_mode(&self, query: ChangelogMode) -> ChangelogMode {
        let own = if self.table.upsert { ChangelogMode::UPSERT } else { self.table.value.format.changelog_mode() };
        let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
        let both: Vec<RowKind> =
            kinds.into_iter().filter(|kind| own.contains(*kind) && query.contains(*kind)).collect();
        ChangelogMode::of(&both)
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn writer(&self, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let mut config = self.config.clone();
        if let Some(prefix) = &self.client_id {
            config.set("client.id", format!("{prefix}-{}", context.subtask));
        }
        self.open(&config, context).map_err(|error| error.with("table", &self.table.name))
    }

    fn commits(&self) -> Commits {
        if self.transactions.is_some() { Commits::Always } else { Commits::Never }
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let Some(Transactions { settings, reader }) = &self.transactions else {
            return Err(Error::internal("a sink without transactions was asked for its committer"));
        };
        let (coordinators, timeout) =
            settings.connect(context).map_err(|error| error.with("table", &self.table.name))?;
        settings.warn(timeout, context);
        Ok(Box::new(KafkaCommitter {
            coordinators,
            reader: reader.clone(),
            ids: Ids::new(&settings.prefix, &context.job),
            limit: settings.delivery,
            cancellation: context.cancellation.clone(),
        }))
    }
}

impl KafkaSink {
    fn open(&self, config: &ClientConfig, context: &TaskContext) -> Result<Box<dyn SinkWriter>> {
        let target = Arc::clone(&self.target);
        let Some(Transactions { settings, .. }) = &self.transactions else {
            return Ok(Box::new(KafkaWriter::open(&self.table, target, writer::producer(config)?, context)?));
        };
        let (coordinators, timeout) = settings.connect(context)?;
        let config = settings.producer(config, timeout);
        let ids = Ids::new(&settings.prefix, &context.job);
        Ok(Box::new(TransactionalWriter::open(&self.table, target, config, ids, coordinators, context)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotence_gives_way_to_what_the_user_sets() {
        let allows = |key: &str, value: &str| allows_idempotence(&BTreeMap::from([(key.to_owned(), value.to_owned())]));
        assert!(allows_idempotence(&BTreeMap::new()));
        assert!(
            allows("acks", "all")
                && allows("acks", "-1")
                && allows("retries", "3")
                && allows("max.in.flight.requests.per.connection", "5")
        );
        assert!(!allows("acks", "1") && !allows("retries", "0") && !allows("max.in.flight", "10"));
    }
}
