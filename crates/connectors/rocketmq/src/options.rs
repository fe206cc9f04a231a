//! The options of a table, under the names of both generations of the known connector.

use riverrun_base::options::{OptionSet, OptionSpec};
use riverrun_base::{Error, Result, Secret};

riverrun_base::options! {
    /// Options of the `rocketmq` connector, source and sink.
    pub(crate) struct TableOptions {
        /// The topic to read or to write.
        "topic" | "rocketmq.source.topic" | "rocketmq.sink.topic" => topic: String,
        /// The name servers, `host:port`, separated by semicolons.
        "nameServerAddress" | "nameserver.address" | "rocketmq.client.endpoints" => name_servers: String,
        /// The consumer group, which is told how far was read. Required to read.
        "consumerGroup" | "consumer.group" | "rocketmq.source.group" => consumer_group: Option<String>,
        /// The producer group; a name of its own by default. `exactly-once` requires it.
        "producerGroup" | "produceGroup" | "producer.group" | "rocketmq.sink.group" => producer_group: Option<String>,
        /// The access key, where requests must be signed. It goes with `secretKey`.
        "accessKey" | "access.key" | "rocketmq.client.accessKey" => access_key: Option<String>,
        /// The secret key. It goes with `accessKey`.
        "secretKey" | "secret.key" | "rocketmq.client.secretKey" => secret_key: Option<Secret>,
        /// Whether connections are encrypted.
        "useTls" | "rocketmq.client.tls.enable" => tls: bool = "false",
        /// How far servers' certificates are checked.
        "tlsVerify" | "tls.client.verify" => tls_verify: TlsVerify = "full",
        /// A PEM file with the certificates of the authorities that sign servers'; the public ones without it.
        "tlsTrustCertPath" | "tls.client.trustCertPath" => tls_trust: Option<String>,
        /// A PEM file with the certificate that is shown to servers that ask for one. It goes with `tlsKeyPath`.
        "tlsCertPath" | "tls.client.certPath" => tls_certificate: Option<String>,
        /// A PEM file with its key.
        "tlsKeyPath" | "tls.client.keyPath" => tls_key: Option<String>,
        /// How often brokers are told that we live, in milliseconds.
        "heartbeatIntervalMs" | "brokerserver.heartbeat.interval" | "rocketmq.client.heartbeat.interval.ms" => heartbeat_interval: u64 = "30000",
        /// How often the client asks for known routes again, in milliseconds.
        "nameServerPollIntervalMs" | "nameserver.poll.interval" => route_interval: u64 = "30000",
        /// The format of bodies, one of ours. Without it a body is text with delimiters, or the raw bytes where the only column is binary.
        "format" | "rocketmq.sink.serialize.format" => format: Option<String>,
        /// The encoding of bodies without a format; `UTF-8` is the only one so far.
        "encoding" | "rocketmq.client.message.encoding" => encoding: String = "UTF-8",
        /// The character between the fields of a body without a format; escapes of Java are understood.
        "fieldDelimiter" | "rocketmq.client.message.field.delimiter" => field_delimiter: String = "\\u0001",
        /// The characters that end a line of a body without a format; each line is a row.
        "lineDelimiter" | "rocketmq.client.message.line.delimiter" => line_delimiter: String = "\\n",
        /// What becomes of a line with too few or too many fields, or a field that cannot be read.
        "lengthCheck" | "rocketmq.client.message.length.check" => length_check: LengthCheck = "NONE",
        /// Whether each line that is left out is logged; otherwise one a minute is. All are counted.
        "columnErrorDebug" | "rocketmq.source.column.error.debug" => column_error_debug: bool = "true",
        /// The tags to read, `a || b`, or `*`; the tag to write.
        "tag" | "consumer.tag" | "rocketmq.source.filter.tag" | "rocketmq.sink.tag" => tag: Option<String>,
        /// An expression over properties that messages to read must fulfil (RocketMQ's SQL 92). It excludes `tag`.
        "sql" | "consumer.sql" | "rocketmq.source.filter.sql" => sql: Option<String>,
        /// Where reading starts in a job without a checkpoint. Without it: where the group has committed, then `offsetResetStrategy`.
        "scanStartupMode" | "rocketmq.source.startup.scan.mode" => startup_mode: Option<StartupMode>,
        /// Where `group-offsets` starts in a queue for which the group has committed nothing.
        "offsetResetStrategy" | "rocketmq.source.startup.offset.strategy" | "consumer.offset.reset.to" => reset: Reset = "latest",
        /// The offsets at which `specific-offsets` starts: `broker:broker-a,queue:0,offset:42;broker:broker-b,queue:3,offset:7`. Other queues
        /// start as with `group-offsets`.
        "specificOffsets" => specific_offsets: Option<String>,
        /// The offset at which every queue starts; -1 for none.
        "startMessageOffset" | "rocketmq.source.startup.offset.specific" => start_offset: Option<i64>,
        /// Where reading starts, in milliseconds since 1970; -1 for none.
        "startTimeMs" | "offsetFromTimestamp" | "rocketmq.source.startup.offset.timestamp" => start_time_ms: Option<i64>,
        /// Where reading starts, `yyyy-MM-dd HH:mm:ss` in `timeZone`, or milliseconds since 1970.
        "startTime" | "rocketmq.source.startup.offset.date" => start_time: Option<String>,
        /// Where reading ends, in the same form: before the first message that was stored then or later.
        "endTime" | "rocketmq.source.stop.offset.timestamp" => end_time: Option<String>,
        /// The zone of `startTime` and `endTime`: `Asia/Shanghai`, `GMT+8`.
        "timeZone" | "rocketmq.client.timeZone" => time_zone: String = "UTC",
        /// Where reading ends; `endTime` says it too.
        "scan.bounded.mode" => bounded_mode: BoundedMode = "unbounded",
        /// What to do where messages that were to be read are not there any more.
        "scan.lost-messages" => lost: Lost = "fail",
        /// How often new queues are looked for, in milliseconds; never with 0. A bounded source does not look.
        "partitionDiscoveryIntervalMs" | "rocketmq.client.partition.discovery.interval.ms" => discovery_interval: u64 = "30000",
        /// How many messages one answer may hold; brokers have a limit of their own, 32 by default.
        "pullBatchSize" | "consumer.batch.size" | "rocketmq.source.pull.batch.size" => pull_batch: u32 = "32",
        /// How long a broker may hold a question that finds nothing, in milliseconds.
        "pullSuspendTimeoutMs" | "rocketmq.source.pull.suspend.timeout" => pull_suspend: u64 = "15000",
        /// Whether the group is told of offsets when their checkpoint is complete.
        "commitOffsetsOnCheckpoint" | "commit.offsets.on.checkpoint" | "rocketmq.source.offset.commit.checkpoint" => commit_on_checkpoint: bool = "true",
        /// How often the group is told of offsets in a job without checkpoints, in milliseconds.
        "offsetPersistIntervalMs" | "consumer.offset.persist.interval" | "rocketmq.source.offset.commit.interval" => persist_interval: u64 = "5000",
        /// Accepted, and without meaning: there is one implementation.
        "useNewApi" | "rocketmq.source.api.new.enable" => new_api: bool = "true",
        /// The number of readers.
        "scan.parallelism" => scan_parallelism: Option<usize>,
        /// How sure delivery is. `exactly-once` writes half messages, which are visible when their checkpoint is complete.
        "sink.delivery-guarantee" | "rocketmq.sink.delivery.guarantee" => guarantee: Guarantee = "at-least-once",
        /// Whether messages are sent without waiting for the one before, in no particular order; a checkpoint waits for all of them. Otherwise each
        /// is answered before the next is sent.
        "sink.async" => is_async: bool = "true",
        /// How often a message is sent again when it could not be stored.
        "retryTimes" | "producer.retry.times" | "rocketmq.sink.send.retry.times" => retries: u32 = "10",
        /// The longest pause between two tries to reach a server, in milliseconds.
        "sleepTimeMs" => pause: u64 = "5000",
        /// How long one try may take, in milliseconds.
        "sendTimeoutMs" | "producer.timeout" | "rocketmq.sink.send.timeout" => send_timeout: u64 = "3000",
        /// How many messages of a writer may be under way.
        "sendPendingMax" | "rocketmq.sink.send.pending.max" => pending_max: usize = "1000",
        /// How many messages of a writer may wait for one checkpoint with `exactly-once`; each takes about 100 bytes of memory and checkpoint.
        "sink.transaction-messages-max" => transaction_messages_max: usize = "1000000",
        /// When consumers get a message: level 1 is a second, 18 two hours by the brokers' defaults; 0 is at once.
        "delayLevel" => delay_level: u32 = "0",
        /// Whether the tag is that of the row: in `dynamicTagColumn`.
        "isDynamicTag" => is_dynamic_tag: bool = "false",
        /// The column that holds the tag.
        "dynamicTagColumn" => dynamic_tag_column: Option<String>,
        /// Whether that column is in the body too.
        "dynamicTagColumnWriteIncluded" => dynamic_tag_in_body: bool = "true",
        /// The columns that are the message's keys, separated by commas.
        "keyColumns" => key_columns: Option<String>,
        /// Whether those columns are in the body too.
        "writeKeysToBody" => keys_in_body: bool = "false",
        /// The number of writers.
        "sink.parallelism" => sink_parallelism: Option<usize>,
    }
}

riverrun_base::option_enum! {
    /// How far servers' certificates are checked.
    pub(crate) enum TlsVerify {
        /// That an authority has signed it, for the server's address.
        "full" => Full,
        /// That an authority has signed it, for whatever address: servers are often known by numbers.
        "authority" => Authority,
        /// Not at all, as Java's clients by default: that keeps listeners out, not impostors.
        "none" => Nothing,
    }
}

riverrun_base::option_enum! {
    /// Where a source starts to read.
    pub(crate) enum StartupMode {
        /// At the first message that is there.
        "earliest" | "earliest-offset" | "earliest_offset" => Earliest,
        /// At the end: only messages that come from now on.
        "latest" | "latest-offset" | "latest_offset" => Latest,
        /// Where the consumer group has committed.
        "group-offsets" | "group_offsets" => Group,
        /// At the first message that is not older.
        "timestamp" => Timestamp,
        /// At the given offsets.
        "specific-offsets" | "specific_offsets" => Specific,
    }
}

riverrun_base::option_enum! {
    /// Where a queue starts for which the group has committed nothing.
    pub(crate) enum Reset {
        /// At the end.
        "latest" => Latest,
        /// At the first message that is there.
        "earliest" => Earliest,
    }
}

riverrun_base::option_enum! {
    /// Where a source ends.
    pub(crate) enum BoundedMode {
        /// Nowhere.
        "unbounded" => Unbounded,
        /// Where the queues end when the job starts.
        "latest-offset" | "latest" => Latest,
    }
}

riverrun_base::option_enum! {
    /// What to do without the messages that were to be read.
    pub(crate) enum Lost {
        /// Fail.
        "fail" => Fail,
        /// Go on at the first message that is there, with a warning.
        "earliest" => Earliest,
        /// Go on at the end, with a warning.
        "latest" => Latest,
    }
}

riverrun_base::option_enum! {
    /// What becomes of lines that do not fit.
    pub(crate) enum LengthCheck {
        /// Too few fields, or one that cannot be read: the line is left out. Too many: the first count.
        "NONE" => None,
        /// The line is left out.
        "SKIP" => Skip,
        /// The same, and never logged.
        "SKIP_SILENT" => SkipSilent,
        /// Too few fields: the others are NULL. Too many: the first count. One that cannot be read: the line is left out.
        "PAD" => Pad,
        /// The job fails.
        "EXCEPTION" => Exception,
    }
}

riverrun_base::option_enum! {
    /// How sure a sink delivers.
    pub(crate) enum Guarantee {
        /// Each row once, in transactions that follow the checkpoints.
        "exactly-once" | "exactly_once" => ExactlyOnce,
        /// No row is lost; after a failure rows may be repeated.
        "at-least-once" | "at_least_once" => AtLeastOnce,
        /// Rows may be lost when the job fails.
        "none" => None,
    }
}

/// Every option, for the reference page.
pub(crate) fn specs() -> Vec<OptionSpec> {
    TableOptions::specs().to_vec()
}

/// Refuses a number of subtasks of zero.
pub(crate) fn check_parallelism(option: &str, parallelism: Option<usize>) -> Result<()> {
    match parallelism {
        Some(0) => Err(Error::user("'0' is not a parallelism").with("option", option).hint("it takes 1 or more")),
        _ => Ok(()),
    }
}

/// A text with Java's escapes of characters: `\t`, `\n`, `\u0001`.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let tail = rest.as_str();
        let digits = tail.strip_prefix('u').and_then(|hex| hex.get(..4));
        if let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
            out.push(code);
            rest = tail[5..].chars();
            continue;
        }
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_java_become_characters() {
        assert_eq!(unescape("\\u0001"), "\u{1}");
        assert_eq!(unescape("a\\tb\\n\\\\|\\u00e9x"), "a\tb\n\\|\u{e9}x");
        assert_eq!(unescape("\u{1}"), "\u{1}");
        assert_eq!(unescape("\\"), "\\");
    }
}
