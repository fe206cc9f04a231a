//! The source of `kafka` and `upsert-kafka`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;
use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result, Secret};
use riverrun_connect::{Boundedness, Source, SourceReader, SplitEnumerator, TableContext, TaskContext};
use riverrun_data::{ChangelogMode, RowKind};

use crate::decode::{Decode, RowDecoder, Side};
use crate::enumerator::{KafkaEnumerator, Scan};
use crate::metadata::Metadata;
use crate::options::{KafkaOptions, UpsertKafkaOptions, check_parallelism};
use crate::properties::{self, Role};
use crate::reader::KafkaReader;
use crate::scan::{self, Reset, Start, Stop, Topics};
use crate::table::Table;

/// The source of a table, checked.
struct TableSource {
    table: Table,
    clients: Clients,
    metadata: Vec<(String, Metadata)>,
    parallelism: Option<usize>,
}

/// What is read, and by which clients.
#[derive(Clone)]
pub(crate) struct Clients {
    scan: Arc<Scan>,
    /// Of the readers.
    config: ClientConfig,
    /// Of the enumerator.
    enumerator_config: ClientConfig,
    /// What the ids of clients start with; the user's own id is taken as it is.
    client_id: Option<String>,
    commits: bool,
}

/// Checks a table of `kafka`.
///
/// # Errors
/// The user's mistakes.
pub(crate) fn kafka(context: &TableContext) -> Result<Box<dyn Source>> {
    let mut reader = context.option_reader();
    let options: KafkaOptions = reader.read()?;
    let table = Table::kafka(context, &options, &mut reader)?;
    let topics = Topics::new(options.topic.clone(), options.topic_pattern.clone())?;
    let start =
        scan::start(options.startup_mode, options.startup_timestamp, options.startup_offsets.as_deref(), &topics)?;
    let stop =
        scan::stop(options.bounded_mode, options.bounded_timestamp, options.bounded_offsets.as_deref(), &topics)?;
    let discovery = Some(options.discovery_interval).filter(|interval| !interval.is_zero() && stop == Stop::Never);
    let scan = Scan {
        reset: scan::reset(&options.properties, &start)?,
        topics,
        start,
        stop,
        discovery,
        group: options.group_id.clone(),
        bootstrap: options.bootstrap_servers.clone(),
    };
    source(context, reader, table, scan, options.scan_parallelism, &options.properties)
}

/// Checks a table of `upsert-kafka`, which is always read from the beginning: without the first change of a key, its later ones mean nothing.
///
/// # Errors
/// The user's mistakes.
pub(crate) fn upsert_kafka(context: &TableContext) -> Result<Box<dyn Source>> {
    let mut reader = context.option_reader();
    let options: UpsertKafkaOptions = reader.read()?;
    let table = Table::upsert_kafka(context, &options, &mut reader)?;
    let topics = Topics::new(options.topic.clone(), options.topic_pattern.clone())?;
    let stop =
        scan::stop(options.bounded_mode, options.bounded_timestamp, options.bounded_offsets.as_deref(), &topics)?;
    let discovery = Some(std::time::Duration::from_secs(300)).filter(|_| stop == Stop::Never);
    let scan = Scan {
        reset: scan::reset(&options.properties, &Start::Earliest)?,
        topics,
        start: Start::Earliest,
        stop,
        discovery,
        group: options.group_id.clone(),
        bootstrap: options.bootstrap_servers.clone(),
    };
    source(context, reader, table, scan, options.scan_parallelism, &options.properties)
}

fn source(
    context: &TableContext,
    reader: OptionReader,
    table: Table,
    scan: Scan,
    parallelism: Option<usize>,
    user: &BTreeMap<String, Secret>,
) -> Result<Box<dyn Source>> {
    reader.finish()?;
    check_parallelism("scan.parallelism", parallelism)?;
    scan::check_group(&scan.start, &scan.stop, scan.group.as_deref())?;
    let metadata = context
        .metadata
        .iter()
        .map(|column| Ok((column.name.clone(), Metadata::of(column)?)))
        .collect::<Result<_>>()?;
    let clients = Clients::new(&table.name, scan, user)?;
    Ok(Box::new(TableSource { table, clients, metadata, parallelism }))
}

/// What librdkafka is told unless the user says otherwise. A reader's memory is bounded by the records that are fetched ahead and by the size of
/// one answer; the numbers are where more memory gave no more speed.
const DEFAULTS: &[(&str, &str)] = &[
    ("queued.min.messages", "50000"),
    ("queued.max.messages.kbytes", "32768"),
    ("max.partition.fetch.bytes", "1048576"),
    ("fetch.max.bytes", "8388608"),
    // By default a full queue stops fetching for a second, in which the reader has emptied it many times.
    ("fetch.queue.backoff.ms", "5"),
    // As in Java: back within a second after a broker is.
    ("reconnect.backoff.max.ms", "1000"),
    ("isolation.level", "read_uncommitted"),
    ("enable.metrics.push", "false"),
];

/// What the connector relies on.
const FORCED: &[(&str, &str)] = &[("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];

fn commits(text: Option<&str>) -> Result<bool> {
    match text.map(str::to_lowercase).as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(Error::user(format!("'{other}' is not a boolean"))
            .with("option", "properties.commit.offsets.on.checkpoint")),
    }
}

impl Clients {
    /// Sets clients up as the user's properties say; `name` is what they are called without a name of the user's.
    ///
    /// # Errors
    /// A wrong property.
    pub(crate) fn new(name: &str, scan: Scan, user: &BTreeMap<String, Secret>) -> Result<Self> {
        let properties = properties::translate(Role::Consumer, user)?;
        let text = |key: &str| user.get(key).map(|value| value.expose().trim().to_owned());
        let client_id = match properties.get("client.id") {
            Some(_) => None,
            None => Some(
                text("client.id.prefix").or_else(|| scan.group.clone()).unwrap_or_else(|| format!("riverrun-{name}")),
            ),
        };
        let config = |forced: &[(&str, &str)]| {
            let group = scan.group.clone().unwrap_or_else(|| format!("KafkaSource-{name}"));
            let defaults: Vec<(&str, String)> =
                DEFAULTS.iter().map(|(key, value)| (*key, (*value).to_owned())).chain([("group.id", group)]).collect();
            let forced: Vec<(&str, String)> =
                forced.iter().chain(FORCED).map(|(key, value)| (*key, (*value).to_owned())).collect();
            properties::client_config(&scan.bootstrap, &defaults, &properties, &forced)
        };
        let reset = match scan.reset {
            Reset::Earliest => "earliest",
            Reset::Latest => "latest",
            Reset::Fail => "error",
        };
        let is_bounded = if scan.stop == Stop::Never { "false" } else { "true" };
        let mut enumerator_config = config(&[("isolation.level", "read_uncommitted")])?;
        if !scan.asks_group() {
            // A client without a group closes faster, and needs no right to one.
            enumerator_config.remove("group.id");
        }
        Ok(Self {
            commits: scan.group.is_some() && commits(text("commit.offsets.on.checkpoint").as_deref())?,
            config: config(&[("enable.partition.eof", is_bounded), ("auto.offset.reset", reset)])?,
            enumerator_config,
            scan: Arc::new(scan),
            client_id,
        })
    }

    /// What is read.
    #[cfg(test)]
    pub(crate) fn scan(&self) -> &Scan {
        &self.scan
    }

    /// Whether reading ends.
    pub(crate) fn boundedness(&self) -> Boundedness {
        if self.scan.stop == Stop::Never { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    /// What finds the partitions.
    ///
    /// # Errors
    /// The brokers cannot be reached, or a topic is missing.
    pub(crate) fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        let config = self.named(&self.enumerator_config, "enumerator");
        Ok(Box::new(KafkaEnumerator::open(Arc::clone(&self.scan), &config, context)?))
    }

    /// A reader without partitions, whose records become what the decoder says.
    ///
    /// # Errors
    /// librdkafka refuses the properties together.
    pub(crate) fn reader<D: Decode + 'static>(
        &self,
        decoder: D,
        context: &TaskContext,
    ) -> Result<Box<dyn SourceReader<D::Batch>>> {
        let config = self.named(&self.config, context.subtask);
        Ok(Box::new(KafkaReader::open(&config, decoder, self.commits, context)?))
    }

    fn named(&self, config: &ClientConfig, suffix: impl std::fmt::Display) -> ClientConfig {
        let mut config = config.clone();
        if let Some(prefix) = &self.client_id {
            config.set("client.id", format!("{prefix}-{suffix}"));
        }
        config
    }
}

impl Source for TableSource {
    fn boundedness(&self) -> Boundedness {
        self.clients.boundedness()
    }

    fn changelog_mode(&self) -> ChangelogMode {
        match self.table.upsert {
            // Of a record it is not known whether its key is new.
            true => ChangelogMode::UPSERT.without(RowKind::Insert),
            false => self.table.value.format.changelog_mode(),
        }
    }

    fn parallelism(&self) -> Option<usize> {
        self.parallelism
    }

    fn enumerator(&self, context: &TaskContext) -> Result<Box<dyn SplitEnumerator>> {
        self.clients.enumerator(context).map_err(|error| error.with("table", &self.table.name))
    }

    fn reader(&self, context: &TaskContext) -> Result<Box<dyn SourceReader>> {
        let value = Side::new(self.table.value.format.decoder()?, &self.table.value.name);
        let key = self
            .table
            .key
            .as_ref()
            .map(|key| Ok::<_, Error>(Side::new(key.format.decoder()?, &key.name)))
            .transpose()?;
        let columns = Arc::clone(&self.table.columns);
        let decoder = RowDecoder::new(value, key, columns, &self.metadata, self.table.upsert, &context.counters);
        self.clients.reader(decoder, context)
    }
}
