//! The options, with the names that people know from Apache StreamPark's sink beside the connector's own.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_base::options::{OptionReader, OptionSet, OptionSpec};
use riverrun_base::{Error, MemorySize, Result, Secret};

use crate::codes::Codes;

riverrun_base::options! {
    /// Options of the sink.
    pub(crate) struct HttpOptions {
        /// Where requests go. It may name columns as `{column}`, which are percent-encoded; a column alone is a whole URL. Not needed where a column
        /// is declared as the metadata `url`.
        "url" => url: Option<String>,
        /// The method of requests: `get`, `post`, `patch`, `put`, `delete`, `options` or `trace`. It may name a column.
        "method" => method: String = "post",
        /// A header of every request. It may name columns.
        "headers.*" => headers: BTreeMap<String, Secret>,
        /// The format of the body. Without it there is no body, and the URL says everything.
        "format" => format: Option<String>,
        /// The columns in the body, separated by semicolons; all but those that are a whole URL or method unless given.
        "body.columns" => body_columns: Option<Vec<String>>,
        /// What the text after the first `?` of a URL is: its query, or, as in Apache StreamPark, the members of a JSON object that is sent as body.
        "query-mode" => query_mode: QueryMode = "query",
        /// The number of writers.
        "sink.parallelism" => parallelism: Option<usize>,
        /// How many requests of a writer are under way at most.
        "sink.threshold.num-writers" | "sink.threshold.numWriters" | "threshold.numWriters" => requests: usize = "64",
        /// How many records of a writer wait or are under way at most; when they are so many, the source waits.
        "sink.threshold.queue-capacity" | "sink.threshold.queueCapacity" | "threshold.queueCapacity" => queue_rows: usize = "10000",
        /// How many bytes of records of a writer wait or are under way at most.
        "sink.queue.max-bytes" => queue_bytes: MemorySize = "64 mb",
        /// How long a request may take, from connecting to the last byte of its answer.
        "sink.threshold.request-timeout" | "sink.threshold.requestTimeout" | "sink.threshold.timeout" | "threshold.timeout" => request_timeout: Duration = "2 s",
        /// How often a failed request is sent again: with 3 it is sent four times at most.
        "sink.threshold.retries" | "threshold.retries" => retries: u32 = "3",
        /// The status codes of success: codes and classes, `!` takes one out again.
        "sink.threshold.success-code" | "sink.threshold.successCode" | "threshold.successCode" => success_codes: Codes = "2XX",
        /// The status codes after which a request is sent again.
        "sink.retry.codes" => retry_codes: Codes = "408,425,429,5XX,!501,!505",
        /// The status codes after which it is not, though `sink.retry.codes` has them. What is in no list is fatal, too.
        "sink.fatal.codes" => fatal_codes: Codes = "",
        /// The bound of the first pause before a request is sent again. A pause is chosen at random between nothing and its bound, which doubles each time.
        "sink.retry.initial-backoff" => initial_backoff: Duration = "100 ms",
        /// The largest bound of a pause.
        "sink.retry.max-backoff" => max_backoff: Duration = "10 s",
        /// How long after it was taken a record may be sent again; a `Retry-After` beyond it ends the tries.
        "sink.retry.timeout" => retry_timeout: Duration = "5 min",
        /// What becomes of a record whose tries are spent, or that cannot be sent; `failover` if there is a store, `fail` otherwise.
        "sink.on-exhausted" => on_exhausted: Option<OnExhausted>,
        /// Whether records of the same key are sent one after another.
        "sink.order" => order: Order = "none",
        /// The columns of that key, separated by semicolons; those of the primary key unless given.
        "sink.order.columns" => order_columns: Option<Vec<String>>,
        /// How many requests a second a destination gets at most, from all writers together.
        "sink.rate-limit" => rate_limit: Option<f64>,
        /// How many requests to one destination are under way at once: always as many as there are, or fewer while it fails.
        "sink.concurrency" => concurrency: Concurrency = "fixed",
        /// After so many requests in a row without any answer a destination counts as down; 0 never. Its records are then given up at once, if that is to
        /// fail over or to drop them.
        "sink.breaker.failures" => breaker_failures: u32 = "50",
        /// How long a destination counts as down before it is tried with one request; each time twice as long, up to 30 s.
        "sink.breaker.pause" => breaker_pause: Duration = "1 s",
        /// How several records are one request.
        "sink.batch.format" => batch_format: BatchFormat = "none",
        /// How many records a request has at most.
        "sink.batch.max-rows" => batch_rows: usize = "500",
        /// How many bytes they have at most, before compression.
        "sink.batch.max-bytes" => batch_bytes: MemorySize = "1 mb",
        /// How long records wait for others.
        "sink.batch.max-age" | "sink.threshold.delay-time" | "sink.threshold.delayTime" | "threshold.delayTime" => batch_age: Duration = "1 s",
        /// The status codes by which a destination refuses a batch for one of its records: each half is sent again, until that record stands alone.
        "sink.batch.bisect-codes" => bisect_codes: Codes = "400,409,413,422",
        /// Where an answer has the results of a batch's records, one for each: a JSON pointer to the array, such as `/items`.
        "sink.batch.results" => batch_results: Option<String>,
        /// Where such a result has its status code: a JSON pointer.
        "sink.batch.results.status" => batch_status: String = "/status",
        /// The header that carries each record's idempotency key, which is the same whenever it is sent again. A batch has one of its own.
        "sink.idempotency-key.header" => idempotency_header: Option<String>,
        /// The columns that make the key, separated by semicolons; a hash of method, URL and body unless given.
        "sink.idempotency-key.columns" => idempotency_columns: Option<Vec<String>>,
        /// The destinations that may be asked, separated by semicolons: `https://api.example.com`, `*.example.com`, `10.0.0.0/8`. Without it all may that
        /// have public addresses, and the one that `url` names.
        "sink.allowed-destinations" => allowed: Option<Vec<String>>,
        /// Which HTTP is spoken. `auto` is 2 where TLS agrees on it.
        "sink.http-version" => version: Version = "auto",
        /// How long an unused connection is kept.
        "sink.keep-alive" => keep_alive: Duration = "30 s",
        /// How bodies are compressed.
        "sink.compression" => compression: Compression = "none",
        /// A file of PEM certificates that servers' certificates are checked against, beside those of the public authorities.
        "sink.tls.ca" => tls_ca: Option<String>,
        /// A file of PEM certificates that this client shows.
        "sink.tls.certificate" => tls_certificate: Option<String>,
        /// The file with its private key, PEM.
        "sink.tls.key" => tls_key: Option<String>,
        /// A proxy: `http://host:port`.
        "sink.proxy.url" => proxy: Option<String>,
        /// The user at the proxy.
        "sink.proxy.username" => proxy_username: Option<String>,
        /// That user's password.
        "sink.proxy.password" => proxy_password: Option<Secret>,
        /// The user of basic authentication.
        "sink.auth.basic.username" => basic_username: Option<String>,
        /// That user's password.
        "sink.auth.basic.password" => basic_password: Option<Secret>,
        /// A token for `Authorization: Bearer`.
        "sink.auth.bearer-token" => bearer: Option<Secret>,
        /// Where OAuth 2.0 gives tokens for client credentials.
        "sink.auth.oauth2.token-url" => oauth_url: Option<String>,
        /// The client's id there.
        "sink.auth.oauth2.client-id" => oauth_id: Option<String>,
        /// The client's secret.
        "sink.auth.oauth2.client-secret" => oauth_secret: Option<Secret>,
        /// The scope that is asked for.
        "sink.auth.oauth2.scope" => oauth_scope: Option<String>,
        /// Whether bodies are shown in logs.
        "sink.log-bodies" => log_bodies: bool = "false",
        /// What happens at the start if the failover store cannot be reached: it is not looked at, told, or the job fails.
        "sink.failover.probe" => probe: Probe = "warn",
        /// How long the failover store may fail before the job does; the records are in the last checkpoint then.
        "sink.failover.timeout" => failover_timeout: Duration = "10 min",
    }
}

riverrun_base::options! {
    /// Where records go whose tries are spent.
    pub(crate) struct StoreOptions {
        /// The store for records whose tries are spent.
        "sink.failover.storage" => storage: Storage = "none",
        /// The table, topic or folder in that store; made where it is missing.
        "sink.failover.table" => table: Option<String>,
        /// Of the store `local`: the folder. Records are in `<path>/<table>/<date>/`.
        "sink.failover.local.path" => local_path: Option<String>,
        /// Of the stores `mysql`, `postgresql` and `sqlite`: `jdbc:mysql://host:3306/database`.
        "sink.failover.jdbc.url" | "sink.failover.jdbc.jdbcUrl" | "sink.failover.mysql.jdbcUrl" | "sink.failover.mysql.url" => jdbc_url: Option<String>,
        /// The user there.
        "sink.failover.jdbc.username" | "sink.failover.mysql.username" => jdbc_username: Option<String>,
        /// That user's password.
        "sink.failover.jdbc.password" | "sink.failover.mysql.password" => jdbc_password: Option<Secret>,
        /// Of the store `kafka`: the brokers to ask first.
        "sink.failover.kafka.bootstrap.servers" => kafka_servers: Option<String>,
        /// The topic; that of `sink.failover.table` unless given.
        "sink.failover.kafka.topic" => kafka_topic: Option<String>,
        /// Passed to the Kafka client.
        "sink.failover.kafka.*" => kafka_properties: BTreeMap<String, Secret>,
        /// Of the store `hbase`: the ZooKeeper servers, separated by commas.
        "sink.failover.hbase.zookeeper.quorum" => hbase_quorum: Option<String>,
        /// The port of those that are named without one.
        "sink.failover.hbase.zookeeper.property.client-port" | "sink.failover.hbase.zookeeper.property.clientPort" => hbase_port: u16 = "2181",
        /// Of the store `hdfs`: the name node, `hdfs://host:port`.
        "sink.failover.hdfs.namenode" => hdfs_namenode: Option<String>,
        /// The user who writes there.
        "sink.failover.hdfs.user" => hdfs_user: Option<String>,
        /// The folder. Records are in `<path>/<table>/<date>/`.
        "sink.failover.hdfs.path" => hdfs_path: Option<String>,
        /// How the folder's date is written, in UTC.
        "sink.failover.hdfs.format" => hdfs_format: String = "yyyy-MM-dd",
    }
}

riverrun_base::option_enum! {
    /// What the text after `?` is.
    pub(crate) enum QueryMode {
        /// The query.
        "query" => Query,
        /// Members of a JSON object, sent as body.
        "json-body" => JsonBody,
    }
}

riverrun_base::option_enum! {
    /// What becomes of a record that could not be delivered.
    pub(crate) enum OnExhausted {
        /// The job fails.
        "fail" => Fail,
        /// It is kept in the failover store.
        "failover" => Failover,
        /// It is dropped, and counted.
        "drop" => Drop,
    }
}

riverrun_base::option_enum! {
    /// In which order records are sent.
    pub(crate) enum Order {
        /// In any.
        "none" => None,
        /// Those of a key one after another.
        "key" => Key,
    }
}

riverrun_base::option_enum! {
    /// How many requests to a destination are under way.
    pub(crate) enum Concurrency {
        /// As many as there may be.
        "fixed" => Fixed,
        /// Fewer while it fails or refuses, more as it answers.
        "adaptive" => Adaptive,
    }
}

riverrun_base::option_enum! {
    /// How records are put into one request.
    pub(crate) enum BatchFormat {
        /// They are not.
        "none" => None,
        /// As elements of a JSON array.
        "json-array" => JsonArray,
        /// Each on a line.
        "ndjson" => Ndjson,
        /// One behind the other.
        "raw" => Raw,
    }
}

riverrun_base::option_enum! {
    /// The version of HTTP.
    pub(crate) enum Version {
        /// 2 where TLS agrees on it, 1.1 otherwise.
        "auto" => Auto,
        /// HTTP/1.1.
        "1.1" => One,
        /// HTTP/2, also without TLS.
        "2" => Two,
    }
}

riverrun_base::option_enum! {
    /// How bodies are compressed.
    pub(crate) enum Compression {
        /// Not.
        "none" => None,
        /// By gzip.
        "gzip" => Gzip,
        /// By Zstandard.
        "zstd" => Zstd,
    }
}

riverrun_base::option_enum! {
    /// What is done about a failover store that cannot be reached at the start.
    pub(crate) enum Probe {
        /// Nothing: it is not looked at.
        "none" => None,
        /// It is told.
        "warn" => Warn,
        /// The job fails.
        "fail" => Fail,
    }
}

riverrun_base::option_enum! {
    /// A kind of failover store.
    pub(crate) enum Storage {
        /// None.
        "none" => None,
        /// A folder of this machine.
        "local" => Local,
        /// A topic of Apache Kafka.
        "kafka" => Kafka,
        /// A table of MySQL or MariaDB.
        "mysql" | "mariadb" => MySql,
        /// A table of PostgreSQL.
        "postgresql" | "postgres" => Postgres,
        /// A table of SQLite.
        "sqlite" => Sqlite,
        /// Files of Apache Hadoop's file system.
        "hdfs" => Hdfs,
        /// A table of Apache HBase.
        "hbase" => HBase,
    }
}

/// What stands before the keys of the second store.
pub(crate) const SECOND: &str = "second.";

/// The second store's options, for the reference page.
const SECOND_SPEC: OptionSpec = OptionSpec {
    key: "sink.failover.second.*",
    older_keys: &[],
    type_name: "String",
    values: &[],
    default: None,
    required: false,
    secret: true,
    description: "The same for a second store, which takes what the first does not: `sink.failover.second.storage` and so on.",
};

/// Every option, for the reference page.
pub(crate) fn specs() -> Vec<OptionSpec> {
    [HttpOptions::specs(), StoreOptions::specs(), &[SECOND_SPEC]].concat()
}

/// A reader for what a user wrote: `http.` in front of a key is left out.
///
/// # Errors
/// A key is there with the prefix and without it, or under two of its names.
pub(crate) fn reader(owner: String, written: &BTreeMap<String, String>) -> Result<OptionReader> {
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in written {
        let short = key.strip_prefix("http.").unwrap_or(key);
        let short = match short.strip_prefix("sink.failover.second.") {
            Some(rest) => format!("{SECOND}sink.failover.{rest}"),
            None => short.to_owned(),
        };
        if options.insert(short, value.clone()).is_some_and(|other| other != *value) {
            return Err(Error::user(format!(
                "'{key}' is given twice, with different values, of which one has 'http.' in front"
            ))
            .with("of", owner)
            .hint("remove one of them"));
        }
    }
    for spec in HttpOptions::specs().iter().chain(StoreOptions::specs()) {
        let names = std::iter::once(&spec.key).chain(spec.older_keys);
        let given: Vec<(&str, &String)> = names.filter_map(|name| Some((*name, options.get(*name)?))).collect();
        if let [(first, value), others @ ..] = given.as_slice()
            && let Some((second, _)) = others.iter().find(|(_, other)| other != value)
        {
            return Err(Error::user(format!("'{first}' and '{second}' are the same option, with different values"))
                .with("of", owner)
                .hint("remove one of them"));
        }
        // The first that is there is read; the others say the same.
        let others: Vec<&str> = given.iter().skip(1).map(|(name, _)| *name).collect();
        others.into_iter().for_each(|name| drop(options.remove(name)));
    }
    Ok(OptionReader::new(owner, options))
}
