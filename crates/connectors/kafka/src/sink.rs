//! The sink of `kafka` and `upsert-kafka`: at least once, by counting what the brokers acknowledge; exactly once, by transactions.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;
use riverrun_base::{Error, Result, Secret};
use riverrun_connect::{Commits, Committer, Sink, SinkWriter, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, RowKind};

use crate::committer::KafkaCommitter;
use crate::exactly_once::{self, ExactlyOnce};
use crate::metadata::Written;
use crate::options::{Guarantee, KafkaOptions, UpsertKafkaOptions, check_parallelism};
use crate::output::{self, Target};
use crate::partitioner::Partitioner;
use crate::properties::{self, Role};
use crate::rows::{Rows, Writing};
use crate::scan::Topics;
use crate::table::Table;
use crate::transaction::Ids;
use crate::transactional::TransactionalWriter;
use crate::writer::{Encode, KafkaWriter};

/// The sink of a table, checked.
struct TableSink {
    /// Columns and formats.
    table: Table,
    writing: Writing,
    /// How many writers the user wants.
    parallelism: Option<usize>,
    producers: Producers,
}

/// Where records go, and by which clients.
#[derive(Clone)]
pub(crate) struct Producers {
    target: Arc<Target>,
    config: ClientConfig,
    /// What the ids of clients start with; the user's own id is taken as it is.
    client_id: Option<String>,
    /// Set with exactly-once.
    transactions: Option<Transactions>,
}

/// How rows are written in transactions.
#[derive(Clone)]
struct Transactions {
    settings: ExactlyOnce,
    /// What looks a row up.
    reader: ClientConfig,
}

/// What a user says about the guarantee.
pub(crate) struct Promise<'a> {
    /// How sure delivery is.
    pub(crate) guarantee: Guarantee,
    /// What the ids of transactions start with.
    pub(crate) prefix: Option<String>,
    /// What the client is told.
    pub(crate) properties: &'a BTreeMap<String, Secret>,
}

/// Checks a table of `kafka`.
///
/// # Errors
/// The user's mistakes, and what is not supported.
pub(crate) fn kafka(context: &TableContext) -> Result<Box<dyn Sink>> {
    let mut reader = context.option_reader();
    let options: KafkaOptions = reader.read()?;
    let table = Table::kafka(context, &options, &mut reader)?;
    let topics = Topics::new(options.topic, options.topic_pattern)?;
    let writing = Writing {
        written: Written::of(context)?,
        partitioner: Partitioner::parse(&options.partitioner, table.key.is_some())?,
        buffer: None,
    };
    let (guarantee, prefix) = (options.guarantee, options.transactional_id_prefix);
    let promise = Promise { guarantee, prefix, properties: &options.properties };
    reader.finish()?;
    sink(table, (options.bootstrap_servers, topics), writing, options.sink_parallelism, promise)
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
    let topics = Topics::new(options.topic, options.topic_pattern)?;
    let writing = Writing { written: Written::of(context)?, partitioner: Partitioner::Default, buffer };
    let (guarantee, prefix) = (options.guarantee, options.transactional_id_prefix);
    let promise = Promise { guarantee, prefix, properties: &options.properties };
    reader.finish()?;
    sink(table, (options.bootstrap_servers, topics), writing, options.sink_parallelism, promise)
}

fn sink(
    table: Table,
    (bootstrap, topics): (String, Topics),
    writing: Writing,
    parallelism: Option<usize>,
    promise: Promise<'_>,
) -> Result<Box<dyn Sink>> {
    if promise.guarantee != Guarantee::ExactlyOnce && promise.prefix.is_some() {
        return Err(Error::user("'sink.transactional-id-prefix' is for 'sink.delivery-guarantee' = 'exactly-once'")
            .hint("remove it"));
    }
    check_parallelism("sink.parallelism", parallelism)?;
    match (topics.single(), writing.written.topic) {
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
    let producers = Producers::new(&table.name, bootstrap, topics, promise)?;
    Ok(Box::new(TableSink { table, writing, parallelism, producers }))
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

impl Producers {
    /// Sets clients up as the user's properties say; `name` is what they are called without a name of the user's.
    ///
    /// # Errors
    /// A wrong property, or one that does not go with the guarantee.
    pub(crate) fn new(name: &str, bootstrap: String, topics: Topics, promise: Promise<'_>) -> Result<Self> {
        let Promise { guarantee, prefix, properties: user } = promise;
        let target = Target { bootstrap, topics, waits: guarantee != Guarantee::None };
        let properties = properties::translate(Role::Producer, user)?;
        let client_id = match properties.get("client.id") {
            Some(_) => None,
            None => Some(
                user.get("client.id.prefix")
                    .map_or_else(|| format!("riverrun-{name}"), |prefix| prefix.expose().trim().to_owned()),
            ),
        };
        if properties.get("delivery.timeout.ms").is_some_and(|timeout| timeout.trim() == "0") {
            return Err(Error::user("a delivery timeout of 0 would wait for ever")
                .with("option", "properties.delivery.timeout.ms"));
        }
        let mut defaults: Vec<(&str, String)> =
            DEFAULTS.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
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
            let client = client_id.clone().or_else(|| properties.get("client.id").cloned()).unwrap_or_default();
            let settings = ExactlyOnce::new(prefix, &target.bootstrap, &client, &properties)?;
            Some(Transactions { settings, reader: exactly_once::reader(&target.bootstrap, &properties) })
        } else {
            None
        };
        Ok(Self { target: Arc::new(target), config, client_id, transactions })
    }

    /// When rows become visible.
    pub(crate) fn commits(&self) -> Commits {
        if self.transactions.is_some() { Commits::Always } else { Commits::Never }
    }

    /// A writer of what `encode` makes.
    ///
    /// # Errors
    /// The brokers cannot be reached or do not allow transactions, or a topic is missing.
    pub(crate) fn writer<E: Encode + 'static>(
        &self,
        encode: E,
        context: &TaskContext,
    ) -> Result<Box<dyn SinkWriter<E::Batch>>> {
        let mut config = self.config.clone();
        if let Some(prefix) = &self.client_id {
            config.set("client.id", format!("{prefix}-{}", context.subtask));
        }
        let target = Arc::clone(&self.target);
        let Some(Transactions { settings, .. }) = &self.transactions else {
            return Ok(Box::new(KafkaWriter::open(encode, target, output::producer(&config)?, context)?));
        };
        let (coordinators, timeout) = settings.connect(context)?;
        let config = settings.producer(&config, timeout);
        let ids = Ids::new(&settings.prefix, &context.job);
        Ok(Box::new(TransactionalWriter::open(encode, target, config, ids, coordinators, context)?))
    }

    /// What commits transactions.
    ///
    /// # Errors
    /// The brokers cannot be reached or do not allow transactions.
    pub(crate) fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        let Some(Transactions { settings, reader }) = &self.transactions else {
            return Err(Error::internal("a sink without transactions was asked for its committer"));
        };
        let (coordinators, timeout) = settings.connect(context)?;
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

impl Sink for TableSink {
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
        let writer = Rows::new(&self.table, &self.writing).and_then(|rows| self.producers.writer(rows, context));
        writer.map_err(|error| error.with("table", &self.table.name))
    }

    fn commits(&self) -> Commits {
        self.producers.commits()
    }

    fn committer(&self, context: &TaskContext) -> Result<Box<dyn Committer>> {
        self.producers.committer(context).map_err(|error| error.with("table", &self.table.name))
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
