//! The options of the two connectors, as Flink's documentation names them.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_base::options::{OptionSet, OptionSpec};
use riverrun_base::{Error, Result, Secret};

riverrun_base::options! {
    /// Options of the `kafka` connector, source and sink.
    pub(crate) struct KafkaOptions {
        /// The topics to read, separated by semicolons; the topic to write. With several topics a sink needs the metadata column `topic`.
        "topic" => topic: Option<Vec<String>>,
        /// A regular expression that whole topic names match. Either this or `topic` is required.
        "topic-pattern" => topic_pattern: Option<String>,
        /// The brokers to ask first, `host:port`, separated by commas.
        "properties.bootstrap.servers" => bootstrap_servers: String,
        /// The consumer group whose offsets are read and committed. Required by the modes `group-offsets`.
        "properties.group.id" => group_id: Option<String>,
        /// Passed to the Kafka client; names of the Java client are translated.
        "properties.*" => properties: BTreeMap<String, Secret>,
        /// The format of values.
        "format" => format: Option<String>,
        /// The format of values; the same as `format`, with the format's options behind `value.`.
        "value.format" => value_format: Option<String>,
        /// The format of keys. It requires `key.fields`.
        "key.format" => key_format: Option<String>,
        /// The columns in the key, separated by semicolons.
        "key.fields" => key_fields: Option<Vec<String>>,
        /// What the names of key columns start with in the table but not in the key format. It requires `value.fields-include` to be `EXCEPT_KEY`.
        "key.fields-prefix" => key_fields_prefix: Option<String>,
        /// Whether key columns are in the value too.
        "value.fields-include" => value_fields_include: ValueFields = "ALL",
        /// Where reading starts.
        "scan.startup.mode" => startup_mode: StartupMode = "group-offsets",
        /// Where `specific-offsets` starts: `partition:0,offset:42;partition:1,offset:300`.
        "scan.startup.specific-offsets" => startup_offsets: Option<String>,
        /// Where `timestamp` starts, in milliseconds since 1970.
        "scan.startup.timestamp-millis" => startup_timestamp: Option<i64>,
        /// Where reading ends.
        "scan.bounded.mode" => bounded_mode: BoundedMode = "unbounded",
        /// Where `specific-offsets` ends: `partition:0,offset:42;partition:1,offset:300`. A partition that is not named is not read.
        "scan.bounded.specific-offsets" => bounded_offsets: Option<String>,
        /// Where `timestamp` ends, in milliseconds since 1970.
        "scan.bounded.timestamp-millis" => bounded_timestamp: Option<i64>,
        /// How often new topics and partitions are looked for; never with 0. A bounded source does not look.
        "scan.topic-partition-discovery.interval" => discovery_interval: Duration = "5 min",
        /// The number of readers.
        "scan.parallelism" => scan_parallelism: Option<usize>,
        /// How rows are spread over partitions.
        "sink.partitioner" => partitioner: String = "default",
        /// The number of writers.
        "sink.parallelism" => sink_parallelism: Option<usize>,
        /// How sure delivery is. `exactly-once` writes in transactions that are committed when their checkpoint is complete: readers with
        /// `isolation.level` = `read_committed` see each row once. The brokers give a transaction up after `properties.transaction.timeout.ms`:
        /// an hour, or what they allow if that is less.
        "sink.delivery-guarantee" | "sink.semantic" => guarantee: Guarantee = "at-least-once",
        /// What the ids of transactions start with; required by `exactly-once`. No other job of the cluster may have the same: what is open under
        /// it is aborted when the job starts.
        "sink.transactional-id-prefix" => transactional_id_prefix: Option<String>,
        /// How transactional ids are chosen.
        "sink.transaction-naming-strategy" => naming: Naming = "default",
    }
}

riverrun_base::options! {
    /// Options of the `upsert-kafka` connector, source and sink.
    pub(crate) struct UpsertKafkaOptions {
        /// The topics to read, separated by semicolons; the topic to write. With several topics a sink needs the metadata column `topic`.
        "topic" => topic: Option<Vec<String>>,
        /// A regular expression that whole topic names match. Either this or `topic` is required.
        "topic-pattern" => topic_pattern: Option<String>,
        /// The brokers to ask first, `host:port`, separated by commas.
        "properties.bootstrap.servers" => bootstrap_servers: String,
        /// The consumer group whose offsets are committed.
        "properties.group.id" => group_id: Option<String>,
        /// Passed to the Kafka client; names of the Java client are translated.
        "properties.*" => properties: BTreeMap<String, Secret>,
        /// The format of keys, which hold the columns of the primary key.
        "key.format" => key_format: String,
        /// What the names of key columns start with in the table but not in the key format. It requires `value.fields-include` to be `EXCEPT_KEY`.
        "key.fields-prefix" => key_fields_prefix: Option<String>,
        /// The format of values. A record without a value deletes its key.
        "value.format" => value_format: String,
        /// Whether key columns are in the value too.
        "value.fields-include" => value_fields_include: ValueFields = "ALL",
        /// Where reading ends. It starts at the earliest offset.
        "scan.bounded.mode" => bounded_mode: BoundedMode = "unbounded",
        /// Where `specific-offsets` ends: `partition:0,offset:42;partition:1,offset:300`. A partition that is not named is not read.
        "scan.bounded.specific-offsets" => bounded_offsets: Option<String>,
        /// Where `timestamp` ends, in milliseconds since 1970.
        "scan.bounded.timestamp-millis" => bounded_timestamp: Option<i64>,
        /// The number of readers.
        "scan.parallelism" => scan_parallelism: Option<usize>,
        /// The number of writers.
        "sink.parallelism" => sink_parallelism: Option<usize>,
        /// How many keys are held back before they are written, so that only the last change of each is; 0 holds none. It goes with `sink.buffer-flush.interval`.
        "sink.buffer-flush.max-rows" => flush_max_rows: usize = "0",
        /// How long keys are held back at most; 0 holds none. It goes with `sink.buffer-flush.max-rows`.
        "sink.buffer-flush.interval" => flush_interval: Duration = "0 s",
        /// How sure delivery is. `exactly-once` writes in transactions that are committed when their checkpoint is complete: readers with
        /// `isolation.level` = `read_committed` see each row once. The brokers give a transaction up after `properties.transaction.timeout.ms`:
        /// an hour, or what they allow if that is less.
        "sink.delivery-guarantee" => guarantee: Guarantee = "at-least-once",
        /// What the ids of transactions start with; required by `exactly-once`. No other job of the cluster may have the same: what is open under
        /// it is aborted when the job starts.
        "sink.transactional-id-prefix" => transactional_id_prefix: Option<String>,
        /// How transactional ids are chosen.
        "sink.transaction-naming-strategy" => naming: Naming = "default",
    }
}

riverrun_base::option_enum! {
    /// Where a source starts to read.
    pub(crate) enum StartupMode {
        /// At the earliest offset.
        "earliest-offset" => Earliest,
        /// At the end: only records that come from now on.
        "latest-offset" => Latest,
        /// Where the consumer group has committed.
        "group-offsets" => Group,
        /// At the first record that is not older.
        "timestamp" => Timestamp,
        /// At the given offsets.
        "specific-offsets" => Specific,
    }
}

riverrun_base::option_enum! {
    /// Where a source ends.
    pub(crate) enum BoundedMode {
        /// Nowhere.
        "unbounded" => Unbounded,
        /// Where the topic ends when the job starts.
        "latest-offset" => Latest,
        /// Where the consumer group has committed.
        "group-offsets" => Group,
        /// Before the first record that is not older.
        "timestamp" => Timestamp,
        /// Before the given offsets.
        "specific-offsets" => Specific,
    }
}

riverrun_base::option_enum! {
    /// Which columns are in a record's value.
    pub(crate) enum ValueFields {
        /// All physical columns.
        "ALL" => All,
        /// All that are not in the key.
        "EXCEPT_KEY" => ExceptKey,
    }
}

riverrun_base::option_enum! {
    /// How sure a sink delivers.
    pub(crate) enum Guarantee {
        /// Each row once, in transactions that follow the checkpoints.
        "exactly-once" => ExactlyOnce,
        /// No row is lost; after a failure rows may be repeated.
        "at-least-once" => AtLeastOnce,
        /// Rows may be lost when the job fails.
        "none" => None,
    }
}

riverrun_base::option_enum! {
    /// How transactional ids are chosen.
    pub(crate) enum Naming {
        /// A few ids for each writer, used in turn.
        "default" => Default,
        /// The same.
        "pooling" => Pooling,
    }
}

/// Every option of `kafka`, for the reference page.
pub(crate) fn kafka_specs() -> Vec<OptionSpec> {
    KafkaOptions::specs().to_vec()
}

/// Every option of `upsert-kafka`, for the reference page.
pub(crate) fn upsert_kafka_specs() -> Vec<OptionSpec> {
    UpsertKafkaOptions::specs().to_vec()
}

/// Reads `partition:0,offset:42;partition:1,offset:300`.
///
/// # Errors
/// The text has another form, a partition twice, or a negative number.
pub(crate) fn parse_offsets(text: &str, option: &str) -> Result<BTreeMap<i32, i64>> {
    let bad = |why: String| {
        Error::user(format!("'{text}' does not give offsets: {why}"))
            .with("option", option)
            .hint("write 'partition:0,offset:42;partition:1,offset:300'")
    };
    let mut offsets = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (partition, offset) = pair.split_once(',').ok_or_else(|| bad(format!("'{pair}' has no comma")))?;
        let number = |part: &str, name: &str| -> Result<i64> {
            let value = part.trim().strip_prefix(name).and_then(|rest| rest.trim().strip_prefix(':'));
            let number = value.and_then(|value| value.trim().parse().ok()).filter(|number: &i64| *number >= 0);
            number.ok_or_else(|| bad(format!("'{}' is not '{name}:' and a number", part.trim())))
        };
        let partition = i32::try_from(number(partition, "partition")?)
            .map_err(|_| bad(format!("'{pair}' has no such partition")))?;
        if offsets.insert(partition, number(offset, "offset")?).is_some() {
            return Err(bad(format!("partition {partition} comes twice")));
        }
    }
    if offsets.is_empty() { Err(bad("it is empty".into())) } else { Ok(offsets) }
}

/// The value format of `kafka`, which has two names: the option that was given, and the format it names.
///
/// # Errors
/// Neither or both are given.
pub(crate) fn value_format(options: &KafkaOptions) -> Result<(&'static str, &str)> {
    match (&options.format, &options.value_format) {
        (Some(name), None) => Ok(("format", name)),
        (None, Some(name)) => Ok(("value.format", name)),
        (Some(_), Some(_)) => {
            Err(Error::user("'format' and 'value.format' are the same option").hint("keep one of them"))
        }
        (None, None) => {
            Err(Error::user("missing required option 'format'").hint("add 'format' = 'json', or 'value.format'"))
        }
    }
}

/// Refuses a number of subtasks of zero.
pub(crate) fn check_parallelism(option: &str, parallelism: Option<usize>) -> Result<()> {
    match parallelism {
        Some(0) => Err(Error::user("'0' is not a parallelism").with("option", option).hint("it takes 1 or more")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn offsets_are_read_as_flink_writes_them() {
        let offsets = parse_offsets("partition:0,offset:42;partition:1,offset:300", "o").unwrap();
        assert_eq!(offsets, BTreeMap::from([(0, 42), (1, 300)]));
        assert_eq!(parse_offsets(" partition: 7 , offset: 1 ;", "o").unwrap(), BTreeMap::from([(7, 1)]));
    }

    #[test]
    fn wrong_offsets_are_refused_with_the_form_they_take() {
        for text in ["", "partition:0", "partition:0,offset:x", "offset:1,partition:0", "partition:0,offset:-2", "0,1"]
        {
            let error = parse_offsets(text, "scan.startup.specific-offsets").unwrap_err().to_string();
            assert!(error.contains("partition:0,offset:42"), "{error}");
            assert!(error.contains("option: scan.startup.specific-offsets"), "{error}");
        }
        let error = parse_offsets("partition:0,offset:1;partition:0,offset:2", "o").unwrap_err().to_string();
        assert!(error.contains("partition 0 comes twice"), "{error}");
    }

    #[test]
    fn every_option_has_a_text_and_defaults_are_flinks() {
        let specs = kafka_specs();
        assert!(specs.iter().chain(&upsert_kafka_specs()).all(|spec| !spec.description.is_empty()));
        let default = |key: &str| specs.iter().find(|spec| spec.key == key).unwrap().default;
        assert_eq!(default("scan.startup.mode"), Some("group-offsets"));
        assert_eq!(default("scan.bounded.mode"), Some("unbounded"));
        assert_eq!(default("scan.topic-partition-discovery.interval"), Some("5 min"));
        assert_eq!(default("sink.delivery-guarantee"), Some("at-least-once"));
        assert_eq!(default("value.fields-include"), Some("ALL"));
    }
}
